"""Azure's replicas are behind in what has ended: neither is what they do not show believed gone, nor what they show there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.reconcile.reconcile import Reconciliation, reconcile
from shared.core.lease import Cause, State
from shared.core.names import ObjectId
from tests.crash.test_clock import HOUR, OPERATIONS, astray, require_over
from tests.crash.walk import FaultAt, length, live, require_nothing_left, require_owned, settle, strike
from tests.fakes.calls import Died
from tests.fakes.world import REPLICAS, WEB, Replicas, World, principal_target, request, role, world
from tests.support.kinds import as_principal
from tests.support.operations import TARGETS, Action, only, revoking, sweeping, with_lease

SEEDS = range(40)


@pytest.fixture(autouse=True)
def replicas() -> Iterator[None]:
    """Each test says under which seeds."""
    before = REPLICAS.set(Replicas("scattered"))
    yield
    REPLICAS.reset(before)


@pytest.mark.parametrize("dies_at", ["directory.delete_principal", "directory.delete_application"])
def test_what_a_dead_worker_has_deleted_is_purged_although_the_recycle_bin_is_behind(dies_at: str) -> None:
    """The next attempt comes at once, and does not take the bin's first no for an answer."""
    for seed in SEEDS:
        REPLICAS.set(Replicas("scattered", seed))
        rehearsal = with_lease(TARGETS["service principal"], age=200)
        before = len(rehearsal.calls.made)
        rehearsal.run(lambda: live(rehearsal, revoking))  # noqa: B023 - run at once
        ordinal = next(call.ordinal for call in rehearsal.calls.made if call.name == dies_at) - before

        struck = with_lease(TARGETS["service principal"], age=200)
        strike(struck, revoking, FaultAt(ordinal, after=True), Died())
        struck.clock.jump(1)
        struck.run(lambda: live(struck, revoking))  # noqa: B023 - run at once
        require_owned(struck)
        require_nothing_left(struck)


@pytest.mark.parametrize("part", ["principal", "application"])
@pytest.mark.parametrize("ending", [revoking, sweeping], ids=["revoke", "sweep"])
def test_what_somebody_has_deleted_just_now_is_purged_although_the_recycle_bin_is_behind(ending: Action, part: str) -> None:
    """The lease does not end on the bin's first no, nor where there is not enough time to ask it again."""
    for seed in SEEDS:
        REPLICAS.set(Replicas("scattered", seed))
        made = with_lease(TARGETS["service principal"], age=1000)
        footprint = as_principal(made.leases.rows[only(made)].footprint)
        if part == "application":
            made.cloud.delete_application(known(footprint.application_id))
        else:
            made.cloud.delete_principal(known(footprint.principal_id))
        made.run(lambda: live(made, ending))  # noqa: B023 - run at once
        require_owned(made)
        settle(made, pause=20)
        require_nothing_left(made)


def test_what_is_made_for_a_lease_that_has_ended_meanwhile_is_purged_although_the_recycle_bin_is_behind() -> None:
    """Its maker's clock is an hour late, a sweep has ended the lease, and nobody looks again but the maker."""
    for seed in (4, 9):
        REPLICAS.set(Replicas("scattered", seed))
        for name in ("issue", "issue once"):
            scenario = OPERATIONS[name](TARGETS["service principal"])
            for ordinal in range(1, length(scenario) + 1):
                made, _ = astray(scenario, ordinal, HOUR, swept=True)
                require_over(made)


def test_what_has_just_ended_is_no_orphan() -> None:
    """A replica still shows it: neither removed again, nor told as removed."""
    for seed in SEEDS:
        REPLICAS.set(Replicas("scattered", seed))
        made = world(role(principal_target(), ttl=7200, max_ttl=7200))
        made.run(lambda: issue(made.ports, request(), IssueRequest(WEB)))  # noqa: B023 - run at once
        made.clock.jump(7000)
        made.run(lambda: revoking(made))  # noqa: B023 - run at once
        if made.leases.rows[only(made)].state is not State.ENDED:
            settle(made, pause=20)
        assert () == reconciled(made).findings, seed


def test_what_stays_after_a_lease_has_ended_is_an_orphan_minutes_later() -> None:
    """When every replica has noticed what ended, the rest is what somebody has to remove."""
    made = world(role(principal_target(), ttl=7200, max_ttl=7200))
    made.run(lambda: issue(made.ports, request(), IssueRequest(WEB)))
    made.clock.jump(7000)
    lease, now = made.leases.rows[only(made)], made.clock.now()
    made.leases.rows[lease.id] = lease.ending(Cause.REVOKED, now, now).ended(now, timedelta(days=7))
    assert () == reconciled(made).findings
    made.clock.jump(200)
    assert ["removed"] == [each.result for each in reconciled(made).findings]


def known(object_id: ObjectId | None) -> ObjectId:
    """An id that the lease has learned."""
    assert object_id is not None
    return object_id


def reconciled(made: World) -> Reconciliation:
    """One run."""
    return made.run(lambda: reconcile(made.ports, "run"))
