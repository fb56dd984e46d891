"""A resource is deleted, and what its identity holds ends: by rules, or asked for by the identity itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.broker.configure.event_rules import put_event_rule
from shared.broker.events.lost import MOST_LOOKS
from shared.broker.holder_resources import KEPT, MOST_ASKED, note_all
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.revoke import revoke
from shared.core.access.bounds import Bounds
from shared.core.access.facts import Principal
from shared.core.access.policy import PolicyName
from shared.core.caller import Caller, CallerType
from shared.core.errors import LostRace, Throttled, Unavailable
from shared.core.events.holder_resource import HolderResource
from shared.core.lease import Cause, Lease, State
from shared.core.names import ObjectId
from shared.core.pool import Pool
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
    scene,
)
from tests.fakes.world import ADMINISTRATOR, ALICE, SCOPES, WEB, World, guid, principal_target, request, role
from tests.support.pools import filling

IDENTITY = f"{SCOPES[0]}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker"
SLOT = f"{SITE}/slots/blue"
HOLDER = {"revoke": {"of": "holder"}}
DAY = 86400.0


def caller(holder: ObjectId) -> Caller:
    """The identity, as it calls the broker itself."""
    return replace(ALICE, object_id=holder, app_id=guid(0x9F0), kind=CallerType.APPLICATION)


async def watched(*, subject: str = SITE.replace("/web", "/*"), **rules: object) -> World:
    """A rule by holder that an administrator has written; roles from which the site's identity may issue itself."""
    made = scene(**(rules or {"sites": document()}))  # type: ignore[arg-type]
    for each, resource in ((APP, SITE), (OTHER_APP, SLOT)):
        made.callers.place(each, resource)
    both = Bounds(service_principal_ids=frozenset({APP, OTHER_APP, ALICE.object_id}))
    made.roles.keep(role(bounds=both))
    await put_event_rule(made.ports, request(ADMINISTRATOR), PolicyName("gone"), rule_of(subject))
    return made


def rule_of(subject: str) -> dict[str, object]:
    """A rule that revokes what the identities of these resources hold."""
    return document(types=[DELETED], subject=subject, action=HOLDER)


async def asks(made: World, holder: ObjectId) -> Lease:
    """The identity asks for a lease itself."""
    return (await issue(made.ports, request(caller(holder)), IssueRequest(WEB))).lease


def causes(made: World) -> list[str]:
    """Why the leases end that are no longer active, by their ids."""
    ended = sorted((each for each in made.leases.rows.values() if each.state is not State.ACTIVE), key=lambda each: each.id)
    return [str(each.cause) for each in ended]


async def test_all_that_a_deleted_sites_identity_holds_ends() -> None:
    """What a rule has issued, and what it has asked for itself. What others hold stays."""
    made = await watched()
    await deliver(made)
    await asks(made, APP)
    others = await issue(made.ports, request(), IssueRequest(WEB))
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    assert ([others.lease.id], ["subject_gone"] * 2) == ([each.id for each in active(made)], causes(made))
    assert sorted(each.id for each in made.leases.rows.values() if each.cause is not None) == sorted(
        lease for message in made.revocations.messages() for lease in message.leases
    )


async def test_what_the_identity_of_a_part_holds_ends_with_the_whole() -> None:
    """A slot's, when its site is gone. A site whose name only begins alike is another one."""
    made = await watched()
    await asks(made, OTHER_APP)
    await deliver(made, DELETED, SITE[:-1])
    assert 1 == len(active(made))
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    assert (["subject_gone"], []) == (causes(made), active(made))


async def test_a_deletion_of_a_site_that_is_there_ends_nothing() -> None:
    """A forged one, or one that a re-creation has overtaken: the identity of the site, and that of its slot, keep theirs."""
    made = await watched()
    for each in (APP, OTHER_APP):
        await asks(made, each)
    await deliver(made, DELETED)
    await deliver_all(made, pause=15)
    assert (2, ["event_forged"]) == (len(active(made)), codes(made))


async def test_a_site_that_shows_no_identity_ends_nothing() -> None:
    """The directory has said whose identity the holder is, and the site does not say otherwise."""
    made = await watched()
    await asks(made, APP)
    made.resources.put(SITE)
    await deliver(made, DELETED)
    await deliver_all(made, pause=15)
    assert 1 == len(active(made))


async def test_an_identity_that_neither_the_site_nor_the_directory_shows_is_gone() -> None:
    """The site was made again without one."""
    made = await watched()
    await asks(made, APP)
    made.resources.put(SITE)
    del made.callers.principals[APP]
    made.clock.jump(DAY)
    await deliver(made, DELETED)
    assert ["subject_replaced"] == causes(made)


async def test_what_the_former_identity_of_a_site_holds_ends() -> None:
    """The site was made again, and has another one."""
    made = await watched()
    await asks(made, APP)
    made.resources.put(SITE, guid(0x999))
    await deliver(made, DELETED)
    assert ["subject_replaced"] == causes(made)


async def test_a_403_is_not_gone() -> None:
    """Nothing is done."""
    made = await watched()
    await asks(made, APP)
    made.resources.refuse(SITE)
    await deliver(made, DELETED)
    assert (1, ["event_unverified"]) == (len(active(made)), codes(made))


async def test_a_user_assigned_identitys_leases_end_with_the_identity_and_not_with_a_site() -> None:
    """Other sites may use it."""
    made = await watched(subject=IDENTITY.replace("/worker", "/*"), sites=document(), other=rule_of(SITE))
    made.callers.place(APP, IDENTITY, explicit=True)
    made.resources.put(SITE, None, APP)
    made.resources.put(IDENTITY, APP)
    await deliver(made)
    await asks(made, APP)
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    assert 2 == len(active(made))
    made.resources.delete(IDENTITY)
    await deliver(made, DELETED, IDENTITY)
    assert ([], ["subject_gone"] * 2) == (active(made), causes(made))


async def test_without_such_a_rule_a_caller_costs_no_call_more() -> None:
    """Nobody is asked, and nothing is noted. What a rule issues is noted always: the directory is read anyway."""
    made = scene()
    made.callers.place(APP, SITE)
    made.roles.keep(role(bounds=Bounds(service_principal_ids=frozenset({APP}))))
    await asks(made, APP)
    assert [] == [each for each in made.calls.names() if each.startswith(("graph.", "holder_resources"))]
    await deliver(made)
    assert [SITE] == [each.resource for each in made.holder_resources.rows.values()]


async def test_every_worker_notes_from_the_rule_on() -> None:
    """The rule changes the version of the access configuration, which each issue reads."""
    made = await watched()
    coworker = made.coworker()
    await put_event_rule(made.ports, request(ADMINISTRATOR), PolicyName("more"), rule_of(SITE))
    await asks(coworker, APP)
    assert [(APP, SITE)] == [(each.holder, each.resource) for each in made.holder_resources.rows.values()]


@pytest.mark.parametrize("trouble", ["graph", "storage"])
async def test_a_lease_is_issued_although_its_holders_resource_cannot_be_noted(trouble: str) -> None:
    """The next reconciliation notes it."""
    made = await watched()
    if trouble == "graph":
        made.callers.trouble = "failing"
    else:
        made.calls.fail("holder_resources.note", Unavailable(status=503))
    await asks(made, APP)
    made.callers.trouble = ""
    assert {} == made.holder_resources.rows
    made.clock.jump(60)
    await reconcile(made.ports, "r")
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    assert ["subject_gone"] == causes(made)


async def test_leases_from_before_the_rule_are_found_after_the_next_reconciliation() -> None:
    """Holders that are no resource's identity are noted as that, and asked about again after a day."""
    made = scene()
    made.callers.place(APP, SITE)
    made.callers.principals[ALICE.object_id] = Principal("Application", ())
    made.roles.keep(
        role(bounds=Bounds(service_principal_ids=frozenset({APP, ALICE.object_id})), ttl=7 * 86400, max_ttl=7 * 86400)
    )
    await asks(made, APP)
    await issue(made.ports, request(), IssueRequest(WEB))
    await put_event_rule(made.ports, request(ADMINISTRATOR), PolicyName("gone"), rule_of(SITE.replace("/web", "/*")))
    await note_all(made.ports)
    found = {each.holder: each.resource for each in made.holder_resources.rows.values()}
    assert {APP: SITE, ALICE.object_id: ""} == found
    made.calls.made.clear()
    await note_all(made.ports)
    assert "graph.principal" not in made.calls.names()
    made.clock.jump(KEPT.total_seconds())
    await note_all(made.ports)
    assert ["graph.principal"] == [each for each in made.calls.names() if each.startswith("graph")]
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    assert ["subject_gone"] == causes(made)


async def test_a_holder_without_leases_is_forgotten_after_a_day() -> None:
    """Not before: a worker may have noted it and be about to open the lease."""
    made = await watched()
    lease = await asks(made, APP)
    made.clock.jump(300)
    await revoke(made.ports, request(caller(APP)), lease.id)
    await note_all(made.ports)
    assert 1 == len(made.holder_resources.rows)
    made.clock.jump(KEPT.total_seconds())
    await note_all(made.ports)
    assert {} == made.holder_resources.rows


async def test_a_holder_that_is_noted_again_meanwhile_is_kept() -> None:
    """Its lease comes after the note."""
    made = await watched()
    old = HolderResource(APP, SITE, made.ports.now())
    await made.holder_resources.note(old)
    made.clock.jump(KEPT.total_seconds())
    made.calls.fail("holder_resources.forget", LostRace())
    await note_all(made.ports)
    assert 1 == len(made.holder_resources.rows)


async def test_a_directory_that_does_not_answer_ends_the_asking() -> None:
    """The next run goes on."""
    made = await watched()
    for number in range(20):
        holder = guid(0xA00 + number)
        made.callers.principals[holder] = Principal("Application", ())
        made.roles.keep(role(bounds=Bounds(application_ids=frozenset({guid(0x9F0)}))))
        await asks(made, holder)
    made.clock.jump(400)
    made.callers.trouble = "failing"
    made.calls.made.clear()
    await note_all(made.ports)
    asked = {each.about[0] for each in made.calls.made if each.name == "graph.principal"}
    assert 8 == len(asked)
    made.callers.trouble = ""
    await note_all(made.ports)
    assert (20, True) == (len(made.holder_resources.rows), MOST_ASKED >= 20)


async def test_a_deletion_of_which_no_event_came_is_found_by_the_reconciliation() -> None:
    """A slot's identity as well, whose site is gone."""
    made = await watched()
    for each in (APP, OTHER_APP):
        await asks(made, each)
    made.resources.put(SLOT, OTHER_APP)
    await reconcile(made.ports, "r")
    assert 2 == len(active(made))
    for resource in (SITE, SLOT):
        made.resources.delete(resource)
    await reconcile(made.ports, "r")
    assert (["subject_gone"] * 2, []) == (causes(made), active(made))
    reasons = {each.reason for each in made.audit.events if each.operation == "event"}
    assert {"no event came: subject_gone"} == reasons


async def test_each_run_looks_at_others() -> None:
    """At two hundred, the oldest first, and the next run goes on behind them: none is never looked at."""
    made = await watched()
    many = [f"{SITE}{number}" for number in range(MOST_LOOKS + 50)]
    for number, each in enumerate(many):
        await made.holder_resources.note(HolderResource(guid(0xB000 + number), each, made.ports.now()))
        made.resources.put(each, guid(0xB000 + number))
    seen = set[object]()
    for _ in range(6):
        made.calls.made.clear()
        await reconcile(made.ports, "r")
        looks = [each.about[0] for each in made.calls.made if each.name == "resources.see"]
        assert MOST_LOOKS == len(looks)
        seen |= {*looks}
        made.clock.jump(3600)
    assert len(many) == len(seen)


async def test_a_lease_claimed_from_a_pool_ends_with_its_holder() -> None:
    """The pool's own are nobody's."""
    made = await watched()
    made.roles.keep(role(principal_target(1, pool=Pool(1)), bounds=Bounds(service_principal_ids=frozenset({APP}))))
    await filling(made)
    made.clock.jump(600)
    lease = await asks(made, APP)
    made.resources.delete(SITE)
    await deliver(made, DELETED)
    stored = made.leases.rows[lease.id]
    assert (True, Cause.SUBJECT_GONE) == (bool(stored.claim), stored.cause)


async def test_the_look_that_is_throttled_ends_nothing() -> None:
    """The event is put back."""
    made = await watched()
    await asks(made, APP)
    made.resources.delete(SITE)
    made.calls.fail("resources.see", Throttled(status=429))
    await deliver(made, DELETED)
    assert 1 == len(active(made))
    await deliver_all(made, pause=15)
    assert [] == active(made)
