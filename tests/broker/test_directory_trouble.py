"""The directory slow, down, lying, throttled: what is remembered serves on for its life, and then nobody is let in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from shared.core.access.auth_role import AuthRole
from shared.core.access.bounds import Bounds
from shared.core.access.policy import Policy, Rule
from shared.core.caller import Caller
from shared.core.errors import DirectoryUnavailable, Forbidden
from shared.core.names import RoleName
from tests.broker.scenes import issued
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, GROUPS, SUBSCRIPTION, WEB, World, request, role, world

IN_APP = Bounds(subscription_ids=frozenset({SUBSCRIPTION}), resource_groups=frozenset({"app"}))
IN_EUROPE = Bounds(resource_groups=frozenset({"app"}), locations=frozenset({"westeurope"}))
IN_A_GROUP = Bounds(group_ids=frozenset({GROUPS[0]}))
MANY_GROUPS = replace(ALICE, has_more_groups=True)
TROUBLES = ("down", "failing", "lying", "throttled", "forbidden", "slow")


def machine(group: str, name: str = "vm") -> str:
    """The id of a virtual machine."""
    return f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}"


def placed(bounds: Bounds = IN_APP) -> World:
    """Alice is a machine in the group ``app``, and Bob is one in another. The role is for those whom the bounds name."""
    scene = world(role(bounds=bounds))
    scene.callers.place(ALICE.object_id, machine("app"))
    scene.callers.place(BOB.object_id, machine("data"))
    scene.callers.memberships[ALICE.object_id] = frozenset({GROUPS[0], GROUPS[1]})
    return scene


def trouble(scene: World, kind: Any) -> None:
    """From now on, Graph and Resource Manager are so."""
    scene.callers.seconds = 11.0 if kind == "slow" else 0.0
    scene.callers.trouble = "" if kind == "slow" else kind


def asked(scene: World) -> list[str]:
    """What Graph and Resource Manager were asked about callers."""
    return [each for each in scene.calls.names() if each in {"graph.principal", "graph.groups", "arm.location"}]


async def refusal(scene: World, caller: Caller = ALICE, name: RoleName = WEB) -> str:
    """What the caller reads, by its code, and that nothing was opened."""
    before = len(scene.leases.rows)
    with pytest.raises((DirectoryUnavailable, Forbidden)) as refused:
        await issued(scene, request(caller), role=name)
    assert before == len(scene.leases.rows)
    return refused.value.stable_code


async def test_a_machine_in_the_group_is_served_and_one_in_another_is_not() -> None:
    """One question to Graph for each, however often they come within five minutes."""
    scene = placed()
    for _ in range(3):
        await issued(scene)
        assert "forbidden" == await refusal(scene, BOB)
    assert ["graph.principal"] * 2 == asked(scene)


async def test_fifty_issues_at_once_ask_graph_once() -> None:
    """They wait for one answer."""
    scene = placed()
    await asyncio.gather(*(issued(scene) for _ in range(50)))
    assert ["graph.principal"] == asked(scene)


@pytest.mark.parametrize("kind", TROUBLES)
@pytest.mark.parametrize("bounds", [IN_APP, IN_EUROPE, IN_A_GROUP], ids=["group", "location", "membership"])
async def test_what_is_remembered_serves_on_and_then_nobody_is_let_in(bounds: Bounds, kind: str) -> None:
    """Until the trouble is over. Then the same caller is served again."""
    scene, caller = placed(bounds), MANY_GROUPS if bounds is IN_A_GROUP else ALICE
    await issued(scene, request(caller))
    trouble(scene, kind)
    scene.clock.jump(290)
    await issued(scene, request(caller))
    scene.clock.jump(10)
    for _ in range(2):
        begun = scene.clock.monotonic()
        assert "directory_unavailable" == await refusal(scene, caller)
        assert scene.clock.monotonic() - begun <= 10
    trouble(scene, "")
    await issued(scene, request(caller))


@pytest.mark.parametrize("kind", TROUBLES)
async def test_whoever_was_not_there_before_the_trouble_is_not_let_in(kind: str) -> None:
    """Nor is anybody who would be refused if all were known: the answers are the same."""
    scene = placed()
    trouble(scene, kind)
    assert ["directory_unavailable"] * 2 == [await refusal(scene), await refusal(scene, BOB)]


@pytest.mark.parametrize("name", [WEB, RoleName.parse("none")])
async def test_an_unknown_role_costs_graph_the_same_as_a_forbidden_one(name: RoleName) -> None:
    """Else the time of an answer would tell which roles there are."""
    scene = placed()
    assert ("forbidden", ["graph.principal"]) == (await refusal(scene, BOB, name), asked(scene))


@pytest.mark.parametrize("kind", TROUBLES)
@pytest.mark.parametrize(
    ("bounds", "caller"),
    [(Bounds(service_principal_ids=frozenset({ALICE.object_id})), ALICE), (IN_APP, ADMINISTRATOR)],
    ids=["by its token", "administrator"],
)
async def test_whoever_needs_no_fact_is_served_in_trouble(bounds: Bounds, caller: Caller, kind: str) -> None:
    """By a bound of its token, or as an administrator, of whom nothing is asked whatever the bounds are."""
    scene = placed(bounds)
    trouble(scene, kind)
    await issued(scene, request(caller))
    assert [] == asked(scene)


def deny(scene: World, bounds: Bounds) -> None:
    """A policy denies the role to those whom these bounds name."""
    denial = Policy("keep-out", (Rule(f"roles/{WEB}/leases"),))
    scene.access.policies.keep(denial)
    scene.access.auth_roles.keep(AuthRole("kept-out", bounds, ("keep-out",)))


@pytest.mark.parametrize("kind", TROUBLES)
async def test_trouble_removes_no_deny(kind: str) -> None:
    """Of whom it cannot be told, the deny holds: else an outage of the directory would open what is closed."""
    scene = placed(Bounds(service_principal_ids=frozenset({ALICE.object_id, BOB.object_id})))
    deny(scene, Bounds(resource_groups=frozenset({"data"})))
    await issued(scene)
    assert "forbidden" == await refusal(scene, BOB)
    scene.clock.jump(300)
    trouble(scene, kind)
    assert ["forbidden"] * 2 == [await refusal(scene), await refusal(scene, BOB)]
    trouble(scene, "")
    await issued(scene)


async def test_a_deleted_identity_is_refused_when_its_life_in_memory_is_over() -> None:
    """It is known not to be there, and that is no trouble."""
    scene = placed()
    await issued(scene)
    del scene.callers.principals[ALICE.object_id]
    scene.clock.jump(299)
    await issued(scene)
    scene.clock.jump(1)
    assert "forbidden" == await refusal(scene)


async def test_a_lost_membership_ends_with_its_life_in_memory() -> None:
    """Graph is asked only because the token cannot name all groups."""
    scene = placed(IN_A_GROUP)
    await issued(scene, request(MANY_GROUPS))
    scene.callers.memberships[ALICE.object_id] = frozenset({GROUPS[1]})
    scene.clock.jump(300)
    assert "forbidden" == await refusal(scene, MANY_GROUPS)
    assert ["graph.groups"] * 2 == asked(scene)


async def test_a_location_is_asked_for_only_if_all_else_matches() -> None:
    """Of Bob, the group decides. Alice's location is remembered longer than her principal."""
    scene = placed(IN_EUROPE)
    assert "forbidden" == await refusal(scene, BOB)
    assert ["graph.principal"] == asked(scene)
    await issued(scene)
    scene.clock.jump(300)
    await issued(scene)
    assert ["graph.principal", "arm.location", "graph.principal"] == asked(scene)[1:]


async def test_a_location_that_is_not_shown_is_unknown() -> None:
    """The broker may lack the right to read it: an operator has to look."""
    scene = placed(IN_EUROPE)
    scene.callers.locations.clear()
    with pytest.raises(DirectoryUnavailable) as refused:
        await issued(scene)
    assert "give the broker's identity Reader there" in refused.value.audit_reason


async def test_the_operator_reads_what_azure_forbids_the_broker() -> None:
    """The caller reads a sentence that says nothing of it."""
    scene = placed()
    trouble(scene, "forbidden")
    with pytest.raises(DirectoryUnavailable) as refused:
        await issued(scene)
    assert "run infra/entra.sh permissions" in refused.value.audit_reason
    assert DirectoryUnavailable.sentence == refused.value.detail


async def test_each_worker_remembers_for_itself() -> None:
    """A second worker asks once more."""
    scene = placed()
    await issued(scene)
    await issued(scene.coworker())
    assert ["graph.principal"] * 2 == asked(scene)


async def test_a_group_and_a_resource_group_are_both_asked_for_if_the_token_names_no_groups() -> None:
    """Although the document stands under its group, and no other document goes by a resource."""
    scene = placed(replace(IN_A_GROUP, resource_groups=frozenset({"app"})))
    await issued(scene, request(MANY_GROUPS))
    assert {"graph.principal", "graph.groups"} == {*asked(scene)}
    assert "forbidden" == await refusal(scene, replace(BOB, has_more_groups=True))
