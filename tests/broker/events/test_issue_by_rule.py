"""An event, a look, and a lease: what a rule issues, to whom, with whose rights, and how often."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.configure.roles import put_role, read
from shared.broker.ending.sweep import sweep
from shared.broker.events.receive import poisoned, receive
from shared.broker.events.replay import replay
from shared.broker.revoke import revoke
from shared.core.access.bounds import Bounds
from shared.core.errors import LeaseholdError, Unavailable
from shared.core.events.event import encoded
from shared.core.events.event_rule import read_event_rule
from shared.core.events.lender import Lender
from shared.core.lease import State
from shared.core.limits import Limits
from shared.core.names import LeaseId
from shared.core.ports.documents import ANY
from shared.core.ports.event_counts import Counted
from tests.broker.events.scenes import (
    APP,
    DELETED,
    JIT,
    OBJECT_ID,
    OTHER_APP,
    SITE,
    WRITTEN,
    active,
    codes,
    deliver,
    deliver_all,
    document,
    event,
    knows,
    scene,
)
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, BROKER, BROKER_APP_ID, SCOPES, SUBSCRIPTION, application, guid, request


async def test_a_site_gets_a_lease_of_its_own() -> None:
    """Its identity holds it, and may revoke it; the trail has the event, the rule and the subject."""
    made = scene()
    await deliver(made)
    (lease,) = active(made)
    assert lease.holder is not None
    assert (APP, JIT) == (lease.holder.object_id, lease.id.role)
    assert {"event": "event-1", "rule": "sites", "subject": SITE} == lease.metadata
    assert APP in {each.principal for each in made.cloud.assignments.values()}
    *_, record = made.audit.events
    assert ("event", "", "event-1", "sites", SITE, lease.id) == (
        *(record.operation, record.code, record.event),
        *(record.rule, record.subject, record.lease),
    )
    assert State.ENDED is (await revoke(made.ports, request(application(APP)), lease.id)).state


async def test_every_further_write_of_the_site_does_nothing() -> None:
    """A thousand events of one subject make one lease. The same message twice makes none more."""
    made = scene()
    for number in range(1000):
        await deliver(made, id=f"event-{number}")
    await asyncio.gather(*(deliver(made, id="event-1") for _ in range(20)))
    assert 1 == len(active(made)) == len(made.leases.rows)
    assert [""] == codes(made)


async def test_many_events_at_once_make_one_lease() -> None:
    """Those that come while it is being made are put back, and find it later."""
    made = scene()
    await asyncio.gather(*(deliver(made, id=f"event-{number}") for number in range(8)))
    await deliver_all(made, pause=20)
    assert 1 == len(active(made)) == len(made.leases.rows)
    assert [] == made.events.texts


async def test_an_event_is_a_hint_and_a_forged_one_does_nothing() -> None:
    """The site is not there: the broker looks again once, and then says so."""
    made = scene()
    forged = SITE.replace("/web", "/forged")
    await deliver(made, subject=forged)
    assert ([], [timedelta(seconds=15)]) == (codes(made), made.events.hidden)
    await deliver_all(made, pause=15)
    assert (["event_forged"], [], []) == (codes(made), made.events.texts, active(made))


async def test_what_the_broker_may_not_read_is_not_believed() -> None:
    """It is told once, tried again for a day, and then given up."""
    made = scene()
    made.resources.refuse(SITE)
    await deliver(made)
    for _ in range(120):
        await deliver_all(made, pause=900)
    assert ["event_unverified", "event_poison"] == codes(made)
    assert (1, [], []) == (len(made.events.aside), made.events.texts, active(made))


@pytest.mark.parametrize("failure", [Unavailable("503", status=503), Unavailable("429", status=429)])
async def test_what_passes_is_tried_again(failure: LeaseholdError) -> None:
    """And is no failed attempt: nothing is raised."""
    made = scene()
    made.calls.fail("resources.see", failure)
    await deliver(made)
    assert [] == active(made)
    await deliver_all(made, pause=15)
    assert 1 == len(active(made))
    assert {Counted.DELAYED: 1} == made.event_counts.counts


async def test_a_site_without_an_identity_gets_one_later() -> None:
    """And a principal that the directory does not know yet, too. The waits double, up to a quarter of an hour."""
    made = scene()
    made.resources.put(SITE)
    await deliver(made)
    waits = []
    for _ in range(8):
        waits += [each.total_seconds() for each in made.events.hidden]
        await deliver_all(made, pause=900)
    assert [15, 30, 60, 120, 240, 480, 900, 900] == waits
    fresh = guid(0x902)
    made.resources.put(SITE, fresh)
    await deliver_all(made, pause=900)
    assert [] == active(made)
    knows(made, fresh)
    await deliver_all(made, pause=900)
    assert [fresh] == [each.holder.object_id for each in active(made) if each.holder is not None]


async def test_only_one_user_assigned_identity_is_the_sites_own() -> None:
    """Of two nobody knows which."""
    made = scene()
    made.resources.put(SITE, None, APP, OTHER_APP)
    await deliver(made)
    assert [] == active(made)
    made.resources.put(SITE, None, OTHER_APP)
    await deliver_all(made, pause=15)
    assert [OTHER_APP] == [each.holder.object_id for each in active(made) if each.holder is not None]


async def test_another_identity_takes_the_place_of_the_former_one() -> None:
    """The former holder's lease ends, told as replaced, and the new one gets its own."""
    made = scene()
    await deliver(made)
    made.resources.put(SITE, OTHER_APP)
    await deliver(made, id="event-2")
    (lease,) = active(made)
    assert lease.holder is not None
    assert OTHER_APP == lease.holder.object_id
    assert ["", "event_replaced", ""] == codes(made)
    assert {State.ENDING, State.ACTIVE} == {each.state for each in made.leases.rows.values()}


async def test_a_lease_that_is_over_is_issued_anew_by_the_next_event() -> None:
    """The record stands for its lease as long as that lives, and no longer."""
    made = scene()
    await deliver(made)
    (first,) = active(made)
    made.clock.jump(3 * 3600)
    await sweep(made.ports, "s")
    await deliver(made, id="event-2")
    (second,) = active(made)
    assert first.id != second.id
    assert [second.id] == [each.lease_id for each in made.rule_leases.rows.values()]


@pytest.mark.parametrize(
    "lost",
    ["the right", "the account", "the account's use", "the role"],
)
async def test_the_lender_is_decided_on_at_each_event(lost: str) -> None:
    """A right, an account or a role that has gone denies, is told, and GET shows since when. It may come back."""
    made = scene()
    stored = made.roles.kept("jit")
    assert stored is not None
    match lost:
        case "the right":
            made.roles.keep(replace(stored, bounds=Bounds(service_principal_ids=frozenset({ALICE.object_id}))))
        case "the account's use":
            made.ports.subjects.disabled.add(BOB.object_id)  # type: ignore[attr-defined]
        case "the account":
            del made.callers.principals[BOB.object_id]
        case _:
            await made.roles.delete("jit", expected=ANY)
    await deliver(made)
    await deliver(made)
    assert (["event_denied"], [], []) == (codes(made)[:1], active(made), made.events.texts)
    since = made.rule_leases.denied["sites"]
    assert since <= made.ports.now()
    made.roles.keep(stored)
    knows(made, BOB.object_id)
    made.ports.subjects.disabled.clear()  # type: ignore[attr-defined]
    await deliver(made, id="event-2")
    assert (1, {}) == (len(active(made)), made.rule_leases.denied)


async def test_an_app_role_that_the_lender_has_lost_counts_no_more() -> None:
    """An admin that is none any more lends nothing."""
    made = scene()
    made.event_rules.keep(read_event_rule("sites", document(), Lender.of(ADMINISTRATOR)))
    knows(made, ADMINISTRATOR.object_id)
    await deliver(made)
    assert (["event_denied"], []) == (codes(made), active(made))


async def test_a_leased_principal_holds_no_lease_of_a_rule() -> None:
    """What is leased must not outlive its lease."""
    made = scene()
    made.leased.rows[APP] = LeaseId("web.00000000000000000000000001")
    await deliver(made)
    assert (["event_denied"], []) == (codes(made), active(made))


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": BROKER},
        {"actor_app": BROKER_APP_ID, "actor": ALICE.object_id},
        {"actor": guid(0x950)},
        {"actor_app": guid(0x950)},
    ],
)
async def test_what_the_broker_or_a_lease_has_caused_starts_no_rule(changes: Any) -> None:
    """It is counted; a leased principal's is told once."""
    made = scene()
    made.leased.rows[guid(0x950)] = LeaseId("web.00000000000000000000000001")
    for _ in range(3):
        await deliver(made, **changes)
    assert ({Counted.OWN: 3}, []) == (made.event_counts.counts, active(made))
    assert (["event_own"] if guid(0x950) in changes.values() else []) == codes(made)


async def test_a_rule_issues_so_often_an_hour_and_then_events_wait() -> None:
    """None is lost."""
    made = scene(sites=document(max_per_hour=2))
    sites = [SITE.replace("/web", f"/site{number}") for number in range(3)]
    for number, site in enumerate(sites):
        knows(made, guid(0x910 + number))
        made.resources.put(site, guid(0x910 + number))
        await deliver(made, subject=site, id=site)
    assert 2 == len(active(made))
    await deliver_all(made, pause=3601)
    assert 3 == len(made.rule_leases.rows)


async def test_a_full_cap_is_not_yet() -> None:
    """The holder's, never the lender's; and the lender's asks within a minute are not counted."""
    made = scene()
    made.ports = replace(made.ports, limits=Limits(max_leases_per_caller=1, issues_per_minute=1))
    for number in range(3):
        site = SITE.replace("/web", f"/site{number}")
        made.resources.put(site, APP)
        await deliver(made, subject=site, id=site)
    assert (1, 2) == (len(active(made)), len(made.events.texts))


async def test_a_roles_values_are_those_of_the_verified_subject() -> None:
    """Its bounds hold as ever."""
    made = scene()
    holed = {
        "type": "role_grant",
        "parameters": {"group": {"kind": "resource_group", "allowed": ["rg0"]}, "site": {"kind": "resource_name", "any": True}},
        "azure_roles": [
            {"role_name": "Reader", "scope": SCOPES[0].replace("rg0", "{group}") + "/providers/Microsoft.Web/sites/{site}"}
        ],
        "bound_service_principal_ids": [BOB.object_id],
    }
    await put_role(made.ports, request(ADMINISTRATOR), read(made.ports, JIT, holed))
    values = {"group": "subject.resource_group", "site": "subject.resource_name"}
    action = {"issue": {"role": "jit", "holder": "subject_identity", "parameters": values}}
    made.event_rules.keep(read_event_rule("sites", document(action=action), Lender.of(BOB)))
    await deliver(made)
    (lease,) = active(made)
    assert ({"group": "rg0", "site": "web"}, (SITE,)) == (lease.parameters, lease.scopes)


async def test_a_rule_within_the_subject_reaches_nothing_else() -> None:
    """The same role, narrowed to each site."""
    made = scene(sites=document(action={"issue": {"role": "jit", "holder": "subject_identity", "within": "subject.id"}}))
    await deliver(made)
    assert [(SITE,)] == [each.scopes for each in active(made)]


async def test_several_rules_act_each_by_itself() -> None:
    """One that is denied keeps no other from acting; a disabled one does not act."""
    other = document(action={"issue": {"role": "nowhere", "holder": "subject_identity"}})
    made = scene(a=other, sites=document(), z=document(enabled=False))
    await deliver(made)
    assert (1, ["event_denied", ""]) == (len(active(made)), codes(made))


async def test_a_rule_that_is_deleted_in_between_does_nothing() -> None:
    """The rule of the moment counts."""
    made = scene()
    made.resources.put(SITE)
    await deliver(made)
    made.event_rules._documents.clear()
    made.resources.put(SITE, APP)
    await deliver_all(made, pause=15)
    assert [] == active(made)


async def test_an_event_of_which_no_rule_speaks_costs_two_reads() -> None:
    """And nothing is looked at in Azure."""
    made = scene()
    await deliver(made, kind=DELETED)
    assert ["event_rules.list"] == made.calls.names()


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "{}", json.dumps({"specversion": "0.3"}), "[" * 5000, json.dumps({"v": 2}), "x" * 65536],
)
async def test_what_cannot_be_read_is_dropped(text: str) -> None:
    """Told with its size and its id in the queue, and nothing that it says."""
    made = scene()
    await receive(made.ports, "inv", text, "m-7")
    (record,) = made.audit.events
    assert ("event_unreadable", f"{len(text)} octets, message m-7", "") == (record.code, record.reason, record.subject)
    assert {Counted.DROPPED: 1} == made.event_counts.counts


async def test_a_hundred_unreadable_events_a_minute_are_told() -> None:
    """All of them are counted."""
    made = scene()
    for _ in range(150):
        await receive(made.ports, "inv", "no", "m")
    assert (100, 150) == (len(made.audit.events), made.event_counts.counts[Counted.DROPPED])
    made.clock.jump(61)
    await receive(made.ports, "inv", "no", "m")
    assert 101 == len(made.audit.events)


async def test_an_event_that_has_failed_too_often_is_set_aside_and_put_back() -> None:
    """After seven days it counts as fresh: Azure is asked, and the site has its lease."""
    made = scene()
    await poisoned(made.ports, "inv", encoded(event(at=made.ports.now())), "m")
    assert (["event_poison"], 1) == (codes(made), len(made.events.aside))
    made.clock.jump(7 * 24 * 3600)
    assert 1 == await replay(made.ports, request(ADMINISTRATOR))
    assert {} == made.events.aside
    await deliver_all(made)
    assert (1, "replay") == (len(active(made)), made.audit.events[1].operation)


async def test_events_of_azures_own_schemas_are_acted_on() -> None:
    """Event Grid's, and CloudEvents 1.0. Of ``data`` nothing is kept but who, what and where."""
    made = scene()
    data = {"claims": {OBJECT_ID: ALICE.object_id, "appid": ALICE.app_id, "name": "secret"}, "operationName": "x", "more": {}}
    common = {"id": "1", "subject": SITE, "data": data}
    source = f"/subscriptions/{SUBSCRIPTION}"
    grid = {**common, "topic": source, "eventType": WRITTEN, "eventTime": "2026-01-01T00:00:00Z", "dataVersion": "2"}
    cloud = {**common, "source": source, "type": WRITTEN, "specversion": "1.0", "time": "2026-01-01T00:00:00Z", "v": 1}
    made.resources.put(SITE)
    for document_ in (grid, cloud):
        await receive(made.ports, "inv", json.dumps(document_), "m")
    assert all("secret" not in text and ALICE.object_id in text for text in made.events.texts)
    made.resources.put(SITE, APP)
    await deliver_all(made, pause=15)
    assert 1 == len(active(made))
