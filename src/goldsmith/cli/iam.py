"""`goldsmith iam`: users, groups, keys, policies and grants, over the wire as the root user of the data folder.

Users, groups, projects and policies are named by name or by id.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goldsmith.cli.problems import Unusable, explained

if TYPE_CHECKING:
    from goldsmith.cli.client import Client


def _typer(name: str, text: str) -> typer.Typer:
    return typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode=None)


app = _typer("iam", "Who there is, and who may do what.")
users, groups = _typer("user", "Users of the account."), _typer("group", "Groups of users.")
keys, policies = _typer("key", "Permanent access keys."), _typer("policy", "What is allowed and what is not.")
projects = _typer("project", "Projects of the account.")
for each in (users, groups, keys, policies, projects):
    app.add_typer(each)

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", "-d", envvar="GOLDSMITH_DATA_DIR", help="Folder that holds everything goldsmith keeps."),
]
DEFAULT_DATA_DIR = Path("goldsmith-data")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
User = Annotated[str, typer.Argument(metavar="USER")]
Group = Annotated[str, typer.Argument(metavar="GROUP")]
Policy = Annotated[str, typer.Argument(metavar="POLICY")]
ToUser = Annotated[str | None, typer.Option("--user", metavar="USER")]
ToGroup = Annotated[str | None, typer.Option("--group", metavar="GROUP")]
Description = Annotated[str, typer.Option(help="What it is for.")]
Password = Annotated[
    str | None, typer.Option(metavar="FILE", help="File with the password in its first line, - for stdin.")
]
USER_COLUMNS = ("name", "id", "enabled", "description")
NAME_COLUMNS = ("name", "id", "description")
KEY_COLUMNS = ("access", "status", "create_time", "description")


@contextmanager
def _service(data_dir: Path) -> Iterator[Client]:
    with explained(data_dir):
        from goldsmith.cli.client import Client

        yield Client(data_dir)


def _show(rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """A table of the columns, or everything as JSON."""
    if as_json:
        print(json.dumps(list(rows), indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    Console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _done(found: dict[str, Any], columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show([found], columns, False)


def _read_password(file: str | None) -> str:
    """The password from a file or stdin, never from the command line, where others would see it."""
    if file is None:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    text = sys.stdin.readline() if file == "-" else Path(file).read_text(encoding="utf-8")
    return text.splitlines()[0] if text else ""


@users.command("create")
def create_user(
    name: User,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    description: Description = "",
    password_file: Password = None,
    as_json: AsJson = False,
) -> None:
    """Add a user; without a password it can only use access keys."""
    with _service(data_dir) as service:
        wanted = {"name": name, "domain_id": service.domain_id, "description": description}
        if password_file is not None:
            wanted["password"] = _read_password(password_file)
        _done(service.call("POST", "/v3.0/OS-USER/users", {"user": wanted})["user"], USER_COLUMNS, as_json)


@users.command("list")
def list_users(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """List the users."""
    with _service(data_dir) as service:
        _show(service.users(), USER_COLUMNS, as_json)


@users.command("delete")
def delete_user(user: User, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Delete a user with its keys and grants."""
    with _service(data_dir) as service:
        service.call("DELETE", f"/v3/users/{service.user(user)['id']}")


@users.command("enable")
def enable_user(user: User, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Let a user in again."""
    _change_user(data_dir, user, {"enabled": True})


@users.command("disable")
def disable_user(user: User, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Shut a user out; its tokens end."""
    _change_user(data_dir, user, {"enabled": False})


@users.command("password")
def set_password(user: User, data_dir: DataDir = DEFAULT_DATA_DIR, password_file: Password = None) -> None:
    """Give a user a new password, asked for unless it is in a file; its tokens end."""
    with explained(data_dir):
        _change_user(data_dir, user, {"password": _read_password(password_file)})


def _change_user(data_dir: Path, user: str, changes: dict[str, Any]) -> None:
    with _service(data_dir) as service:
        service.call("PUT", f"/v3.0/OS-USER/users/{service.user(user)['id']}", {"user": changes})


@groups.command("create")
def create_group(
    name: Group, data_dir: DataDir = DEFAULT_DATA_DIR, description: Description = "", as_json: AsJson = False
) -> None:
    """Add a group."""
    with _service(data_dir) as service:
        made = service.call("POST", "/v3/groups", {"group": {"name": name, "description": description}})
        _done(made["group"], NAME_COLUMNS, as_json)


@groups.command("list")
def list_groups(
    group: Annotated[str | None, typer.Argument(metavar="GROUP", help="Whose members to list.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """List the groups, or the members of one."""
    with _service(data_dir) as service:
        if group is None:
            _show(service.groups(), NAME_COLUMNS, as_json)
            return
        members = service.call("GET", f"/v3/groups/{service.group(group)['id']}/users")["users"]
        _show(members, USER_COLUMNS, as_json)


@groups.command("delete")
def delete_group(group: Group, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Delete a group with its grants; its members stay."""
    with _service(data_dir) as service:
        service.call("DELETE", f"/v3/groups/{service.group(group)['id']}")


@groups.command("add")
def add_member(group: Group, user: User, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Put a user into a group."""
    _change_member("PUT", data_dir, group, user)


@groups.command("remove")
def remove_member(group: Group, user: User, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Take a user out of a group."""
    _change_member("DELETE", data_dir, group, user)


def _change_member(method: str, data_dir: Path, group: str, user: str) -> None:
    with _service(data_dir) as service:
        service.call(method, f"/v3/groups/{service.group(group)['id']}/users/{service.user(user)['id']}")


@keys.command("create")
def create_key(
    user: User, data_dir: DataDir = DEFAULT_DATA_DIR, description: Description = "", as_json: AsJson = False
) -> None:
    """Make an access key; this is the only time its secret is shown."""
    with _service(data_dir) as service:
        wanted = {"user_id": service.user(user)["id"], "description": description}
        made = service.call("POST", "/v3.0/OS-CREDENTIAL/credentials", {"credential": wanted})["credential"]
        _done(made, ("access", "secret", "description"), as_json)


@keys.command("list")
def list_keys(user: User, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """List the access keys of a user."""
    with _service(data_dir) as service:
        found = service.call("GET", "/v3.0/OS-CREDENTIAL/credentials", user_id=service.user(user)["id"])
        _show(found["credentials"], KEY_COLUMNS, as_json)


@keys.command("delete")
def delete_key(access_key: Annotated[str, typer.Argument()], data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Delete an access key; the tokens of its user end."""
    with _service(data_dir) as service:
        service.call("DELETE", f"/v3.0/OS-CREDENTIAL/credentials/{access_key}")


@policies.command("create")
def create_policy(
    name: Policy,
    file: Annotated[Path, typer.Argument(help="The document as JSON, of Version 5.0 or 1.1.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    description: Description = "",
    as_json: AsJson = False,
) -> None:
    """Make a policy from a document; the place of a fault in it is named."""
    with _service(data_dir) as service:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Unusable(f"{file} cannot be read: {error}") from error
        role = _classic(text)
        if role is None:
            body = {"policy_name": name, "policy_document": text, "description": description}
            made = service.call("POST", "/v5/policies", body)["policy"]
            _done(made, ("policy_name", "policy_id", "description"), as_json)
        else:
            wanted = {"display_name": name, "type": "XA", "description": description, "policy": role}
            made = service.call("POST", "/v3.0/OS-ROLE/roles", {"role": wanted})["role"]
            _done(made, ("display_name", "id", "description"), as_json)


def _classic(text: str) -> dict[str, Any] | None:
    """The document, when it is one of Version 1.1."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("Version") == "1.1" else None


@policies.command("list")
def list_policies(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """List the policies: those that come with goldsmith and the account's own."""
    with _service(data_dir) as service:
        _show(service.policies(), ("name", "id", "kind", "grants", "description"), as_json)


@policies.command("show")
def show_policy(policy: Policy, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Print a policy's document."""
    with _service(data_dir) as service:
        found = service.call("GET", f"/v3/roles/{service.policy(policy)['id']}")["role"]["policy"]
        print(json.dumps(found, indent=2, ensure_ascii=False))


@policies.command("delete")
def delete_policy(policy: Policy, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Delete a policy that nobody holds."""
    with _service(data_dir) as service:
        found = service.policy(policy)
        room = "/v3.0/OS-ROLE/roles" if found["kind"] == "role" else "/v5/policies"
        service.call("DELETE", f"{room}/{found['id']}")


@policies.command("attach")
def attach_policy(
    policy: Policy, data_dir: DataDir = DEFAULT_DATA_DIR, user: ToUser = None, group: ToGroup = None
) -> None:
    """Attach an identity policy to a user or a group: it is good everywhere."""
    _attach("attach", data_dir, policy, user, group)


@policies.command("detach")
def detach_policy(
    policy: Policy, data_dir: DataDir = DEFAULT_DATA_DIR, user: ToUser = None, group: ToGroup = None
) -> None:
    """Detach an identity policy from a user or a group."""
    _attach("detach", data_dir, policy, user, group)


def _attach(verb: str, data_dir: Path, policy: str, user: str | None, group: str | None) -> None:
    with _service(data_dir) as service:
        kind, subject_id = _subject(service, user, group)
        policy_id = service.policy(policy)["id"]
        service.call("POST", f"/v5/policies/{policy_id}/{verb}-{kind}", {f"{kind}_id": subject_id})


def _subject(service: Client, user: str | None, group: str | None) -> tuple[str, str]:
    if (user is None) == (group is None):
        raise Unusable("say to whom: either --user or --group")
    return ("user", service.user(user)["id"]) if user is not None else ("group", service.group(group or "")["id"])


@app.command()
def grant(
    policy: Policy,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    group: ToGroup = None,
    user: ToUser = None,
    project: Annotated[str | None, typer.Option(metavar="PROJECT", help="In this project.")] = None,
    all_projects: Annotated[bool, typer.Option("--all-projects", help="In every project, also those to come.")] = False,
    account: Annotated[bool, typer.Option("--account", help="For what belongs to no project.")] = False,
    enterprise_project: Annotated[
        str | None, typer.Option(metavar="ID", help="In this enterprise project; users can be granted policies here.")
    ] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it away instead.")] = False,
) -> None:
    """Grant a policy in a scope."""
    with _service(data_dir) as service:
        if [project is not None, all_projects, account, enterprise_project is not None].count(True) != 1:
            raise Unusable("say where: one of --project, --all-projects, --account, --enterprise-project")
        if user is not None and enterprise_project is None:
            raise Unusable("users are granted policies in enterprise projects only; use --group, or `policy attach`")
        kind, subject_id = _subject(service, user, group)
        tail = f"{kind}s/{subject_id}/roles/{service.policy(policy)['id']}"
        if enterprise_project is not None:
            path = f"/v3.0/OS-PERMISSION/enterprise-projects/{enterprise_project}/{tail}"
        elif project is not None:
            path = f"/v3/projects/{service.project(project)['id']}/{tail}"
        elif account:
            path = f"/v3/domains/{service.domain_id}/{tail}"
        else:
            path = f"/v3/OS-INHERIT/domains/{service.domain_id}/{tail}/inherited_to_projects"
        service.call("DELETE" if revoke else "PUT", path)


@projects.command("create")
def create_project(
    name: Annotated[str, typer.Argument()],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    description: Description = "",
    as_json: AsJson = False,
) -> None:
    """Add a project."""
    with _service(data_dir) as service:
        made = service.call("POST", "/v3/projects", {"project": {"name": name, "description": description}})
        _done(made["project"], NAME_COLUMNS, as_json)


@projects.command("list")
def list_projects(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """List the projects."""
    with _service(data_dir) as service:
        _show(service.projects(), (*NAME_COLUMNS, "enabled"), as_json)
