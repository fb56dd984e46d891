"""The comparison of Azure with the leases: what it looks at, how closely, and within which bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.ports import Timing
from shared.broker.reconcile.drift import find_drift
from shared.broker.reconcile.reconcile import Result
from shared.core import ownership
from shared.core.audit import AuditEvent, Outcome
from shared.core.lease import State
from shared.core.names import LeaseId
from shared.core.ports.documents import ANY
from shared.issuers.service_principal.survey import ServicePrincipalSurvey
from shared.kinds.part import Places
from tests.broker.drifting import HOUR, LONG_AGO, TARGETS, deleted_by_hand, orphaned, reconciled, results, scene
from tests.broker.scenes import issued, swept
from tests.fakes.calls import MadeCall
from tests.fakes.world import ALICE, EXISTING, WEB, World, principal_target, role, secret_target, world


def unseen(made: World, count: int) -> list[LeaseId]:
    """So many active leases, of which there is nothing in Azure; like the only one, which is still there."""
    (only,) = made.leases.rows.values()
    ids = [LeaseId(f"web.{number:026d}") for number in range(count)]
    made.leases.rows = {each: replace(only, id=each) for each in ids}
    made.cloud.applications.clear()
    return ids


async def test_leases_that_no_list_shows_are_found_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Active leases are read some at a time."""
    monkeypatch.setattr("shared.broker.reconcile.drift._PAGE", 2)
    made = scene()
    await issued(made)
    ids = unseen(made, 5)
    made.clock.jump(HOUR)
    assert ids == sorted(each.id for each in (await find_drift(made.ports)).vanished)


async def test_two_hundred_suspects_are_looked_at_in_one_run() -> None:
    """Each costs a read and a call to Azure; the others are the next run's."""
    made = scene()
    await issued(made)
    unseen(made, 201)
    made.clock.jump(HOUR)
    assert 200 == len((await find_drift(made.ports)).vanished)
    assert 200 == len(made.calls.named("inventory.stands"))


@pytest.mark.parametrize("target", TARGETS)
async def test_a_lease_whose_credential_is_listed_is_no_suspect(target: object) -> None:
    """Of a secret on an existing application the secret is what must be there."""
    made = scene(target)  # type: ignore[arg-type]  # either kind
    await issued(made)
    made.clock.jump(HOUR)
    await find_drift(made.ports)
    assert [] == made.calls.named("inventory.stands")


def ending(made: World, lease_id: LeaseId) -> None:
    """Another worker has begun to end it."""
    lease = made.leases.rows[lease_id]
    made.leases.rows[lease_id] = replace(lease, state=State.ENDING)


def forgotten(made: World, lease_id: LeaseId) -> None:
    """Its record is pruned."""
    del made.leases.rows[lease_id]


@pytest.mark.parametrize("moved", [ending, forgotten])
async def test_a_suspect_that_is_active_no_more_when_it_is_read_is_let_alone(moved: Callable[[World, LeaseId], None]) -> None:
    """Between the list and the look."""
    made = scene()
    lease = (await issued(made)).lease
    await deleted_by_hand(made)
    made.clock.jump(HOUR)
    made.calls.watch = lambda call: moved(made, lease.id) if call.name == "leases.get" else None
    assert [] == (await find_drift(made.ports)).vanished
    assert [] == made.calls.named("inventory.stands")


@pytest.mark.parametrize(("groups", "asked"), [(1, 1), (0, 0)])
async def test_memberships_are_asked_for_where_groups_are_named(groups: int, asked: int) -> None:
    """By a role or a lease."""
    made = scene(principal_target(roles=1, groups=groups))
    await orphaned(made)
    await reconciled(made, after=2 * HOUR)
    assert asked == len(made.calls.named("inventory.groups_of"))


async def test_of_an_orphan_without_a_principal_no_membership_is_asked_for() -> None:
    """Nobody is a member."""
    made = scene()
    await orphaned(made)
    for principal in [each for each in made.cloud.principals.values() if each.unique_name]:
        made.cloud.delete_principal(principal.object_id)
    await reconciled(made, after=2 * HOUR)
    assert [] == made.calls.named("inventory.groups_of")


@pytest.mark.parametrize(("seconds", "found"), [(7409, 0), (7410, 0), (7411, 1)])
async def test_the_grace_is_what_an_issue_may_take_and_twice_what_may_be_unseen(seconds: float, found: int) -> None:
    """Three minutes, half a minute for the last call, and here twice an hour; to the second."""
    made = scene(timing=Timing(settle=3600))
    await orphaned(made)
    made.clock.jump(seconds)
    assert found == len([each for each in (await find_drift(made.ports)).orphans if each.type == "application"])


@pytest.mark.parametrize(("seconds", "known"), [(0, True), (599, True), (600, False)])
async def test_the_audit_trail_is_asked_for_ten_minutes_after_a_lease_was_opened(seconds: float, *, known: bool) -> None:
    """Within them it tells what came of the lease."""
    made = scene(secret_target())
    made.cloud.add_secret(EXISTING, LONG_AGO, made.clock.now())
    at = ownership.opened_at(LONG_AGO) + timedelta(seconds=seconds)
    made.audit.events.append(AuditEvent(at, "issue", Outcome.DONE, "r-1", caller=ALICE, lease=LONG_AGO))
    made.clock.jump(2 * HOUR)
    assert known == bool((await find_drift(made.ports)).orphans)


@pytest.mark.parametrize(("seconds", "found"), [(59.5, 1), (60.0, 0)])
async def test_a_run_compares_for_a_minute(seconds: float, found: int) -> None:
    """From when it has read the directory."""
    made = scene()
    await orphaned(made)
    made.clock.jump(2 * HOUR)

    def slow(call: MadeCall) -> None:
        if call.name == "leases.list":
            made.clock.jump(seconds)

    made.calls.watch = slow
    drift = await find_drift(made.ports)
    assert found == len([each for each in drift.orphans if each.type == "application"])
    assert (found == 0) == ("applications: not all of it in one run" in drift.unread)


async def test_every_place_that_was_not_compared_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is left of it, it is the next run's."""
    monkeypatch.setattr("shared.broker.reconcile.drift._SECONDS", 0.0)
    made = world(role(), role(secret_target(), name=WEB.parse("secret")))
    await orphaned(made)
    await deleted_by_hand(made)
    lease = (await issued(made)).lease
    made.cloud.add_secret(EXISTING, LONG_AGO, made.clock.now())
    unseen = LeaseId.of(WEB, "0" * 26)
    made.leases.rows[unseen] = replace(lease, id=unseen)
    drift = await find_drift(made.ports)
    places = ("leases", "applications", "secrets", "assignments", "recycle bin")
    assert ([f"{place}: not all of it in one run" for place in places], []) == (drift.unread, drift.orphans)


async def test_what_replicas_still_show_of_a_lease_that_has_just_ended_is_no_orphan() -> None:
    """Minutes later it is."""
    made = scene(secret_target())
    await issued(made)
    secrets = dict(made.cloud.applications[EXISTING].secrets)
    await swept(made, after=6 * HOUR)
    made.cloud.applications[EXISTING].secrets.update(secrets)
    assert [] == results(await reconciled(made, after=180))
    assert [("application_secret", Result.REMOVED)] == results(await reconciled(made, after=1))


async def test_the_walk_of_the_bin_begins_where_chance_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """So nothing that stays there hides the rest from every run."""
    made = scene()
    for _ in range(3):
        await orphaned(made)
    await deleted_by_hand(made)
    made.clock.jump(2 * HOUR)
    monkeypatch.setattr(made.ids, "jitter", lambda: 0.0)
    first = [each.name for each in (await find_drift(made.ports)).orphans]
    monkeypatch.setattr(made.ids, "jitter", lambda: 0.5)
    second = [each.name for each in (await find_drift(made.ports)).orphans]
    assert (6, [*first[3:], *first[:3]]) == (len(first), second)


@pytest.mark.parametrize("permanently", [True, False])
async def test_an_orphan_whose_record_is_lost_goes_as_its_role_says_today(*, permanently: bool) -> None:
    """Out of the recycle bin as well, or into it."""
    made = scene()
    await orphaned(made)
    made.roles.keep(role(principal_target(permanently_delete=permanently)))
    await reconciled(made, after=2 * HOUR)
    assert ({"binned"}, set[str]())[permanently] == {thing.kind for thing in made.leftovers()}


@pytest.mark.parametrize("gone", [True, False])
async def test_without_a_role_to_say_so_an_orphan_leaves_the_bin_and_what_lies_there_stays(*, gone: bool) -> None:
    """The role was deleted, or makes no principals any more: its own deletions are complete, somebody else's are not undone."""
    made = scene()
    await orphaned(made)
    if gone:
        await made.roles.delete(WEB, expected=ANY)
    else:
        made.roles.keep(role(secret_target()))
    await reconciled(made, after=2 * HOUR)
    assert [] == [thing for thing in made.leftovers() if thing.kind != "assignment"]
    made = scene()
    await orphaned(made)
    await deleted_by_hand(made)
    await made.roles.delete(WEB, expected=ANY)
    assert () == (await reconciled(made, after=2 * HOUR)).findings


async def test_what_is_nobodys_in_the_recycle_bin_is_not_kept() -> None:
    """There may be many."""
    made = scene()
    await orphaned(made)
    await deleted_by_hand(made)
    for item in made.cloud.bin.values():
        item.unique_name = "somebody's"
    survey = ServicePrincipalSurvey(made.inventory, Places(), made.ids)
    await survey.run()
    assert [] == survey.recycled


async def test_a_read_lease_is_read_once() -> None:
    """Its application, its assignments and its secrets ask for the same record."""
    made = scene()
    await orphaned(made)
    made.clock.jump(2 * HOUR)
    before = len(made.calls.named("leases.get"))
    await find_drift(made.ports)
    assert 1 == len(made.calls.named("leases.get")) - before
