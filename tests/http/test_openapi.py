"""`/openapi.json`: a valid document of OpenAPI 3.1 whose examples are what its own schemas say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from tests.service import Service

Media = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{service.endpoint}/openapi.json", timeout=60).json()
    return found


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def media(document: dict[str, Any]) -> Iterator[Media]:
    """Every JSON body of requests and answers, with a name for it."""
    for operation in operations(document):
        bodies = [("request", operation.get("requestBody", {})), *operation["responses"].items()]
        for name, body in bodies:
            found = body.get("content", {}).get("application/json")
            if found is not None and found["schema"]:  # {} is the schema of an answer without a body
                yield f"{operation['operationId']} {name}", found


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    wrong = []
    for name, body in media(document):
        schema = {**body["schema"], "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema)
        examples = [each["value"] for each in body.get("examples", {}).values()]
        examples += [body["example"]] if "example" in body else []
        wrong += [f"{name}: {error.message}" for example in examples for error in validator.iter_errors(example)]

    assert wrong == []


def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    assert [name for name, body in media(document) if not {"example", "examples"} & set(body)] == []


def test_a_conflict_is_shown_as_one(document: dict[str, Any]) -> None:
    refusals = document["paths"]["/v1/{project_id}/image-servers"]["post"]["responses"]
    example = refusals["409"]["content"]["application/json"]["examples"]["Conflict"]["value"]
    assert example["error_code"] == "WKS.00211103"
    assert [problem["rule"] for problem in example["details"]] == ["unique"]
