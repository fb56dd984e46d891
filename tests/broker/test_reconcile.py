"""Azure and the leases drift apart, and are brought together again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.ports import Timing
from shared.broker.reconcile.reconcile import Result, reconcile
from shared.core import ownership
from shared.core.errors import Refused, Throttled, Unavailable
from shared.core.footprint import Assignment
from shared.core.lease import State
from shared.core.names import LeaseId
from shared.core.role import Target
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.broker.drifting import HOUR, LONG_AGO, TARGETS, deleted_by_hand, orphaned, reconciled, results, scene
from tests.broker.scenes import issued, stored, swept
from tests.fakes.cloud_state import Granted
from tests.fakes.world import (
    ADMINISTRATOR,
    BOB,
    DEFINITION,
    EXISTING,
    SCOPES,
    WEB,
    guid,
    principal_target,
    request,
    role,
    world,
)
from tests.support.kinds import as_client_secret


@pytest.mark.parametrize("target", TARGETS)
async def test_what_belongs_to_a_live_lease_stays(target: Target) -> None:
    """However old."""
    made = scene(target)
    await issued(made)
    before = made.leftovers()
    done = await reconciled(made, after=5 * HOUR)
    assert ((), ()) == (done.findings, done.unread)
    assert before == made.leftovers()
    assert State.ACTIVE is stored(made).state


async def test_what_a_lost_record_has_left_is_removed_after_the_grace() -> None:
    """Application, principal, memberships, assignments and the bin, in the order of every end; not a minute earlier."""
    made = scene()
    lease_id = await orphaned(made)
    assert () == (await reconciled(made, after=HOUR - 60)).findings
    made.calls.made.clear()
    done = await reconciled(made, after=120)
    assert [("application", Result.REMOVED)] == results(done)
    assert lease_id == done.findings[0].lease
    assert [] == made.leftovers()
    undone = [call.name for call in made.calls.made if call.service in {"authorization", "directory"}]
    assert ["authorization.unassign"] * 2 + ["directory.remove_member"] * 2 == undone[:4]


async def test_a_secret_of_a_lost_record_is_removed() -> None:
    """The audit trail knows the lease; other secrets on the application stay."""
    made = scene(TARGETS[1])
    await orphaned(made)
    made.cloud.add_secret(EXISTING, "by hand", made.clock.now())
    made.cloud.add_secret(EXISTING, LONG_AGO, made.clock.now())
    done = await reconciled(made, after=2 * HOUR)
    assert [("application_secret", Result.REMOVED)] == results(done)
    assert {"by hand", LONG_AGO} == {thing.owner for thing in made.leftovers()}


async def test_a_secret_that_came_back_is_removed_while_its_record_is_kept() -> None:
    """The lease has ended; what carries its name belongs to nobody."""
    made = scene(TARGETS[1])
    lease = (await issued(made)).lease
    await swept(made, after=6 * HOUR + 1)
    made.cloud.add_secret(EXISTING, lease.id, made.clock.now())
    assert State.ENDED is stored(made).state
    assert [("application_secret", Result.REMOVED)] == results(await reconciled(made, after=2 * HOUR))
    assert [] == made.leftovers()


async def test_the_assignments_of_a_vanished_principal_are_removed() -> None:
    """They outlive their principal in Azure; a stranger's at the same scope stays."""
    made = scene()
    lease_id = await orphaned(made)
    for principal in list(made.cloud.principals.values()):
        if principal.unique_name:
            made.cloud.delete_principal(principal.object_id)
    for application in list(made.cloud.applications.values()):
        if application.unique_name:
            made.cloud.delete_application(application.object_id)
    made.cloud.bin.clear()
    strangers = Assignment(SCOPES[0], guid(0x900))
    made.cloud.assign(strangers, Granted(DEFINITION, guid(0x901), None, "by hand"))
    done = await reconciled(made, after=2 * HOUR)
    assert [("assignment", Result.REMOVED)] * 2 == results(done)
    assert {lease_id} == {each.lease for each in done.findings}
    assert [strangers] == list(made.cloud.assignments)


@pytest.mark.parametrize("what", ["application", "principal", "secret"])
async def test_a_lease_whose_objects_somebody_deleted_ends(what: str) -> None:
    """With the reason, on the ordinary way: what is left of it goes too."""
    made = scene()
    await issued(made)
    (application,) = [each for each in made.cloud.applications.values() if each.unique_name]
    if what == "application":
        made.cloud.delete_application(application.object_id)
    elif what == "principal":
        (principal,) = [each.object_id for each in made.cloud.principals.values() if each.unique_name]
        made.cloud.delete_principal(principal)
    else:
        application.secrets.clear()
    assert () == (await reconciled(made, after=60)).findings
    assert [("lease", Result.ENDED)] == results(await reconciled(made, after=300))
    assert (State.ENDED, "vanished") == (stored(made).state, stored(made).cause)
    assert [] == [thing for thing in made.leftovers() if thing.kind != "binned"]
    assert ("end", "done") in made.audit.told()


async def test_a_lease_whose_secret_somebody_removed_ends() -> None:
    """On an existing application, which stays."""
    made = scene(TARGETS[1])
    await issued(made)
    made.cloud.applications[EXISTING].secrets.clear()
    assert [("lease", Result.ENDED)] == results(await reconciled(made, after=300))
    assert "vanished" == stored(made).cause


async def test_a_lease_goes_on_when_only_the_lists_do_not_show_it() -> None:
    """Somebody took the broker's ownership away, or its role points elsewhere by now: its objects are there."""
    made = scene(TARGETS[1])
    await issued(made)
    made.roles.keep(role(TARGETS[0]))
    await issued(made, request(BOB))
    made.inventory.strange |= set(made.cloud.applications)
    assert () == (await reconciled(made, after=600)).findings
    assert [State.ACTIVE] * 2 == [lease.state for lease in made.leases.rows.values()]


async def test_a_lease_that_is_renewed_meanwhile_is_left_for_the_next_run() -> None:
    """Whoever loses the race stops."""
    made = scene()
    lease = (await issued(made)).lease
    await deleted_by_hand(made)
    made.clock.jump(600)

    async def renewed() -> None:
        former = made.leases.rows[lease.id]
        await made.leases.swap(former.renewed(former.expires_at), former=former)

    length = len(made.calls.made)
    await reconciled(made, dry_run=True)
    reads = len(made.calls.made) - length - 1
    # A dry run does not look for keys, old rows and pending events to take up: six calls fewer.
    made.calls.meanwhile(len(made.calls.made) + reads + 6, renewed)
    assert [("lease", Result.LEFT)] == results(await reconciled(made))
    assert State.ACTIVE is stored(made).state


@pytest.mark.parametrize("target", TARGETS)
async def test_a_dry_run_only_reads(target: Target) -> None:
    """It tells what a run would do, and the audit trail tells of it."""
    made = scene(target)
    await orphaned(made)
    vanished = (await issued(made)).lease
    made.clock.jump(2 * HOUR)
    for application in made.cloud.applications.values():
        for key_id in [key for key, secret in application.secrets.items() if secret.display_name == vanished.id]:
            del application.secrets[key_id]
    before, rows = made.leftovers(), dict(made.leases.rows)
    made.calls.made.clear()
    done = await reconcile(made.ports, "run", actor=request(ADMINISTRATOR), dry_run=True)
    assert {Result.WOULD_REMOVE, Result.WOULD_END} == {each.result for each in done.findings}
    assert (before, rows) == (made.leftovers(), made.leases.rows)
    assert {"inventory", "roles", "leases", "audit"} == {call.service for call in made.calls.made}
    assert {"leases.footprints", "leases.get", "leases.list"} == {call.name for call in made.calls.named("leases")}
    event = made.audit.events[-1]
    assert ("reconcile", "dry run: 2 found", ADMINISTRATOR) == (event.operation, event.reason, event.caller)


async def test_every_removal_is_audited_and_so_is_the_run() -> None:
    """What, of which lease; and at the end the counts, which the run history keeps as well."""
    made = scene()
    lease_id = await orphaned(made)
    await reconciled(made, after=2 * HOUR)
    *_, removal, run = made.audit.events
    assert ("reconcile", "done", lease_id, WEB) == (removal.operation, removal.outcome, removal.lease, removal.role)
    assert removal.reason.startswith("application ")
    assert ("reconcile", "removed 1, ended 0, failed 0, left 0, unread 0") == (run.operation, run.reason)
    last = await made.run_history.last_reconciliation()
    assert last is not None
    assert (made.clock.now(), 1) == (last[0], last[1]["removed"])


async def test_a_removal_that_fails_is_told_and_tried_again() -> None:
    """By the next run."""
    made = scene()
    await orphaned(made)
    made.calls.fail("directory.delete_application", Refused("no", status=403, azure_code="Authorization_RequestDenied"))
    done = await reconciled(made, after=2 * HOUR)
    assert [("application", Result.FAILED)] == results(done)
    assert "azure_refused: Authorization_RequestDenied" == done.findings[0].error
    assert ("reconcile", "failed") in made.audit.told()
    await reconciled(made, after=HOUR)
    assert [] == [thing for thing in made.leftovers() if thing.kind != "binned"]


@pytest.mark.parametrize("call", ["inventory.recycled", "inventory.secrets_on", "inventory.assignments_at", "inventory.stands"])
async def test_a_place_that_cannot_be_read_keeps_no_other_waiting(call: str) -> None:
    """It is named; the rest is done."""
    made = world(role(TARGETS[0]), role(TARGETS[1], name=WEB.parse("secret")))
    await orphaned(made)
    made.clock.jump(2 * HOUR)
    made.inventory.strange |= {as_client_secret((await issued(made)).credential).object_id}
    made.clock.jump(200)
    made.calls.fail(call, Unavailable("no answer"), times=9)
    done = await reconciled(made)
    assert ("application", Result.REMOVED) in results(done)
    assert done.unread


async def test_nothing_is_done_when_what_the_broker_owns_cannot_be_read() -> None:
    """A lease is not taken for vanished because Graph did not answer."""
    made = scene()
    await issued(made)
    made.calls.fail("inventory.owned", Throttled())
    with pytest.raises(Throttled):
        await reconciled(made, after=2 * HOUR)
    assert State.ACTIVE is stored(made).state


async def test_the_grace_is_longer_than_any_issue_and_its_settling() -> None:
    """Where settings make absence believed late, orphans are believed later."""
    made = scene(timing=Timing(settle=3600))
    await orphaned(made)
    assert () == (await reconciled(made, after=2 * HOUR)).findings
    assert 1 == len((await reconciled(made, after=HOUR)).findings)


@pytest.mark.parametrize("state", [State.PLANNED, State.ENDING, State.STUCK])
async def test_what_another_worker_is_making_or_undoing_stays(state: State) -> None:
    """The sweep answers for it."""
    made = scene()
    lease_id = (await issued(made)).lease.id
    made.leases.rows[lease_id] = replace(made.leases.rows[lease_id], state=state)
    before = made.leftovers()
    assert () == (await reconciled(made, after=2 * HOUR)).findings
    assert before == made.leftovers()


async def test_a_run_stops_in_time_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is told."""
    monkeypatch.setattr("shared.broker.reconcile.reconcile._SECONDS", 20.0)
    made = scene(principal_target(roles=1, groups=0), latency=1.0)
    for _ in range(20):
        await orphaned(made)
    first = await reconciled(made, after=2 * HOUR)
    assert {Result.REMOVED, Result.LEFT} == {each.result for each in first.findings}
    for _ in range(4):
        await reconciled(made)
    assert [] == made.leftovers()


async def test_the_calls_of_a_run_grow_with_places_and_orphans_alone() -> None:
    """A hundred live leases cost no more reads than none: one list, and leases a page at a time."""
    target = principal_target(roles=2, groups=2)
    assert isinstance(target, ServicePrincipalTarget)
    made = scene(target)

    async def calls() -> list[str]:
        made.calls.made.clear()
        await reconciled(made)
        return [call.name for call in made.calls.made]

    without = await calls()
    for _ in range(100):
        await issued(made)
    made.clock.jump(2 * HOUR)
    assert without == await calls()
    assert ["identity", "owned", "recycled", "assignments_at", "assignments_at", "definition"] == [
        name.removeprefix("inventory.") for name in without if name.startswith("inventory")
    ]


def test_a_lease_tells_by_its_id_when_it_was_opened() -> None:
    """To the millisecond."""
    made = scene()
    opened = made.clock.now() + timedelta(milliseconds=7)
    assert opened == ownership.opened_at(LeaseId.of(WEB, made.ids.ulid(opened)))


async def test_leases_that_no_list_shows_are_looked_at_for_as_long_as_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """That some were left is told by what they are."""
    monkeypatch.setattr("shared.broker.reconcile.drift._SECONDS", 0.0)
    made = scene()
    await issued(made)
    await deleted_by_hand(made)
    done = await reconciled(made, after=2 * HOUR)
    assert "leases: not all of it in one run" in done.unread


async def test_a_run_counts_the_leases_and_a_dry_one_does_not() -> None:
    """By role and state, as of its beginning."""
    made = scene()
    await issued(made)
    await reconciled(made, dry_run=True)
    assert await made.run_history.last_count() is None
    assert [] == made.calls.named("leases.align")
    await reconciled(made)
    assert [(5000,)] == [call.about for call in made.calls.named("leases.align")], "rows of older versions, some at a time"
    counted = await made.run_history.last_count()
    assert counted is not None
    assert {(WEB, State.ACTIVE): 1} == dict(counted.leases)


async def test_of_what_is_old_the_absence_is_believed_at_once() -> None:
    """Half of an orphan is gone already: nobody waits for it to appear."""
    made = scene()
    await orphaned(made)
    made.clock.jump(2 * HOUR)
    for principal in [each for each in made.cloud.principals.values() if each.unique_name]:
        made.cloud.delete_principal(principal.object_id)
    made.cloud.bin.clear()
    began = made.clock.monotonic()
    assert Result.REMOVED in {each.result for each in (await reconciled(made)).findings}
    assert 5 > made.clock.monotonic() - began


async def test_what_somebody_assigned_to_an_orphan_by_hand_is_left() -> None:
    """It is no part of a lease; without its principal it gives nothing."""
    made = scene()
    await orphaned(made)
    (principal,) = (each.object_id for each in made.cloud.principals.values() if each.unique_name)
    strangers = Assignment(SCOPES[0], guid(0x900))
    made.cloud.assign(strangers, Granted(DEFINITION, principal, None, "by hand"))
    await reconciled(made, after=2 * HOUR)
    assert [strangers] == list(made.cloud.assignments)
