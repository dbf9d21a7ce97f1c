"""Getting a token: by password, or by another token (contract: authentication, section 2)."""

from __future__ import annotations

from dataclasses import dataclass

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.iam.directory import Person, Project
from goldsmith.iam.service import Iam
from goldsmith.iam.tokens import Token

WRONG = "The username or password is wrong."
LOCKED = "Too many wrong passwords from your address; try again in five minutes."


@dataclass(frozen=True, slots=True)
class UserName:
    """A user as a login names it: by id, or by name and account."""

    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What the token shall be good for: a project, or else the account; by default the user's account."""

    project_id: str | None = None
    project_name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None

    @property
    def is_project(self) -> bool:
        """Whether a project is asked for."""
        return self.project_id is not None or self.project_name is not None


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, its text when it is new, whose it is and what it is good for."""

    text: str
    token: Token
    person: Person
    project: Project | None


class Login:
    """Turns proofs of identity into tokens."""

    def __init__(self, iam: Iam) -> None:
        self._iam = iam

    async def by_password(self, user: UserName, password: str, scope: Scope, source_ip: str = "") -> Issued:
        """A token for a user that knows its password.

        Raises `errors.UNAUTHENTICATED`, in the same words and time whatever is wrong; after five wrong passwords
        in a row it refuses this address for this user for five minutes, even one that does not exist.
        """
        directory = self._iam.directory
        if user.id is not None:
            person = await directory.person(user.id)
        else:
            person = await directory.person_named(user.name or "", user.domain_id, user.domain_name)
        unknown = f"?{user.id or user.name}@{user.domain_id or user.domain_name}"
        is_right = await self.is_password(person, password, unknown, source_ip)
        if not is_right or person is None or not person.enabled:
            raise errors.UNAUTHENTICATED.error(WRONG)
        return await self._issue(person, scope, ("password",), None)

    async def is_password(self, person: Person | None, password: str, unknown: str, source_ip: str) -> bool:
        """Whether this is the person's password; failures count towards a lock-out (under `unknown` for nobody).

        Raises `errors.UNAUTHENTICATED` while it lasts.
        """
        failures = self._iam.password_failures
        subject = unknown if person is None else person.user_id

        def require_unlocked() -> None:
            if failures.is_locked(subject, source_ip):
                raise errors.UNAUTHENTICATED.error(LOCKED)

        require_unlocked()
        hashed = person.password_hash if person is not None else None
        if await self._iam.passwords.verify(hashed, password, require_unlocked):
            failures.succeeded(subject, source_ip)
            return True
        failures.failed(subject, source_ip, exists=person is not None)
        return False

    async def by_token(self, text: str, scope: Scope) -> Issued:
        """A token of another scope, which ends when the first one does; raises `errors.UNAUTHENTICATED`."""
        person, token = await self._iam.holder_of(text)
        methods = tuple(dict.fromkeys((*token.methods, "token")))
        return await self._issue(person, scope, methods, token.expires_at)

    async def describe(self, text: str) -> Issued:
        """What is behind a token text that is good now; raises `errors.UNAUTHENTICATED`."""
        person, token = await self._iam.holder_of(text)
        project = None if token.project_id is None else await self._iam.directory.project(token.project_id)
        return Issued(text, token, person, project)

    async def _issue(self, person: Person, scope: Scope, methods: tuple[str, ...], expires_at: int | None) -> Issued:
        project = await self._project(person, scope)
        text, token = self._iam.tokens.mint(
            user_id=person.user_id,
            domain_id=person.domain_id,
            project_id=None if project is None else project.id,
            methods=methods,
            now=self._iam.now_ms(),
            expires_at=expires_at,
        )
        return Issued(text, token, person, project)

    async def _project(self, person: Person, scope: Scope) -> Project | None:
        """The project of the scope, None for the account; raises `errors.FOREIGN_PROJECT`."""
        domains = ((scope.domain_id, person.domain_id), (scope.domain_name, person.domain_name))
        if any(asked is not None and asked != own for asked, own in domains):
            raise _not_yours("account")
        if not scope.is_project:
            return None
        if scope.project_id is not None:
            project = await self._iam.directory.project(scope.project_id)
        else:
            project = await self._iam.directory.project_named(scope.project_name or "", person.domain_id)
        if project is None or project.domain_id != person.domain_id or not project.enabled:
            raise _not_yours("project")
        return project


def _not_yours(what: str) -> ServiceError:
    return errors.FOREIGN_PROJECT.error(f"The {what} in the scope is unknown, or not one your user may use.")
