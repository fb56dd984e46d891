"""A rule that rotates where the subject, the role, the rights or the rule are others than when the lease was issued."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.broker.configure.event_rules import delete_event_rule, put_event_rule
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.core.access.bounds import Bounds
from shared.core.access.policy import PolicyName
from shared.core.errors import Unavailable
from shared.core.events.event_rule import read_event_rule
from shared.core.events.lender import Lender
from shared.core.limits import Limits
from shared.core.ports.documents import ANY
from tests.broker.events.rotating import (
    GONE,
    NEAR,
    TTL,
    delivering_role,
    ids,
    minutes,
    newest_lease,
    rotating,
    rotating_rule,
    the_holders_too,
    with_old_lease,
)
from tests.broker.events.scenes import APP, JIT, OTHER_APP, SITE, active, bobs_role, codes, deliver, document, scene
from tests.fakes.world import ADMINISTRATOR, BOB, World, application, principal_target, request

RULE = PolicyName("sites")
OTHER_SITE = SITE.replace("/web", "/other")


def denials(made: World) -> int:
    """How often the audit trail says that the rule's writer has no right."""
    return codes(made).count("event_denied")


async def writing(made: World, **changes: Any) -> None:
    """Bob writes the rule anew."""
    await put_event_rule(made.ports, request(BOB), RULE, rotating_rule(**changes))


async def test_a_subject_that_is_gone_has_no_successor() -> None:
    """No event has come of its deletion. Nobody asks twice, and the lease ends in its time, or by a rule that revokes."""
    made = await with_old_lease()
    made.resources.delete(SITE)
    await minutes(made, 3)
    assert (1, 1) == (len(active(made)), len(made.calls.named("fillings.succeed")))
    assert "the subject is gone: its lease has no successor" in [each.reason for each in made.audit.events]
    await reconcile(made.ports, "r")
    assert [] == active(made)


async def test_a_subject_that_cannot_be_read_is_looked_at_again_until_the_leases_end() -> None:
    """A 403 is told, and neither it nor silence is a no."""
    made = await with_old_lease()
    made.resources.refuse(SITE)
    await minutes(made)
    made.resources.put(SITE, APP)
    made.calls.fail("resources.see", Unavailable("busy"))
    made.clock.jump(60)
    await minutes(made)
    assert (1, ["", "event_unverified"]) == (len(active(made)), codes(made))
    made.clock.jump(60)
    await minutes(made)
    assert 2 == len(active(made))


async def test_a_subject_with_another_identity_has_no_successor() -> None:
    """The event that would have told of it was lost. The present identity gets its own lease by the next one."""
    made = await with_old_lease()
    made.resources.put(SITE, OTHER_APP)
    await minutes(made, 3)
    assert ([APP], 1) == ([each.known_holder.object_id for each in active(made)], len(made.calls.named("fillings.succeed")))
    assert "the rule's leases are for another holder now: its lease has no successor" in [
        each.reason for each in made.audit.events
    ]
    await deliver(made, id="event-2")
    await minutes(made)
    assert [OTHER_APP] == [each.known_holder.object_id for each in active(made)]


async def test_a_subject_that_shows_no_identity_is_looked_at_again() -> None:
    """It may get it back."""
    made = await with_old_lease()
    made.resources.put(SITE)
    await minutes(made)
    assert 1 == len(active(made))
    made.resources.put(SITE, APP)
    made.clock.jump(60)
    await minutes(made)
    assert 2 == len(active(made))


async def test_what_the_rules_writer_may_not_do_any_more_is_not_done() -> None:
    """It is told once a day, and the rule says since when. If the right comes back in time, the successor comes."""
    made = await with_old_lease()
    (role,) = await made.roles.list()
    made.roles.keep(replace(role, bounds=Bounds(service_principal_ids=frozenset({OTHER_APP}))))
    await minutes(made, 3)
    assert (1, 1, True) == (len(active(made)), denials(made), await made.rule_leases.denied_since("sites") is not None)
    made.roles.keep(role)
    made.clock.jump(60)
    await minutes(made)
    assert (2, None) == (len(active(made)), await made.rule_leases.denied_since("sites"))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(bobs_role(), id="it gives to its holder"),
        pytest.param(bobs_role(principal_target(1, 0, ready="token")), id="it answers"),
        pytest.param(delivering_role().cut_to(60), id="its leases are shorter than the rule says"),
    ],
)
async def test_a_role_that_delivers_no_more_has_no_successors(changed: Any) -> None:
    """It was changed after the rule was written."""
    made = await with_old_lease()
    made.roles.keep(changed)
    await minutes(made, 2)
    assert (1, 1) == (len(active(made)), denials(made))


async def test_a_role_that_grants_something_else_now_rotates_all_the_same() -> None:
    """Whoever reads the newest version gets what the role of today grants."""
    made = await with_old_lease()
    (role,) = await made.roles.list()
    made.roles.keep(replace(role, target=principal_target(2, 0, ready="token")))
    await minutes(made)
    first, second = active(made)
    assert first.target_digest != second.target_digest
    assert newest_lease(made).id == second.id


async def test_a_lease_that_its_holder_has_kept_alive_does_not_stand_in_the_way_of_a_changed_role() -> None:
    """It is not the lease that the newest one succeeds, but one before that."""
    made = await with_old_lease(the_holders_too())
    await minutes(made)
    first, second = active(made)
    await renew(made.ports, request(application(APP)), first.id, None)
    (role,) = await made.roles.list()
    made.roles.keep(replace(role, target=principal_target(2, 0, ready="token")))
    made.clock.jump(NEAR)
    await minutes(made)
    assert [first.id, second.id] == ids(made)[:2]
    assert newest_lease(made).succeeds == second.id


async def test_a_role_that_is_gone_denies_the_successor() -> None:
    """It cannot be deleted while the rule names it; but it may be gone from a store that was restored."""
    made = await with_old_lease()
    await made.roles.delete(JIT, expected=ANY)
    await minutes(made, 2)
    assert (1, 1) == (len(active(made)), denials(made))


async def test_two_leases_need_room_for_two() -> None:
    """A full cap is not yet. Here the former lease takes the room until it ends, and that is told."""
    made = await with_old_lease(delivering_role(max_leases_per_caller=1))
    await minutes(made, 10)
    assert 1 == len(active(made))
    made.clock.jump(60)
    await minutes(made)
    assert [] == active(made)
    assert codes(made)[-1] == "successor_missing"
    await deliver(made, id="event-2")
    assert 1 == len(active(made))


async def test_a_full_hour_of_the_rule_is_not_yet() -> None:
    """Successors count as the rule's other leases do."""
    made = await with_old_lease(max_per_hour=1)
    await minutes(made)
    assert 1 == len(active(made))
    await writing(made, max_per_hour=2)
    made.clock.jump(60)
    await minutes(made)
    assert 2 == len(active(made))


async def test_the_rule_of_today_decides() -> None:
    """A disabled one does nothing until it is enabled again; one that does not rotate any more lets the lease end."""
    made = await with_old_lease()
    await writing(made, enabled=False)
    await minutes(made)
    assert 1 == len(active(made))
    await writing(made, rotate=False)
    made.clock.jump(60)
    await minutes(made)
    asked = len(made.calls.named("fillings.succeed"))
    made.clock.jump(120)
    await minutes(made, 3)
    assert (1, asked) == (len(active(made)), len(made.calls.named("fillings.succeed")))
    assert [None] == [each.successor_at for each in active(made)]


async def test_the_rule_is_gone_and_its_lease_ends_in_its_time() -> None:
    """Nobody asks twice."""
    made = await with_old_lease()
    await delete_event_rule(made.ports, request(ADMINISTRATOR), PolicyName("gone"))
    await delete_event_rule(made.ports, request(ADMINISTRATOR), RULE)
    await minutes(made, 3)
    assert (1, 1) == (len(active(made)), len(made.calls.named("fillings.succeed")))


async def test_a_global_cap_counts_both() -> None:
    """As the role's own does."""
    made = rotating()
    made.ports = replace(made.ports, limits=Limits(max_leases_per_caller=1))
    await deliver(made)
    made.clock.jump(NEAR)
    await minutes(made)
    assert 1 == len(active(made))


async def test_leases_of_two_subjects_under_one_name_succeed_their_own_alone() -> None:
    """A rule for one holder of both is written anew, and grants each successor something of its own. One of two is refused."""
    made = scene(of=delivering_role(), sites=for_one_holder(), gone=GONE)
    made.resources.put(OTHER_SITE, OTHER_APP)
    await deliver(made)
    await deliver(made, subject=OTHER_SITE, id="event-2")
    assert 2 == len(active(made))
    made.event_rules.keep(read_event_rule("sites", for_one_holder("subject.id"), Lender.of(BOB)))
    for _ in range(3):
        made.clock.jump(NEAR)
        await minutes(made, 3)
        late = [each for each in active(made) if each.succeeds is not None]
        assert 1 >= len({each.target_digest for each in late})


def for_one_holder(within: str = "") -> dict[str, Any]:
    """A rule for a holder that two sites share."""
    more = {"within": within} if within else {}
    return document(action={"issue": {"role": "jit", "holder": APP, "ttl": TTL, "rotate": True} | more})
