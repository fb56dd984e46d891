"""``within``: a caller asks for less than a role gives. And what is asked for may not be there in Azure."""

from __future__ import annotations

from typing import Any

import pytest

from shared.broker.inspect import status
from shared.broker.issue.issue import Issued
from shared.core.errors import LeaseholdError, Malformed, TooMany
from shared.core.limits import Limits
from shared.core.names import Scope
from shared.core.parameters.errors import NotNarrowable, NotWithin, TargetMissing
from shared.core.ports.inventory import ScopeState
from shared.core.protection import Protected
from shared.core.role import Target
from shared.triggers.http.problem import meaning_of
from tests.broker.scenes import AZURE, issued, stored
from tests.broker.test_repeat import once
from tests.fakes.world import ADMINISTRATOR, SCOPES, WEB, World, principal_target, request, role, secret_target, world
from tests.support.every_kind import EVERY_KIND, kinds_for
from tests.support.holes import ACCOUNT, FILLED, GROUP, IN_SUB, STORAGE, VALUES, asking, group, target

PLAIN = principal_target(roles=1, groups=0)
BELOW = Scope(f"{SCOPES[0]}/{STORAGE}/logs1")


async def narrowed(made: World, within: str, **values: Any) -> Issued:
    """An ask that is narrowed to that scope."""
    return await issued(made, ask=asking(within, **values))


async def refused[E: LeaseholdError](made: World, kind: type[E], within: str | None, **values: Any) -> E:
    """Returns the refusal of an ask. Nothing was made for it, and no lease is left."""
    with pytest.raises(kind) as caught:
        await issued(made, ask=asking(within, **values))
    assert type(caught.value) is kind
    assert not AZURE & {call.service for call in made.calls.made}
    assert {} == made.leases.rows
    return caught.value


@pytest.mark.parametrize("within", [BELOW, SCOPES[0], SCOPES[0].upper().replace("/SUBSCRIPTIONS/", "/subscriptions/")])
async def test_each_assignment_is_made_at_the_scope(within: str) -> None:
    """Below the role's own, or there. The role stays as it is."""
    made = world(role(PLAIN))
    found = await narrowed(made, within)
    assert [Scope.parse(within)] == [each.scope for each in made.cloud.assignments]
    assert (within, (within,)) == (stored(made).within, stored(made).scopes)
    assert found.lease == stored(made)
    assert role(PLAIN).target == (made.roles.kept("web") or role()).target


@pytest.mark.parametrize(
    "within",
    [
        IN_SUB,
        SCOPES[1],
        f"{SCOPES[0]}-2",
        str(SCOPES[0])[:-1],
        f"{SCOPES[0]}-2/{STORAGE}/logs1",
        "/subscriptions/99999999-8888-7777-6666-555555555555/resourceGroups/rg0",
        "/providers/Microsoft.Management/managementGroups/rg0",
    ],
)
async def test_a_scope_above_or_beside_is_refused(within: str) -> None:
    """With the role's scopes that are not above it."""
    (fault,) = (await refused(world(role(PLAIN)), NotWithin, within)).faults
    assert ("within", True) == (fault.path, SCOPES[0] in fault.message)


async def test_it_must_be_below_every_scope_of_the_role() -> None:
    """The others are named."""
    (fault,) = (await refused(world(role(principal_target(2, 0))), NotWithin, BELOW)).faults
    assert SCOPES[1] in fault.message


async def test_assignments_that_become_one_are_one() -> None:
    """A subscription and a group of it, both for readers."""
    made = world(role(target({}, IN_SUB, SCOPES[0])))
    await narrowed(made, BELOW)
    assert [BELOW] == [each.scope for each in made.cloud.assignments]


@pytest.mark.parametrize(
    "of", [principal_target(1, 1), principal_target(0, 1), secret_target(), target({}, SCOPES[0], is_narrowable=False)]
)
async def test_what_lies_at_no_scope_is_not_narrowed(of: Target) -> None:
    """Groups, an application that is there, and what the role refuses."""
    await refused(world(role(of)), NotNarrowable, BELOW)


@pytest.mark.parametrize("name", EVERY_KIND)
async def test_each_kind_narrows_or_says_that_it_cannot(name: str) -> None:
    """No kind leaves it out."""
    of = EVERY_KIND[name].target
    with pytest.raises((NotNarrowable, NotWithin)):
        await narrowed(world(role(of), kinds=kinds_for(of)), "/subscriptions/99999999-8888-7777-6666-555555555555")


async def test_a_protected_scope_beneath_is_refused() -> None:
    """The role itself does not reach it, for it lies further down; its id is not told."""
    own = Scope(f"{SCOPES[0]}/{STORAGE}/Broker")
    made = world(role(PLAIN), protected=Protected(scopes=(own,)))
    for within in (own, own.lower(), f"{own}/blobServices/default/containers/x"):
        refusal = await refused(made, Malformed, str(within).replace("/resourcegroups/", "/resourceGroups/"))
        assert ("protected_target", ["within"]) == (refusal.stable_code, [each.path for each in refusal.faults])
        assert "roker" not in refusal.faults[0].message


async def test_a_filled_role_is_narrowed_below_what_was_filled() -> None:
    """Both are kept."""
    made = world(role(target()))
    box = f"{FILLED}/blobServices/default/containers/box"
    lease = (await narrowed(made, box, **VALUES)).lease
    assert (VALUES, box, (box,)) == (lease.parameters, lease.within, lease.scopes)
    (fault,) = (await refused(world(role(target())), NotWithin, str(FILLED)[:-1], **VALUES)).faults
    assert FILLED in fault.message


# What is not there


@pytest.mark.parametrize(
    ("missing", "state", "paths"),
    [
        (group("app-web"), ScopeState.NO_GROUP, ["parameters.group", "parameters.account"]),
        (FILLED, ScopeState.NO_RESOURCE, ["parameters.account"]),
        (FILLED, ScopeState.REFUSED, ["parameters.group", "parameters.account"]),
    ],
)
async def test_a_target_that_is_not_there_is_told_before_anything_is_made(
    missing: Scope, state: ScopeState, paths: list[str]
) -> None:
    """409, which may be tried again in 30 seconds."""
    made = world(role(target()))
    made.inventory.missing = {missing: state}
    refusal = await refused(made, TargetMissing, None, **VALUES)
    assert ("azure_refused", paths) == (refusal.stable_code, [each.path for each in refusal.faults])
    assert (409, 30) == (meaning_of(type(refusal)).status, meaning_of(type(refusal)).retry_after)
    assert FILLED in refusal.audit_reason
    assert ("may not assign" in refusal.faults[0].message) == (state is ScopeState.REFUSED)
    made.inventory.missing = {}
    await issued(made, ask=asking(**VALUES))


@pytest.mark.parametrize(
    ("missing", "state", "paths"),
    [
        (group("app-web"), ScopeState.NO_GROUP, ["parameters.group", "parameters.account"]),
        (FILLED, ScopeState.NO_RESOURCE, ["parameters.account"]),
        (FILLED, ScopeState.REFUSED, ["within", "parameters.group", "parameters.account"]),
    ],
)
async def test_what_a_narrowed_ask_has_filled_is_named_by_its_parameter(
    missing: Scope, state: ScopeState, paths: list[str]
) -> None:
    """``within`` goes no further up than the role: what is missing above it is the parameter's."""
    made = world(role(target()))
    made.inventory.missing = {missing: state}
    refusal = await refused(made, TargetMissing, f"{FILLED}/blobServices/default/containers/box", **VALUES)
    assert paths == [each.path for each in refusal.faults]


async def test_a_constant_part_above_within_is_nobodys() -> None:
    """The status tells the operator."""
    made = world(role(PLAIN))
    made.inventory.missing = {SCOPES[0]: ScopeState.NO_GROUP}
    assert () == (await refused(made, TargetMissing, BELOW)).faults
    gone = (await status(made.ports, request(ADMINISTRATOR))).scopes_gone
    assert ["azure_roles[0].scope"] == [fault.path for fault in gone[WEB]]


async def test_each_missing_target_is_named() -> None:
    """Not only the first."""
    holes = {"one": GROUP, "two": GROUP}
    made = world(role(target(holes, f"{IN_SUB}/resourceGroups/{{one}}", f"{IN_SUB}/resourceGroups/{{two}}")))
    made.inventory.missing = dict.fromkeys((group("app-a"), group("app-b")), ScopeState.NO_GROUP)
    refusal = await refused(made, TargetMissing, None, one="app-a", two="app-b")
    assert ["parameters.one", "parameters.two"] == [each.path for each in refusal.faults]
    assert all(name in refusal.audit_reason for name in ("app-a", "app-b"))


async def test_a_constant_part_that_is_not_there_is_nobodys_parameter() -> None:
    """No path: the caller cannot mend it."""
    made = world(role(target({"account": ACCOUNT}, f"{IN_SUB}/resourceGroups/fixed/{STORAGE}/{{account}}")))
    made.inventory.missing = {group("fixed"): ScopeState.NO_GROUP}
    assert () == (await refused(made, TargetMissing, None, account="logs1")).faults


async def test_a_subscription_in_which_the_broker_may_not_assign_is_named() -> None:
    """The one parameter that there is."""
    sub = {"sub": {"kind": "subscription", "allowed": ["99999999-8888-7777-6666-555555555555"]}}
    made = world(role(target(sub, "/subscriptions/{sub}")))
    made.inventory.missing = {Scope("/subscriptions/99999999-8888-7777-6666-555555555555"): ScopeState.REFUSED}
    refusal = await refused(made, TargetMissing, None, sub="99999999-8888-7777-6666-555555555555")
    assert ["parameters.sub"] == [each.path for each in refusal.faults]


async def test_what_was_narrowed_to_is_looked_for() -> None:
    """By its own name."""
    made = world(role(PLAIN))
    made.inventory.missing = {BELOW: ScopeState.NO_RESOURCE}
    refusal = await refused(made, TargetMissing, BELOW)
    assert ["within"] == [each.path for each in refusal.faults]


async def test_only_what_was_filled_or_narrowed_is_looked_at() -> None:
    """Each scope once; what Azure does not tell is no refusal."""
    made = world(role(target({"group": GROUP}, SCOPES[0], f"{IN_SUB}/resourceGroups/{{group}}")))
    made.inventory.missing = {group("app-web"): ScopeState.UNKNOWN, SCOPES[0]: ScopeState.NO_GROUP}
    await issued(made, ask=asking(group="app-web"))
    assert [group("app-web")] == [call.about[0] for call in made.calls.named("inventory.scope_state")]
    plain = world(role())
    await issued(plain)
    assert [] == plain.calls.named("inventory.scope_state")


async def test_the_look_leaves_the_key_free_and_the_room_too() -> None:
    """The same request succeeds as soon as the target is there."""
    made = world(role(target(), max_leases=1), limits=Limits(max_leases_per_caller=1, issues_per_minute=5))
    made.inventory.missing = {FILLED: ScopeState.NO_RESOURCE}
    for _ in range(3):
        with pytest.raises(TargetMissing):
            await once(made, ask=asking(**VALUES))
    assert {} == made.leases.rows
    made.inventory.missing = {}
    found = await once(made, ask=asking(**VALUES))
    assert (FILLED,) == found.lease.scopes
    with pytest.raises(TooMany):
        await issued(made, ask=asking(**VALUES))
