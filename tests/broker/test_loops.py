"""Loops over many leases or objects: the odd one comes first, and there are more than one round of hands takes."""

from __future__ import annotations

import pytest

from shared.broker.ending.due import all_due
from shared.broker.ending.enqueue import TOGETHER, enqueue
from shared.broker.ending.poison import poison
from shared.broker.ending.sweep import sweep
from shared.broker.ports import Timing
from shared.broker.reconcile.reconcile import Result, reconcile
from shared.broker.revoke import revoke, revoke_role
from shared.core.errors import Refused, Unavailable
from shared.core.footprint import Assignment
from shared.core.lease import State
from shared.core.message import Batch
from shared.core.names import LeaseId, RoleName
from tests.broker.drifting import HOUR, TARGETS, deleted_by_hand, orphaned, reconciled, scene
from tests.broker.scenes import issued
from tests.fakes.cloud_state import Application, Granted
from tests.fakes.world import ADMINISTRATOR, DEFINITION, SCOPES, WEB, World, guid, principal_target, request, role, world

MANY = 40
"""More than two rounds of sixteen hands."""
OTHER = RoleName("other")
FIRST = LeaseId.of(WEB, "0" * 26)
"""Before every lease of the clock's."""


async def leases(made: World, count: int) -> list[LeaseId]:
    """So many, in the order of their making."""
    return [(await issued(made)).lease.id for _ in range(count)]


def states(made: World, some: list[LeaseId]) -> set[State]:
    """What has become of them."""
    return {made.leases.rows[each].state for each in some}


async def test_revoking_a_role_passes_over_a_lease_that_has_ended() -> None:
    """The first of them: those behind it end all the same."""
    made = world(role(ttl=3600, max_ttl=3600))
    ended, *others = await leases(made, MANY)
    await revoke(made.ports, request(ADMINISTRATOR), ended)
    await revoke_role(made.ports, request(ADMINISTRATOR), WEB)
    await sweep(made.ports, "sweep")
    assert {State.ENDED} == states(made, [ended, *others])


@pytest.mark.parametrize("trouble", [Unavailable("silent"), RuntimeError("a record that cannot be read")])
async def test_a_sweep_goes_on_behind_a_lease_that_cannot_be_read(trouble: Exception) -> None:
    """The earliest that is due; whatever is wrong with it."""
    made = world(role(ttl=60))
    odd, *others = await leases(made, MANY)
    made.clock.jump(61)
    read = made.leases.get

    async def reading(lease_id: LeaseId) -> object:
        if lease_id == odd:
            raise trouble
        return await read(lease_id)

    made.leases.get = reading  # type: ignore[method-assign, assignment]
    summary = await sweep(made.ports, "sweep")
    assert (MANY - 1, 1, {State.ENDED}) == (summary.ended, summary.remaining, states(made, others))


async def test_a_sweep_without_time_leaves_every_lease_to_the_queue() -> None:
    """Not only those that its hands have taken up."""
    made = world(role(ttl=60), timing=Timing(asked_sweep=0.0))
    every = await leases(made, MANY)
    made.clock.jump(61)
    assert MANY == (await sweep(made.ports, "sweep")).remaining
    assert sorted(every) == sorted(each for batch in made.revocations.messages() for each in batch.leases)


async def test_what_a_broken_queue_refuses_keeps_no_other_batch() -> None:
    """One refusal for each hand; the batches behind them are sent, and those that were not are told."""
    made = world(role(ttl=60))
    every = [LeaseId.of(WEB, f"{number:026d}") for number in range(6 * TOGETHER)]
    made.calls.fail("revocations.send", Unavailable("down"), times=4)
    refused = await enqueue(made.ports, every)
    sent = [each for batch in made.revocations.messages() for each in batch.leases]
    assert (4 * TOGETHER, 2 * TOGETHER) == (len(refused), len(sent))
    assert sorted(every) == sorted([*refused, *sent])


async def test_poison_is_set_aside_behind_leases_that_are_nobodys() -> None:
    """One that was never there, and one that has ended, come first."""
    made = world(role(ttl=60))
    ended, *others = await leases(made, 4)
    await revoke(made.ports, request(ADMINISTRATOR), ended)
    made.clock.jump(61)
    assert 3 == await poison(made.ports, "poison", Batch("b", (FIRST, ended, *others)))
    assert {State.STUCK} == states(made, others)


async def test_a_reconciliation_tells_every_orphan_whatever_becomes_of_the_first() -> None:
    """More than its hands take at once."""
    made = scene(principal_target(1, 0, permanently_delete=False))
    for _ in range(MANY):
        await orphaned(made)
    made.clock.jump(3 * HOUR)
    made.calls.fail("directory.delete_application", Refused("no"))
    done = await reconcile(made.ports, "run")
    assert (MANY, 1) == (len(done.findings), sum(each.result is Result.FAILED for each in done.findings))


async def test_a_reconciliation_without_time_tells_of_every_orphan_that_it_has_left() -> None:
    """Its first deletion takes all the time there is."""
    made = scene(principal_target(1, 0, permanently_delete=False))
    for _ in range(MANY):
        await orphaned(made)
    made.clock.jump(3 * HOUR)
    made.calls.watch = lambda call: made.clock.jump(300.0) if call.name == "authorization.unassign" else None
    done = await reconcile(made.ports, "run")
    assert MANY == len(done.findings)
    assert Result.LEFT in {each.result for each in done.findings}


async def test_a_reconciliation_finds_an_assignment_behind_somebody_elses() -> None:
    """And behind one that belongs to a live lease."""
    made = scene(principal_target(1, 0))
    await issued(made)
    orphan = (await issued(made)).lease
    for application in [each for each in made.cloud.applications.values() if each.unique_name.endswith(orphan.id)]:
        made.cloud.applications.pop(application.object_id)
    del made.leases.rows[orphan.id]
    theirs = Granted(DEFINITION, guid(0x999), None, "by hand")
    standing = dict(made.cloud.assignments)
    made.cloud.assignments.clear()
    made.cloud.assignments.update({Assignment(SCOPES[0], str(guid(0x998))): theirs, **standing})
    done = await reconciled(made, after=3 * HOUR)
    assert "assignment" in {each.type for each in done.findings}


@pytest.mark.parametrize("jitter", [0.0, 0.3, 0.6, 0.9])
async def test_the_walk_of_the_bin_passes_over_what_is_too_young(jitter: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it begins: what is old enough lies behind it."""
    binned = scene(TARGETS[0])
    monkeypatch.setattr(binned.ids, "jitter", lambda: jitter)
    for _ in range(3):
        await orphaned(binned)
    await deleted_by_hand(binned)
    binned.clock.jump(3 * HOUR)
    await orphaned(binned)
    await deleted_by_hand(binned)
    found = await reconcile(binned.ports, "run", dry_run=True)
    assert 6 == len([each for each in found.findings if each.type == "recycled"])


async def test_a_reconciliation_looks_into_the_bin_behind_somebody_elses() -> None:
    """Which lies there first."""
    made = scene(TARGETS[0])
    await orphaned(made)
    await deleted_by_hand(made)
    theirs = Application(guid(0x990), guid(0x991), "by hand")
    made.cloud.bin = {theirs.object_id: theirs, **made.cloud.bin}
    made.clock.jump(3 * HOUR)
    found = await reconcile(made.ports, "run", dry_run=True)
    assert 2 == len([each for each in found.findings if each.type == "recycled"])


async def test_so_many_due_leases_are_found_as_were_asked_for() -> None:
    """Each once, though its role was revoked as well."""
    made = world(role(ttl=300, max_ttl=300))
    found = await leases(made, 5)
    made.clock.jump(301)
    await revoke_role(made.ports, request(ADMINISTRATOR), WEB)
    assert 3 == len((await all_due(made.ports, 3)).leases)
    assert sorted(found) == sorted((await all_due(made.ports, 100)).leases)


async def test_a_sweep_finds_what_was_revoked_behind_a_role_whose_revocation_is_finished() -> None:
    """The message by which a revocation begins may never come."""
    made = world(role(), role(name=OTHER))
    for name in (WEB, OTHER):
        await issued(made, role=name)
        await revoke_role(made.ports, request(ADMINISTRATOR), name)
        if name == WEB:
            await sweep(made.ports, "sweep")
            await sweep(made.ports, "sweep")
    assert [True, False] == [each.is_finished for each in made.generations.rows.values()]
    await sweep(made.ports, "sweep")
    assert {State.ENDED} == {lease.state for lease in made.leases.rows.values()}
