"""The Makefile and the scripts, as somebody without the right to install meets them."""

import subprocess
from pathlib import Path

import pytest

from goldsmith.demo.place import Wishes

ROOT = Path(__file__).parents[2]


def run_in(folder: Path, path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": str(path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("door", ["setup", "demo", "test", "check", "bench", "help"])
def test_help_names_every_door(door: str, checkout: Path) -> None:
    shown = subprocess.run(["make", "help"], cwd=checkout, capture_output=True, text=True, check=True).stdout

    assert any(line.split()[:1] == [door] for line in shown.splitlines())


def test_bare_make_shows_the_help(checkout: Path) -> None:
    helped, bare = (
        subprocess.run(["make", *goal], cwd=checkout, capture_output=True, text=True, check=True).stdout
        for goal in (["help"], [])
    )

    assert bare == helped


def test_without_apt_setup_lists_what_is_missing_and_the_way_around(checkout: Path, bare_path: Path) -> None:
    done = run_in(checkout, bare_path, "make", "setup")

    assert done.returncode != 0
    assert "this system has no apt-get" in done.stderr
    assert "python3:" in done.stderr
    assert "CLOUD=simulated make demo" in done.stderr
    assert not (checkout / ".venv").exists()


def test_without_apt_the_programs_of_qemu_are_listed_with_their_reasons(checkout: Path, bare_path: Path) -> None:
    done = run_in(checkout, bare_path, "scripts/setup-qemu")

    assert done.returncode == 1
    assert "qemu-system-x86: runs the machines" in done.stderr
    assert "CLOUD=simulated make demo" in done.stderr


def test_setup_refuses_a_profile_it_does_not_know(checkout: Path) -> None:
    done = subprocess.run(["scripts/setup", "everything"], cwd=checkout, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == "usage: scripts/setup [runtime demo test bench]\n"


def test_a_finished_setup_has_nothing_to_do(bare_path: Path) -> None:
    done = run_in(ROOT, bare_path, "scripts/setup", "test")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_requirement_file_names_where_packages_come_from() -> None:
    for file in (ROOT / "requirements").iterdir():
        assert "://" not in file.read_text(), file.name


def test_the_demo_reads_its_wishes_from_the_environment() -> None:
    wishes = Wishes.from_environment({"CLOUD": "simulated", "ONCE": "1", "PORT": "9000", "DATA_DIR": "/a folder"})

    assert wishes == Wishes(cloud="simulated", once=True, port=9000, data_dir=Path("/a folder"))
    assert Wishes.from_environment({"ONCE": "0", "PORT": ""}) == Wishes(cloud="qemu", once=False)
