"""The actions as a page, in the form of a permission table, and the language of policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from goldsmith.docs.markdown import code, page, prose, table
from goldsmith.http.operations import Operation
from goldsmith.iam.policies import system
from goldsmith.iam.policies.conditions import OPERATORS, Kind
from goldsmith.iam.policies.keys import GLOBAL_KEYS, TAG_FAMILIES


def permissions_page(operations: Sequence[Operation]) -> str:
    """The actions, in the form of a permission table."""
    by_action: dict[str, list[Operation]] = defaultdict(list)
    for each in operations:
        by_action[each.action or ""].append(each)
    free = by_action.pop("", [])
    services: dict[str, list[str]] = defaultdict(list)
    for action in sorted(by_action, key=str.lower):
        services[action.partition(":")[0]].append(action)
    head = ["Action", "Access level", "Resource type (*: required)", "Condition keys", "Dependencies", "Operation"]
    parts = [
        f"## {service}\n\n" + table(head, (_action_row(action, by_action[action]) for action in actions))
        for service, actions in services.items()
    ]
    needs = ([each.name, "nothing" if each.is_public else "a credential"] for each in free)
    listed = table(["Operation", "Needs"], needs)
    intro = (
        "What each operation asks permission for. A dependency is a further action that the caller needs, because the "
        "operation acts on another service in the caller's name."
    )
    language = [*_policies(), *_conditions()]
    return page("Permissions", prose(intro), *parts, "## Operations without an action\n\n" + listed, *language)


def _policies() -> list[str]:
    """What a policy is, and those that are always there."""
    rows = ([each.name, each.description, code(each.id)] for each in system.SYSTEM_POLICIES)
    return [
        "## Policies",
        prose(
            "A policy of version `5.0` has statements with `Effect`, `Action` or `NotAction`, and perhaps `Sid`, "
            "`Resource` or `NotResource` and `Condition`; one of version `1.1` is the classic kind. `*` stands for any "
            "text and `?` for one character. A resource is `<service>:<region>:<account id>:<type>:<id>`. An explicit "
            "Deny wins over everything, also for the root user, who otherwise may do everything; else one Allow is "
            "needed. A session policy only narrows. `goldsmith iam simulate` tells what would be decided, and why."
        ),
        table(["Always there", "Allows", "Id"], rows),
    ]


def _conditions() -> list[str]:
    """Operators and keys of conditions."""
    operators = (
        [code(each.name), each.kind.value, "not the values" if each.is_negative else "one of the values",
         "true" if each.is_negative else "false", "1.1" if each.is_classic_only else "5.0 and 1.1"]
        for each in OPERATORS.values() if each.kind is not Kind.NULL
    )  # fmt: skip
    families = {f"{family}<key>": "value of the tag with this key" for family in TAG_FAMILIES}
    return [
        "## Conditions",
        prose(
            "All operators and keys of a statement must hold. With the suffix `IfExists` an absent key is fine. "
            "`ForAnyValue:` and `ForAllValues:` before an operator are for keys with several values. `Null` asks "
            "whether a key is absent."
        ),
        table(["Operator", "Values", "Holds for", "Key absent", "Version"], operators),
        table(["Key", "What it is"], ([code(key), text] for key, text in (GLOBAL_KEYS | families).items())),
    ]


def _action_row(action: str, operations: Sequence[Operation]) -> list[str]:
    first = operations[0]
    return [
        code(action),
        first.access.value,
        f"{first.resource_type}*" if first.resource_type else "-",
        ", ".join(map(code, first.condition_keys)) or "-",
        ", ".join(map(code, first.dependencies)) or "-",
        ", ".join(f"{each.name} ({each.method} {each.path})" for each in operations),
    ]
