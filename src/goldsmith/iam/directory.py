"""Looking up who is who, from memory when it was looked up within the last second."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex

from sqlalchemy import Select, bindparam, func, or_, select

from goldsmith.iam.cache import Recent
from goldsmith.iam.models import access_keys, domains, projects, revocations, users
from goldsmith.iam.secrets import SecretBox
from goldsmith.store import Prepared, Row, Store, Tx, prepare


@dataclass(frozen=True, slots=True)
class Person:
    """A user and the account it belongs to; `enabled` only when both are."""

    user_id: str
    user_name: str
    domain_id: str
    domain_name: str
    is_root: bool
    enabled: bool
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Project:
    """A project of an account."""

    id: str
    name: str
    domain_id: str
    domain_name: str
    description: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """An access key, its secret in clear, and who holds it."""

    access_key: str
    secret: str
    enabled: bool
    person: Person


_PERSON = select(
    users.c.id.label("user_id"),
    users.c.name.label("user_name"),
    users.c.is_root,
    users.c.enabled.label("user_enabled"),
    users.c.password_hash,
    domains.c.id.label("domain_id"),
    domains.c.name.label("domain_name"),
    domains.c.enabled.label("domain_enabled"),
).join_from(users, domains, users.c.domain_id == domains.c.id)
_PERSON_BY_ID = prepare(_PERSON.where(users.c.id == bindparam("id")))
_PERSON_BY_NAME = prepare(
    _PERSON.where(
        users.c.name == bindparam("name"),
        or_(domains.c.id == bindparam("domain_id"), domains.c.name == bindparam("domain_name")),
    )
)
_KEY = prepare(
    _PERSON.add_columns(access_keys.c.sealed_secret, access_keys.c.enabled.label("key_enabled"))
    .join(access_keys, access_keys.c.user_id == users.c.id)
    .where(access_keys.c.access_key == bindparam("access_key"))
)
PROJECT: Select[tuple[str, str, str, str, str, int]] = select(
    projects.c.id,
    projects.c.name,
    projects.c.domain_id,
    domains.c.name.label("domain_name"),
    projects.c.description,
    projects.c.enabled,
).join_from(projects, domains, projects.c.domain_id == domains.c.id)
_PROJECT_BY_ID = prepare(PROJECT.where(projects.c.id == bindparam("id")))
_PROJECT_BY_NAME = prepare(
    PROJECT.where(projects.c.domain_id == bindparam("domain_id"), projects.c.name == bindparam("name"))
)
_ENDED = prepare(
    select(func.max(revocations.c.not_before).label("ended")).where(
        or_(
            (revocations.c.kind == "token") & (revocations.c.subject == bindparam("token_id")),
            (revocations.c.kind == "user") & (revocations.c.subject == bindparam("user_id")),
        )
    )
)


def person_of(row: Row) -> Person:
    """The person in a row of the queries above."""
    return Person(
        row["user_id"], row["user_name"], row["domain_id"], row["domain_name"], bool(row["is_root"]),
        bool(row["user_enabled"] and row["domain_enabled"]), row["password_hash"],
    )  # fmt: skip


def project_of(row: Row) -> Project:
    """The project in a row of `PROJECT`."""
    return Project(
        row["id"], row["name"], row["domain_id"], row["domain_name"], row["description"], bool(row["enabled"])
    )


class Directory:
    """Lookups by id, by name and by access key."""

    def __init__(self, store: Store, box: SecretBox) -> None:
        self._store = store
        self._box = box
        self._sealed_decoy = box.seal(token_hex(20))
        self._people: Recent[str, Person] = Recent(4096)
        self._projects: Recent[str, Project] = Recent(4096)
        self._keys: Recent[str, KeyHolder] = Recent(4096)
        self._strangers: Recent[str, str] = Recent(1024)
        self._ended: Recent[str, int] = Recent(8192)

    def forget(self) -> None:
        """Look everything up again: something changed in this process. Pass it to `Tx.after_commit`."""
        for cache in (self._people, self._projects, self._keys, self._strangers, self._ended):
            cache.forget()

    async def key(self, access_key: str) -> KeyHolder | str:
        """The holder of the key; for an unknown one a secret that fits nothing, found at the same cost.

        Unknown keys are remembered apart, so trying many of them pushes out no real one.
        """
        known = self._keys.get(access_key) or self._strangers.get(access_key)
        if known is not None:
            return known
        generation, unknown_generation = self._keys.generation, self._strangers.generation
        row = await self._first(_KEY, access_key=access_key)
        if row is None:
            decoy = self.decoy()
            self._strangers.put(access_key, decoy, unknown_generation)
            return decoy
        secret = self._box.open(row["sealed_secret"])
        holder = KeyHolder(access_key, secret, bool(row["key_enabled"]), person_of(row))
        self._keys.put(access_key, holder, generation)
        return holder

    async def person(self, user_id: str) -> Person | None:
        """The user with this id."""
        known = self._people.get(user_id)
        if known is not None:
            return known
        generation = self._people.generation
        row = await self._first(_PERSON_BY_ID, id=user_id)
        if row is None:
            return None
        person = person_of(row)
        self._people.put(user_id, person, generation)
        return person

    async def person_named(self, name: str, domain_id: str | None, domain_name: str | None) -> Person | None:
        """The user with this name in an account given by id or by name."""
        row = await self._first(_PERSON_BY_NAME, name=name, domain_id=domain_id, domain_name=domain_name)
        return None if row is None else person_of(row)

    async def project(self, project_id: str) -> Project | None:
        """The project with this id."""
        known = self._projects.get(project_id)
        if known is not None:
            return known
        generation = self._projects.generation
        row = await self._first(_PROJECT_BY_ID, id=project_id)
        if row is None:
            return None
        project = project_of(row)
        self._projects.put(project_id, project, generation)
        return project

    async def project_named(self, name: str, domain_id: str) -> Project | None:
        """The project of the account with this name."""
        row = await self._first(_PROJECT_BY_NAME, name=name, domain_id=domain_id)
        return None if row is None else project_of(row)

    async def is_ended(self, token_id: str, user_id: str, issued_at: int) -> bool:
        """Whether what was issued to the user then, as this token or from it, was ended before its time."""
        ended = self._ended.get(token_id)
        if ended is None:
            generation = self._ended.generation
            row = await self._first(_ENDED, token_id=token_id, user_id=user_id)
            ended = -1 if row is None or row["ended"] is None else row["ended"]
            self._ended.put(token_id, ended, generation)
        return issued_at <= ended

    def decoy(self) -> str:
        """A secret that fits nothing, found at the cost of a real one."""
        return self._box.open(self._sealed_decoy)

    async def _first(self, statement: Prepared, **parameters: str | None) -> Row | None:
        def work(tx: Tx) -> Row | None:
            return tx.row(statement, parameters)

        return await self._store.read(work)
