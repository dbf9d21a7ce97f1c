"""Accepted creates per second with policies on, next to off.

Off: the account's root user, for whom there is nothing to decide. On: an IAM user with 20 policies, of which one
allows the create, as in `policies`. Both call the same server with access keys and take turns, so that the rows that
pile up meet them alike. What is compared is the server's CPU time per create as well: it tells more than the rate
on a machine that does other things meanwhile.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets

from creates import CONNECTIONS, WARM_UP, turn
from harness import NO_WORKERS, Measured, Ratio, Result, Server, data_folder, goldsmith, median, summary, table

ROUNDS = 8
POLICIES = 20
FASTEST = 4000
OFF, ON = "off: the root user", f"on: a user with {POLICIES} policies"
NEEDED = ("workspace:imageServer:create", "ims:images:list", "vpc:ports:get", "vpc:subnets:get")


def measure(seconds: float) -> Result:
    """Alternate between the two callers; `seconds` is the length of one turn."""
    rounds: dict[str, list[Measured]] = {OFF: [], ON: []}
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(goldsmith(stack.enter_context(data_folder()), **NO_WORKERS))
        callers = {OFF: root, ON: policed(root)}
        for name, caller in callers.items():
            turn(caller, f"warm {len(name)}", 30.0, WARM_UP)
        for number in range(ROUNDS):
            order = list(callers) if number % 2 else list(reversed(callers))
            for name in order:
                text = f"{len(name)} round {number}"
                rounds[name].append(turn(callers[name], text, seconds, int(FASTEST * seconds)))
    return _result(rounds)


def policed(root: Server) -> Server:
    """The same server, called by a new user with `POLICIES` policies."""
    user = root.call("POST", "/v3.0/OS-USER/users", _user(root), expected=201)["user"]["id"]
    for number in range(POLICIES):
        wanted = {"policy_name": f"policy-{number}", "policy_document": _document(number)}
        made = root.call("POST", "/v5/policies", wanted, expected=201)["policy"]["policy_id"]
        root.call("POST", f"/v5/policies/{made}/attach-user", {"user_id": user})
    key = root.call("POST", "/v3.0/OS-CREDENTIAL/credentials", {"credential": {"user_id": user}}, expected=201)
    found = {"access_key": key["credential"]["access"], "secret_key": key["credential"]["secret"]}
    return dataclasses.replace(root, credentials=root.credentials | found)


def _user(root: Server) -> dict[str, object]:
    password = f"Aa1!{secrets.token_urlsafe(15)}"
    return {"user": {"name": "builder", "domain_id": root.credentials["domain_id"], "password": password}}


def _document(number: int) -> str:
    """All speak of the create; one allows it to its own enterprise project, the others to projects of others."""
    project = "0" if number == POLICIES // 2 else f"1ec1c7b0-0000-4000-8000-{number:012}"
    listed = ",".join(f'"{action}"' for action in NEEDED)
    condition = f'{{"StringEquals":{{"g:EnterpriseProjectId":["{project}"]}}}}'
    return f'{{"Version":"5.0","Statement":[{{"Effect":"Allow","Action":[{listed}],"Condition":{condition}}}]}}'


def _result(rounds: dict[str, list[Measured]]) -> Result:
    figures = summary(rounds)
    table(
        f"Accepted creates with policies ({CONNECTIONS} connections; medians of {ROUNDS} alternating rounds)",
        ["", "per second", "slowest", "fastest", "p50 ms", "p99 ms", "server CPU us"],
        [[name, *list(figures[name].values())[:6]] for name in rounds],
    )
    pairs = list(zip(rounds[ON], rounds[OFF], strict=True))
    rate = median([on.rate / off.rate for on, off in pairs])
    cpu = median([off.cpu_us / on.cpu_us for on, off in pairs])
    return Result(
        "policed",
        figures,
        [
            Ratio("accepted creates with policies on beside off, by CPU time", cpu, 0.95, at_least=True),
            Ratio("accepted creates with policies on beside off, by rate", rate, 0.95, at_least=True),
        ],
    )
