"""What a lease was filled and narrowed with is kept. The role of the day, and the holder's rights, must still allow it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.broker.issue.asking import AskedFor
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest
from shared.broker.renew import renew
from shared.core.access.bounds import Bounds
from shared.core.errors import Conflict, DirectoryUnavailable, Forbidden, LeaseholdError, Malformed
from shared.core.idempotency_key import fingerprint_of
from shared.core.lease import Lease
from shared.core.names import Scope
from shared.core.ports.inventory import ScopeState
from shared.core.protection import Protected
from shared.core.role import Role
from tests.broker.scenes import stored
from tests.fakes.world import ADMINISTRATOR, SCOPES, WEB, World, principal_target, request, role, world
from tests.support.holes import (
    ACCOUNT,
    FILLED,
    GROUP,
    GROUP_SCOPE,
    HOLES,
    IN_SUB,
    OWN_GROUP,
    STORAGE,
    TEMPLATE,
    VALUES,
    asking,
    group,
    keep_rules,
    machine,
    place,
    rule,
    target,
)

type Again = Callable[[World, AskedFor], Awaitable[Lease]]
FULL = asking(**VALUES)
BOX = f"{FILLED}/blobServices/default/containers/box"


async def repeated(made: World, ask: AskedFor) -> Lease:
    """Alice sends the same request once more, under its key."""
    return (await issue_once(made.ports, request(), IssueRequest(WEB, ask=ask), "k")).lease


async def renewed(made: World, _: AskedFor) -> Lease:
    """Alice renews."""
    return await renew(made.ports, request(), stored(made).id, None)


AGAIN: dict[str, Again] = {"repeat": repeated, "renewal": renewed}


@pytest.fixture(params=AGAIN)
def again(request: pytest.FixtureRequest) -> Again:
    """Each way in which a lease's values are looked at again. A rotation is what a repeat does."""
    return AGAIN[request.param]


async def begun(made: World, ask: AskedFor) -> World:
    """A lease of Alice's, under a key, five minutes old."""
    await repeated(made, ask)
    made.clock.jump(300)
    return made


async def refused[E: LeaseholdError](made: World, again: Again, kind: type[E], ask: AskedFor = FULL) -> E:
    """Returns the refusal. The lease is as it was, and the only one."""
    before = stored(made)
    with pytest.raises(kind) as caught:
        await again(made, ask)
    assert before == stored(made)
    return caught.value


def other(parameters: dict[str, Any] | None = None, *scopes: str, **more: Any) -> Role:
    """The role as it is written anew."""
    return role(target(parameters, *scopes, **more))


async def test_the_values_of_the_lease_are_used(again: Again) -> None:
    """In the lease as in Azure."""
    made = await begun(world(role(target())), asking(BOX, **VALUES))
    before = {*made.cloud.assignments}
    lease = await again(made, asking(BOX, **VALUES))
    assert (VALUES, BOX, (BOX,), before) == (lease.parameters, lease.within, lease.scopes, {*made.cloud.assignments})


@pytest.mark.parametrize(
    "parameters",
    [
        {"group": {"kind": "resource_group", "any": True}, "account": ACCOUNT},
        {"group": {**GROUP, "allowed": ["app-*", "shared", "more"]}, "account": ACCOUNT},
        {"group": {**GROUP, "allowed": ["APP-WEB"]}, "account": {**ACCOUNT, "description": "new"}},
    ],
)
async def test_bounds_that_still_have_the_values_change_nothing(again: Again, parameters: dict[str, Any]) -> None:
    """Wider ones, and narrower ones around them."""
    made = await begun(world(role(target())), asking(**VALUES))
    made.roles.keep(other(parameters))
    assert VALUES == (await again(made, asking(**VALUES))).parameters


@pytest.mark.parametrize(
    "now",
    [
        other({"group": {**GROUP, "allowed": ["shared"]}, "account": ACCOUNT}),
        other({"group": GROUP, "account": {"kind": "storage_account", "allowed": ["other*"]}}),
        other({"group": GROUP}, f"{IN_SUB}/resourceGroups/{{group}}/{STORAGE}/logs1"),
        other({"account": ACCOUNT}, f"{IN_SUB}/resourceGroups/app-web/{STORAGE}/{{account}}"),
        other({**HOLES, "more": {"kind": "container", "any": True}}, f"{TEMPLATE}/blobServices/default/containers/{{more}}"),
        other(
            {**HOLES, "more": {"kind": "container", "any": True, "default": "box"}},
            f"{TEMPLATE}/blobServices/default/containers/{{more}}",
        ),
        other({"group": OWN_GROUP["group"], "account": ACCOUNT}),
        other(HOLES, f"{TEMPLATE}/blobServices/default/containers/fixed"),
        role(principal_target(1, 0)),
    ],
)
async def test_a_role_that_would_not_give_the_values_has_changed(again: Again, now: Role) -> None:
    """Bounds shrunk, a parameter dropped or new, now known of the caller, another template, no holes any more."""
    made = await begun(world(role(target())), asking(**VALUES))
    place(made, machine("app-two"))
    made.roles.keep(now)
    refusal = await refused(made, again, Conflict)
    assert "role_changed" == refusal.stable_code


async def test_a_role_without_holes_that_gets_some_has_changed(again: Again) -> None:
    """The lease has no values for them."""
    made = await begun(world(role(principal_target(1, 0))), AskedFor())
    made.roles.keep(other({"group": {"kind": "resource_group", "any": True, "default": "rg0"}}, GROUP_SCOPE))
    assert "role_changed" == (await refused(made, again, Conflict, AskedFor())).stable_code


async def test_a_new_default_is_for_new_asks(again: Again) -> None:
    """What was the default then is the lease's value."""
    holes = {"group": {**GROUP, "default": "shared"}, "account": ACCOUNT}
    made = await begun(world(role(target(holes))), asking(account="a12"))
    made.roles.keep(other({"group": {**GROUP, "default": "app-new"}, "account": ACCOUNT}))
    lease = await again(made, asking(account="a12"))
    assert {"group": "shared", "account": "a12"} == lease.parameters
    assert {Scope(f"{group('shared')}/{STORAGE}/a12")} == {each.scope for each in made.cloud.assignments}
    made.roles.keep(other(HOLES))
    if again is renewed:
        assert {"group": "shared", "account": "a12"} == (await again(made, asking(account="a12"))).parameters


async def test_narrowing_that_is_refused_now_has_changed(again: Again) -> None:
    """Only for leases that are narrowed."""
    for ask, is_same in ((asking(BOX, **VALUES), False), (asking(**VALUES), True)):
        made = await begun(world(role(target())), ask)
        made.roles.keep(other(is_narrowable=False))
        if is_same:
            await again(made, ask)
        else:
            assert "role_changed" == (await refused(made, again, Conflict, ask)).stable_code


async def test_a_narrowed_lease_of_a_plain_role_stays_narrowed(again: Again) -> None:
    """A role that reaches elsewhere now, or that is narrower than the lease, has changed."""
    below = f"{SCOPES[0]}/{STORAGE}/logs1"
    made = await begun(world(role(principal_target(1, 0))), asking(below))
    assert (below,) == (await again(made, asking(below))).scopes
    made.clock.jump(100)
    for now in (target({}, SCOPES[1]), target({}, f"{SCOPES[0]}/{STORAGE}/logs2")):
        made.roles.keep(role(now))
        assert "role_changed" == (await refused(made, again, Conflict, asking(below))).stable_code


async def test_a_wider_role_gives_a_narrowed_lease_nothing_else(again: Again) -> None:
    """It was granted one scope, and that is still below the role's."""
    below = f"{SCOPES[0]}/{STORAGE}/logs1"
    made = await begun(world(role(principal_target(1, 0))), asking(below))
    made.roles.keep(role(target({}, IN_SUB)))
    assert (below,) == (await again(made, asking(below))).scopes


async def test_an_identity_that_has_moved_has_another_group(again: Again) -> None:
    """409; in another case only, it is the same one."""
    made = world(role(target(OWN_GROUP, GROUP_SCOPE)))
    place(made, machine("app-web"))
    await begun(made, AskedFor())
    place(made, machine("APP-WEB"))
    assert {"group": "app-web"} == (await again(made, AskedFor())).parameters
    made.clock.jump(60)
    place(made, machine("app-two"))
    assert "role_changed" == (await refused(made, again, Conflict, AskedFor())).stable_code


async def test_a_resource_that_is_gone_has_no_group_any_more(again: Again) -> None:
    """Whatever the directory still says: 409 where something was kept."""
    made = world(role(target(OWN_GROUP, GROUP_SCOPE)))
    place(made, machine("app-web"))
    await begun(made, AskedFor())
    made.inventory.missing = {Scope.parse(machine("app-web")): ScopeState.NO_RESOURCE}
    assert "role_changed" == (await refused(made, again, Conflict, AskedFor())).stable_code


async def test_a_fact_that_cannot_be_read_is_no_answer(again: Again) -> None:
    """503, and the lease runs on."""
    made = world(role(target(OWN_GROUP, GROUP_SCOPE)))
    place(made, machine("app-web"))
    await begun(made, AskedFor())
    place(made, machine("app-web"))
    made.callers.trouble = "down"
    await refused(made, again, DirectoryUnavailable, AskedFor())


async def test_a_right_that_is_lost_for_these_values_is_lost(again: Again) -> None:
    """403, by an allow that names others, and by a deny."""
    made = world(role(target(), bounds=Bounds()))
    keep_rules(made, rule(group=["app-*"]))
    await begun(made, asking(**VALUES))
    await again(made, asking(**VALUES))
    made.clock.jump(60)
    keep_rules(made, rule(group=["app-x*"]))
    await refused(made, again, Forbidden)
    keep_rules(made, rule(group=["app-*"]), rule(capabilities=("deny",), account=["logs*"]))
    await refused(made, again, Forbidden)


async def test_a_target_that_is_gone_since_is_no_reason(again: Again) -> None:
    """What was granted there is gone with it. The lease is as it was."""
    made = await begun(world(role(target())), asking(**VALUES))
    made.inventory.missing = {FILLED: ScopeState.NO_RESOURCE}
    assert VALUES == (await again(made, asking(**VALUES))).parameters


async def test_a_scope_that_is_protected_now_has_changed(again: Again) -> None:
    """The role would not be filled so."""
    made = await begun(world(role(target())), asking(**VALUES))
    made.ports = replace(made.ports, protected=Protected(scopes=(group("app-web"),)))
    assert "role_changed" == (await refused(made, again, Conflict)).stable_code


async def test_a_role_that_cannot_be_read_any_more_has_changed(again: Again) -> None:
    """Whether the lease was filled, narrowed or neither."""
    below = f"{SCOPES[0]}/{STORAGE}/logs1"
    for of, ask in ((target(), asking(**VALUES)), (principal_target(1, 0), asking(below)), (principal_target(1, 0), asking())):
        made = await begun(world(role(of)), ask)
        document, _, form = made.roles.stored()[WEB]
        made.roles.keep_document(WEB, {**document, "azure_roles": [{"scope": 5}]}, form)
        refusal = await refused(made, again, LeaseholdError, ask)
        assert "role_changed" == refusal.stable_code


async def test_who_renews_for_others_is_bound_by_the_roles_bounds() -> None:
    """And by nothing that is known of the renewer itself."""
    made = world(role(target(OWN_GROUP, GROUP_SCOPE)))
    place(made, machine("app-web"))
    await begun(made, AskedFor())
    made.callers.trouble = "down"
    await renew(made.ports, request(ADMINISTRATOR), stored(made).id, 1200)
    made.roles.keep(other({"group": {**OWN_GROUP["group"], "allowed": ["shared"]}}, GROUP_SCOPE))
    with pytest.raises(Conflict):
        await renew(made.ports, request(ADMINISTRATOR), stored(made).id, 1300)


# Keys


@pytest.mark.parametrize(
    "ask",
    [
        asking(**VALUES),
        asking(**dict(reversed(VALUES.items()))),
        AskedFor({**VALUES}, None),
    ],
)
async def test_a_request_is_the_same_however_it_is_written(ask: AskedFor) -> None:
    """In whatever order."""
    made = await begun(world(role(target())), asking(**VALUES))
    first = stored(made).id
    assert first == (await repeated(made, ask)).id


@pytest.mark.parametrize(
    "ask",
    [
        asking(group="shared", account="logs1"),
        asking(group="APP-web", account="logs1"),
        asking(BOX, **VALUES),
        asking(FILLED, **VALUES),
    ],
)
async def test_other_values_under_one_key_are_another_request(ask: AskedFor) -> None:
    """409, whatever Azure would take for the same."""
    made = await begun(world(role(target())), asking(**VALUES))
    assert "idempotency_key_reused" == (await refused(made, repeated, Conflict, ask)).stable_code


async def test_a_default_that_is_given_is_another_request_than_one_that_is_left_out() -> None:
    """The fingerprint is of the ask, without defaults."""
    holes = {"group": {**GROUP, "default": "shared"}, "account": ACCOUNT}
    made = await begun(world(role(target(holes))), asking(account="a12"))
    refusal = await refused(made, repeated, Conflict, asking(group="shared", account="a12"))
    assert "idempotency_key_reused" == refusal.stable_code


async def test_ill_formed_values_under_a_used_key_are_another_request() -> None:
    """Under a free one they are ill-formed."""
    made = await begun(world(role(target())), asking(**VALUES))
    ask = asking(group="..", account=5)
    assert "idempotency_key_reused" == (await refused(made, repeated, Conflict, ask)).stable_code
    with pytest.raises(Malformed):
        await repeated(world(role(target())), ask)


def test_a_key_from_before_has_the_fingerprint_of_today() -> None:
    """Where neither parameters nor ``within`` are given: a repeat across an upgrade is no other request."""
    of_before = "025bf248c44b5814fa979a35c3c0802814c06fb2bce20371381a16cc8a63b464"
    assert of_before == fingerprint_of(900, "why", {"a": "b"}) == fingerprint_of(900, "why", {"a": "b"}, {}, "")
    assert of_before != fingerprint_of(900, "why", {"a": "b"}, VALUES)
