"""Requests that two servers could read differently, and those that would hold memory or sockets."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.service import PROJECT, Service, until

from goldsmith.iam.signature import sign

from .conftest import Dial, Wire

LIST = f"/v1/{PROJECT}/image-servers"
WRITE = "/v3/projects"
CHUNKED = "Transfer-Encoding: chunked\r\n"


def head(method: str, path: str, token: str, *more: str) -> str:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: goldsmith", f"X-Auth-Token: {token}", *more, "", ""))


def is_refused(wire: Wire, status: int = 400, code: str = "APIGW.0201") -> bool:
    """Whether the next answer is a refusal in the gateway's shape, the last thing on this connection."""
    answer = wire.answer()
    told = json.loads(answer.body)
    assert (answer.status, told["error_code"]) == (status, code), told
    assert answer["x-request-id"] == told["request_id"]
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["connection"] == "close"
    return wire.is_closed()


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunked"),
        pytest.param("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", id="chunked and length"),
        pytest.param("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", id="two lengths"),
        pytest.param("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", id="one length twice"),
        pytest.param("Content-Length: 2, 2\r\n\r\n{}", id="a list of lengths"),
        pytest.param("Content-Length: +2\r\n\r\n{}", id="signed length"),
        pytest.param("Content-Length: 0x2\r\n\r\n{}", id="hexadecimal length"),
        pytest.param("Content-Length: 99999999999999999999999\r\n\r\n{}", id="overflowing length"),
        pytest.param("Content-Length : 2\r\n\r\n{}", id="space before the colon"),
        pytest.param("X-A: b\r\n Content-Length: 2\r\n\r\n{}", id="folded header"),
        pytest.param("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", id="folded coding"),
        pytest.param("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="unknown coding"),
        pytest.param("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="two codings"),
        pytest.param("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="chunked not last"),
        pytest.param("Transfer-Encoding: chunked\r\n" * 2 + "\r\n0\r\n\r\n", id="two coding headers"),
        pytest.param("Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", id="control character before the coding"),
        pytest.param("X-A: b\nContent-Length: 2\r\n\r\n{}", id="bare line feed"),
        pytest.param("X-A: b\rX-B: c\r\n\r\n", id="bare carriage return"),
        pytest.param("Content-Length: 0\r\n\n", id="bare line feed in the end"),
        pytest.param("X-A: a\0b\r\n\r\n", id="null in a value"),
        pytest.param("X-A: a\x01b\r\n\r\n", id="control character in a value"),
        pytest.param(": b\r\n\r\n", id="no name"),
        pytest.param("X-A\r\n\r\n", id="no colon"),
        pytest.param(CHUNKED + "\r\n2\n{}\r\n0\r\n\r\n", id="line feed after the chunk size"),
        pytest.param(CHUNKED + "\r\n2;a\n{}\r\n0\r\n\r\n", id="line feed in a chunk extension"),
        pytest.param(CHUNKED + "\r\n0x2\r\n{}\r\n0\r\n\r\n", id="prefixed chunk size"),
        pytest.param(CHUNKED + "\r\n-2\r\n{}\r\n0\r\n\r\n", id="negative chunk size"),
        pytest.param(CHUNKED + "\r\n2 \r\n{}\r\n0\r\n\r\n", id="space after the chunk size"),
        pytest.param(CHUNKED + "\r\nfffffffffffffffff\r\n{}", id="overflowing chunk size"),
        pytest.param(CHUNKED + "\r\n2\r\n{}x0\r\n\r\n", id="chunk longer than its size"),
    ],
)
def test_ambiguous_framing_is_refused_and_nothing_after_it_is_read(dial: Dial, token: str, request_bytes: str) -> None:
    begun = head("POST", WRITE, token, "Content-Type: application/json").removesuffix("\r\n")
    smuggled = head("GET", LIST, token)

    wire = dial().send(begun + request_bytes + smuggled)

    assert is_refused(wire)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param("GET /{list} HTTP/0.9\r\n\r\n", id="0.9"),
        pytest.param("GET /\r\n\r\n", id="no version"),
        pytest.param("GET / HTTP/2.0\r\nHost: a\r\n\r\n", id="2.0"),
        pytest.param("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2 preface"),
        pytest.param("\x16\x03\x01\x02\x00\x01\x00\x01", id="TLS to a plain port"),
        pytest.param("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="1.0 chunked"),
        pytest.param("GET http://other/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n", id="absolute target"),
        pytest.param("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", id="star"),
        pytest.param("CONNECT other:80 HTTP/1.1\r\nHost: a\r\n\r\n", id="tunnel"),
        pytest.param("GET /openapi.json#x HTTP/1.1\r\nHost: a\r\n\r\n", id="fragment"),
        pytest.param("GET \\openapi.json HTTP/1.1\r\nHost: a\r\n\r\n", id="backslash"),
        pytest.param("GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", id="raw byte in the path"),
        pytest.param("GET /openapi.json HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param("GET /openapi.json HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two hosts"),
        pytest.param("GET /openapi.json HTTP/1.1\r\nHost: \r\n\r\n", id="empty host"),
        pytest.param('GET /openapi.json HTTP/1.1\r\nHost: a"<script>\r\n\r\n', id="host that is none"),
        pytest.param("GET /openapi.json HTTP/1.1\r\nHost: user@a\r\n\r\n", id="host with a user"),
        pytest.param("get /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n", id="method in lower case"),
        pytest.param("FOO /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n", id="unknown method"),
        *(
            pytest.param(f"GET /openapi.json HTTP/1.1\r\nHost: a\r\n{name}: a\r\n{name.lower()}: a\r\n\r\n", id=name)
            for name in ("Authorization", "X-Auth-Token", "X-Sdk-Date", "X-Project-Id", "X-Security-Token",
                         "X-Sdk-Content-Sha256", "X-Subject-Token", "Content-Type")
        ),
    ],
)  # fmt: skip
def test_what_is_not_one_plain_request_is_refused(dial: Dial, request_bytes: str) -> None:
    assert is_refused(dial().send(request_bytes))


def test_a_trailer_is_no_header(dial: Dial, token: str) -> None:
    wire = dial().send(f"GET {LIST} HTTP/1.1\r\nHost: a\r\n{CHUNKED}\r\n0\r\nX-Auth-Token: {token}\r\n\r\n")

    answer = wire.answer()

    assert (answer.status, b"x-auth-token not found" in answer.body) == (401, True)


def test_chunk_extensions_mean_nothing(dial: Dial, token: str) -> None:
    begun = head("POST", WRITE, token, "Content-Type: application/json", "Transfer-Encoding: chunked")
    wire = dial().send(begun + '2;a=b;c="d"\r\n{}\r\n0\r\n\r\n' + head("GET", LIST, token))

    assert [wire.answer().status, wire.answer().status] == [400, 200]


def test_a_broken_request_behind_a_good_one_does_not_take_its_answer(dial: Dial, token: str) -> None:
    wire = dial().send(head("GET", LIST, token) + "BROKEN\r\n\r\n" + head("GET", LIST, token))

    assert wire.answer().status == 200
    assert wire.is_closed()


def test_an_upgrade_is_not_made_and_what_follows_is_not_read(dial: Dial, token: str) -> None:
    upgrade = head("GET", LIST, token, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA")
    wire = dial().send(upgrade + head("DELETE", LIST, token))

    answer = wire.answer()

    assert (answer.status, answer["connection"]) == (200, "close")
    assert wire.is_closed()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 20_000), 414, id="long URL"),
        pytest.param(b"GET /%b" % (b"a" * 2_000_000), 414, id="URL without an end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"a" * 70_000), 431, id="long header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: %b" % (b"a" * 2_000_000), 431, id="header without an end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX%b" % (b"a" * 2_000_000), 431, id="name without an end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"X: a\r\n" * 101), 431, id="many headers"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: %b" % (b"a" * 2_000_000),
            None, id="trailer without an end",
        ),
        pytest.param(
            b"POST /v3/projects HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;%b" % (b"a" * 2_000_000),
            400, id="chunk extension without an end",
        ),
    ],
)  # fmt: skip
def test_nothing_without_an_end_is_kept(dial: Dial, request_bytes: bytes, status: int | None) -> None:
    wire = dial().send(request_bytes)

    if status is None:
        assert wire.answer().status == 404
        assert wire.is_closed()
    else:
        assert is_refused(wire, status)


@pytest.mark.parametrize(
    "more",
    [("Content-Length: 99999999999",), ("Content-Length: 1048577", "Expect: 100-continue")],
    ids=["at once", "asking first"],
)
def test_a_declared_length_over_the_limit_is_refused_before_the_body(
    dial: Dial, token: str, more: tuple[str, ...]
) -> None:
    answer = dial().send(head("POST", WRITE, token, "Content-Type: application/json", *more)).answer()

    assert answer.status == 413
    assert json.loads(answer.body)["error"]["code"] == 413  # in IAM's shape: the operation is one of IAM


def test_a_chunked_body_over_the_limit_is_refused(dial: Dial, token: str) -> None:
    begun = head("POST", LIST, token, "Content-Type: application/json", "Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"

    answer = dial().send(begun).send(chunk * 17).answer()

    assert (answer.status, json.loads(answer.body)["error_code"]) == (413, "APIGW.0201")


def test_continue_is_said_when_the_body_is_wanted(dial: Dial, token: str) -> None:
    more = ("Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue")
    wire = dial().send(head("POST", WRITE, token, *more))

    assert wire.answer().status == 100
    assert wire.send("{}").answer().status == 400


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param("GET / HTT", id="half a line"),
        pytest.param("GET / HTTP/1.1\r\nHost: a\r\nX-A: b", id="half a head"),
        pytest.param("POST /v3/projects HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{", id="half a body"),
    ],
)
def test_who_stops_in_the_middle_is_told_and_cut_off(dial: Dial, begun: str) -> None:
    assert is_refused(dial().send(begun), 408)


def test_who_stops_in_the_middle_of_the_second_request_is_cut_off_too(dial: Dial, token: str) -> None:
    wire = dial().send(head("GET", LIST, token) + "GET / HTTP/1.1\r\n")

    assert wire.answer().status == 200
    assert is_refused(wire, 408)


@pytest.mark.parametrize("sent", ["", "\r\n"], ids=["nothing", "an empty line"])
def test_who_never_begins_is_cut_off_without_a_word(dial: Dial, sent: str) -> None:
    assert dial().send(sent).is_closed()


def test_there_are_so_many_connections_and_no_more(guarded: Service, dial: Dial) -> None:
    wires = [dial() for _ in range(21)]

    refused = wires[-1].answer()

    assert (refused.status, refused["retry-after"]) == (503, "1")
    for wire in wires:
        wire.socket.close()
    until(lambda: httpx.get(f"{guarded.endpoint}/healthz").status_code == 200, seconds=5)


@pytest.mark.parametrize(
    "path",
    [
        "/" + LIST, "/." + LIST, f"/v1/./{PROJECT}/image-servers", f"/v1/x/../{PROJECT}/image-servers",
        f"/v1/x/%2e%2e/{PROJECT}/image-servers", f"/v1/x/.%2E/{PROJECT}/image-servers",
        f"/v1/{PROJECT}%2Fimage-servers", f"/v1/{PROJECT}%2fimage-servers", f"/v1%2F{PROJECT}/image-servers",
        f"{LIST}/", f"{LIST}/.", f"{LIST}/%2e%2e",
        f"/V1/{PROJECT}/image-servers", f"/v1/{PROJECT}/Image-Servers", f"{LIST}%00", f"{LIST}%20", f"{LIST};x",
        f"{LIST}/..%5cimage-server-jobs", f"{LIST}/%2e%2e%2fimage-server-jobs", f"{LIST}%0d%0aX-A:%20b", f"{LIST}%252F",
    ],
)  # fmt: skip
def test_no_spelling_of_a_path_reaches_another_operation(dial: Dial, token: str, path: str) -> None:
    answer = dial().send(head("GET", path, token)).answer()

    assert (answer.status, json.loads(answer.body)["error_code"]) == (404, "APIGW.0101")
    assert "x-a" not in answer


@pytest.mark.parametrize(
    "project", ["..", "%2e%2e", PROJECT.upper(), f"{PROJECT}%20", f"{PROJECT}%00", "0" * 32, "*", "%ff"]
)
def test_no_spelling_of_a_project_passes_the_project_check(dial: Dial, token: str, project: str) -> None:
    answer = dial().send(head("GET", f"/v1/{project}/image-servers", token)).answer()

    assert answer.status in {403, 404}
    assert json.loads(answer.body)["error_code"] in {"APIGW.0302", "APIGW.0101"}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "QUERY", "PROPFIND"])
def test_other_methods_do_nothing_and_reflect_nothing(dial: Dial, token: str, method: str) -> None:
    answer = dial().send(head(method, LIST, token, "X-Secret: 4711")).answer(is_head=method == "HEAD")

    assert answer.status == 405
    assert answer["allow"] == "GET, POST"
    assert b"4711" not in answer.body


@pytest.mark.parametrize(
    "header",
    ["X-HTTP-Method-Override: POST", "X-HTTP-Method: POST", "X-Method-Override: POST", "X-Original-URL: /healthz",
     "X-Rewrite-URL: /healthz", "X-Forwarded-Prefix: /x", "X-Forwarded-Host: evil"],
)  # fmt: skip
def test_headers_change_neither_method_nor_path(dial: Dial, token: str, header: str) -> None:
    answer = dial().send(head("GET", LIST, token, header)).answer()

    assert answer.status == 200
    assert set(json.loads(answer.body)) == {"count", "items"}


def test_forwarded_headers_are_not_believed(dial: Dial, token: str) -> None:
    answer = dial().send(head("GET", "/v3/auth/projects", token, "X-Forwarded-Proto: https")).answer()

    assert "strict-transport-security" not in answer
    assert b"https://" not in answer.body


def test_nothing_of_a_request_is_reflected_in_headers(dial: Dial, token: str) -> None:
    sent = ("X-Request-Id: mine", "Origin: https://evil.example", "Cookie: a=b", "Access-Control-Request-Method: PUT")
    answer = dial().send(head("GET", f"{LIST}?limit=1&x=%0d%0aX-Injected:%20yes", token, *sent)).answer()

    assert len(answer["x-request-id"]) == 32
    assert answer["x-request-id"] != "mine"
    names = {name for name, _ in answer.headers}
    assert not {name for name in names if name.startswith(("access-control-", "set-cookie", "x-injected"))}
    assert "server" not in names


@pytest.mark.parametrize("path", ["/openapi.json", "/healthz", "/nowhere", LIST, "/metrics"])
def test_every_answer_tells_a_browser_to_trust_nothing(dial: Dial, path: str) -> None:
    answer = dial().send(f"GET {path} HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\n\r\n").answer()

    assert answer["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["x-frame-options"] == "DENY"
    assert answer["referrer-policy"] == "no-referrer"
    assert answer["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer
    assert "access-control-allow-origin" not in answer
    assert "set-cookie" not in answer


def test_a_preflight_is_not_granted(dial: Dial) -> None:
    sent = f"OPTIONS {LIST} HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nAccess-Control-Request-Method: POST\r\n\r\n"

    answer = dial().send(sent).answer()

    assert answer.status == 405
    assert not [name for name, _ in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("seconds", [-901, 901, 86400 * 365])
def test_a_signature_from_another_time_is_refused(guarded: Service, seconds: int) -> None:
    answer = guarded.call("GET", LIST, at=datetime.now(UTC) + timedelta(seconds=seconds))

    assert (answer.status_code, answer.json()["error_code"]) == (401, "APIGW.0301")
    assert "signature expired" in answer.json()["error_msg"]


def signed(service: Service, method: str, path: str, body: bytes, *headers: tuple[str, str]) -> dict[str, str]:
    """Headers of a request signed with the access key, those given included."""
    known = service.credentials
    made = sign(
        known["access_key"], known["secret_key"], method=method, raw_path=path.encode(),
        headers=[(name.encode(), value.encode()) for name, value in headers], body=body, now=datetime.now(UTC),
    )  # fmt: skip
    return {name.decode(): value.decode() for name, value in made}


def authority(service: Service) -> str:
    return service.endpoint.partition("://")[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SDK-HMAC-SHA256 ", "V11-HMAC-SHA256 "), ("SDK-HMAC-SHA256 ", "SDK-HMAC-SM3 "),
        ("SDK-HMAC-SHA256 ", "sdk-hmac-sha256 "), ("SDK-HMAC-SHA256 ", "SDK-HMAC-NONE "), ("SDK-HMAC-SHA256 ", ""),
        ("SDK-HMAC-SHA256 ", "Bearer "), ("SDK-HMAC-SHA256 ", "SDK-HMAC-SHA256  "),
        ("SignedHeaders=host;", "SignedHeaders=Host;"), ("SignedHeaders=host;", "SignedHeaders=HOST;"),
        ("SignedHeaders=host;x-sdk-date", "SignedHeaders=x-sdk-date;host"),
        ("SignedHeaders=host;x-sdk-date", "SignedHeaders=host"), ("SignedHeaders=host;", "SignedHeaders=host;host;"),
        ("SignedHeaders=host;", "SignedHeaders=host;user-agent;"), ("SignedHeaders=host;", "SignedHeaders="),
        ("Signature=", "signature="), ("Signature=", "Signature=00"),
    ],
)  # fmt: skip
def test_a_signature_is_taken_in_one_form_only(guarded: Service, old: str, new: str) -> None:
    headers = signed(guarded, "GET", LIST, b"", ("host", authority(guarded)))
    assert httpx.get(guarded.endpoint + LIST, headers=headers).status_code == 200
    assert old in headers["authorization"]

    bent = headers | {"authorization": headers["authorization"].replace(old, new, 1)}
    answer = httpx.get(guarded.endpoint + LIST, headers=bent)

    assert (answer.status_code, answer.json()["error_code"]) == (401, "APIGW.0301")


def test_a_signature_for_another_host_is_refused(guarded: Service) -> None:
    headers = signed(guarded, "GET", LIST, b"", ("host", "other.example"))

    answer = httpx.get(guarded.endpoint + LIST, headers=headers | {"host": authority(guarded)})

    assert answer.status_code == 401


def test_a_signature_does_not_fit_another_method_path_query_or_body(guarded: Service) -> None:
    host = ("host", authority(guarded))
    headers = signed(guarded, "POST", WRITE, b"{}", host, ("content-type", "application/json"))

    def status(method: str, path: str, content: bytes) -> int:
        return httpx.request(method, guarded.endpoint + path, headers=headers, content=content).status_code

    assert status("POST", WRITE, b"{}") == 400
    assert status("PATCH", LIST + "/actions/batch-delete", b"{}") == 401
    assert status("POST", WRITE + "?domain_id=x", b"{}") == 401
    assert status("POST", WRITE, b'{"a": 1}') == 401


def test_a_write_whose_body_is_not_signed_is_refused(guarded: Service) -> None:
    more = (("host", authority(guarded)), ("content-type", "application/json"))
    body = b'{"project": {"name": "local-1_unsigned"}}'
    for declared in ("UNSIGNED-PAYLOAD", "unsigned-payload", "STREAMING", "0"):
        headers = signed(guarded, "POST", WRITE, body, *more, ("x-sdk-content-sha256", declared))

        answer = httpx.post(guarded.endpoint + WRITE, headers=headers, content=body)

        assert answer.status_code == 401, declared
        assert "the body must be signed" in answer.json()["error"]["message"]
    names = [each["name"] for each in guarded.call("GET", WRITE).json()["projects"]]
    assert "local-1_unsigned" not in names


def test_who_hangs_up_is_no_fault_of_ours(guarded: Service, token: str) -> None:
    with socket.create_connection(tuple(guarded.endpoint.partition("://")[2].split(":"))) as connection:
        connection.sendall(head("POST", WRITE, token, "Content-Length: 9").encode())

    until(lambda: " 499 " in guarded.log(), seconds=5)
    assert "Traceback" not in guarded.log()


def test_nobody_writes_lines_of_their_own_into_the_log(guarded: Service, dial: Dial) -> None:
    dial().send("GET /%0a2026-01-01%20INFO%20forged HTTP/1.1\r\nHost: a\r\n\r\n").answer()

    found = until(lambda: [line for line in guarded.log().splitlines() if "forged" in line], seconds=5)
    assert len(found) == 1
    assert "GET /%0a2026-01-01%20INFO%20forged 404" in found[0]
