"""Enterprise projects of an account, by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from goldsmith import errors
from goldsmith.enterprise_projects.models import enterprise_projects
from goldsmith.enterprise_projects.service import MOST, EnterpriseProjects, Status, Wanted
from goldsmith.errors import ServiceError
from goldsmith.store import metadata
from goldsmith.store.sqlite import SqliteStore

MINE, OTHER = "account-1", "account-2"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    engine = create_engine(f"sqlite:///{tmp_path}/g.db")
    metadata.create_all(engine, [enterprise_projects])
    engine.dispose()
    store = SqliteStore(tmp_path / "g.db")
    yield store
    store.close()


@pytest.fixture
def projects(store: SqliteStore) -> EnterpriseProjects:
    return EnterpriseProjects(store)


async def test_the_default_one_always_exists_and_cannot_be_changed(projects: EnterpriseProjects) -> None:
    assert [each.name for each in await projects.list(MINE, Wanted())] == ["default"]
    assert (await projects.find(MINE, "0")).name == "default"
    with pytest.raises(ServiceError) as caught:
        await projects.change(MINE, "0", {"status": 2})
    assert caught.value.kind is errors.CONFLICT


async def test_only_what_exists_here_and_is_enabled_is_usable(projects: EnterpriseProjects, store: SqliteStore) -> None:
    made = await projects.add(MINE, "north", "", "prod")

    def problem(ep_id: str, domain_id: str = MINE) -> str | None:
        found = store.read_now(lambda tx: projects.problem_with(tx, domain_id, ep_id))
        return None if found is None else found.rule

    assert [problem(each) for each in ("", "0", made.id)] == [None, None, None]
    assert problem(made.id, OTHER) == problem("none") == "exists"
    await projects.change(MINE, made.id, {"status": int(Status.DISABLED)})
    assert problem(made.id) == "enabled"
    with pytest.raises(ServiceError, match="disabled"):
        store.read_now(lambda tx: projects.require_usable(tx, MINE, made.id))
    await projects.change(MINE, made.id, {"status": int(Status.ENABLED)})
    assert store.read_now(lambda tx: projects.require_usable(tx, MINE, made.id)).id == made.id


async def test_names_are_unique_in_an_account(projects: EnterpriseProjects) -> None:
    await projects.add(MINE, "north", "", "prod")
    await projects.add(OTHER, "north", "", "prod")
    south = await projects.add(MINE, "south", "", "poc")
    for attempt in (projects.add(MINE, "north", "", "prod"), projects.change(MINE, south.id, {"name": "north"})):
        with pytest.raises(ServiceError) as caught:
            await attempt
        assert caught.value.kind is errors.CONFLICT
    assert [each.name for each in await projects.list(MINE, Wanted(type="poc"))] == ["south"]


async def test_there_are_a_hundred_at_most(projects: EnterpriseProjects) -> None:
    for number in range(MOST):
        await projects.add(MINE, f"p{number}", "", "prod")
    with pytest.raises(ServiceError) as caught:
        await projects.add(MINE, "one more", "", "prod")
    assert caught.value.details[0].rule == "quota"
    assert await projects.count(MINE) == MOST
