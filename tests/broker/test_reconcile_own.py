"""What a reconciliation takes for the broker's own, and what it leaves alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.broker.reconcile.reconcile import Result
from shared.core import ownership
from shared.core.audit import AuditEvent, Outcome
from shared.core.caller import Caller
from shared.core.footprint import Assignment
from shared.core.names import LeaseId
from tests.broker.drifting import HOUR, LONG_AGO, TARGETS, deleted_by_hand, lookalike, orphaned, reconciled, results, scene
from tests.broker.scenes import issued, swept
from tests.fakes.cloud_state import Granted, Principal
from tests.fakes.world import (
    ALICE,
    BOB,
    DEFINITION,
    EXISTING,
    SCOPES,
    guid,
    principal_target,
)


async def test_another_brokers_secret_on_the_same_application_stays() -> None:
    """It is called as ours would be, but neither a record nor the audit trail knows the lease."""
    made = scene(TARGETS[1])
    made.cloud.add_secret(EXISTING, LONG_AGO, made.clock.now())
    assert () == (await reconciled(made, after=2 * HOUR)).findings
    assert [LONG_AGO] == [thing.owner for thing in made.leftovers()]


async def test_a_refused_call_is_no_proof_that_a_lease_is_the_brokers() -> None:
    """A caller that shows another broker's lease to this one must not make it take that lease's secret away."""
    made = scene(TARGETS[1])
    made.cloud.add_secret(EXISTING, LONG_AGO, made.clock.now())
    at = ownership.opened_at(LONG_AGO) + timedelta(seconds=30)
    for outcome, operation in ((Outcome.REFUSED, "revoke"), (Outcome.DONE, "read")):
        made.audit.events.append(AuditEvent(at, operation, outcome, "r-1", caller=BOB, lease=LONG_AGO))
    assert () == (await reconciled(made, after=2 * HOUR)).findings
    made.audit.events.append(AuditEvent(at, "end", Outcome.DONE, "r-2", lease=LONG_AGO))
    assert [("application_secret", Result.REMOVED)] == results(await reconciled(made))


@pytest.mark.parametrize("operation", ["revoke", "issue", "end", "renew"])
@pytest.mark.parametrize("caller", [None, BOB])
async def test_a_failed_call_is_no_proof_either(operation: str, caller: Caller | None) -> None:
    """Storage was away for a moment: anybody's call for any lease fails then, with a token or without."""
    made = scene(TARGETS[1])
    made.cloud.add_secret(EXISTING, LONG_AGO, made.clock.now())
    at = ownership.opened_at(LONG_AGO) + timedelta(seconds=30)
    made.audit.events.append(AuditEvent(at, operation, Outcome.FAILED, "r-1", caller=caller, lease=LONG_AGO))
    assert () == (await reconciled(made, after=2 * HOUR)).findings
    assert [LONG_AGO] == [thing.owner for thing in made.leftovers()]


@pytest.mark.parametrize(("operation", "caller"), [("issue", ALICE), ("revoke", ALICE), ("end", None)])
async def test_what_this_broker_has_done_is_proof(operation: str, caller: Caller | None) -> None:
    """The record is gone, the audit trail is not."""
    made = scene(TARGETS[1])
    made.cloud.add_secret(EXISTING, LONG_AGO, made.clock.now())
    at = ownership.opened_at(LONG_AGO) + timedelta(seconds=30)
    made.audit.events.append(AuditEvent(at, operation, Outcome.DONE, "r-1", caller=caller, lease=LONG_AGO))
    assert [("application_secret", Result.REMOVED)] == results(await reconciled(made, after=2 * HOUR))


async def test_lookalikes_stay() -> None:
    """One without the tag, one without the unique name, one with another name, one that is no lease's, one of another owner."""
    made = scene()
    name = ownership.unique_name(LONG_AGO)
    lookalike(made, name, name)
    lookalike(made, "other", name, "leasehold")
    lookalike(made, ownership.unique_name(LeaseId.parse(LONG_AGO.replace("000", "222"))), "renamed", "leasehold")
    lookalike(made, "leasehold-api", "leasehold-api", "leasehold")
    strange = ownership.unique_name(LeaseId.parse(LONG_AGO.replace("000", "111")))
    lookalike(made, strange, strange, "leasehold")
    made.inventory.strange |= {each.object_id for each in made.cloud.applications.values() if each.unique_name == strange}
    before = made.leftovers()
    assert () == (await reconciled(made, after=2 * HOUR)).findings
    assert before == made.leftovers()


async def test_an_application_without_a_readable_age_stays() -> None:
    """Nobody can tell that it is old enough."""
    made = scene()
    await orphaned(made)
    made.inventory.ageless |= set(made.cloud.applications)
    done = await reconciled(made, after=2 * HOUR)
    assert "application" not in {each.type for each in done.findings}
    assert 1 == len([thing for thing in made.leftovers() if thing.kind == "application"])


@pytest.mark.parametrize("how", ["name", "description", "maker"])
async def test_an_assignment_with_half_a_mark_stays(how: str) -> None:
    """Name, description and maker must all be the broker's own."""
    made = scene()
    name = guid(0x900) if how == "name" else ownership.assignment_name(LONG_AGO, 0)
    message = "for the web" if how == "description" else ownership.assignment_description(LONG_AGO)
    found = Assignment(SCOPES[0], name)
    made.cloud.assign(found, Granted(DEFINITION, guid(0x901), None, message))
    made.inventory.strange |= {found} if how == "maker" else set()
    assert () == (await reconciled(made, after=2 * HOUR)).findings
    assert [found] == list(made.cloud.assignments)


async def test_a_whole_mark_on_an_assignment_is_enough() -> None:
    """The half-marked ones stay for what they lack, and for no other reason."""
    made = scene()
    found = Assignment(SCOPES[0], ownership.assignment_name(LONG_AGO, 0))
    made.cloud.assign(found, Granted(DEFINITION, guid(0x901), None, ownership.assignment_description(LONG_AGO)))
    assert [("assignment", Result.REMOVED)] == results(await reconciled(made, after=2 * HOUR))
    assert {} == made.cloud.assignments


@pytest.mark.parametrize("known", [True, False])
async def test_the_recycle_bin_is_emptied_of_what_this_broker_made(*, known: bool) -> None:
    """Nobody can tell whose it was, there, but the broker's own records."""
    made = scene()
    lease_id = await orphaned(made)
    await deleted_by_hand(made)
    if not known:
        made.audit.events.clear()
    done = await reconciled(made, after=2 * HOUR)
    assert ([("recycled", Result.REMOVED)] * 2 if known else []) == results(done)
    assert ([] if known else 2 * [ownership.unique_name(lease_id)]) == [each.unique_name for each in made.cloud.bin.values()]


@pytest.mark.parametrize(
    ("binned", "name", "found"), [(True, "", 1), (True, "renamed", 1), (False, None, 1), (False, "", 0), (False, "renamed", 0)]
)
async def test_a_principal_in_the_recycle_bin_is_known_by_its_application_or_by_its_name(
    *, binned: bool, name: str | None, found: int
) -> None:
    """Its application may be purged already, or its name may have been changed; without either it is nobody's."""
    made = scene()
    await orphaned(made)
    await deleted_by_hand(made)
    (principal,) = [each for each in made.cloud.bin.values() if isinstance(each, Principal)]
    principal.unique_name = principal.unique_name if name is None else name
    made.cloud.bin = {key: each for key, each in made.cloud.bin.items() if binned or each is principal}
    done = await reconciled(made, after=2 * HOUR, dry_run=True)
    assert found == [each.name for each in done.findings].count(principal.object_id)


async def test_what_stays_in_the_recycle_bin_costs_a_run_little() -> None:
    """One read a lease, be it kept or forgotten, and no look at the audit trail: the bin holds a month of them."""
    made = scene(principal_target(permanently_delete=False))
    for _ in range(5):
        await issued(made)
    await swept(made, after=7 * HOUR)
    for after in (2 * HOUR, 9 * 24 * HOUR):
        made.calls.made.clear()
        assert () == (await reconciled(made, after=after)).findings
        assert (5, 0) == (len(made.calls.named("leases.get")), len(made.calls.named("audit.read")))
        await swept(made)


async def test_a_run_does_not_look_for_ever() -> None:
    """What it has found in time is dealt with; it says what it has not got to, and the next run begins elsewhere."""
    made = scene()
    for _ in range(3):
        await orphaned(made)
    made.clock.jump(2 * HOUR)
    made.calls.latency = 9.0
    done = await reconciled(made)
    assert [place for place in done.unread if "not all of it in one run" in place]
    made.calls.latency = 0.0
    for _ in range(3):
        await reconciled(made, after=HOUR)
    assert [] == made.leftovers()


async def test_what_a_role_wants_to_keep_in_the_recycle_bin_stays() -> None:
    """The lease has ended, and left its application there on purpose."""
    made = scene(principal_target(permanently_delete=False))
    await issued(made)
    await swept(made, after=6 * HOUR + 1)
    before = made.leftovers()
    assert 2 == len(before)
    assert () == (await reconciled(made, after=2 * HOUR)).findings
    assert before == made.leftovers()
