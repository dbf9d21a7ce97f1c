"""What a document may say, and the place of everything it may not."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldsmith.iam.policies.grammar import Effect, PolicyProblem, Version, parse


def identity(**statement: Any) -> dict[str, Any]:
    return {"Version": "5.0", "Statement": [{"Effect": "Allow", "Action": "a:b:c", **statement}]}


def classic(**statement: Any) -> dict[str, Any]:
    return {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["a:b:c"], **statement}]}


def condition(operator: str, key: str, value: Any) -> dict[str, Any]:
    return identity(Condition={operator: {key: value}})


def without(document: dict[str, Any], field: str) -> dict[str, Any]:
    del document["Statement"][0][field]
    return document


def two(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    base = {"Effect": "Allow", "Action": "a:b:c"}
    return {"Version": "5.0", "Statement": [{**base, **first}, {**base, **second}]}


AT = "Statement[0]"
TAG = "g:RequestTag/k"

REFUSED: list[tuple[str, Any, str, str]] = [
    ("not JSON", '{"Version": "5.0",\n  oops}', "line 2 column 3", "Not JSON"),
    ("empty text", "", "line 1 column 1", "Not JSON"),
    ("NaN", '{"Version": NaN}', "", "NaN is not a JSON value"),
    ("a list", "[]", "", "JSON object"),
    ("unknown version", {"Version": "2012-10-17", "Statement": []}, "Version", '"1.1" or "5.0"'),
    ("version as a number", {"Version": 5.0, "Statement": []}, "Version", "as a string"),
    ("roles", {"Version": "1.0", "Statement": []}, "Version", '"1.1" or "5.0"'),
    ("no version", {"Statement": []}, "Version", "missing"),
    ("no statement", {"Version": "5.0"}, "Statement", "missing"),
    ("empty statement", {"Version": "5.0", "Statement": []}, "Statement", "at least one"),
    ("statement as an object", {"Version": "5.0", "Statement": {}}, "Statement", "a list"),
    ("statement as a string", {"Version": "5.0", "Statement": ["x"]}, AT, "an object"),
    ("unknown top field", {"Version": "5.0", "Statement": [], "Id": "x"}, "Id", "unknown"),
    ("unknown field", identity(Principal="*"), f"{AT}.Principal", "unknown"),
    ("misspelt field", identity(Resources="*"), f"{AT}.Resources", "Did you mean Resource?"),
    ("Sid in 1.1", classic(Sid="x"), f"{AT}.Sid", "unknown"),
    ("NotAction in 1.1", classic(NotAction=["a:b:c"]), f"{AT}.NotAction", "unknown"),
    ("no effect", without(identity(), "Effect"), f"{AT}.Effect", "missing"),
    ("unknown effect", identity(Effect="allow"), f"{AT}.Effect", '"Allow" or "Deny"'),
    ("effect of another type", identity(Effect=[]), f"{AT}.Effect", '"Allow" or "Deny"'),
    ("no action", without(identity(), "Action"), f"{AT}.Action", "Action or NotAction is missing"),
    ("action and not action", identity(NotAction="a:b:d"), f"{AT}.NotAction", "cannot stand in one"),
    ("resource and not resource", identity(Resource="*", NotResource="*"), f"{AT}.NotResource", "cannot stand in one"),
    ("action with two parts", identity(Action=["a:b:c", "a:b"]), f"{AT}.Action[1]", "three parts"),
    ("action with four parts", identity(Action="a:b:c:d"), f"{AT}.Action", "three parts"),
    ("action with an empty part", identity(Action="a::c"), f"{AT}.Action", "three parts"),
    ("action with a newline", identity(Action="a:b:c\n"), f"{AT}.Action", "three parts"),
    ("action with a class", identity(Action="a:b:[cd]"), f"{AT}.Action", "three parts"),
    ("no actions", identity(Action=[]), f"{AT}.Action", "empty list"),
    ("action as a number", identity(Action=[1]), f"{AT}.Action[0]", "strings only"),
    ("action as an object", identity(Action={}), f"{AT}.Action", "a string or a list"),
    ("action as a string in 1.1", classic(Action="a:b:c"), f"{AT}.Action", "a list of strings"),
    ("upper-case service in 1.1", classic(Action=["A:b:c"]), f"{AT}.Action[0]", "lower case"),
    ("question mark in 1.1", classic(Action=["a:b:c?"]), f"{AT}.Action[0]", "wildcard * only"),
    ("question mark in a 1.1 resource", classic(Resource=["a:*:*:b:?"]), f"{AT}.Resource[0]", "wildcard * only"),
    ("resource with four parts", identity(Resource="a:b:c:d"), f"{AT}.Resource", "five parts"),
    ("resource without a type", identity(Resource=["a::::x"]), f"{AT}.Resource[0]", "may not be empty"),
    ("resource object", classic(Resource={"uri": ["x"]}), f"{AT}.Resource", "a list of strings"),
    ("no resources", identity(Resource=[]), f"{AT}.Resource", "empty list"),
    ("sid as a number", identity(Sid=7), f"{AT}.Sid", "string"),
    ("sid twice", two({"Sid": "s"}, {"Sid": "s"}), "Statement[1].Sid", "Statement[0] has the same Sid"),
    ("empty condition", identity(Condition={}), f"{AT}.Condition", "not empty"),
    ("condition as a list", identity(Condition=[]), f"{AT}.Condition", "an object"),
    ("empty operator", identity(Condition={"Bool": {}}), f"{AT}.Condition.Bool", "not empty"),
    ("unknown operator", condition("StringEqual", TAG, "x"), f"{AT}.Condition.StringEqual", "mean StringEquals?"),
    ("operator of another cloud", condition("NumericEquals", TAG, 1), f"{AT}.Condition.NumericEquals", "unknown"),
    ("unknown prefix", condition("ForSome:Bool", TAG, True), f'{AT}.Condition["ForSome:Bool"]', "unknown"),
    ("operator of 1.1", condition("StringLike", TAG, "x"), f"{AT}.Condition.StringLike", "version 1.1 only"),
    ("null with IfExists", condition("NullIfExists", TAG, "true"), f"{AT}.Condition.NullIfExists", "neither"),
    ("null for all", condition("ForAllValues:Null", TAG, "true"), f'{AT}.Condition["ForAllValues:Null"]', "neither"),
    ("unknown key", condition("Bool", "g:Foo", "true"), f'{AT}.Condition.Bool["g:Foo"]', "unknown"),
    ("key in another case", condition("Bool", "g:userid", "true"), f'{AT}.Condition.Bool["g:userid"]', "g:UserId?"),
    ("service key", condition("Bool", "obs:prefix", "true"), f'{AT}.Condition.Bool["obs:prefix"]', "unknown"),
    ("tag without key", condition("Bool", "g:ResourceTag/", "true"), f'{AT}.Condition.Bool["g:ResourceTag/"]', "1 to"),
    ("tag wildcard", condition("Bool", "g:ResourceTag/*", "true"), f'{AT}.Condition.Bool["g:ResourceTag/*"]', "Wild"),
    ("no values", condition("Bool", TAG, []), f'{AT}.Condition.Bool["{TAG}"]', "empty"),
    ("value of null", condition("StringEquals", TAG, None), f'{AT}.Condition.StringEquals["{TAG}"]', "a string"),
    ("number for a string", condition("StringEquals", TAG, 5), f'{AT}.Condition.StringEquals["{TAG}"]', "a string"),
    (
        "word for a number",
        condition("NumberEquals", TAG, ["1", "x"]),
        f'{AT}.Condition.NumberEquals["{TAG}"][1]',
        "num",
    ),
    ("exponent", condition("NumberEquals", TAG, "1e9"), f'{AT}.Condition.NumberEquals["{TAG}"]', "a number"),
    ("bool for a number", condition("NumberEquals", TAG, True), f'{AT}.Condition.NumberEquals["{TAG}"]', "a number"),
    ("other digits", condition("NumberEquals", TAG, "٣"), f'{AT}.Condition.NumberEquals["{TAG}"]', "a number"),
    ("no date", condition("DateLessThan", TAG, "2026-13-01"), f'{AT}.Condition.DateLessThan["{TAG}"]', "ISO 8601"),
    ("epoch", condition("DateLessThan", TAG, 1700000000), f'{AT}.Condition.DateLessThan["{TAG}"]', "ISO 8601"),
    ("no bool", condition("Bool", TAG, "yes"), f'{AT}.Condition.Bool["{TAG}"]', '"true" or "false"'),
    ("no null", condition("Null", TAG, "absent"), f'{AT}.Condition.Null["{TAG}"]', "key absent"),
    ("no block", condition("IpAddress", TAG, "10.0.0.0/33"), f'{AT}.Condition.IpAddress["{TAG}"]', "CIDR"),
    ("wildcard address", condition("IpAddress", TAG, "10.*"), f'{AT}.Condition.IpAddress["{TAG}"]', "CIDR"),
    ("star in a literal", condition("StringEquals", TAG, "a*"), f'{AT}.Condition.StringEquals["{TAG}"]', "StringMatch"),
    ("half a character", identity(Sid="\ud800"), f"{AT}.Sid", "cannot be stored"),
    ("a NUL", condition("StringEquals", TAG, "\0"), f'{AT}.Condition.StringEquals["{TAG}"]', "cannot be stored"),
    ("repeated key", '{"Version":"5.0","Version":"5.0"}', "Version", "twice"),
    (
        "repeated deep key",
        '{"Version":"5.0","Statement":[{"Effect":"Deny","Effect":"Allow","Action":"*"}]}',
        f"{AT}.Effect",
        "twice",
    ),
    ("long number", '{"Version":' + "9" * 5000 + "}", "", "40 digits"),
]


@pytest.mark.parametrize(("document", "place", "message"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED])
def test_a_document_is_refused_with_the_place_of_the_fault(document: Any, place: str, message: str) -> None:
    with pytest.raises(PolicyProblem) as refused:
        parse(document)
    assert refused.value.place == place
    assert message in refused.value.message


def test_the_place_is_the_same_for_text_and_object() -> None:
    for _, document, place, _ in REFUSED:
        if isinstance(document, dict):
            with pytest.raises(PolicyProblem) as refused:
                parse(json.dumps(document))
            assert refused.value.place == place


def test_the_longest_document_is_accepted_and_one_character_more_refused() -> None:
    text = json.dumps(identity(Sid="x"))
    text = text.replace('"x"', json.dumps("x" * (1 + 131_072 - len(text))))
    assert len(text) == 131_072
    parse(text)
    for longer in (text + " ", json.loads(text.replace('"xxx', '"' + "x" * 1000))):
        with pytest.raises(PolicyProblem, match="at most 131072"):
            parse(longer)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_deep_nesting_is_refused_before_it_can_hurt(opening: str) -> None:
    with pytest.raises(PolicyProblem, match="levels deep") as refused:
        parse(opening * 20_000)
    assert refused.value.place.startswith("line 1 column")


def test_a_deeply_nested_object_is_refused_with_its_place() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    with pytest.raises(PolicyProblem, match="levels deep") as refused:
        parse({"Version": deep})
    assert refused.value.place.startswith("Version[0][0]")


def test_brackets_in_strings_do_not_count_as_nesting() -> None:
    assert parse(json.dumps(identity(Sid='[{"\\' * 50))).statements[0].sid == '[{"\\' * 50


def test_the_examples_of_the_contract_are_read() -> None:
    classic_example = (
        '{"Version":"1.1","Statement":[{"Effect":"Allow","Action":["workspace:*:get*","workspace:*:list*",'
        '"ims:images:list"],"Resource":["workspace:*:*:*:*"],"Condition":{"StringEquals":'
        '{"g:EnterpriseProjectId":["0"]}}}]}'
    )
    found = parse(classic_example)
    assert found.version is Version.CLASSIC
    assert found.statements[0].effect is Effect.ALLOW
    assert found.statements[0].actions == ("workspace:*:get*", "workspace:*:list*", "ims:images:list")
    assert found.statements[0].label == "Statement[0]"

    found = parse(
        identity(Sid="optional", Resource=["*"], Condition={"StringEquals": {"g:EnterpriseProjectId": ["0"]}})
    )
    assert found.version is Version.IDENTITY
    assert found.statements[0].label == "optional"


def test_strings_and_lists_mean_the_same() -> None:
    one = parse(identity(Resource="*", Condition={"Bool": {"g:MFAPresent": True}}))
    many = parse(identity(Action=["a:b:c"], Resource=["*"], Condition={"Bool": {"g:MFAPresent": ["true"]}}))
    assert one == many


def test_service_keys_are_accepted_when_declared() -> None:
    document = condition("StringEquals", "obs:prefix", "x")
    assert parse(document, service_keys={"obs:prefix"}).statements[0].conditions[0].key == "obs:prefix"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["Version", "Statement", "Effect", "Action", "Resource", "Condition", "Bool", "g:UserId"])
        | st.text(max_size=5), inner, max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_whatever_comes_is_read_or_refused_with_a_problem(document: Any) -> None:
    for form in (document, json.dumps(document)):
        with contextlib.suppress(PolicyProblem):
            parse(form)


@given(st.text())
def test_whatever_text_comes_is_refused_with_a_problem(text: str) -> None:
    with pytest.raises(PolicyProblem):
        parse(text)
