"""Export, wipe, import: the same questions get the same answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

from shared.core.access.documents import caller_from, facts_from
from shared.core.access.facts import Principal
from shared.core.access.policy import ASKED
from tests.fakes.world import OTHER_TENANT, TENANT, World, world
from tests.triggers.app import Answer, App
from tests.triggers.documents import ADMIN, SECRET
from tests.unit.access.arbitrary import IDS, NAMED, NAMES, RESOURCES, RULES, VALUES

CONFIGURATIONS, QUESTIONS = 10, 20
TENANTS: tuple[list[str], ...] = ([TENANT], [OTHER_TENANT], [TENANT, OTHER_TENANT])
OF_A_RESOURCE = ("subscription_ids", "resource_groups", "scale_sets", "locations", "resource_ids")
ASKS = [
    f"{capability} {path.format(role=role, id=f'{role}.1', name=policy)}"
    for path, capabilities in ASKED.items()
    for capability in sorted(capabilities)
    for role, policy in (("app", "p0"), ("web", "p1"))
]
OFTEN = ["issue roles/app/leases", "issue roles/web/leases", "read audit", "list leases/app.1", "read policies/p0"] * 10
"""Asked for more often: some policy gives each."""


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for what. ``directory`` is what the directory says of the caller."""

    claims: dict[str, Any]
    directory: dict[str, Any]
    ask: str


def some_bounds(chance: Random) -> dict[str, list[str]]:
    """One to three kinds, and sometimes tenants: those of another tenant have no resource."""
    kinds = chance.sample([kind for kind in VALUES if kind != "bound_tenant_ids"], chance.choice([1, 1, 1, 2, 3]))
    found = {kind: chance.sample(VALUES[kind], chance.choice([1, 2, 3])) for kind in kinds}
    if chance.random() < 0.2:
        found["bound_tenant_ids"] = tenants = chance.choice(TENANTS)
        if TENANT not in tenants:
            found = {kind: each for kind, each in found.items() if not kind.endswith(OF_A_RESOURCE)}
    return found if len(found) > ("bound_tenant_ids" in found) else {"bound_app_roles": ["app"]}


def some_configuration(chance: Random) -> dict[str, Any]:
    """Two roles, with bounds of their own or without, four policies, and six auth roles that name them."""
    roles = {name: {**SECRET, **(some_bounds(chance) if chance.random() < 0.6 else {})} for name in ("app", "web")}
    policies = {name: {"rules": chance.sample(RULES, chance.choice([1, 2, 4]))} for name in NAMED}
    auth_roles = {f"a{number}": {**some_bounds(chance), "policies": chance.sample(NAMED, 2)} for number in range(6)}
    return {"form": 1, "roles": roles, "policies": policies, "auth_roles": auth_roles}


def some_question(chance: Random) -> Question:
    """A caller of either tenant, whose resource and groups the directory knows, does not know, or cannot say."""
    claims: dict[str, Any] = {"oid": chance.choice(IDS), "appid": chance.choice(IDS), "tid": TENANT}
    if chance.random() < 0.2:
        claims["tid"] = OTHER_TENANT
    if chance.random() < 0.2:
        claims["scp"] = "access"
    claims["roles"] = chance.sample([*NAMES, "Leasehold.Auditor"], chance.choice([0, 1, 3]))
    claims |= chance.choice([{"groups": chance.sample(IDS, 2)}, {"hasgroups": True}, {}])
    directory: dict[str, Any] = {}
    if chance.random() < 0.6:
        kind = chance.choice(["ManagedIdentity", "ManagedIdentity", "Application"])
        directory |= {"servicePrincipalType": kind, "alternativeNames": [chance.choice(RESOURCES)]}
    if chance.random() < 0.6:
        directory |= {"groups": chance.sample(IDS, 2), "location": chance.choice(["westeurope", "k", None])}
    return Question(claims, directory, chance.choice([*ASKS, *OFTEN]))


async def explained(app: App, question: Question) -> tuple[int, Any]:
    """What an operator reads: the decision, what has decided, and what each auth role says."""
    body = {"claims": question.claims, "directory": question.directory, "ask": question.ask}
    answer = await app.call("POST", "/api/v1/explain", token=ADMIN, body=body)
    return answer.status, answer.json if answer.status == 200 else answer.code


async def answered(app: App, question: Question) -> tuple[int, bytes]:
    """What the gate answers the caller itself: who it is, and from which roles it may issue."""
    caller, facts = caller_from(question.claims, TENANT), facts_from(question.directory)
    app.verifier.known["sampled.token.x"] = caller
    known = app.world.callers
    known.principals = {caller.object_id: facts.principal} if isinstance(facts.principal, Principal) else {}
    known.memberships = {caller.object_id: facts.groups} if isinstance(facts.groups, frozenset) else {}
    app.world.clock.jump(301)
    answer = await app.call("GET", "/api/v1/whoami", token="sampled.token.x")
    return answer.status, answer.without_request_id()


async def imported(app: App, document: Any, **query: str) -> Answer:
    """The answer to an import, which must succeed."""
    answer = await app.call("PUT", "/api/v1/import", token=ADMIN, body=document, query=query)
    assert 200 == answer.status, answer.body
    return answer


def elsewhere(made: World) -> App:
    """Another worker of the same broker."""
    return App(made.coworker())


async def test_two_hundred_questions_are_answered_as_before() -> None:
    """Each by ``explain`` and by the gate itself, on the worker that has imported and on another one.

    While the configuration is gone, no document allows anything.
    """
    outcomes: Counter[str] = Counter()
    for seed in range(CONFIGURATIONS):
        chance, app = Random(seed), App(world())
        await imported(app, some_configuration(chance))
        questions = [some_question(chance) for _ in range(QUESTIONS)]
        worker = elsewhere(app.world)
        before = [(await explained(app, each), await answered(app, each)) for each in questions]
        exported = (await app.call("GET", "/api/v1/export", token=ADMIN)).json

        await imported(app, {"form": 1, "roles": {}, "policies": {}, "auth_roles": {}}, prune="true")
        wiped = [await explained(worker, each) for each in questions]
        allowed = [answer for status, answer in wiped if status == 200 and answer["decision"] != "denied"]
        assert {"Leasehold.Auditor"} >= {each["decided_by"]["app_role"] for each in allowed}

        await imported(app, exported)
        assert before == [(await explained(app, each), await answered(app, each)) for each in questions]
        assert before == [(await explained(worker, each), await answered(worker, each)) for each in questions]
        outcomes.update(answer["decision"] if status == 200 else "nothing there" for (status, answer), _ in before)
    assert CONFIGURATIONS * QUESTIONS == outcomes.total()
    assert min(outcomes[each] for each in ("allowed", "denied", "unknown")) >= 10, outcomes
