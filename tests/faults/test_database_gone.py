"""A database that cannot be used: refused in words at the start; answered with 503 later, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.faults.house import opened, until_async
from tests.postgres import Postgres
from tests.service import example

from goldsmith.settings import Settings
from goldsmith.setup import CREDENTIALS, initialise
from goldsmith.store import postgres as module
from goldsmith.store.opening import DatabaseProblem


async def test_what_was_acknowledged_goes_on_when_the_database_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 1.0)
    server = Postgres()
    try:
        async with opened(tmp_path / "data", database=server.fresh()) as goldsmith:
            job = await goldsmith.create("acknowledged")
            async with goldsmith.engine():
                server.stop()
                body = example("refused")
                answer = await goldsmith.answer("POST", "image-servers", body)
                assert (answer.status_code, answer.json()["error_code"][:4]) == (503, "WKS.")
                assert int(answer.headers["Retry-After"]) > 0
                assert (await goldsmith.answer("GET", "image-servers")).status_code == 503
                assert (await goldsmith.wire.get("http://goldsmith/readyz")).status_code == 503
                server.start()

                async def is_back() -> bool:
                    return (await goldsmith.wire.get("http://goldsmith/readyz")).status_code == 200

                await until_async(is_back)
                await until_async(goldsmith.is_idle)
                again = await goldsmith.call("POST", "image-servers", body)
                await until_async(goldsmith.is_idle)
            for each in (job["id"], again["job_id"]):
                assert (await goldsmith.call("GET", f"image-server-jobs/{each}"))["status"] == "SUCCESS"
            assert (await goldsmith.call("GET", "image-servers"))["count"] == 2
            assert await goldsmith.leaks() == []
    finally:
        server.remove()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "postgresql://nobody@127.0.0.1:1/none cannot be used"),
        ("postgresql://nobody:secret@127.0.0.1:1/none", "postgresql://nobody@127.0.0.1:1/none cannot be used"),
    ],
)
def test_a_database_that_is_not_there_is_refused_and_the_folder_can_be_tried_again(
    tmp_path: Path, url: str, said: str
) -> None:
    folder = tmp_path / "data"
    with pytest.raises(DatabaseProblem) as problem:
        initialise(Settings(data_dir=folder, database=url))
    assert said in str(problem.value)
    assert not (folder / CREDENTIALS).exists()
    assert initialise(Settings(data_dir=folder)).exists()


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite:///file.db", "goldsmith", "http://host"])
def test_a_database_of_an_unknown_kind_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValidationError, match="must be a URL such as postgresql://USER@HOST/NAME"):
        Settings.load(tmp_path / "data", database=url)
    assert list(tmp_path.iterdir()) == []
