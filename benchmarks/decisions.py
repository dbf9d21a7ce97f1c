"""What it costs to know who calls and whether they may: CPU time per request, in this process, without HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from goldsmith import setup
from goldsmith.http.operations import Call, Operation, collect
from goldsmith.iam.admission_api import Admission
from goldsmith.iam.secrets import SecretBox
from goldsmith.iam.service import Iam
from goldsmith.iam.signature import parse_authorization, sign, verify
from goldsmith.iam.tokens import Tokens
from goldsmith.image_servers.api import ImageServersApi
from goldsmith.settings import DATABASE
from goldsmith.store.sqlite import SqliteStore
from harness import NO_WORKERS, Ratio, Result, create_body, data_folder, goldsmith, median, table

ROUNDS = 5
CALLS = 5000
GOAL_US = 50
SOURCE_IP = "127.0.0.1"


def measure(seconds: float) -> Result:
    """Measure each part alone, then all of it; `seconds` is ignored."""
    with data_folder() as folder:
        with goldsmith(folder, **NO_WORKERS):
            pass  # makes the data folder
        with contextlib.closing(SqliteStore(folder / DATABASE)) as store:
            figures = asyncio.run(_measure(folder, store))
    table(f"Authentication and decision (medians of {ROUNDS} rounds)", ["", "CPU us"], list(map(list, figures.items())))
    ratios = [
        Ratio(f"authentication and decision, {how}", figures[f"{how}: authenticate and decide"], GOAL_US, False, " us")
        for how in ("signature", "token")
    ]
    return Result("decisions", figures, ratios)


async def _measure(folder: Path, store: SqliteStore) -> dict[str, float]:
    iam = Iam(store, Tokens(folder / setup.TOKEN_KEYS), SecretBox.load(folder / setup.SECRETS_KEY))
    gate = Admission(iam, iam.region)
    known = json.loads((folder / setup.CREDENTIALS).read_text())
    project_id: str = known["project_id"]
    operation = next(each for each in collect(ImageServersApi) if each.name == "CreateImageServer")
    request = _signed_request(known)
    authorization = dict(request["headers"])[b"authorization"].decode()

    async def only_verify() -> None:
        verify(parse_authorization(authorization), known["secret_key"], now=datetime.now(UTC), **request)

    caller = await iam.authenticate(**request)
    text, _ = iam.tokens.mint(
        user_id=caller.user_id, domain_id=caller.domain_id, project_id=project_id, methods=["password"],
        now=iam.now_ms(),
    )  # fmt: skip
    token_request = request | {"headers": [(b"x-auth-token", text.encode())]}

    async def only_read() -> None:
        iam.tokens.read(text, iam.now_ms())

    parts = {
        "signature: verify": only_verify,
        "signature: authenticate and decide": lambda: _pass(gate, operation, project_id, request),
        "token: read": only_read,
        "token: authenticate and decide": lambda: _pass(gate, operation, project_id, token_request),
    }
    found: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, call in parts.items():
            found[name].append(await _cpu_us(call))
    return {name: median(values) for name, values in found.items()}


async def _pass(gate: Admission, operation: Operation, project_id: str, request: dict[str, Any]) -> None:
    caller = await gate.authenticate(**request, source_ip=SOURCE_IP)
    call = Call(operation, "request", caller, project_id, SOURCE_IP, "http://127.0.0.1:8080")
    await gate.admit(call, None)


def _signed_request(known: dict[str, str]) -> dict[str, Any]:
    body = json.dumps(create_body("decision")).encode()
    path = f"/v1/{known['project_id']}/image-servers".encode()
    headers = [(b"content-type", b"application/json"), (b"host", b"127.0.0.1:8080")]
    signed = sign(known["access_key"], known["secret_key"], method="POST", raw_path=path, headers=headers, body=body,
                  now=datetime.now(UTC))  # fmt: skip
    return {"method": "POST", "raw_path": path, "query_string": b"", "headers": signed, "body": body}


async def _cpu_us(call: Callable[[], Awaitable[None]]) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - started) / CALLS * 1e6
