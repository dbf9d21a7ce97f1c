"""CPU time of one decision, beside cedarpy and casbin, with the same rules and the same requests.

Every policy has one statement: an action (every fourth a wildcard), a prefix of resource ids, an enterprise project;
every tenth denies. All three have their policies parsed beforehand, as a service would. The answers are compared
before anything is timed, so nobody is fast by being wrong. The three take turns, and the median of the rounds counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import casbin
import cedarpy
from casbin.persist.adapters.string_adapter import StringAdapter

from goldsmith.iam.policies import system
from goldsmith.iam.policies.evaluate import Grant, Request, compile
from goldsmith.iam.policies.grammar import parse
from harness import Ratio, Result, median, table

SIZES = (1, 20, 200)
ROUNDS = 5
ACTIONS = [
    f"workspace:{type_}:{verb}"
    for type_ in ("imageServer", "server", "serverGroup")
    for verb in ("get", "list", "create", "update")
]
GOLDSMITH, CEDAR, CASBIN = "goldsmith", "cedarpy", "casbin"
MODEL = """
[request_definition]
r = sub, obj, act, ep

[policy_definition]
p = sub, obj, act, ep, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.sub == p.sub && r.ep == p.ep && keyMatch(r.act, p.act) && keyMatch(r.obj, p.obj)
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy, whatever its language."""

    action: str
    prefix: str
    enterprise_project: str
    denies: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A request, whatever the language."""

    action: str
    id: str
    enterprise_project: str


Decide = Callable[[Question], bool]


def rules_of(count: int) -> list[Rule]:
    """That many policies."""
    made = []
    for number in range(count):
        action = ACTIONS[number % len(ACTIONS)]
        pattern = action.rpartition(":")[0] + ":*" if number % 4 == 3 else action
        made.append(Rule(pattern, str(number % 7), f"ep-{number % 3}", number % 10 == 9))
    return made


QUESTIONS = [
    Question(ACTIONS[number % len(ACTIONS)], f"{number % 7}00{number}", f"ep-{number % 3}") for number in range(84)
]


def goldsmith_decides(rules: list[Rule]) -> Decide:
    """Our own evaluator; the context holds what a request brings."""
    documents = [
        {
            "Version": "5.0",
            "Statement": [
                {
                    "Effect": "Deny" if rule.denies else "Allow",
                    "Action": [rule.action],
                    "Resource": [f"workspace:*:acc:*:{rule.prefix}*"],
                    "Condition": {"StringEquals": {"g:EnterpriseProjectId": [rule.enterprise_project]}},
                }
            ],
        }
        for rule in rules
    ]
    grants = [Grant(parse(document), str(number), f"policy {number}") for number, document in enumerate(documents)]
    policies = compile(grants, known_actions=ACTIONS)
    requests = {
        question: Request(
            question.action,
            (f"workspace:local-1:acc:imageServer:{question.id}",),
            {
                "g:UserName": "u", "g:UserId": "1", "g:SourceIp": "10.0.0.1", "g:SecureTransport": "true",
                "g:CurrentTime": "2026-10-01T00:00:00Z", "g:EnterpriseProjectId": question.enterprise_project,
            },
            "project",
        )
        for question in QUESTIONS
    }  # fmt: skip
    return lambda question: policies.decide(requests[question]).allowed


def cedar_decides(rules: list[Rule]) -> Decide:
    """Cedar, policies and entities parsed beforehand."""
    texts = []
    for rule in rules:
        covered = [action for action in ACTIONS if action == rule.action or action.startswith(rule.action.rstrip("*"))]
        named = ", ".join(f'Action::"{action}"' for action in covered)
        texts.append(
            f"{'forbid' if rule.denies else 'permit'}(principal, action in [{named}], resource) when "
            f'{{ context.id like "{rule.prefix}*" && context.ep == "{rule.enterprise_project}" }};'
        )
    policies = cedarpy.PolicySet.from_str("\n".join(texts))
    entities = cedarpy.Entities.from_json_str("[]")
    requests = {
        question: {
            "principal": 'User::"u"',
            "action": f'Action::"{question.action}"',
            "resource": f'ImageServer::"{question.id}"',
            "context": {"id": question.id, "ep": question.enterprise_project},
        }
        for question in QUESTIONS
    }
    return lambda question: cedarpy.is_authorized(requests[question], policies, entities).allowed


def casbin_decides(rules: list[Rule]) -> Decide:
    """Casbin with a model of the same meaning."""
    lines = [
        f"p, u, {rule.prefix}*, {rule.action}, {rule.enterprise_project}, {'deny' if rule.denies else 'allow'}"
        for rule in rules
    ]
    model = casbin.Model()
    model.load_model_from_text(MODEL)
    enforcer = casbin.Enforcer(model, StringAdapter("\n".join(lines)))
    return lambda question: bool(enforcer.enforce("u", question.id, question.action, question.enterprise_project))


def measure(seconds: float) -> Result:
    """Time the decisions; `seconds` is the length of one turn, at most."""
    figures: dict[str, dict[str, float]] = {}
    for size in SIZES:
        deciders = {
            GOLDSMITH: goldsmith_decides(rules_of(size)),
            CEDAR: cedar_decides(rules_of(size)),
            CASBIN: casbin_decides(rules_of(size)),
        }
        for question in QUESTIONS:
            answers = {name: decide(question) for name, decide in deciders.items()}
            if len(set(answers.values())) != 1:
                raise RuntimeError(f"no agreement about {question}: {answers}")
        rounds: dict[str, list[float]] = {name: [] for name in deciders}
        for _ in range(ROUNDS):
            for name, decide in deciders.items():
                rounds[name].append(cpu_us(decide, min(seconds, 0.5)))
        figures[str(size)] = {name: median(times) for name, times in rounds.items()}
    table(
        f"CPU µs of one decision (one statement a policy; medians of {ROUNDS} alternating rounds)",
        ["policies", GOLDSMITH, CEDAR, CASBIN],
        [[size, *found.values()] for size, found in figures.items()],
    )
    figures["lists"] = lists()
    print(f"  a list of 1000 resources in 1000 contexts: {figures['lists']['visible_1000_ms']:.2f} ms")
    twenty = figures["20"]
    return Result(
        "policies",
        figures,
        [
            Ratio("a decision with 20 policies", twenty[GOLDSMITH], 5, at_least=False, unit=" µs"),
            Ratio("a decision with 20 policies beside cedarpy", twenty[CEDAR] / twenty[GOLDSMITH], 1, at_least=True),
            Ratio("a decision with 20 policies beside casbin", twenty[CASBIN] / twenty[GOLDSMITH], 1, at_least=True),
        ],
    )


def cpu_us(decide: Decide, seconds: float) -> float:
    """CPU microseconds of a decision, with the cost of the loop taken off."""
    count = 0
    start = time.process_time()
    while (used := time.process_time() - start) < seconds:
        for question in QUESTIONS:
            decide(question)
        count += len(QUESTIONS)
    start = time.process_time()
    for _ in range(count // len(QUESTIONS)):
        for _question in QUESTIONS:
            pass
    return max(used - (time.process_time() - start), 0.0) / count * 1e6


def lists() -> dict[str, float]:
    """Milliseconds to find what a reader of one enterprise project sees among a thousand resources."""
    reader = system.READ_ONLY
    policies = compile([Grant(system.parsed(reader.id), reader.id, reader.name)], known_actions=ACTIONS)
    candidates = [
        (f"workspace:local-1:acc:imageServer:{number}", {"g:EnterpriseProjectId": f"ep-{number}"})
        for number in range(1000)
    ]
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        policies.visible("workspace:imageServer:get", candidates)
        times.append((time.process_time() - start) * 1000)
    return {"visible_1000_ms": median(times)}
