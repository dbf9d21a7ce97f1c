"""The signature rules against the contract's vectors and the official Python signer."""

from __future__ import annotations

import json
import string
import timeit
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from hypothesis import given, settings
from hypothesis import strategies as st

from goldsmith.errors import ServiceError
from goldsmith.iam import signature

ACCESS_KEY = "AKEXAMPLE0000000001"
SECRET = "SKexample+secret/0123456789abcdefABCDEFxy"
PROJECT = "0605767d5c00d5562fc3c0065d9a9e6d"
DATE = "20240520T103949Z"
NOW = datetime(2024, 5, 20, 10, 39, 49, tzinfo=UTC)
COMMON = [
    (b"content-type", b"application/json"),
    (b"host", b"appstream.example.internal"),
    (b"x-project-id", PROJECT.encode()),
    (b"x-sdk-date", DATE.encode()),
]
VECTOR_A: dict[str, Any] = {
    "method": "GET",
    "raw_path": f"/v1/{PROJECT}/image-servers".encode(),
    "query_string": b"limit=100&offset=0&server_name=a%20b_%E6%B5%8B~",
    "headers": COMMON,
    "body": b"",
}
HEADER_A = (
    f"SDK-HMAC-SHA256 Access={ACCESS_KEY}, SignedHeaders=content-type;host;x-project-id;x-sdk-date, "
    "Signature=4a6235b851b05088a2583f0ab29d236cbe9375ad40af2a22b5ce444462fbc1a8"
)
VECTOR_B: dict[str, Any] = {
    "method": "POST",
    "raw_path": f"/v1/{PROJECT}/image-servers".encode(),
    "query_string": b"",
    "headers": [*COMMON, (b"x-security-token", b"STSTOKEN")],
    "body": b'{"name":"x"}',
}
HEADER_B = (
    f"SDK-HMAC-SHA256 Access={ACCESS_KEY}, "
    "SignedHeaders=content-type;host;x-project-id;x-sdk-date;x-security-token, "
    "Signature=cdc6e348b0b2b8a758c53f9e7c87251917666d8aa826c2a4f91fab8c2f99f2cd"
)


def verify(header: str, request: dict[str, Any], *, secret: str = SECRET, now: datetime = NOW) -> None:
    signature.verify(signature.parse_authorization(header), secret, now=now, **request)


def refusal(header: str, request: dict[str, Any], **options: Any) -> str:
    with pytest.raises(ServiceError) as caught:
        verify(header, request, **options)
    assert caught.value.kind.status == 401
    assert caught.value.kind.code == "APIGW.0301"
    return caught.value.message


@pytest.mark.parametrize(("header", "request_"), [(HEADER_A, VECTOR_A), (HEADER_B, VECTOR_B)], ids="AB")
def test_the_contract_vectors_verify(header: str, request_: dict[str, Any]) -> None:
    verify(header, request_)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"raw_path": b"/v1/other/image-servers"},
        {"query_string": b"a=1"},
        {"body": b'{"name":"y"}'},
        {"body": b""},
        {"headers": [*COMMON, (b"x-security-token", b"OTHER")]},
        {"headers": [*COMMON, (b"x-security-token", b"STSTOKEN"), (b"x-security-token", b"STSTOKEN")]},
        {"headers": COMMON},
    ],
)
def test_a_changed_request_is_refused(change: dict[str, Any]) -> None:
    assert "verify aksk signature fail" in refusal(HEADER_B, VECTOR_B | change)


def test_a_wrong_secret_is_refused() -> None:
    message = refusal(HEADER_A, VECTOR_A, secret="other")
    assert message == "Incorrect IAM authentication information: verify aksk signature fail"


@pytest.mark.parametrize("minutes", [-15, 15])
def test_a_clock_fifteen_minutes_off_is_accepted_and_a_second_more_is_not(minutes: int) -> None:
    edge = timedelta(minutes=minutes)
    verify(HEADER_A, VECTOR_A, now=NOW + edge)
    beyond = NOW + edge + timedelta(seconds=1 if minutes > 0 else -1)
    assert refusal(HEADER_A, VECTOR_A, now=beyond).endswith("calc ak sk signature fail:signature expired")


@pytest.mark.parametrize(
    "date", [b"20240520T103949", b"2024-05-20T10:39:49Z", b"20241320T103949Z", b"", b"20240520T106049Z"]
)
def test_a_malformed_date_is_refused(date: bytes) -> None:
    headers = [*COMMON[:3], (b"x-sdk-date", date)]
    assert "X-Sdk-Date must be" in refusal(HEADER_A, VECTOR_A | {"headers": headers})


def test_a_date_sent_twice_is_refused() -> None:
    assert "exactly once" in refusal(HEADER_A, VECTOR_A | {"headers": [*COMMON, COMMON[3]]})


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (HEADER_A.replace("content-type;host", "host;content-type"), "sorted"),
        (HEADER_A.replace("content-type;", "content-type;content-type;"), "each header once"),
        (HEADER_A.replace("content-type", "Content-Type"), "lower case"),
        (HEADER_A.replace("host;", "host;;"), "lower case"),
        (HEADER_A.replace(";x-sdk-date", ""), "x-sdk-date"),
        (HEADER_A.replace("HMAC-SHA256", "HMAC-SM3"), "'SDK-HMAC-SM3' is not supported"),
        (HEADER_A[:-1], "must read"),
        (HEADER_A + "0", "must read"),
        (HEADER_A.replace("4a62", "4A62"), "must read"),
        (HEADER_A.replace("Access=", "Access= "), "must read"),
        (HEADER_A.replace("Access=" + ACCESS_KEY, "Access="), "must read"),
        (HEADER_A.replace(", Signed", " Signed"), "must read"),
        (HEADER_A + "\n", "must read"),
        (HEADER_A + ", Signature=" + "0" * 64, "must read"),
        ("SDK-HMAC-SHA256", "must read"),
        ("sdk-hmac-sha256 " + HEADER_A.partition(" ")[2], "not supported"),
    ],
)
def test_the_header_is_parsed_strictly_and_says_what_is_wrong(header: str, says: str) -> None:
    assert signature.is_signature(header)
    assert says in refusal(header, VECTOR_A)


@pytest.mark.parametrize("value", ["", "Bearer abc", "Basic SDK-HMAC", "SDKX"])
def test_other_authorization_headers_are_not_signatures(value: str) -> None:
    assert not signature.is_signature(value)


def test_a_missing_signed_header_is_named() -> None:
    assert "'host'" in refusal(HEADER_A, VECTOR_A | {"headers": COMMON[:1] + COMMON[2:]})


def sign(request: dict[str, Any], secret: str = SECRET) -> tuple[str, dict[str, Any]]:
    headers = signature.sign(ACCESS_KEY, secret, now=NOW, **request)
    return headers[-1][1].decode(), request | {"headers": headers}


def test_repeated_headers_give_one_line_per_value() -> None:
    request = VECTOR_B | {"headers": [(b"accept", b"a"), (b"Accept", b"  b ")]}
    header, sent = sign(request)
    verify(header, sent)
    joined = sent | {"headers": [(b"accept", b"a,b"), *sent["headers"][2:]]}
    assert refusal(header, joined)


def test_a_go_client_signs_no_host_and_ends_its_body_with_a_newline() -> None:
    signed = [
        (b"accept", b"application/json"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"golangsdk"),
    ]
    body = json.dumps({"name": "x"}).encode() + b"\n"
    header, sent = sign(
        {
            "method": "POST",
            "raw_path": b"/v1/p/image-servers",
            "query_string": b"",
            "headers": signed,
            "body": body,
        }
    )
    added = [(b"host", b"any:1"), (b"x-project-id", b"p"), (b"accept-encoding", b"gzip"), *sent["headers"]]
    verify(header, sent | {"headers": added})
    assert refusal(header, sent | {"headers": added, "body": body.rstrip()})


def test_an_unsigned_payload_is_taken_at_its_word() -> None:
    request = VECTOR_B | {"headers": [(b"x-sdk-content-sha256", b"UNSIGNED-PAYLOAD")]}
    header, sent = sign(request)
    verify(header, sent)
    verify(header, sent | {"body": b"other"})


def test_naming_the_old_hash_does_not_let_another_body_in() -> None:
    old = b"0229d37e33daae149bf40543a5ce1db4459d10f830d5139279aa2bfd5f6485a1"
    headers = [*VECTOR_B["headers"], (b"x-sdk-content-sha256", old)]
    verify(HEADER_B, VECTOR_B | {"headers": headers})
    assert "not the hash of the body" in refusal(HEADER_B, VECTOR_B | {"headers": headers, "body": b"{}"})


@pytest.mark.parametrize("go", [True, False])
def test_an_empty_body_verifies_with_the_literal_and_with_the_hash(go: bool) -> None:
    literal = (b"x-sdk-content-sha256", b"UNSIGNED-PAYLOAD")
    request = VECTOR_A | {"headers": [literal] if go else []}
    header, sent = sign(request)
    verify(header, sent | {"headers": sent["headers"] if go else [literal, *sent["headers"]]})


def test_a_plus_in_the_query_is_a_space() -> None:
    header, sent = sign(VECTOR_A | {"query_string": b"q=a%20b&r=%2B", "headers": COMMON[:3]})
    verify(header, sent | {"query_string": b"r=%2b&q=a+b"})
    assert refusal(header, sent | {"query_string": b"r=+&q=a+b"})


def test_an_encoded_slash_is_not_a_separator() -> None:
    assert signature.canonical_path(b"/a%2fb/%7e") == b"/a%2Fb/~/"
    assert signature.canonical_path(b"/a%252Fb") == b"/a%252Fb/"
    assert signature.canonical_path(b"") == b"/"


def test_a_query_is_sorted_by_what_it_means() -> None:
    assert signature.canonical_query(b"b=2&a=%7E&a=%C3%A9&&c&a=") == b"a=&a=~&a=%C3%A9&b=2&c="


text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
awkward = st.sampled_from(["", " ", "+", "%", "~", "a b", "%20", "%2B", "&", "=", "ü", "测", "a=b&c", "'", "/"])
segment = st.text(string.ascii_letters + string.digits + "-._~ +@:!$&'()*,;=测ü", min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
    path=st.lists(segment, max_size=5),
    query=st.lists(st.tuples(text | awkward, text | awkward | st.booleans()), max_size=5, unique_by=lambda p: p[0]),
    repeated=st.lists(text | awkward, max_size=4),
    body=st.binary(max_size=64) | text,
    content_type=st.sampled_from(["application/json", "application/json;charset=utf-8", "text/plain"]),
    extra=st.text(
        st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cc", "Z")),
        max_size=8,
    ),
)
def test_whatever_the_python_sdk_signs_verifies(
    method: str,
    path: list[str],
    query: list[Any],
    repeated: list[str],
    body: Any,
    content_type: str,
    extra: str,
) -> None:
    query = [pair for pair in query if pair[0] != "again"] + ([("again", list(repeated))] if repeated else [])
    request = SdkRequest(
        method=method, schema="http", host="h.example:8080", resource_path="/" + "/".join(path),
        uri="", query_params=query,
        header_params={"Content-Type": content_type, "X-Project-Id": PROJECT, "X-Extra": extra},
        body=body, stream=False, signing_algorithm=None,
    )  # fmt: skip
    Signer(BasicCredentials(ACCESS_KEY, SECRET, PROJECT)).sign(request)
    target, _, sent_query = request.uri.partition("?") if "?" in request.uri else (request.uri, "", "")
    sent = {
        "method": method,
        "raw_path": quote(target, safe="/~!$&'()*+,;=:@").encode(),
        "query_string": sent_query.encode(),
        "headers": [(k.lower().encode(), str(v).encode("latin-1")) for k, v in request.header_params.items()],
        "body": request.body or b"",
    }
    header = request.header_params["Authorization"]
    now = datetime.now(UTC)
    verify(header, sent, now=now)
    assert refusal(header, sent, secret=SECRET + "x", now=now)
    assert refusal(header, sent | {"raw_path": sent["raw_path"] + b"/x"}, now=now)


@given(pairs=st.lists(st.tuples(text | awkward, text | awkward), max_size=6))
def test_the_canonical_query_does_not_depend_on_the_spelling(pairs: list[tuple[str, str]]) -> None:
    spelt = urlencode(pairs).encode()
    once = signature.canonical_query(spelt)
    assert signature.canonical_query(once) == once
    assert signature.canonical_query(urlencode(pairs[::-1], quote_via=quote).encode()) == once


@given(st.text(max_size=200))
def test_any_header_text_is_parsed_or_refused(value: str) -> None:
    for text in (value, "SDK-HMAC-SHA256 " + value, HEADER_A.replace("host", value)):
        with suppress(ServiceError):
            signature.parse_authorization(text)


def test_verifying_costs_microseconds() -> None:
    body = b"x" * 700
    agent = (b"user-agent", b"huaweicloud-usdk-python/3.0")
    header, sent = sign(VECTOR_B | {"headers": [*VECTOR_B["headers"][:3], agent], "body": body})
    best = min(timeit.repeat(lambda: verify(header, sent), number=500, repeat=7)) / 500
    assert best < 100e-6, f"{best * 1e6:.1f} us"
