"""A rule that rotates: before a lease ends, another one lies under the same name, and nobody has renewed anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.configure.event_rules import put_event_rule
from shared.broker.events.succeed import succeed
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.core.access.policy import PolicyName
from shared.core.errors import Malformed, Refused, Unavailable
from shared.core.lease import State
from shared.core.pool import Pool
from shared.core.ports.leases import LeaseQuery
from tests.broker.events.rotating import (
    NEAR,
    TTL,
    delivering_role,
    ids,
    minutes,
    name_for,
    newest,
    newest_lease,
    rotating,
    rotating_rule,
    the_holders_too,
    with_old_lease,
)
from tests.broker.events.scenes import APP, DELETED, OTHER_APP, SITE, active, bobs_role, codes, deliver, document, scene
from tests.fakes.vaults import OTHER_VAULT, VAULT
from tests.fakes.world import BOB, application, request
from tests.support.pools import fill_up, pooled_target

LAST_THIRD = TTL - NEAR
RULE = PolicyName("sites")


async def test_something_that_works_always_lies_under_the_name() -> None:
    """Two leases live for a while. Each lives until its own end, and the newest version is never one that has ended."""
    made = rotating()
    await deliver(made)
    (first,) = active(made)
    seen = set[str]()
    for _ in range(4 * TTL // 60):
        await minutes(made)
        seen.add(newest(made))
        assert 1 <= len(active(made)) <= 2
        assert newest_lease(made).state is State.ACTIVE
        made.clock.jump(60)
    assert first.id not in ids(made)
    assert State.ENDED is made.leases.rows[first.id].state
    assert 6 == len(seen)
    assert {name_for(APP)} == {each.delivery.name for each in made.leases.rows.values() if each.delivery is not None}


async def test_before_its_last_third_a_lease_has_no_successor() -> None:
    """No sweep asks for one, and a message that comes all the same changes nothing."""
    made = rotating()
    await deliver(made)
    made.clock.jump(NEAR - 1)
    (first,) = active(made)
    await minutes(made)
    await succeed(made.ports, "stray", first.id)
    assert ([first.id], []) == (ids(made), made.calls.named("fillings.succeed"))


async def test_without_rotate_a_lease_ends_and_nobody_asks_for_another() -> None:
    """As before."""
    made = await with_old_lease(rotate=False)
    await minutes(made)
    assert [] == made.calls.named("fillings.succeed")
    made.clock.jump(LAST_THIRD)
    await minutes(made)
    assert [] == active(made)
    with pytest.raises(Refused, match="SecretDisabled"):
        newest(made)
    assert [""] == codes(made)


async def test_the_successor_is_the_leases_holders_and_says_whom_it_succeeds() -> None:
    """It has the whole time of a lease, and is told as every lease of a rule is."""
    made = await with_old_lease()
    await minutes(made)
    first, second = active(made)
    assert (first.id, "sites", APP) == (second.succeeds, second.rotating_rule, second.known_holder.object_id)
    assert {"event": first.id, "rule": "sites", "subject": SITE} == second.metadata
    assert made.ports.now() + timedelta(seconds=TTL) >= second.expires_at > first.expires_at
    assert (None, first.expires_at) == (first.successor_at, first.due_at)
    *_, issued = [each for each in made.audit.events if each.operation == "event"]
    assert ("", second.id, "sites", SITE) == (issued.code, issued.lease, issued.rule, issued.subject)


async def test_a_further_write_of_the_resource_finds_the_successor() -> None:
    """And nothing more is issued, neither before the former lease has ended nor after that."""
    made = await with_old_lease()
    await minutes(made)
    second = ids(made)[1]
    await deliver(made, id="event-2")
    assert 2 == len(active(made))
    made.clock.jump(LAST_THIRD)
    await minutes(made)
    await deliver(made, id="event-3")
    assert [second] == ids(made)


@pytest.mark.parametrize("publishing", [False, True])
async def test_that_the_end_is_near_is_told_whether_or_not_there_is_a_successor(*, publishing: bool) -> None:
    """Both are due at one instant. One sweep sees to both, and the next one publishes."""
    made = await with_old_lease(publishing=publishing)
    await minutes(made, 2)
    published = [each for each in made.topic.published if each["type"] == "leasehold.lease.expiring"]
    assert (2, int(publishing)) == (len(active(made)), len(published))


async def test_a_renewal_puts_the_successor_off() -> None:
    """It comes in the last third before the later end."""
    made = rotating(the_holders_too())
    await deliver(made)
    (first,) = active(made)
    made.clock.jump(NEAR)
    await renew(made.ports, request(application(APP)), first.id, None)
    await minutes(made, 3)
    assert ([first.id], []) == (ids(made), made.calls.named("fillings.succeed"))
    made.clock.jump(NEAR)
    await minutes(made)
    assert 2 == len(active(made))


async def test_a_lease_with_a_successor_gets_no_second_one_by_a_renewal() -> None:
    """Whoever renews it keeps it for longer, and no more."""
    made = await with_old_lease(the_holders_too())
    await minutes(made)
    first, second = ids(made)
    await renew(made.ports, request(application(APP)), active(made)[0].id, None)
    made.clock.jump(NEAR)
    await minutes(made, 2)
    assert [first, second] == ids(made)[:2]
    assert 3 == len(active(made))
    (record,) = made.rule_leases.rows.values()
    assert {first, second} == {*record.earlier}


async def test_a_lost_message_is_sent_again() -> None:
    """After a minute. The lease's row says that it has no successor."""
    made = await with_old_lease()
    made.calls.fail("fillings.succeed", Unavailable("busy"))
    await minutes(made)
    assert 1 == len(active(made))
    made.clock.jump(60)
    await minutes(made)
    assert 2 == len(active(made))


async def test_the_sweep_asks_less_and_less_often() -> None:
    """And five minutes apart at most, until the lease ends."""
    made = rotating(action={"issue": {"role": "jit", "holder": "subject_identity", "ttl": 3600, "rotate": True}})
    await deliver(made)
    made.clock.jump(2400)
    made.resources.refuse(SITE)
    await minutes(made, 20)
    assert 20 > len(made.calls.named("fillings.succeed")) > 5


async def test_a_vault_that_is_away_is_waited_for() -> None:
    """What was made for the successor is taken back, and the lease that lives is found by events as before."""
    made = await with_old_lease()
    first = ids(made)
    made.vaults.refusing[VAULT] = "ForbiddenByFirewall"
    await minutes(made)
    assert first == ids(made)
    await deliver(made, id="event-2")
    assert first == ids(made)
    del made.vaults.refusing[VAULT]
    made.clock.jump(60)
    await minutes(made)
    assert 2 == len(active(made))
    assert newest_lease(made).id == ids(made)[1]


async def test_a_lease_that_ends_without_a_successor_is_told_of() -> None:
    """Whoever reads the secret finds nothing that works."""
    made = await with_old_lease()
    made.clock.jump(LAST_THIRD)
    await minutes(made)
    *_, record = [each for each in made.audit.events if each.operation == "event"]
    assert ("successor_missing", "sites", SITE, "failed") == (record.code, record.rule, record.subject, record.outcome)


async def test_no_end_waits_for_an_audit_trail_that_cannot_be_told_of_a_missing_successor() -> None:
    """The lease ends all the same."""
    made = await with_old_lease()
    made.clock.jump(LAST_THIRD)
    made.calls.fail("audit.record", Unavailable("busy"))
    await minutes(made)
    assert [] == active(made)
    assert "successor_missing" not in codes(made)


async def test_leases_of_a_pool_rotate() -> None:
    """The record of the rule names the lease that was taken, so further events find it, and revoking reaches it."""
    made = rotating(delivering_role(pooled_target(1, pool=Pool(2), groups=0)))
    await fill_up(made)
    await deliver(made)
    await deliver(made, id="event-2")
    (first,) = active(made)
    made.clock.jump(NEAR)
    await minutes(made)
    assert 2 == len(active(made))
    (record,) = made.rule_leases.rows.values()
    (second,) = (each.id for each in active(made) if each.succeeds == first.id)
    assert (second, (first.id,)) == (record.lease_id, record.earlier)
    made.resources.delete(SITE)
    made.clock.jump(10)
    await deliver(made, DELETED, id="event-3")
    assert [] == active(made)


async def test_a_lease_out_of_a_pool_is_found_after_its_key_is_gone() -> None:
    """The worker has died before the record had the lease's own id. The reconciliation writes it there."""
    made = rotating(delivering_role(pooled_target(1, pool=Pool(1), groups=0)))
    await fill_up(made)
    made.calls.fail("rule_leases.put", Unavailable("busy"), nth=2)
    with pytest.raises(Unavailable):
        await deliver(made)
    (lease,) = active(made)
    (record,) = made.rule_leases.rows.values()
    assert lease.id != record.lease_id
    await reconcile(made.ports, "r")
    (record,) = made.rule_leases.rows.values()
    assert lease.id == record.lease_id


ISSUE = {"role": "jit", "holder": "subject_identity", "rotate": True}


async def test_each_site_rotates_by_itself() -> None:
    """Under its own name."""
    made = await with_old_lease()
    other = SITE.replace("/web", "/other")
    made.resources.put(other, OTHER_APP)
    await deliver(made, subject=other, id="event-2")
    await minutes(made)
    held = (await made.leases.list(LeaseQuery(live=True))).items
    assert [1, 2] == sorted(sum(each.known_holder.object_id == holder for each in held) for holder in (APP, OTHER_APP))


@pytest.mark.parametrize(
    ("role", "rule"),
    [
        pytest.param(bobs_role(), rotating_rule(), id="a role that gives to its holder"),
        pytest.param(delivering_role(delivery=None), rotating_rule(), id="a role that answers"),
        pytest.param(delivering_role(), rotating_rule(action={"issue": ISSUE | {"ttl": 599}}), id="leases that are too short"),
        pytest.param(delivering_role(ttl=300), rotating_rule(action={"issue": ISSUE}), id="a role whose leases are too short"),
    ],
)
async def test_a_rule_that_could_not_rotate_is_refused(role: Any, rule: dict[str, Any]) -> None:
    """When it is written."""
    made = scene(of=role)
    with pytest.raises(Malformed) as refused:
        await put_event_rule(made.ports, request(BOB), RULE, rule)
    assert "action.issue.rotate" in [each.path for each in refused.value.faults]


async def test_a_rule_that_names_a_vault_of_a_role_that_may_answer_rotates() -> None:
    """What it issues is delivered."""
    role = delivering_role()
    assert role.delivery is not None
    made = scene(of=replace(role, delivery=replace(role.delivery, vaults=(VAULT, OTHER_VAULT), required=False)))
    issue = {"role": "jit", "holder": "subject_identity", "rotate": True}
    with pytest.raises(Malformed):
        await put_event_rule(made.ports, request(BOB), RULE, document(action={"issue": issue}))
    delivered = issue | {"delivery": {"vault": OTHER_VAULT}}
    await put_event_rule(made.ports, request(BOB), RULE, document(action={"issue": delivered}))
    await deliver(made)
    assert [OTHER_VAULT] == [each.delivery.vault for each in active(made) if each.delivery is not None]
