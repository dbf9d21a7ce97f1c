"""What a user reads about a field of the wrong shape: words, not regular expressions, and what was sent."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from goldsmith.app_servers.shared_schemas import Name
from goldsmith.http.validation import problems_of


class Request(BaseModel):
    name: Name = "a"
    size: int = 1
    status: Annotated[str, Field(pattern=r"^(WAITING|RUNNING)?$")] = ""
    few: Annotated[list[int], Field(min_length=1, max_length=1)] = [1]
    many: Annotated[list[str], Field(max_length=2)] = []


def said(**sent: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as refusal:
        Request(**sent)
    return [(problem.rule, problem.message) for problem in problems_of(refusal.value.errors())]


@pytest.mark.parametrize("name", ["a\n", " a", "a/b", "Ünder"])
def test_the_rule_for_names_is_told_in_words(name: str) -> None:
    words = "Letters, digits, Chinese characters, _ and - only, with spaces between them but not at either end."

    assert said(name=name) == [("pattern", words)]


def test_a_choice_is_told_as_one() -> None:
    assert said(status="DONE") == [("pattern", "Use one of WAITING, RUNNING.")]


@pytest.mark.parametrize(("sent", "shown"), [(60.5, "60.5"), ("many", '"many"')])
def test_what_is_no_whole_number_is_named(sent: Any, shown: str) -> None:
    assert said(size=sent) == [("type", f"Send a whole number, not {shown}.")]


def test_one_is_no_plural() -> None:
    assert said(name="") == [("min_length", "At least 1 character.")]
    assert said(few=[]) == [("min_items", "At least 1 entry.")]
    assert said(few=[1, 2]) == [("max_items", "At most 1 entry.")]
    assert said(many=["a"] * 3) == [("max_items", "At most 2 entries.")]


def test_a_long_list_is_shortened_as_the_json_that_was_sent() -> None:
    with pytest.raises(ValidationError) as refusal:
        Request(many=['"'] * 100)  # type: ignore[arg-type]

    (problem,) = problems_of(refusal.value.errors())
    assert problem.value.startswith(r'["\"", "\"", ')
    assert len(problem.value) == 201
