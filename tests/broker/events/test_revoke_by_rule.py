"""A deletion, a look, and leases that end: by rule, by scope, and without any event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.broker.configure.event_rules import delete_event_rule
from shared.broker.ending.sweep import sweep
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.telling.telling import telling
from shared.core.access.policy import PolicyName
from shared.core.errors import NotFound, Unreadable
from shared.core.events.event_rule import read_event_rule
from shared.core.events.lender import Lender
from shared.core.events.rule_lease import RuleLease
from shared.core.lease import Cause, State
from shared.core.names import LeaseId, RoleName, Scope
from tests.broker.events.scenes import (
    APP,
    DELETED,
    OTHER_APP,
    SITE,
    active,
    codes,
    deliver,
    deliver_all,
    document,
    gone,
    scene,
)
from tests.fakes.world import ADMINISTRATOR, BOB, World, principal_target, request, role


def with_rules(of: str = "rule:sites") -> World:
    """A rule that issues, and one that revokes."""
    return scene(sites=document(), gone=gone(of))


async def test_a_deleted_sites_lease_ends() -> None:
    """At once in storage; the queue's workers take it back."""
    made = with_rules()
    await deliver(made)
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    assert [State.ENDING] == [each.state for each in made.leases.rows.values()]
    assert [list(made.leases.rows)] == [list(each.leases) for each in made.revocations.messages()]
    *_, record = [each for each in made.audit.events if each.operation == "event"]
    assert ("1 leases are to end", "gone", SITE) == (record.reason, record.rule, record.subject)


async def test_a_delete_overtaken_by_a_re_creation_revokes_nothing() -> None:
    """Azure is asked twice, since the first answer may be five seconds old. The same identity keeps its lease."""
    made = with_rules()
    await deliver(made)
    await deliver(made, DELETED)
    await deliver_all(made, pause=15)
    assert (1, ["", "event_forged"], []) == (len(active(made)), codes(made), made.events.texts)


async def test_a_site_that_was_made_again_loses_the_former_identitys_lease() -> None:
    """It is another principal that is there now."""
    made = with_rules()
    await deliver(made)
    made.resources.put(SITE, OTHER_APP)
    await deliver(made, DELETED)
    assert [State.ENDING] == [each.state for each in made.leases.rows.values()]


async def test_a_lease_tells_why_it_ends() -> None:
    """In storage, in the audit trail, and in the event that is published."""
    made = with_rules()
    told_of = telling(made.leases, made.ports.kinds, made.clock, made.ids)
    made.ports = replace(made.ports, leases=told_of, publisher=made.topic)
    await deliver(made)
    made.resources.put(SITE, OTHER_APP)
    await deliver(made, DELETED)
    await deliver(made)
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    for _ in range(10):
        made.clock.jump(60)
        await sweep(made.ports, "s")
    expected = ["subject_replaced", "subject_gone"]
    leases = sorted(made.leases.rows.values(), key=lambda each: each.id)
    assert expected == [each.cause for each in leases]
    assert sorted(expected) == sorted(each.reason for each in made.audit.events if each.operation == "end")
    causes = [each["data"]["cause"] for each in made.topic.published if each["type"] == "leasehold.lease.ended"]
    assert sorted(expected) == sorted(causes)


@pytest.mark.parametrize("how", ["an event", "the reconciliation"])
async def test_a_holder_that_the_rule_has_named_keeps_its_lease_while_the_site_is_there(how: str) -> None:
    """It need not be the site's identity. A forged deletion ends nothing, and neither does the hourly look."""
    named = {"issue": {"role": "jit", "holder": OTHER_APP}}
    made = scene(sites=document(action=named), gone=gone())
    await deliver(made)
    if how == "an event":
        await deliver(made, DELETED)
        await deliver_all(made, pause=15)
    else:
        await reconcile(made.ports, "r")
    assert [OTHER_APP] == [each.known_holder.object_id for each in active(made)]
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    assert [] == active(made)


def rewritten(made: World, holder: str) -> None:
    """The rule that has issued names another holder from now on."""
    action = {"issue": {"role": "jit", "holder": holder}}
    made.event_rules.keep(read_event_rule("sites", document(action=action), Lender.of(BOB)))


@pytest.mark.parametrize("how", ["an event", "the reconciliation"])
async def test_a_lease_ends_by_what_its_holder_was_when_it_was_issued(how: str) -> None:
    """Not by what the rule says since: only the first of these two was the site's identity, and the site has another one."""
    made = scene(sites=document(), gone=gone())
    await deliver(made)
    rewritten(made, BOB.object_id)
    other = SITE.replace("/web", "/other")
    made.resources.put(other, OTHER_APP)
    await deliver(made, subject=other, id="event-2")
    rewritten(made, "subject_identity")
    assert 2 == len(active(made))
    made.resources.put(SITE, OTHER_APP)
    if how == "an event":
        for subject in (SITE, other):
            await deliver(made, DELETED, subject, id="event-3")
    else:
        await reconcile(made.ports, "r")
    assert [BOB.object_id] == [each.known_holder.object_id for each in active(made)]


async def test_what_lies_below_a_site_that_is_there_keeps_its_lease() -> None:
    """A slot has an identity of its own, and nobody has looked at the slot."""
    made = scene(sites=document(subject=f"{SITE}/slots/*"), gone=gone())
    made.resources.put(f"{SITE}/slots/a", OTHER_APP)
    await deliver(made, subject=f"{SITE}/slots/a")
    await deliver(made, DELETED)
    await deliver_all(made, pause=15)
    assert 1 == len(active(made))


async def test_a_site_whose_identity_was_switched_off_loses_its_lease() -> None:
    """The event of its deletion is late: the site was made again without an identity."""
    made = with_rules()
    await deliver(made)
    made.resources.put(SITE)
    await deliver(made, DELETED)
    assert [Cause.SUBJECT_REPLACED] == [each.cause for each in made.leases.rows.values()]


async def test_a_deletion_waits_for_a_lease_that_is_being_opened() -> None:
    """Its record is there already. If the worker has died, five minutes later nobody waits any more."""
    made = with_rules()
    record = RuleLease("sites", SITE, APP, LeaseId("jit.00000000000000000000000001"), made.ports.now())
    await made.rule_leases.put(record)
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    assert (1, []) == (len(made.events.texts), codes(made))
    await deliver_all(made, pause=15)
    await deliver_all(made, pause=300)
    assert ([], [""]) == (made.events.texts, codes(made))


async def test_a_lease_that_cannot_be_read_keeps_nobody_else_from_ending() -> None:
    """It counts as live: no second one is issued in its place, and its record stays."""
    made = with_rules()
    await deliver(made)
    other = SITE.replace("/web", "/other")
    made.resources.put(other, OTHER_APP)
    await deliver(made, subject=other, id="event-2")
    made.calls.fail("leases.get", Unreadable("a later version's"))
    await deliver(made, id="event-3")
    assert (1, 2) == (len(made.events.texts), len(active(made)))
    made.events.take()
    made.resources.delete(SITE)
    made.calls.fail("leases.get", Unreadable("a later version's"), times=2)
    await deliver(made, DELETED, id="event-4")
    assert (2, 2) == (len(active(made)), len(made.rule_leases.rows))
    await deliver(made, DELETED, id="event-5")
    assert [other] == [each.metadata["subject"] for each in active(made)]


async def test_a_403_is_not_gone() -> None:
    """Nothing is done, and it is told."""
    made = with_rules()
    await deliver(made)
    made.resources.refuse(SITE)
    await deliver(made, DELETED)
    await deliver_all(made, pause=15)
    assert (1, ["", "event_unverified"]) == (len(active(made)), codes(made))


async def test_a_forged_deletion_of_another_site_ends_nothing_of_this_one() -> None:
    """It is not there, and nothing is of it."""
    made = with_rules()
    await deliver(made)
    await deliver(made, DELETED, SITE.replace("/web", "/other"))
    assert 1 == len(active(made))


async def test_what_lies_below_the_subject_goes_with_it() -> None:
    """A slot's lease, when its site is gone; not that of a site whose name only begins alike."""
    slots = document(subject=SITE.replace("/web", "/*/slots/*"))
    made = scene(sites=document(), slots=slots, gone=gone("rule:slots"))
    slot = f"{SITE}/slots/a"
    made.resources.put(slot, OTHER_APP)
    await deliver(made, subject=slot)
    made.resources.delete(SITE)
    await deliver(made, DELETED, f"{SITE[:-1]}")
    assert 1 == len(active(made))
    await deliver(made, DELETED)
    assert [] == active(made)


async def test_leases_granted_at_or_below_a_deleted_resource_end_by_scope() -> None:
    """Whoever has issued them, and of whatever kind; those above it stay."""
    made = scene(gone=gone("scope"))
    made.roles.keep(role())
    target = principal_target(1)
    at_site = replace(target, azure_roles=tuple(replace(each, scope=Scope(SITE)) for each in target.azure_roles))
    made.roles.keep(role(at_site, name=RoleName("sited")))
    above = await issue(made.ports, request(), IssueRequest(RoleName("web")))
    below = await issue(made.ports, request(), IssueRequest(RoleName("sited")))
    await deliver(made, DELETED)
    await deliver_all(made, pause=15)
    assert 2 == len(active(made))
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    assert [above.lease.id] == [each.id for each in active(made)]
    assert State.ENDING is made.leases.rows[below.lease.id].state


async def test_a_deletion_of_which_no_event_came_is_found_by_the_reconciliation() -> None:
    """If some rule revokes it. Otherwise the lease lives as long as it would."""
    made = with_rules()
    await deliver(made)
    made.resources.delete(SITE)
    await reconcile(made.ports, "r")
    assert [] == active(made)
    unruled = scene()
    await deliver(unruled)
    unruled.resources.delete(SITE)
    await reconcile(unruled.ports, "r")
    assert 1 == len(active(unruled))


@pytest.mark.parametrize("of", ["rule:slots", "holder"])
async def test_the_reconciliation_ends_what_the_event_would_have_ended(of: str) -> None:
    """A slot's lease, if its site is gone. Of slots alone no rule speaks here, until one does."""
    slots = document(subject=SITE.replace("/web", "/*/slots/*"))
    made = scene(slots=slots, gone=gone(of))
    slot = f"{SITE}/slots/a"
    made.resources.put(slot, OTHER_APP)
    made.callers.place(OTHER_APP, slot)
    await deliver(made, subject=slot)
    made.resources.delete(slot)
    await reconcile(made.ports, "r")
    assert 1 == len(active(made))
    made.resources.delete(SITE)
    await reconcile(made.ports, "r")
    assert ([], SITE) == (active(made), made.audit.events[-2].subject)


@pytest.mark.parametrize("of", ["rule:slots", "holder"])
async def test_the_reconciliation_looks_at_the_nearest_of_several_subjects(of: str) -> None:
    """Rules speak of sites and of slots: the slot is gone, and its site is there."""
    below = gone(of) | {"subject": SITE.replace("/web", "/*/slots/*")}
    made = scene(slots=document(subject=below["subject"]), a_site=gone(of), b_slot=below)
    slot = f"{SITE}/slots/a"
    made.resources.put(slot, OTHER_APP)
    made.callers.place(OTHER_APP, slot)
    await deliver(made, subject=slot)
    made.resources.delete(slot)
    await reconcile(made.ports, "r")
    assert [] == active(made)


async def test_the_reconciliation_looks_at_two_hundred_subjects_a_run() -> None:
    """The oldest first, and forgets the records of leases that are over."""
    made = with_rules()
    await deliver(made)
    made.resources.delete(SITE)
    await reconcile(made.ports, "r")
    made.clock.jump(3601)
    await reconcile(made.ports, "r")
    assert {} == made.rule_leases.rows


async def test_a_deleted_rules_leases_stay_unless_they_are_revoked() -> None:
    """A repeat ends those that a dead worker has left."""
    made = scene()
    await deliver(made)
    name, admin = PolicyName("sites"), request(ADMINISTRATOR)
    await delete_event_rule(made.ports, admin, name)
    assert 1 == len(active(made))
    with pytest.raises(NotFound):
        await delete_event_rule(made.ports, admin, name)
    await delete_event_rule(made.ports, admin, name, revoking=True)
    assert [] == active(made)
    with pytest.raises(NotFound):
        await delete_event_rule(made.ports, admin, name, revoking=True)
