"""Whatever is sent: a clear error in the contract's shape, the right status, nothing written, no secret repeated."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.database import contents
from tests.service import PROJECT, Service, example

from goldsmith.iam.signature import sign
from goldsmith.iam.tokens import Tokens
from goldsmith.setup import TOKEN_KEYS

CREATE = f"/v1/{PROJECT}/image-servers"
INVALID, CONFLICT, FORBIDDEN = "WKS.00211102", "WKS.00211103", "WKS.00081102"


@pytest.fixture(scope="module")
def foreign_token(service: Service) -> str:
    """A token for a second project."""
    answer = service.call("POST", "/v3/projects", {"project": {"name": f"local-1_bad-input-{now_ms()}"}})
    assert answer.status_code == 201, answer.text
    return service.token({"project": {"id": answer.json()["project"]["id"]}})


@pytest.fixture(autouse=True)
def nothing_is_written(service: Service, foreign_token: str) -> Iterator[None]:
    """Every test here is a refusal."""
    before = contents(service.data_dir)
    yield
    assert contents(service.data_dir) == before


def send(service: Service, method: str, path: str, **options: Any) -> httpx.Response:
    """A request with exactly these headers and bytes."""
    return httpx.request(method, service.endpoint + path, verify=False, trust_env=False, **options)


def forged(service: Service, method: str, path: str, **options: Any) -> httpx.Response:
    """A call signed with another secret; a good one follows it, so that the key is not locked for many failures."""
    answer = service.call(method, path, secret="x" * 40, **options)
    assert service.call("GET", f"{CREATE}?limit=1").status_code == 200
    return answer


def check(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer has the shape of the contract."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["error_code"] == code
    assert 1 <= len(body["error_msg"]) <= 255
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return body


def problems(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(each["field"], each["rule"]) for each in answer.json()["details"]]


@pytest.mark.parametrize(
    "body",
    [b"{", b"name=x", b"[1,]", b'{"a":1}x', b"{'a': 1}", b"\xef\xbb\xbf{}", b"nul", b'"\x01"', b'{"a": 01}'],
)
def test_what_is_not_json_is_refused_with_the_place(service: Service, body: bytes) -> None:
    answer = service.call("POST", CREATE, content=body)
    found = check(answer, 400, INVALID)
    assert problems(answer) == [("body", "json")]
    assert "not JSON" in found["error_msg"]


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"true", b"null", b"1e400"])
def test_what_is_no_object_is_refused(service: Service, body: bytes) -> None:
    check(service.call("POST", CREATE, content=body), 400, INVALID)


def test_no_body_at_all_is_refused(service: Service) -> None:
    answer = service.call("POST", CREATE, content=b"")
    check(answer, 400, INVALID)
    assert problems(answer) == [("body", "required")]


@pytest.mark.parametrize("body", [b'{"name": "\xff"}', b'{"name": "\xed\xa0\x80"}', "{}".encode("utf-16")])
def test_what_is_not_utf8_is_refused(service: Service, body: bytes) -> None:
    answer = service.call("POST", CREATE, content=body)
    check(answer, 400, INVALID)
    assert problems(answer) == [("body", "json")]


@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"1" * 5000, b"1e999", b"-0.0", b"1" + b"0" * 400]
)
def test_numbers_no_volume_can_have_are_refused(service: Service, number: bytes) -> None:
    body = json.dumps(example("numbers")).encode().replace(b'"size": 60', b'"size": ' + number)
    answer = service.call("POST", CREATE, content=body)
    check(answer, 400, INVALID)
    assert problems(answer)[0][0] in {"root_volume.size", "body"}


@pytest.mark.parametrize("key", ["name", "is_vdi"])
def test_a_key_that_is_given_twice_is_refused(service: Service, key: str) -> None:
    text = json.dumps(example("twice"))
    body = text[:-1] + f', "{key}": {json.dumps(example("other")[key])}}}'
    answer = service.call("POST", CREATE, content=body.encode())
    found = check(answer, 400, INVALID)
    assert key in found["error_msg"]


def test_a_nested_key_that_is_given_twice_is_refused(service: Service) -> None:
    body = json.dumps(example("twice")).replace('"size": 60', '"size": 60, "size": 80').encode()
    check(service.call("POST", CREATE, content=body), 400, INVALID)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused(service: Service, opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    for depth in (1_000, 100_000):
        bodies = (opening * depth, opening * depth + b"1" + closing * depth)
        for body in bodies:
            check(service.call("POST", CREATE, content=body), 400, INVALID)
    nested = json.dumps(example("nested")).replace("60", (opening * 500 + b"1" + closing * 500).decode())
    check(service.call("POST", CREATE, content=nested.encode()), 400, INVALID)


@pytest.mark.parametrize("text", ["\\ud800", "a\\udfffb", "\\ud83d"])
@pytest.mark.parametrize("field", ["name", "description", "ou_name", "vpc_id", "product_id"])
def test_half_a_surrogate_pair_is_refused(service: Service, field: str, text: str) -> None:
    body = json.dumps({**example("x"), field: "MARK"}).replace("MARK", text)
    answer = service.call("POST", CREATE, content=body.encode())
    check(answer, 400, INVALID)
    assert field in [each for each, _ in problems(answer)]


@pytest.mark.parametrize("field", ["name", "description", "vpc_id", "subnet_id", "product_id", "flavor_id", "ou_name"])
def test_nul_is_refused(service: Service, field: str) -> None:
    answer = service.call("POST", CREATE, {**example("x"), field: "a\x00b"})
    check(answer, 400, INVALID)
    assert field in [each for each, _ in problems(answer)]


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_one_mebibyte_is_refused(service: Service, is_chunked: bool) -> None:
    body = json.dumps(example("x", description="x" * 1024**2)).encode()
    headers = {"X-Auth-Token": service.token(), "Content-Type": "application/json"}

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    content: Any = chunks() if is_chunked else body
    answer = send(service, "POST", CREATE, headers=headers, content=content)
    check(answer, 413, "APIGW.0201")


def test_a_body_just_below_the_limit_is_read(service: Service) -> None:
    body = json.dumps(example("x", description="x" * (1024**2 - 2000))).encode()
    assert len(body) < 1024**2
    answer = service.call("POST", CREATE, content=body)
    check(answer, 400, INVALID)
    assert problems(answer) == [("description", "max_length")]
    assert len(answer.content) < 2000


@pytest.mark.parametrize(
    "media",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
     "application/json; charset=latin-1", "application/jsonx", "json", ""],
)  # fmt: skip
def test_another_media_type_is_refused(service: Service, media: str) -> None:
    answer = service.call("POST", CREATE, example("media"), headers={"Content-Type": media})
    found = check(answer, 415, "WKS.00000415")
    assert "application/json" in found["error_msg"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", CREATE, "GET, POST"),
        ("PUT", f"{CREATE}/1", "GET, PATCH"),
        ("POST", f"{CREATE}/actions/batch-delete", "PATCH"),
        ("POST", f"/v1/{PROJECT}/product", "GET"),
        ("DELETE", f"/v1/{PROJECT}/session-type", "GET, POST"),
        ("TRACE", CREATE, "GET, POST"),
    ],
)
def test_a_method_that_does_not_exist_is_405_with_those_that_do(
    service: Service, method: str, path: str, allowed: str
) -> None:
    answer = send(service, method, path)
    check(answer, 405, "WKS.00000405")
    assert set(allowed.split(", ")) <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", f"/v1/{PROJECT}", f"/v1/{PROJECT}/nothing", "/v9/x/image-servers", f"{CREATE}/", "//", f"{CREATE}//1",
     f"/v1/{PROJECT}/../image-servers", "/etc/passwd", "/%00", "/%ff", f"/V1/{PROJECT}/image-servers"],
)  # fmt: skip
def test_a_path_that_does_not_exist_is_404(service: Service, path: str) -> None:
    with socket.create_connection(("127.0.0.1", int(service.endpoint.rsplit(":", 1)[1])), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0].split()[1] in {b"404", b"401"}, answer
    assert json.loads(body)["error_code"] in {"APIGW.0101", "APIGW.0301"}


# Who are you?

BROKEN = b'{"name": '


def test_no_credentials_are_401(service: Service) -> None:
    check(send(service, "POST", CREATE, content=BROKEN), 401, "APIGW.0301")
    check(send(service, "GET", CREATE), 401, "APIGW.0301")


@pytest.mark.parametrize("content", [b"{}", BROKEN, b"\xff", b""])
def test_a_bad_signature_is_401_whatever_the_body_is(service: Service, content: bytes) -> None:
    answer = forged(service, "POST", CREATE, content=content)
    check(answer, 401, "APIGW.0301")
    assert "verify aksk signature fail" in answer.json()["error_msg"]
    answer = forged(service, "POST", CREATE, content=content, headers={"Content-Type": "text/plain"})
    check(answer, 401, "APIGW.0301")


def test_a_body_that_was_changed_on_its_way_is_401(service: Service) -> None:
    known = service.credentials
    url = httpx.URL(service.endpoint + CREATE)
    headers = sign(
        known["access_key"], known["secret_key"], method="POST", raw_path=url.raw_path, query_string=b"",
        headers=[(b"content-type", b"application/json")], body=b'{"a":1}', now=datetime.now(UTC),
    )  # fmt: skip
    check(send(service, "POST", CREATE, content=b'{"a":2}', headers=headers), 401, "APIGW.0301")
    check(send(service, "POST", CREATE + "?dry_run=1", content=b'{"a":1}', headers=headers), 401, "APIGW.0301")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_16_minutes_off_is_401_and_14_are_fine(service: Service, minutes: int) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    check(service.call("GET", CREATE, at=moment), 401, "APIGW.0301")
    near = datetime.now(UTC) + timedelta(minutes=minutes * 14 / 16)
    assert service.call("GET", CREATE, at=near).status_code == 200


def test_an_unknown_access_key_cannot_be_told_from_a_wrong_secret(service: Service) -> None:
    first = forged(service, "GET", CREATE)
    wrong, headers = first.json(), first.request.headers
    sent = {**headers, "authorization": headers["authorization"].replace(service.credentials["access_key"], "A" * 20)}
    unknown = send(service, "GET", CREATE, headers=sent).json()
    assert {**unknown, "request_id": ""} == {**wrong, "request_id": ""}


@pytest.mark.parametrize(
    "header",
    ["SDK-HMAC-SHA256", "SDK-HMAC-SHA256 Access=a", "SDK-HMAC-SHA256 Access=a, SignedHeaders=, Signature=",
     "SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=" + "0" * 64, "SDK-HMAC-SHA256 " + "x" * 5000],
)  # fmt: skip
def test_an_authorization_header_in_pieces_is_401(service: Service, header: str) -> None:
    dated = {"Authorization": header, "X-Sdk-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"}
    for headers in (dated, {"Authorization": header}, {**dated, "X-Sdk-Date": "yesterday"}):
        check(send(service, "GET", CREATE, headers=headers), 401, "APIGW.0301")


def test_an_expired_token_is_401(service: Service) -> None:
    claims = Tokens(service.data_dir / TOKEN_KEYS).read(service.token(), now_ms())
    old = Tokens(service.data_dir / TOKEN_KEYS).mint(
        user_id=claims.user_id, domain_id=claims.domain_id, project_id=claims.project_id, methods=["password"],
        now=now_ms() - 25 * 3600 * 1000,
    )[0]  # fmt: skip
    answer = send(service, "GET", CREATE, headers={"X-Auth-Token": old})
    assert "token expires" in check(answer, 401, "APIGW.0301")["error_msg"]


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


@pytest.mark.parametrize("token", ["x", "", "gAAAAA" + "A" * 200, "x" * 5000, "tokén"])
def test_a_token_that_is_not_ours_is_401(service: Service, token: str) -> None:
    answer = send(service, "GET", CREATE, headers={"X-Auth-Token": token.encode()})
    check(answer, 401, "APIGW.0301")


def test_a_token_that_was_touched_is_401(service: Service) -> None:
    token = service.token()
    raw = bytearray(base64.urlsafe_b64decode(token))
    raw[20] ^= 1
    touched = base64.urlsafe_b64encode(bytes(raw)).decode()
    check(send(service, "GET", CREATE, headers={"X-Auth-Token": touched}), 401, "APIGW.0301")


def test_a_token_of_another_project_is_403(service: Service, foreign_token: str) -> None:
    headers = {"X-Auth-Token": foreign_token, "Content-Type": "application/json"}
    found = check(send(service, "POST", CREATE, headers=headers, content=BROKEN), 403, "APIGW.0302")
    assert "another project" in found["error_msg"]


def test_a_token_of_the_account_is_403_in_a_project(service: Service) -> None:
    token = service.token({"domain": {"name": service.credentials["domain_name"]}})
    check(send(service, "GET", CREATE, headers={"X-Auth-Token": token}), 403, "APIGW.0302")


@pytest.mark.parametrize("project", ["0" * 32, "x", "a4da8115c9d8464ead3a38309130523F", "x" * 200])
def test_a_project_that_is_not_yours_is_403(service: Service, project: str) -> None:
    check(service.call("GET", f"/v1/{project}/image-servers"), 403, "APIGW.0302")
    check(service.call("POST", f"/v1/{project}/image-servers", content=BROKEN), 403, "APIGW.0302")


# What is named does not exist


@pytest.mark.parametrize("server_id", ["1", "x" * 128, "%F0%9F%94%A8", "a%20b", "'--", "697612196993040384"])
def test_an_unknown_image_server_is_404(service: Service, server_id: str) -> None:
    check(service.call("GET", f"{CREATE}/{server_id}"), 404, "WKS.00211902")
    check(service.call("PATCH", f"{CREATE}/{server_id}", {"description": ""}), 404, "WKS.00129901")
    check(service.call("GET", f"{CREATE}/{server_id}/actions/screenshot"), 404, "WKS.00211902")


def test_an_id_of_more_than_128_characters_is_400(service: Service) -> None:
    answer = service.call("GET", f"{CREATE}/{'x' * 129}")
    check(answer, 400, INVALID)
    assert problems(answer) == [("server_id", "max_length")]


def test_an_unknown_job_is_404_or_400_as_its_family_has_it(service: Service) -> None:
    check(service.call("GET", f"/v1/{PROJECT}/image-server-jobs/1"), 404, "WKS.00129901")
    for version in ("v1", "v2"):
        check(service.call("GET", f"/{version}/{PROJECT}/job/1"), 400, "WKS.00149901")


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ("limit=0", "limit", "minimum"), ("limit=101", "limit", "maximum"), ("limit=ten", "limit", "type"),
        ("offset=-1", "offset", "minimum"), ("offset=2147483648", "offset", "maximum"),
        ("offset=1.5", "offset", "type"), (f"server_name={'x' * 1025}", "server_name", "max_length"),
        (f"server_id={'x' * 129}", "server_id", "max_length"),
        ("limit=", "limit", "type"), ("limit=" + "9" * 5000, "limit", "maximum"),
    ],
)  # fmt: skip
def test_a_query_that_breaks_a_rule_is_refused(service: Service, query: str, field: str, rule: str) -> None:
    answer = service.call("GET", f"{CREATE}?{query}")
    check(answer, 400, INVALID)
    assert problems(answer) == [(field, rule)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("items", "required")]),
        ({"items": []}, [("items", "min_items")]),
        ({"items": [str(number) for number in range(21)]}, [("items", "max_items")]),
        ({"items": ["a", "a"]}, [("items[1]", "unique")]),
        ({"items": [1]}, [("items[0]", "type")]),
        ({"items": ["x" * 129]}, [("items[0]", "max_length")]),
        ({"items": ["a"], "recursive": "yes"}, [("recursive", "type")]),
        ({"items": ["a"], "force": True}, [("force", "unknown_field")]),
    ],
)
def test_a_deletion_that_breaks_a_rule_is_refused(
    service: Service, body: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    answer = service.call("PATCH", f"{CREATE}/actions/batch-delete", body)
    check(answer, 400, INVALID)
    assert problems(answer) == expected


# Secrets

SECRET = "hunter2-very-secret"


@pytest.mark.parametrize(
    "identity",
    [
        {"methods": ["password"], "password": {"user": {"name": "admin", "password": [SECRET]}}},
        {"methods": ["password"], "password": {"user": {"name": "admin", "password": {"is": SECRET}}}},
        {"methods": ["password"], "password": {"user": {"name": 1, "password": SECRET}}},
        {"methods": ["password"], "password": {"user": SECRET}},
        {"methods": ["password"], "password": SECRET},
        {"methods": ["password"], "password": {"user": {"name": "admin", "password": SECRET * 100}}},
        {"methods": ["token"], "token": {"id": [SECRET]}},
        {"methods": ["token"], "token": SECRET},
        {"methods": "password", "password": {"user": {"name": "admin", "password": SECRET}}},
        [{"password": {"user": {"password": SECRET}}}],
    ],
)
def test_a_login_of_the_wrong_shape_never_repeats_the_secret(service: Service, identity: Any) -> None:
    answer = send(service, "POST", "/v3/auth/tokens", json={"auth": {"identity": identity}})
    assert answer.status_code == 400, answer.text
    assert SECRET not in answer.text
    assert answer.json()["error"]["details"]
    assert SECRET not in service.log()


def test_a_wrong_password_is_repeated_nowhere(service: Service) -> None:
    user = {"name": "admin", "password": SECRET, "domain": {"name": service.credentials["domain_name"]}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    answer = send(service, "POST", "/v3/auth/tokens", json={"auth": auth})
    assert answer.status_code == 401
    assert SECRET not in answer.text + service.log()


@pytest.mark.parametrize("password", [[SECRET], {"a": SECRET}, 12345678901234567890, SECRET * 20])
def test_a_new_user_of_the_wrong_shape_never_repeats_the_password(service: Service, password: Any) -> None:
    body = {"user_name": "x", "active_type": "ADMIN_ACTIVATE", "password": password, "unknown": {"password": password}}
    answer = service.call("POST", f"/v2/{PROJECT}/users", body)
    assert answer.status_code == 400
    assert SECRET not in answer.text
    assert "12345678901234567890" not in answer.text


def test_long_values_are_shortened_and_values_of_every_kind_are_repeated(service: Service) -> None:
    answer = service.call("POST", CREATE, example("x", description="x" * 5000, is_vdi=[1], root_volume={"size": "60"}))
    values = {each["field"]: each["value"] for each in answer.json()["details"]}
    assert values["is_vdi"] == [1]
    assert values["root_volume.size"] == "60"
    assert values["description"] == "x" * 200 + "…"
