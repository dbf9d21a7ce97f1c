"""The two grammars of policies: classic (Version 1.1) and identity (Version 5.0).

`parse` turns a document into a `Policy` or says, with the place, why it is none. What is not known is refused, never
ignored: a policy that means something else than its author thinks is worse than none.

| | 1.1 | 5.0 |
|---|---|---|
| actions | `Action`, a list; service in lower case; `*` | `Action` or `NotAction`; string or list; `*`, `?` |
| resources | `Resource`, a list; optional; `*` | `Resource` or `NotResource`; string or list; optional; `*`, `?` |
| `Sid` | no | optional, once per policy |
| operators | six more (StringStartWith …) | |

Source: contract, authentication sections 5 and 6; issue 3, "Bad input".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from goldsmith.iam.policies import keys
from goldsmith.iam.policies.conditions import Condition, Context, Kind, read_operator, read_value
from goldsmith.iam.policies.document import PolicyProblem, member, read
from goldsmith.iam.policies.urn import (
    PartsTest,
    Test,
    actions_test,
    is_action_pattern,
    resource_pattern_problem,
    resources_test,
)

__all__ = ["Effect", "Policy", "PolicyProblem", "Statement", "Version", "parse"]


class Version(StrEnum):
    """Which grammar a document follows."""

    CLASSIC = "1.1"
    IDENTITY = "5.0"


class Effect(StrEnum):
    """What a statement does when it applies."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class Statement:
    """One rule of a policy.

    `actions` are those named, or with `is_not_action` those excepted; `resources` likewise, and None means every
    resource. `index` is the place in the document.
    """

    index: int
    sid: str
    effect: Effect
    actions: tuple[str, ...]
    is_not_action: bool
    resources: tuple[str, ...] | None
    is_not_resource: bool
    conditions: tuple[Condition, ...]
    _action_test: Test = field(init=False, compare=False, repr=False)
    resource_test: PartsTest | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_action_test", actions_test(self.actions))
        test = resources_test(self.resources) if self.resources is not None else None
        object.__setattr__(self, "resource_test", test)

    @property
    def label(self) -> str:
        """How messages name it: its Sid, or its place."""
        return self.sid or f"Statement[{self.index}]"

    @property
    def never_applies(self) -> bool:
        """Whether it excepts every resource."""
        return self.is_not_resource and self.resource_test is None

    def covers_action(self, action: str) -> bool:
        """Whether it speaks of an action, given in lower case."""
        return self._action_test(action) is not self.is_not_action

    def covers_resource(self, parts: Sequence[str]) -> bool:
        """Whether it speaks of the resource with these parts (`urn.parts_of`)."""
        return (self.resource_test is None or self.resource_test(parts)) is not self.is_not_resource

    def holds(self, context: Context) -> bool:
        """Whether all its conditions hold."""
        return all(condition.holds(context) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Policy:
    """A valid document, ready to be evaluated."""

    version: Version
    statements: tuple[Statement, ...]


def parse(document: str | dict[str, Any], *, service_keys: Collection[str] = ()) -> Policy:
    """The policy a document holds.

    In: JSON text or the object made from it; `service_keys` are condition keys of services that exist beside the
    global ones. Raises `PolicyProblem` with the place of the first fault.
    """
    found = read(document)
    _only(found, "", {"Version", "Statement"})
    version = _version(_required(found, "", "Version"))
    statements = _required(found, "", "Statement")
    if not isinstance(statements, list) or not statements:
        raise PolicyProblem("Statement", "Statement is a list with at least one statement.")
    reader = _Reader(version, service_keys)
    made = tuple(reader.statement(index, value) for index, value in enumerate(statements))
    first_use: dict[str, int] = {}
    for statement in made:
        if statement.sid and first_use.setdefault(statement.sid, statement.index) != statement.index:
            earlier = first_use[statement.sid]
            raise PolicyProblem(
                f"Statement[{statement.index}].Sid", f"Statement[{earlier}] has the same Sid; a Sid is used once."
            )
    return Policy(version, made)


def _version(value: Any) -> Version:
    if value not in list(Version) or not isinstance(value, str):
        raise PolicyProblem("Version", 'The version is "1.1" or "5.0", as a string.')
    return Version(value)


def _only(found: dict[str, Any], place: str, known: Collection[str]) -> None:
    for key in found:
        if key not in known:
            names = ", ".join(sorted(known))
            hint = keys.suggestion(key, known)
            raise PolicyProblem(member(place, key), f"The field is unknown; known are {names}.{hint}")


def _required(found: dict[str, Any], place: str, key: str) -> Any:
    if key not in found:
        raise PolicyProblem(member(place, key), f"{key} is missing.")
    return found[key]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the statements of one document."""

    version: Version
    service_keys: Collection[str]

    @property
    def is_classic(self) -> bool:
        return self.version is Version.CLASSIC

    def statement(self, index: int, found: Any) -> Statement:
        """One entry of `Statement`."""
        place = f"Statement[{index}]"
        if not isinstance(found, dict):
            raise PolicyProblem(place, "A statement is an object with Effect and Action.")
        known = {"Effect", "Action", "Resource", "Condition"}
        _only(found, place, known if self.is_classic else known | {"Sid", "NotAction", "NotResource"})
        sid = found.get("Sid", "")
        if not isinstance(sid, str):
            raise PolicyProblem(member(place, "Sid"), "A Sid is a string.")
        effect = _required(found, place, "Effect")
        if effect not in list(Effect):
            raise PolicyProblem(member(place, "Effect"), 'The effect is "Allow" or "Deny".')
        action_field = self._one_field(found, place, "Action")
        if action_field is None:
            missing = "Action" if self.is_classic else "Action or NotAction"
            raise PolicyProblem(member(place, "Action"), f"{missing} is missing.")
        resource_field = self._one_field(found, place, "Resource")
        return Statement(
            index=index,
            sid=sid,
            effect=Effect(effect),
            actions=self._actions(found[action_field], member(place, action_field)),
            is_not_action=action_field == "NotAction",
            resources=self._resources(found[resource_field], member(place, resource_field)) if resource_field else None,
            is_not_resource=resource_field == "NotResource",
            conditions=self._conditions(found["Condition"], member(place, "Condition")) if "Condition" in found else (),
        )

    def _one_field(self, found: dict[str, Any], place: str, name: str) -> str | None:
        """Which of `name` and `Not<name>` is there; both together are refused."""
        present = [each for each in (name, f"Not{name}") if each in found]
        if len(present) > 1:
            raise PolicyProblem(member(place, present[1]), f"{name} and Not{name} cannot stand in one statement.")
        return present[0] if present else None

    def _texts(self, value: Any, place: str, what: str) -> list[tuple[str, str]]:
        """The strings of a list (or a single one, in 5.0) with their places."""
        if isinstance(value, str) and not self.is_classic:
            return [(value, place)]
        if not isinstance(value, list):
            shape = "a list of strings" if self.is_classic else "a string or a list of strings"
            raise PolicyProblem(place, f"{what} is {shape}.")
        if not value:
            raise PolicyProblem(place, f"{what} is an empty list.")
        for index, each in enumerate(value):
            if not isinstance(each, str):
                raise PolicyProblem(f"{place}[{index}]", f"{what} holds strings only.")
        return [(each, f"{place}[{index}]") for index, each in enumerate(value)]

    def _actions(self, value: Any, place: str) -> tuple[str, ...]:
        texts = self._texts(value, place, "Action")
        for text, where in texts:
            if not is_action_pattern(text):
                raise PolicyProblem(
                    where, "An action has three parts, service:type:operation; * stands for any run of characters."
                )
            if self.is_classic and text.split(":")[0] != text.split(":")[0].lower():
                raise PolicyProblem(where, "In version 1.1 the service of an action is written in lower case.")
            self._check_question_mark(text, where)
        return tuple(text for text, _ in texts)

    def _resources(self, value: Any, place: str) -> tuple[str, ...]:
        texts = self._texts(value, place, "Resource")
        for text, where in texts:
            problem = resource_pattern_problem(text)
            if problem:
                raise PolicyProblem(where, problem)
            self._check_question_mark(text, where)
        return tuple(text for text, _ in texts)

    def _check_question_mark(self, text: str, place: str) -> None:
        if self.is_classic and "?" in text:
            raise PolicyProblem(place, "Version 1.1 knows the wildcard * only.")

    def _conditions(self, found: Any, place: str) -> tuple[Condition, ...]:
        made: list[Condition] = []
        for name, by_key in _entries(found, place, "Condition is an object of operators"):
            where = member(place, name)
            operator = read_operator(name, is_classic=self.is_classic)
            if isinstance(operator, str):
                raise PolicyProblem(where, operator)
            for key, value in _entries(by_key, where, "An operator holds an object of condition keys"):
                at = member(where, key)
                problem = keys.problem_with(key, self.service_keys)
                if problem:
                    raise PolicyProblem(at, problem)
                made.append(Condition(*operator, key, _values(operator[0].kind, key, value, at)))
        return tuple(made)


def _entries(found: Any, place: str, shape: str) -> list[tuple[str, Any]]:
    if not isinstance(found, dict) or not found:
        raise PolicyProblem(place, f"{shape}, not empty.")
    return list(found.items())


_MAY_HOLD_STARS = {"g:UserAgent", "g:Referer"}
"""Keys whose values may really contain a `*`."""


def _values(kind: Kind, key: str, value: Any, place: str) -> tuple[str, ...]:
    if isinstance(value, list) and not value:
        raise PolicyProblem(place, "The list of values is empty.")
    listed = [(each, f"{place}[{index}]") for index, each in enumerate(value)] if isinstance(value, list) else []
    made: list[str] = []
    for each, where in listed or [(value, place)]:
        text = read_value(kind, each)
        if text is None:
            raise PolicyProblem(where, _EXPECTED[kind])
        if kind is Kind.TEXT and "*" in text and key not in _MAY_HOLD_STARS:
            raise PolicyProblem(where, "This operator compares literally; use StringMatch for wildcards.")
        made.append(text)
    return tuple(made)


_EXPECTED = {
    Kind.TEXT: "The value has to be a string.",
    Kind.PATTERN: "The value has to be a string.",
    Kind.NUMBER: "The value has to be a number, such as 5 or 2.5.",
    Kind.DATE: "The value has to be a date in ISO 8601, such as 2026-01-31T08:00:00Z.",
    Kind.BOOL: 'The value has to be "true" or "false".',
    Kind.NULL: 'The value has to be "true" (key absent) or "false" (key present).',
    Kind.NETWORK: "The value has to be an IP address or a CIDR block, such as 10.0.0.0/8.",
}
