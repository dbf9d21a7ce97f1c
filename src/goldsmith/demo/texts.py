"""What the demo tells: the finished server, how to go on, how to clean up; every command can be pasted."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from goldsmith.demo.client import Client
from goldsmith.demo.place import Place, Wishes


def server_table(server: dict[str, Any], address: str | None) -> Table:
    """The image server as the API shows it, and its address."""
    table = Table(title="The image server", title_justify="left", box=None, show_header=False)
    for name, value in server.items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value))
    if address:
        table.add_row("address (from the VPC API)", address)
    return table


def plain(console: Console, text: str) -> None:
    """Print text that is neither wrapped nor coloured, so that it can be pasted."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _token_command(client: Client, place: Place) -> str:
    login = shlex.quote(f"@{place.login}")
    return (
        f"TOKEN=$(curl -s -o /dev/null -D - -H 'Content-Type: application/json' -d {login} "
        f"{client.endpoint}/v3/auth/tokens | "
        "awk 'tolower($1) == \"x-subject-token:\" {print $2}' | tr -d '\\r')"
    )


def _servers_url(client: Client) -> str:
    return f"{client.endpoint}/v1/{client.project_id}/image-servers"


def _delete_command(client: Client, server_id: str) -> str:
    body = json.dumps({"items": [server_id], "recursive": True})
    return (
        f"curl -s -X PATCH -H \"X-Auth-Token: $TOKEN\" -H 'Content-Type: application/json' "
        f"-d {shlex.quote(body)} {_servers_url(client)}/actions/batch-delete"
    )


def _python_example(client: Client, credentials: Path) -> str:
    return f"""\
{shlex.quote(sys.executable)} - <<'END'
import json
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkworkspaceapp.v1 import ListImageServersRequest, WorkspaceAppClient

me = json.load(open({str(credentials)!r}))
keys = BasicCredentials(me["access_key"], me["secret_key"], me["project_id"])
client = WorkspaceAppClient.new_builder().with_credentials(keys).with_endpoint({client.endpoint!r}).build()
print(client.list_image_servers(ListImageServersRequest()))
END"""


def how_to_go_on(client: Client, place: Place, server_id: str) -> str:
    """Endpoint, credentials, a curl and a Python example, and the request that deletes the server."""
    return f"""
endpoint:     {client.endpoint}
credentials:  {place.credentials}
screen:       {place.screen}
log:          {place.log}
API document: {client.endpoint}/openapi.json

With curl:
{_token_command(client, place)}
curl -s -H "X-Auth-Token: $TOKEN" {_servers_url(client)}

With Python:
{_python_example(client, place.credentials)}

To delete the image server with everything that belongs to it:
{_delete_command(client, server_id)}
"""


def after_interrupt(place: Place, wishes: Wishes) -> str:
    """What is left after Ctrl-C and how to take it up or remove it."""
    folder = shlex.quote(str(place.folder))
    again = f"CLOUD={wishes.cloud} DATA_DIR={folder} make demo"
    runs_on = "Machines outlive it by design: a machine that was made runs on." if wishes.cloud == "qemu" else ""
    return f"""
goldsmith has ended; its data is kept. {runs_on}
To take it up again:        {again}
To remove all of it:        ONCE=1 {again}
"""
