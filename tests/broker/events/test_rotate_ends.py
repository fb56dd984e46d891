"""What ends a lease of a rule that rotates ends its successor as well, also while that is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from shared.broker.configure.event_rules import delete_event_rule
from shared.broker.events.outcome import Outcome
from shared.broker.events.succeed import _Succession, succeed
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.revoke import revoke, revoke_role
from shared.core.access.policy import PolicyName
from shared.core.lease import State
from tests.broker.events.rotating import (
    at_each_call,
    ids,
    minutes,
    with_old_lease,
)
from tests.broker.events.scenes import DELETED, JIT, OTHER_APP, SITE, active, deliver
from tests.fakes.calls import Died
from tests.fakes.world import ADMINISTRATOR, World, request

RULE = PolicyName("sites")


async def test_both_end_with_the_subject() -> None:
    """By the rule that revokes what this one has issued."""
    made = await with_old_lease()
    await minutes(made)
    made.clock.jump(10)
    made.resources.delete(SITE)
    await deliver(made, DELETED, id="event-2")
    assert [State.ENDING, State.ENDING] == [each.state for each in made.leases.rows.values()]


async def test_both_end_by_the_reconciliation() -> None:
    """No event has come."""
    made = await with_old_lease()
    await minutes(made)
    made.resources.delete(SITE)
    await reconcile(made.ports, "r")
    assert [] == active(made)


async def test_both_end_with_the_rule() -> None:
    """If whoever deletes it says so."""
    made = await with_old_lease()
    await minutes(made)
    await delete_event_rule(made.ports, request(ADMINISTRATOR), PolicyName("gone"))
    await delete_event_rule(made.ports, request(ADMINISTRATOR), RULE, revoking=True)
    assert [] == active(made)


async def test_both_end_with_another_identity() -> None:
    """The former one's leases, however many."""
    made = await with_old_lease()
    await minutes(made)
    made.resources.put(SITE, OTHER_APP)
    made.clock.jump(10)
    await deliver(made, id="event-2")
    assert [OTHER_APP] == [each.known_holder.object_id for each in active(made)]


async def test_a_revoked_lease_has_no_successor() -> None:
    """Whether it was revoked alone or with its role."""
    made = await with_old_lease()
    (first,) = active(made)
    await revoke(made.ports, request(ADMINISTRATOR), first.id)
    await minutes(made, 2)
    assert [] == active(made)
    made = await with_old_lease()
    (first,) = active(made)
    await revoke_role(made.ports, request(ADMINISTRATOR), JIT)
    await succeed(made.ports, "message", first.id)
    await minutes(made, 2)
    assert [] == active(made)


async def _revoking(made: World) -> None:
    await revoke(made.ports, request(ADMINISTRATOR), active(made)[0].id)


async def _deleting(made: World) -> None:
    await delete_event_rule(made.ports, request(ADMINISTRATOR), PolicyName("gone"))
    await delete_event_rule(made.ports, request(ADMINISTRATOR), RULE, revoking=True)


async def _revoking_the_role(made: World) -> None:
    await revoke_role(made.ports, request(ADMINISTRATOR), JIT)


async def _site_deleted(made: World) -> None:
    made.resources.delete(SITE)
    await deliver(made, DELETED, id="event-9")


async def a_worker(made: World) -> None:
    """It takes the message that asks for the successor of the oldest lease."""
    await succeed(made.ports, "worker", min(made.leases.rows))


def struck_by(meanwhile: Callable[[World], Awaitable[None]]) -> Iterator[tuple[int, World]]:
    """Another worker does this before each call of the one that issues a successor; then sweeps come."""
    for ordinal, made in at_each_call(a_worker):
        made.calls.meanwhile(ordinal, partial(meanwhile, made.coworker()))
        made.run(partial(a_worker, made))
        made.run(partial(minutes, made, 4))
        yield ordinal, made


@pytest.mark.parametrize("meanwhile", [_deleting, _revoking_the_role, _site_deleted])
def test_what_is_revoked_while_its_successor_is_made_leaves_none(meanwhile: Any) -> None:
    """At whichever call of the worker it comes. What comes too late to stop the worker ends both."""
    for ordinal, made in struck_by(meanwhile):
        if meanwhile is _site_deleted:
            # The look may have been before. What no event has ended, the reconciliation ends.
            made.run(partial(reconcile, made.ports, "r"))
        assert [] == active(made), ordinal


def test_a_lease_that_is_revoked_while_its_successor_is_made_takes_that_with_it() -> None:
    """Once the successor stands, it is a lease like any other: whoever revokes the former one ends that one."""
    left = [ids(made) for _, made in struck_by(_revoking)]
    stands = left.index(next(each for each in left if each))
    assert 30 < stands < len(left)
    assert all(len(each) == 1 for each in left[stands:])


def test_whoever_is_revoked_before_its_successor_stands_has_none_though_the_worker_dies_before_its_last_look() -> None:
    """The worker has looked when the successor stood, and before anything was made for it."""
    lives = {False: 0, True: 0}
    times = {False: 0, True: 0}
    for ordinal, made in at_each_call(a_worker):
        opened = made.calls.names().count("leases.open")
        stands = list[bool]()

        async def revoking(made: World = made, opened: int = opened, stands: list[bool] = stands) -> None:
            stands.append(made.calls.names().count("leases.open") > opened)
            await _revoking(made.coworker())

        made.calls.meanwhile(ordinal, revoking)
        with pytest.MonkeyPatch.context() as patch, suppress(Died):
            patch.setattr(_Succession, "_made_sure", _dies)
            made.run(partial(a_worker, made))
        made.calls.revive()
        if stands:
            times[stands[0]] += 1
            lives[stands[0]] += len(active(made))
    assert 0 == lives[False]
    assert times[False] > 5
    assert 5 < lives[True] <= times[True]


async def _dies(_: _Succession) -> Outcome:
    raise Died


def test_an_event_that_comes_meanwhile_issues_nothing_more() -> None:
    """It finds the lease that lives, or its successor while that is made."""
    for ordinal, made in struck_by(lambda other: deliver(other, id="event-9")):
        assert 2 == len(active(made)), ordinal


def test_two_workers_with_one_message_issue_one_successor() -> None:
    """Wherever the second one comes in."""
    for ordinal, made in struck_by(a_worker):
        assert 2 == len(active(made)), ordinal
