"""The `goldsmith` program: what it says of settings, ports and the machine."""

import json
import tomllib
from pathlib import Path

import pytest

from .conftest import Run


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1:http", "127.0.0.1:65536", ":8080"])
def test_a_bad_address_is_one_line_that_shows_a_good_one(goldsmith: Run, listen: str) -> None:
    done = goldsmith("serve", "--listen", listen)

    assert done.returncode == 2
    assert done.stderr == (
        "goldsmith: setting listen: must be HOST:PORT, for example 127.0.0.1:8080 "
        f"(port 0 picks a free one); it is '{listen}'\n"
    )


def test_every_faulty_setting_gets_its_line_and_its_source(goldsmith: Run, tmp_path: Path) -> None:
    (tmp_path / "goldsmith.toml").write_text('colour = "gold"\n[worker]\nslots = -1\n')

    done = goldsmith("config", "--data-dir", ".", GOLDSMITH_LOG_LEVEL="loud")

    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert any("unknown setting colour (from goldsmith.toml)" in line for line in lines)
    assert any("worker.slots (from goldsmith.toml)" in line and "it is -1" in line for line in lines)
    assert any("log_level (from GOLDSMITH_LOG_LEVEL)" in line for line in lines)


def test_a_variable_that_is_no_setting_is_pointed_out(goldsmith: Run) -> None:
    done = goldsmith("config", GOLDSMITH_LISTN="127.0.0.1:0")

    assert done.returncode == 0
    assert "GOLDSMITH_LISTN in the environment is no setting" in done.stderr


def test_a_file_that_is_not_toml_is_named(goldsmith: Run, tmp_path: Path) -> None:
    (tmp_path / "goldsmith.toml").write_text("listen = \n")

    done = goldsmith("config", "--data-dir", ".")

    assert done.returncode == 2
    assert done.stderr.startswith("goldsmith: goldsmith.toml is not TOML: ")


def test_a_taken_port_is_told_before_anything_is_made(goldsmith: Run, taken_port: int, tmp_path: Path) -> None:
    done = goldsmith("serve", "--data-dir", "new", "--listen", f"127.0.0.1:{taken_port}")

    assert done.returncode == 1
    assert f"port {taken_port} of 127.0.0.1 is taken" in done.stderr
    assert not (tmp_path / "new").exists()


def test_an_address_of_another_machine_is_refused(goldsmith: Run) -> None:
    done = goldsmith("serve", "--listen", "192.0.2.1:8080")

    assert done.returncode == 1
    assert "192.0.2.1 is not an address of this machine" in done.stderr


def test_a_folder_that_cannot_be_made_is_one_line(goldsmith: Run, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")

    done = goldsmith("init", "--data-dir", "letter/data", "--cloud", "simulated")

    assert done.returncode == 1
    said = "goldsmith: cannot use letter/data: Not a directory; choose another folder with --data-dir"
    assert done.stderr.splitlines() == [said]


def test_a_worker_wants_an_initialised_folder(goldsmith: Run) -> None:
    done = goldsmith("worker", "--data-dir", "nowhere")

    assert done.returncode == 1
    assert "goldsmith init --data-dir nowhere" in done.stderr


def test_config_prints_toml_that_can_be_read_back_unchanged(goldsmith: Run, tmp_path: Path) -> None:
    first = goldsmith("config", "--data-dir", ".", GOLDSMITH_QEMU__ZONE="here-1a").stdout
    (tmp_path / "goldsmith.toml").write_text(first)

    again = goldsmith("config", "--data-dir", ".").stdout

    assert tomllib.loads(again) == tomllib.loads(first)
    assert tomllib.loads(first)["qemu"]["zone"] == "here-1a"


def test_config_tells_where_a_setting_comes_from(goldsmith: Run, tmp_path: Path) -> None:
    (tmp_path / "goldsmith.toml").write_text('region = "north"\n')

    done = goldsmith(
        "config",
        "--json",
        "-d",
        ".",
        "--listen",
        "127.0.0.1:0",
        GOLDSMITH_WORKER__SLOTS="3",
        GOLDSMITH_CLOUD="qemu",
    )

    settings = json.loads(done.stdout)
    assert settings["region"] == {"value": "north", "source": "goldsmith.toml"}
    assert settings["listen"] == {"value": "127.0.0.1:0", "source": "command line"}
    assert settings["worker"]["slots"] == {"value": 3, "source": "environment"}
    assert settings["cloud"] == {"value": "qemu", "source": "environment"}
    assert settings["log_level"]["source"] == "default"


def test_the_command_line_wins_over_the_environment(goldsmith: Run) -> None:
    done = goldsmith("config", "--json", "--cloud", "simulated", GOLDSMITH_CLOUD="qemu")

    assert json.loads(done.stdout)["cloud"] == {"value": "simulated", "source": "command line"}


def test_doctor_reports_everything_it_looked_at(goldsmith: Run) -> None:
    done = goldsmith("doctor", "--json", "--listen", "127.0.0.1:0")

    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["usable"] else 1)
    subjects = {finding["subject"] for finding in report["findings"]}
    assert {"Python", "SQLite", "qemu-img", "disk space", "memory", "port 0", "data folder"} <= subjects


def test_doctor_fails_a_machine_that_lacks_what_its_cloud_needs(goldsmith: Run) -> None:
    broken = {"GOLDSMITH_QEMU__BINARY": "qemu-system-nowhere"}

    needed = goldsmith("doctor", "--json", "--cloud", "qemu", **broken)
    unneeded = goldsmith("doctor", "--json", "--cloud", "simulated", **broken)

    assert needed.returncode == 1
    (finding,) = (f for f in json.loads(needed.stdout)["findings"] if f["subject"] == "qemu-system-nowhere")
    assert finding["verdict"] == "failed"
    assert finding["remedy"] == "apt-get install qemu-system-x86"
    assert unneeded.returncode == 0


def test_doctor_changes_nothing(goldsmith: Run, tmp_path: Path) -> None:
    goldsmith("doctor", "--data-dir", "looked-at")

    assert list(tmp_path.iterdir()) == []


def test_the_version_is_printed(goldsmith: Run) -> None:
    assert goldsmith("--version").stdout.startswith("goldsmith ")
