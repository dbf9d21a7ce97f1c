"""A client of the wire for the command line: requests signed with the access key of the data folder's account."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from goldsmith.cli.data_folder import CREDENTIALS, require_initialised
from goldsmith.cli.problems import Unusable
from goldsmith.iam.signature import sign

SECONDS = 60
Found = dict[str, Any]


class Client:
    """One running goldsmith, as the root user of its account."""

    def __init__(self, data_dir: Path) -> None:
        require_initialised(data_dir)
        self._known: dict[str, str] = json.loads((data_dir / CREDENTIALS).read_text(encoding="utf-8"))

    @property
    def domain_id(self) -> str:
        """The account."""
        return self._known["domain_id"]

    @property
    def project_id(self) -> str:
        """The default project."""
        return self._known["project_id"]

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The answer's JSON, None when it has none. Raises `Unusable` with what the service says."""
        with self.answering(method, path, query, body) as answer:
            received = answer.read()
        return json.loads(received) if received else None

    @contextmanager
    def answering(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None
    ) -> Iterator[HTTPResponse]:  # fmt: skip
        """The answer, to be read bit by bit. Raises `Unusable` with what the service says."""
        endpoint, text = self._known["endpoint"], urlencode(query)
        payload = b"" if body is None else json.dumps(body).encode()
        headers = [(b"host", urlsplit(endpoint).netloc.encode())]
        if body is not None:
            headers.append((b"content-type", b"application/json"))
        signed = sign(
            self._known["access_key"], self._known["secret_key"], method=method, raw_path=quote(path).encode(),
            query_string=text.encode(), headers=headers, body=payload, now=datetime.now(UTC),
        )  # fmt: skip
        url = f"{endpoint}{quote(path)}{'?' if text else ''}{text}"
        sent = {name.decode(): value.decode() for name, value in signed}
        request = Request(url, data=payload or None, headers=sent, method=method)  # noqa: S310 - of our own file
        try:
            with urlopen(request, timeout=SECONDS, context=self._trust()) as answer:  # noqa: S310 - see above
                yield answer
        except HTTPError as error:
            raise Unusable(_message(error.read()) or f"{endpoint} answers {error.code}") from error
        except URLError as error:
            message = f"{endpoint} does not answer ({error.reason}); is `goldsmith serve` running?"
            raise Unusable(message) from error

    def _trust(self) -> ssl.SSLContext | None:
        """Whom to believe that it is the service: the authority of `goldsmith init --tls`, else the system's."""
        ca_file = self._known.get("ca_file")
        if ca_file is None:
            return None
        try:
            return ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise Unusable(f"the certificate of the authority, {ca_file}, cannot be read: {error}") from error

    def users(self) -> list[Found]:
        """All users."""
        return list(self.call("GET", "/v3/users")["users"])

    def groups(self) -> list[Found]:
        """All groups."""
        return list(self.call("GET", "/v3/groups")["groups"])

    def projects(self) -> list[Found]:
        """All projects."""
        return list(self.call("GET", "/v3/projects")["projects"])

    def policies(self) -> list[Found]:
        """All policies as id, name, kind (system, identity, role), description and number of grants."""
        return [*self._identity_policies(), *self._roles()]

    def _identity_policies(self) -> Iterator[Found]:
        query: dict[str, str] = {}
        while True:
            page = self.call("GET", "/v5/policies", limit="200", **query)
            for each in page["policies"]:
                kind = "system" if each["policy_type"] == "system" else "identity"
                yield {
                    "id": each["policy_id"], "name": each["policy_name"], "kind": kind,
                    "grants": each["attachment_count"], "description": each["description"],
                }  # fmt: skip
            if "next_marker" not in page["page_info"]:
                return
            query = {"marker": page["page_info"]["next_marker"]}

    def _roles(self) -> Iterator[Found]:
        for each in self.call("GET", "/v3.0/OS-ROLE/roles")["roles"]:
            yield {
                "id": each["id"], "name": each["display_name"], "kind": "role", "grants": None,
                "description": each["description"],
            }  # fmt: skip

    def user(self, name: str) -> Found:
        """The user with this name or id."""
        return _one("user", name, self.users())

    def group(self, name: str) -> Found:
        """The group with this name or id."""
        return _one("group", name, self.groups())

    def project(self, name: str) -> Found:
        """The project with this name or id."""
        return _one("project", name, self.projects())

    def policy(self, name: str) -> Found:
        """The policy with this name or id."""
        return _one("policy", name, self.policies())


def _one(what: str, name: str, among: list[Found]) -> Found:
    found = [each for each in among if each["id"] == name] or [each for each in among if each["name"] == name]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(each["id"] for each in found)
        raise Unusable(f"there are {len(found)} with the name {name}; name the {what} by its id: {ids}")
    raise Unusable(f"there is no {what} {name}; `goldsmith iam {what} list` shows all there are")


def _message(body: bytes) -> str:
    try:
        found = json.loads(body)
        inner = found.get("error", found)
        return str(inner.get("error_msg") or inner.get("message") or "")
    except (ValueError, AttributeError):
        return ""
