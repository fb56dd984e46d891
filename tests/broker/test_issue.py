from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.broker.configure.roles import delete_role
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.revoke import revoke
from shared.core.access.bounds import Bounds
from shared.core.audit import Outcome
from shared.core.errors import (
    Absent,
    AlreadyExists,
    AmbiguousRefusal,
    ConcurrentChange,
    Forbidden,
    Interrupted,
    LeaseholdError,
    Locked,
    Malformed,
    NotFound,
    NotReplicated,
    Refused,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
    Upstream,
)
from shared.core.footprint import Footprint
from shared.core.lease import Cause, Lease, State
from shared.core.names import RoleName
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from shared.kinds.kind import Order
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.crash.walk import require_nothing_left, require_owned, sweep_once
from tests.fakes.calls import Died, MadeCall
from tests.fakes.clock import START
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, WEB, World, principal_target, request, role, secret_target, world
from tests.support.kinds import as_client_secret

UPSTREAM: list[Upstream] = [
    Throttled(),
    NotReplicated(),
    ConcurrentChange(),
    Refused(),
    Absent(),
    AlreadyExists(),
    AmbiguousRefusal(),
    Locked(),
    Unavailable(),
    Unreachable(),
]


@pytest.fixture
def scene() -> World:
    """A role of each kind."""
    return world(role(), role(secret_target(), RoleName.parse("secret")))


async def test_a_lease_is_active_and_its_credential_works(scene: World) -> None:
    """Issued now, ending after the role's ttl, held by the caller."""
    given = await issued(scene, reason="deploy", metadata={"run": "7"})
    lease = given.lease
    assert lease == stored(scene)
    assert (State.ACTIVE, ALICE.object_id, "deploy", {"run": "7"}) == (
        lease.state,
        lease.known_holder.object_id,
        lease.reason,
        lease.metadata,
    )
    assert (START, START + timedelta(seconds=900), START + timedelta(hours=4)) == (
        lease.issued_at,
        lease.expires_at,
        lease.max_expires_at,
    )
    credential = as_client_secret(given.credential)
    assert scene.cloud.signs_in(credential.client_id, credential.client_secret)


async def test_the_audit_trail_tells_of_it(scene: World) -> None:
    """Who, what, of which role, why."""
    given = await issued(scene, reason="deploy")
    (event,) = scene.audit.events
    assert ("issue", Outcome.DONE, ALICE, "web", given.lease.id, "deploy", "req-1") == (
        event.operation,
        event.outcome,
        event.caller,
        event.role,
        event.lease,
        event.reason,
        event.request_id,
    )


async def test_the_lease_stands_with_its_whole_footprint_before_anything_is_made(scene: World) -> None:
    """At each call to Azure the row names what that call is about to make."""
    planned: list[Footprint] = []

    def watch(call: MadeCall) -> None:
        if call.service in AZURE:
            lease = stored(scene)
            assert State.PLANNED is lease.state
            planned.append(lease.footprint)

    scene.calls.watch = watch
    given = await issued(scene)
    assert isinstance(given.lease.footprint, ServicePrincipalFootprint)
    # Names come from the lease's id alone.
    expected = scene.issuers.principals.plan(Order(given.lease.id, given.lease.known_holder, principal_target(), START, 0.0))
    assert [expected] * 6 == planned


async def test_the_secret_ends_soon_after_the_lease_at_its_longest(scene: World) -> None:
    """Ten minutes for minting and for clocks that differ."""
    await issued(scene)
    (end,) = [stored.end for app in scene.cloud.applications.values() for stored in app.secrets.values()]
    assert START + timedelta(hours=4, minutes=10) == end


async def test_the_secret_of_a_lease_that_is_not_renewable_ends_with_its_ttl() -> None:
    """Not with the longest that the role knows."""
    scene = world(role(renewable=False))
    given = await issued(scene, ttl=120)
    (end,) = [stored.end for app in scene.cloud.applications.values() for stored in app.secrets.values()]
    assert (START + timedelta(seconds=720), given.lease.expires_at) == (end, given.lease.max_expires_at)


@pytest.mark.parametrize("ttl", [59, 14401])
async def test_a_ttl_beyond_the_roles_bounds_is_refused(scene: World, ttl: int) -> None:
    """Before anything is stored."""
    with pytest.raises(Malformed) as caught:
        await issued(scene, ttl=ttl)
    assert ("ttl_out_of_range", {}) == (caught.value.stable_code, scene.leases.rows)
    assert ["ttl"] == [fault.path for fault in caught.value.faults]


async def test_a_role_that_is_not_there_and_one_that_is_forbidden_read_alike(scene: World) -> None:
    """Only the audit trail tells them apart."""
    scene.roles.keep(role(bounds=Bounds(frozenset({BOB.object_id}))))
    result = []
    for name in ("web", "nothing"):
        with pytest.raises(Forbidden) as caught:
            await issued(scene, role=RoleName(name))
        result.append((caught.value.stable_code, caught.value.detail, caught.value.audit_reason))
    assert result[0][:2] == result[1][:2]
    reasons = [reason.partition(";")[0] for _, _, reason in result]
    assert ["not matched: bound_service_principal_ids", "no such role"] == reasons


async def test_an_admin_is_told_that_there_is_no_such_role(scene: World) -> None:
    """It may list them anyway."""
    with pytest.raises(NotFound) as caught:
        await issued(scene, request(ADMINISTRATOR), role=RoleName("nothing"))
    assert "role_not_found" == caught.value.stable_code


STEPS = [
    "directory.upsert_application",
    "directory.create_principal",
    "directory.add_secret",
    "authorization.assign",
    "directory.add_member",
]


@pytest.mark.parametrize(
    ("error", "after"),
    [(error, False) for error in UPSTREAM] + [(error, True) for error in UPSTREAM if isinstance(error, Uncertain)],
)
@pytest.mark.parametrize("step", STEPS)
async def test_a_failure_that_stays_is_told_and_nothing_is_left(
    scene: World, step: str, error: Upstream, *, after: bool
) -> None:
    """Every kind of failure at every step, with effect or without: what was made is undone at once or by the sweep."""
    scene.calls.fail(step, error, times=1000, after=after)
    with pytest.raises(type(error)):
        await issued(scene)
    lease = stored(scene)
    assert Cause.FAILED is lease.cause
    assert lease.state in {State.ENDING, State.ENDED}
    await swept(scene, after=400)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


@pytest.mark.parametrize("step", STEPS[1:])
async def test_a_definite_no_is_undone_at_once(scene: World, step: str) -> None:
    """The caller that gets the error finds nothing left, without any sweep."""
    scene.calls.fail(step, Refused())
    with pytest.raises(Refused):
        await issued(scene)
    assert [] == scene.leftovers()


@pytest.mark.parametrize("step", ["directory.add_secret", "authorization.assign", "directory.add_member"])
async def test_a_caller_is_told_a_definite_no_at_once(scene: World, step: str) -> None:
    """The lease is over, for nothing can come to light of what Azure has refused for certain."""
    scene.calls.fail(step, Refused())
    began = scene.clock.monotonic()
    with pytest.raises(Refused):
        await issued(scene)
    assert (began, State.ENDED) == (scene.clock.monotonic(), stored(scene).state)


async def test_a_failed_undo_is_left_to_the_sweep_with_every_id_that_was_learned(scene: World) -> None:
    """The row says what the worker knew."""
    scene.calls.fail("authorization.assign", Refused())
    scene.calls.fail("directory.delete_application", Refused("and again"))
    with pytest.raises(Refused):
        await issued(scene)
    lease = stored(scene)
    assert isinstance(lease.footprint, ServicePrincipalFootprint)
    assert (State.ENDING, 1, True) == (lease.state, lease.attempts, lease.footprint.principal_id is not None)
    await swept(scene, after=400)
    assert [] == scene.leftovers()


@pytest.mark.parametrize("lag", [0.0, 3.0])
async def test_without_audit_there_is_no_credential(lag: float) -> None:
    """An event that cannot be recorded ends the lease, and nothing is left."""
    scene = world(role(), lag=lag)
    scene.calls.fail("audit.record", Unavailable())
    with pytest.raises(Unavailable):
        await issued(scene)
    assert (State.ENDED, Cause.FAILED) == (stored(scene).state, stored(scene).cause)
    assert [] == scene.leftovers()


async def test_the_hold_is_kept_while_a_failed_issue_is_cleaned_up() -> None:
    """A clean-up that takes longer than a hold is not taken over by a sweep."""
    scene = world(role(), latency=8.0)
    scene.calls.fail("audit.record", Unavailable())
    work = asyncio.create_task(issued(scene))
    summaries = []
    while not work.done():
        await scene.clock.sleep(5)
        summaries.append((await swept(scene)).undone)
    with pytest.raises(Unavailable):
        await work
    assert 0 == sum(summaries)
    assert State.ENDED is stored(scene).state


async def test_whoever_loses_the_race_for_activation_undoes_its_work(scene: World) -> None:
    """The lease was revoked while it was being made: the caller gets no credential, and nothing is left."""

    async def revoke_it() -> None:
        await revoke(scene.ports, request(), stored(scene).id)

    scene.calls.meanwhile(10, revoke_it)
    with pytest.raises(Interrupted):
        await issued(scene)
    assert [] == scene.leftovers()
    assert Cause.REVOKED is stored(scene).cause


async def test_whoever_has_moved_the_lease_is_relieved_of_it_and_told_what_was_learned(scene: World) -> None:
    """The row names every id before the first deletion, and nothing needs to be looked up."""
    known: list[bool] = []

    async def claim() -> None:
        lease, now = stored(scene), scene.clock.now()
        await scene.leases.swap(lease.ending(Cause.REVOKED, now, now), former=lease)

    def watch(call: MadeCall) -> None:
        if call.name == "authorization.unassign":
            footprint = stored(scene).footprint
            known.append(isinstance(footprint, ServicePrincipalFootprint) and footprint.principal_id is not None)

    scene.calls.watch = watch
    scene.calls.meanwhile(8, claim)
    with pytest.raises(Interrupted):
        await issued(scene)
    assert ([True, True], []) == (known, scene.calls.named("directory.find_application"))
    assert State.ENDED is stored(scene).state, "who has made it knows that nothing more will come"


def test_a_worker_that_goes_on_after_a_revocation_and_dies_is_cleaned_up_after() -> None:
    """Its first call gets through only after minutes: nobody has believed in absence before it must have given up."""
    scene = world(role(), lag=15.0)

    async def revoke_it() -> None:
        await revoke(scene.ports, request(), stored(scene).id)

    def die(call: MadeCall) -> None:
        if call.name == "directory.create_principal":
            raise Died

    scene.calls.meanwhile(5, revoke_it)
    scene.calls.fail("directory.upsert_application", Unavailable(), times=29)
    scene.calls.watch = die
    with pytest.raises(Died):
        scene.run(lambda: issued(scene))
    scene.calls.watch = None
    assert 160 < scene.clock.monotonic() - 1000 < 180
    scene.clock.jump(1181 - scene.clock.monotonic())
    sweep_once(scene)
    require_owned(scene)
    require_nothing_left(scene)


async def test_an_activation_whose_answer_was_lost_is_undone(scene: World) -> None:
    """It may have been stored: the row is ended, rather than left active without a holder."""
    scene.calls.fail("leases.swap", Unreachable(), after=True)
    with pytest.raises(Unreachable):
        await issued(scene)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def delete(scene: World, *, revoking: bool) -> None:
    """An admin deletes the role."""
    await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=revoking)


@pytest.mark.parametrize(
    ("ordinal", "error"), [(3, Forbidden), (4, Forbidden), (6, Forbidden), (10, Interrupted), (12, Interrupted)]
)
async def test_a_role_that_is_deleted_meanwhile_gives_no_credential(
    scene: World, ordinal: int, error: type[LeaseholdError]
) -> None:
    """At whatever step: either the issue sees it, or the deletion finds its lease."""
    scene.calls.meanwhile(ordinal, lambda: delete(scene, revoking=True))
    with pytest.raises(error):
        await issued(scene)
    if error is Forbidden:
        assert {} == scene.leases.rows, "nothing was begun, and nothing is kept"
    await swept(scene, after=400)
    await swept(scene, after=400)
    assert [] == scene.leftovers()
    assert not [lease for lease in scene.leases.rows.values() if lease.state.is_live]


async def test_a_defect_leaves_the_lease_to_the_sweep(scene: World) -> None:
    """Whatever is raised: the row stands, and what was made is undone once the hold has lapsed."""

    def fail(call: MadeCall) -> None:
        if call.name == "directory.add_member":
            raise ZeroDivisionError

    scene.calls.watch = fail
    with pytest.raises(ZeroDivisionError):
        await issued(scene)
    assert State.PLANNED is stored(scene).state
    scene.calls.watch = None
    await swept(scene, after=21)
    assert [] == scene.leftovers()


async def test_a_caller_that_goes_away_leaves_the_lease_to_the_sweep() -> None:
    """Cancelled while principal and secret are being made: nothing goes on, and nothing is left."""
    scene = world(role(), latency=2.0)
    work = asyncio.create_task(issue(scene.ports, request(), IssueRequest(WEB)))
    await scene.clock.sleep(9)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    before = len(scene.calls.made)
    await scene.clock.sleep(10)
    assert before == len(scene.calls.made)
    await swept(scene, after=21)
    await swept(scene, after=400)
    assert [] == scene.leftovers()


@pytest.mark.parametrize("make", [principal_target, secret_target])
async def test_ready_is_told_as_it_was_seen(make: Callable[..., object]) -> None:
    """Only a credential that was tried out is ready."""
    found = []
    for ready in ("none", "token"):
        scene = world(role(make(ready=ready)))  # type: ignore[arg-type]  # either kind of target
        found.append((await issued(scene)).lease.ready)
    assert [False, True] == found


async def test_a_lease_that_is_being_made_says_how_long_it_is_to_last() -> None:
    """As it is listed until it stands."""
    scene = world(role(ttl=300, max_ttl=600))
    opened: list[Lease] = []
    scene.calls.watch = lambda call: opened.extend(call.about) if call.name == "leases.open" else None  # type: ignore[arg-type]
    await issued(scene)
    (lease,) = opened
    assert (300, 600, 0) == tuple(
        (each - scene.clock.now()).total_seconds() for each in (lease.expires_at, lease.max_expires_at, lease.planned_at)
    )
