"""Schemathesis reads `/openapi.json` and tries to prove it wrong, operation by operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import CHECKS, load_all_checks

from tests.service import PROJECT, Service, leftovers

load_all_checks()
EXCLUDED = CHECKS.get_by_names(
    [
        # Whether a request that fits the schema is accepted depends on what exists: ids, names in use, quotas.
        "positive_data_acceptance",
        # Its probes call other operations with ids it has seen; the operations here are tried one by one.
        "use_after_free", "ensure_resource_availability", "object_level_authorization",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("examined")
    rates = {"GOLDSMITH_LIMITS__REQUESTS_PER_SECOND": "0", "GOLDSMITH_LIMITS__LOGINS_PER_SECOND": "0"}
    service = Service(folder / "data", GOLDSMITH_SIMULATED__SPEED="50", **rates).start()
    yield service
    service.stop()
    assert "Traceback" not in service.log()
    assert leftovers(folder) == []


@pytest.fixture(scope="module")
def document(examined: Service) -> Any:
    """What the service says of itself, tried in its own project: another one's answers are all alike."""
    found = httpx.get(f"{examined.endpoint}/openapi.json").json()
    text = str(found)
    assert "project_id" in text
    for methods in found["paths"].values():
        for entry in methods.values():
            for parameter in entry.get("parameters", []):
                if parameter["name"] == "project_id" and parameter["in"] == "path":
                    parameter["schema"] = {"const": PROJECT}
    return schemathesis.openapi.from_dict(found)


@pytest.fixture(scope="module")
def session(examined: Service) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["X-Auth-Token"] = examined.token()
        yield session


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(
    max_examples=10, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_operation_keeps_to_its_document(case: Case, examined: Service, session: requests.Session) -> None:
    token = session.headers["X-Auth-Token"]
    case.call_and_validate(
        base_url=examined.endpoint, session=session, headers={"X-Auth-Token": token}, excluded_checks=EXCLUDED
    )
