"""Where a demo runs: beside others, and without taking what is not its own."""

from pathlib import Path

import pytest

from goldsmith.demo import place
from goldsmith.demo.place import Wishes
from goldsmith.demo.problems import DemoFailed


def test_a_second_demo_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    first = place.take(Wishes(), tmp_path)
    second = place.take(Wishes(), tmp_path)

    assert [first.folder.name, second.folder.name] == ["demo-data", "demo-data-2"]
    first.release()
    second.release()


def test_the_next_demo_takes_up_the_folder_of_the_last(tmp_path: Path) -> None:
    place.take(Wishes(), tmp_path).release()

    again = place.take(Wishes(), tmp_path)

    assert again.folder.name == "demo-data"
    again.release()


def test_clouds_do_not_share_a_folder(tmp_path: Path) -> None:
    taken = place.take(Wishes(cloud="simulated"), tmp_path)

    assert taken.folder.name == "demo-data-simulated"
    taken.release()


def test_a_demo_that_cleans_up_never_takes_a_folder_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "demo-data").mkdir()

    taken = place.take(Wishes(once=True), tmp_path)

    assert taken.folder.name == "demo-data-2"
    assert taken.is_new
    taken.release()


def test_a_demo_that_cleans_up_refuses_a_folder_with_something_else_in_it(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")

    with pytest.raises(DemoFailed, match="is not a demo's"):
        place.take(Wishes(once=True, data_dir=tmp_path), tmp_path)


def test_a_demo_that_cleans_up_takes_up_the_folder_of_an_earlier_demo(tmp_path: Path) -> None:
    wishes = Wishes(data_dir=tmp_path / "mine")
    first = place.take(wishes, tmp_path)
    place.mark(first, wishes)
    first.release()

    again = place.take(Wishes(once=True, data_dir=tmp_path / "mine"), tmp_path)

    assert not again.is_new
    again.release()


def test_a_folder_stays_with_its_cloud(tmp_path: Path) -> None:
    wishes = Wishes(cloud="simulated", data_dir=tmp_path / "mine")
    first = place.take(wishes, tmp_path)
    place.mark(first, wishes)
    first.release()

    with pytest.raises(DemoFailed, match="CLOUD=simulated"):
        place.take(Wishes(cloud="qemu", data_dir=tmp_path / "mine"), tmp_path)


def test_a_folder_given_twice_at_once_is_refused(tmp_path: Path) -> None:
    wishes = Wishes(data_dir=tmp_path / "mine")
    first = place.take(wishes, tmp_path)

    with pytest.raises(DemoFailed, match="another demo runs"):
        place.take(wishes, tmp_path)
    first.release()


def test_a_wished_port_that_is_taken_is_refused(taken_port: int) -> None:
    with pytest.raises(DemoFailed, match=f"port {taken_port} is taken"):
        place.choose_port(taken_port)


def test_goldsmith_picks_a_port_when_the_usual_one_is_taken(taken_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "USUAL_PORT", taken_port)

    assert place.choose_port(None) == 0


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "²"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(DemoFailed, match="PORT is a number"):
        Wishes.from_environment({"PORT": port})


def test_an_unknown_cloud_is_refused() -> None:
    with pytest.raises(DemoFailed, match="CLOUD is qemu or simulated"):
        Wishes.from_environment({"CLOUD": "aws"})
