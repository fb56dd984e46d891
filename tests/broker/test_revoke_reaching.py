"""Revoking what reaches a scope: found by what leases were granted, ended by the queue's workers, told once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.ending.sweep import end_due
from shared.broker.inspect import list_leases
from shared.broker.renew import renew
from shared.broker.revoke import revoke_role
from shared.broker.revoke_reaching import RevokingReaching, revoke_reaching
from shared.core.azure_role import AzureRole
from shared.core.caller import Caller
from shared.core.errors import Conflict, DirectoryUnavailable, Forbidden, Unavailable
from shared.core.lease import Cause, State
from shared.core.names import LeaseId, RoleName, Scope
from shared.core.ports.leases import LeaseQuery
from shared.core.reach import Reach
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import (
    ADMINISTRATOR,
    ALICE,
    BOB,
    DEFINITION,
    READS,
    SCOPES,
    SUBSCRIPTION,
    WATCHER,
    WEB,
    World,
    application,
    guid,
    request,
    role,
    secret_target,
    world,
)
from tests.support import pooling
from tests.support.rights import give, keep_auth_role, keep_policy

OTHER, WIDE, SECRET = RoleName("other"), RoleName("wide"), RoleName("secret")
OPERATOR = application(guid(0x440))
ACCOUNT = Scope(f"{SCOPES[0]}/providers/Microsoft.Storage/storageAccounts/x")


def granting(*scopes: str) -> ServicePrincipalTarget:
    """A target with a role assignment at each."""
    return ServicePrincipalTarget(
        tuple(AzureRole(Scope(each), "Reader", definition_id=DEFINITION, powers=READS) for each in scopes)
    )


@pytest.fixture
async def scene() -> World:
    """Five minutes old: two leases of a role at a group, one at another group, one at the subscription, one of a secret."""
    made = world(
        role(granting(SCOPES[0])),
        role(granting(SCOPES[1]), name=OTHER),
        role(granting(f"/subscriptions/{SUBSCRIPTION}"), name=WIDE),
        role(secret_target(), name=SECRET),
    )
    for name in (WEB, WEB, OTHER, WIDE, SECRET):
        await issued(made, role=name)
    made.clock.jump(300)
    return made


async def revoked(scene: World, *roles: RoleName, by: Caller = ADMINISTRATOR, scope: Scope = ACCOUNT) -> RevokingReaching:
    """By an admin, unless another is named."""
    return await revoke_reaching(scene.ports, request(by), scope, frozenset(roles))


def states(scene: World) -> dict[RoleName, set[State]]:
    """By role."""
    found: dict[RoleName, set[State]] = {}
    for lease in scene.leases.rows.values():
        found.setdefault(lease.id.role, set()).add(lease.state)
    return found


ONLY_REACHING = {WEB: {State.ENDING}, WIDE: {State.ENDING}, OTHER: {State.ACTIVE}, SECRET: {State.ACTIVE}}


async def test_each_lease_that_reaches_the_scope_is_ending_and_no_other(scene: World) -> None:
    """Due at once, locked by nobody, and told once, with the scope and the number."""
    before = len(scene.audit.events)
    revoking = await revoked(scene)
    assert (3, scene.clock.now(), (WEB, WIDE)) == (revoking.count, revoking.as_of, revoking.roles)
    assert ["groups_not_seen", "management_groups_not_known"] == [each.code for each in revoking.warnings]
    assert ONLY_REACHING == states(scene)
    for lease in scene.leases.rows.values():
        if lease.state is State.ENDING:
            assert (Cause.REVOKED, scene.clock.now(), False) == (lease.cause, lease.due_at, lease.ending_held)
    (event,) = scene.audit.events[before:]
    assert ("revoke_reaching", f"3 leases that reach {ACCOUNT}") == (event.operation, event.reason)
    assert {"app_role": "Leasehold.Admin"} == event.decided_by


async def test_the_queues_workers_take_them_back(scene: World) -> None:
    """The others stay as they are, and what has ended is not found any more."""
    await revoked(scene)
    (batch,) = scene.revocations.messages()
    assert 3 == (await end_due(scene.ports, "message", batch)).ended
    assert {WEB: {State.ENDED}, WIDE: {State.ENDED}, OTHER: {State.ACTIVE}, SECRET: {State.ACTIVE}} == states(scene)
    assert {SCOPES[1]} == {each.scope for each in scene.cloud.assignments}
    again = await revoked(scene)
    assert (0, ()) == (again.count, again.roles)
    assert [batch] == scene.revocations.messages()


async def test_of_some_roles_alone(scene: World) -> None:
    """The event names them."""
    revoking = await revoked(scene, WEB, OTHER)
    assert (2, (WEB,)) == (revoking.count, revoking.roles)
    assert ONLY_REACHING | {WIDE: {State.ACTIVE}} == states(scene)
    assert f"2 leases that reach {ACCOUNT} of roles other, web" == scene.audit.events[-1].reason


async def test_it_cannot_be_renewed_and_new_asks_are_served(scene: World) -> None:
    """Nothing stops those but a deny, or that the role is changed."""
    await revoked(scene)
    lease_id = next(each for each in scene.leases.rows if each.role == WEB)
    with pytest.raises(Conflict) as caught:
        await renew(scene.ports, request(), lease_id, None)
    assert "lease_not_active" == caught.value.stable_code
    assert State.ACTIVE is (await issued(scene)).lease.state


async def test_those_alone_on_which_the_caller_holds_revoke(scene: World) -> None:
    """By a pattern and less a deny; the answer tells nothing of the others."""
    give(scene, OPERATOR, ("leases/w*", "revoke"), ("leases/wide.*", "deny"))
    scene.clock.jump(16)
    revoking = await revoked(scene, by=OPERATOR)
    assert (2, (WEB,)) == (revoking.count, revoking.roles)
    assert ONLY_REACHING | {WIDE: {State.ACTIVE}} == states(scene)


@pytest.mark.parametrize("caller", [ALICE, BOB, WATCHER, OPERATOR])
async def test_whoever_holds_it_on_no_lease_is_refused(scene: World, caller: Caller) -> None:
    """Be it the holder: its own right is for one lease by its id. Nothing is read of any lease."""
    give(scene, OPERATOR, ("leases/*", "list read renew write"))
    scene.clock.jump(16)
    before = len(scene.calls.made)
    with pytest.raises(Forbidden):
        await revoked(scene, by=caller)
    assert not [each for each in scene.calls.names()[before:] if each.startswith("leases.")]


async def test_whoever_holds_it_on_others_gets_none(scene: World) -> None:
    """As if nothing reached the scope: that some lease does is not told."""
    give(scene, OPERATOR, ("leases/nope.*", "revoke"))
    scene.clock.jump(16)
    assert (0, ()) == ((revoking := await revoked(scene, by=OPERATOR)).count, revoking.roles)
    assert {State.ACTIVE} == set.union(*states(scene).values())


async def test_where_a_fact_is_missing_nothing_happens(scene: World) -> None:
    """Whether the caller may end one of them is not known: nobody would know which were left."""
    give(scene, OPERATOR, ("leases/wide.*", "revoke"))
    keep_policy(scene, "rest", ("leases/*", "revoke"))
    keep_auth_role(scene, "rest", "rest", bound_resource_groups=["app"], bound_service_principal_ids=[OPERATOR.object_id])
    scene.callers.trouble = "down"
    scene.clock.jump(16)
    with pytest.raises(DirectoryUnavailable):
        await revoked(scene, by=OPERATOR)
    assert {State.ACTIVE} == set.union(*states(scene).values())


async def test_a_pooled_lease_ends_and_is_not_counted(scene: World) -> None:
    """Nobody holds it; as when its role is revoked."""
    pooled = await pooling.fill(scene.ports, WEB)
    revoking = await revoked(scene, WEB)
    assert (2, (WEB,)) == (revoking.count, revoking.roles)
    assert State.ENDING is stored(scene, pooled.id).state


async def test_what_is_ending_counts_and_is_left_to_whoever_ends_it(scene: World) -> None:
    """It waits for its next attempt, or for a worker; one of a revoked role is ended here as well."""
    waits, held = [each for each in scene.leases.rows if each.role == WEB]
    now = scene.clock.now()
    for lease_id, until in ((waits, now), (held, now + timedelta(seconds=20))):
        ending = stored(scene, lease_id).ending(Cause.EXPIRED, now, until)
        scene.leases.rows[lease_id] = ending.failed(now, "x", 0.5) if lease_id == waits else ending
    before = dict(scene.leases.rows)
    await revoke_role(scene.ports, request(ADMINISTRATOR), WIDE)
    assert 3 == (await revoked(scene)).count
    assert [before[each] for each in (waits, held)] == [stored(scene, each) for each in (waits, held)]
    (batch,) = scene.revocations.messages()
    assert [WIDE] == [each.role for each in batch.leases]


async def test_a_repeat_ends_what_an_interrupted_one_has_left(scene: World) -> None:
    """The first lease was moved when storage failed: the repeat queues it as well."""
    scene.calls.fail("leases.swap", Unavailable(), nth=2)
    with pytest.raises(Unavailable):
        await revoked(scene)
    assert [] == scene.revocations.messages()
    revoking = await revoked(scene)
    assert (3, ONLY_REACHING) == (revoking.count, states(scene))
    assert 3 == len([each for batch in scene.revocations.messages() for each in batch.leases])


@pytest.mark.parametrize(("call", "sent"), [("revocations.send", 0), ("queued_markers.note", 1)])
async def test_a_message_that_is_lost_delays_the_end_alone(scene: World, call: str, sent: int) -> None:
    """The answer is as ever; a repeat queues them, and so does a sweep, or ends them."""
    scene.calls.fail(call, Unavailable())
    assert 3 == (await revoked(scene)).count
    assert sent == len(scene.revocations.messages())
    assert 3 == (await revoked(scene)).count
    assert sent + 1 == len(scene.revocations.messages())
    assert 3 == (await revoked(scene)).count
    assert sent + 1 == len(scene.revocations.messages())
    assert 3 == (await swept(scene)).ended


async def test_whoever_renews_or_extends_at_the_same_time_only_delays_it(scene: World) -> None:
    """The move is made again upon the newer row."""
    lease_id = next(each for each in scene.leases.rows if each.role == WEB)

    async def renewing() -> None:
        for _ in range(3):
            lease = stored(scene, lease_id)
            if lease.state is State.ACTIVE:
                await scene.leases.swap(lease.renewed(scene.clock.now() + timedelta(hours=1)), former=lease)
            await asyncio.sleep(0)

    await asyncio.gather(revoked(scene), renewing(), return_exceptions=True)
    assert State.ENDING is stored(scene, lease_id).state


async def test_many_go_by_sixteen_a_message_and_none_twice(scene: World) -> None:
    """Each is read and written once."""
    like = next(each for each in scene.leases.rows.values() if each.id.role == WEB)
    for number in range(200):
        lease_id = LeaseId(f"web.{number:026d}")
        scene.leases.rows[lease_id] = replace(like, id=lease_id)
    before = len(scene.calls.made)
    assert 203 == (await revoked(scene)).count
    made = scene.calls.names()[before:]
    assert (203, 203, 13) == tuple(made.count(each) for each in ("leases.get", "leases.swap", "revocations.send"))
    queued = [each for batch in scene.revocations.messages() for each in batch.leases]
    assert 203 == len(queued) == len({*queued})


async def test_one_that_cannot_be_read_keeps_nobody_from_the_others(scene: World) -> None:
    """It stays as it is: ``status`` tells of it."""
    bad = next(each for each in scene.leases.rows if each.role == WEB)
    scene.leases.unreadable.add(bad)
    await revoked(scene)
    assert State.ACTIVE is stored(scene, bad).state
    assert {State.ENDING} == {
        each.state for each in scene.leases.rows.values() if each.id.role in {WEB, WIDE} and each.id != bad
    }


async def test_a_list_by_scope_shows_whose_the_caller_may_list(scene: World) -> None:
    """Everybody's to an auditor, one's own to a holder, the role's generation told as ever."""
    await issued(scene, request(BOB))
    within, reaching = Reach(SCOPES[0]), Reach(ACCOUNT, above=True)

    async def listed(caller: Caller, reach: Reach, **more: State) -> list[str]:
        query = LeaseQuery(reach=reach, live=not more, **more)  # type: ignore[arg-type]  # a state alone is given
        return sorted(each.id.role for each in (await list_leases(scene.ports, request(caller), query)).items)

    assert ["web"] * 3 == await listed(WATCHER, within)
    assert ["web"] * 3 + ["wide"] == await listed(WATCHER, reaching)
    assert ["web"] * 2 + ["wide"] == await listed(ALICE, reaching)
    assert ["web"] == await listed(BOB, reaching)
    await revoke_role(scene.ports, request(ADMINISTRATOR), WIDE)
    assert ["wide"] == await listed(WATCHER, reaching, state=State.ENDING)
