"""A rule is deleted, with what it has issued, while the first lease that it issues is made."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest

from shared.broker.configure.event_rules import delete_event_rule, put_event_rule
from shared.core.access.policy import PolicyName
from shared.core.errors import NotFound
from tests.broker.events.rotating import minutes, rotating
from tests.broker.events.scenes import OTHER_APP, active, deliver, document, scene
from tests.fakes.world import ADMINISTRATOR, BOB, World, request

RULE = PolicyName("sites")


def world_of(kind: str) -> World:
    """A rule that grants a role, or one whose leases are delivered."""
    return scene(sites=document()) if kind == "granted" else rotating()


async def deleting(made: World) -> None:
    """An administrator ends all that the rule has issued."""
    for name in ("gone", RULE):
        with suppress(NotFound):
            await delete_event_rule(made.ports, request(ADMINISTRATOR), PolicyName(name), revoking=name == RULE)


async def disabling(made: World) -> None:
    """Its writer switches it off. What was issued stays, and nothing more comes."""
    await put_event_rule(made.ports, request(BOB), RULE, document() | {"enabled": False})


async def replacing(made: World) -> None:
    """The same, and another rule gets the name: it issues to somebody else."""
    await deleting(made)
    await put_event_rule(made.ports, request(BOB), RULE, document(action={"issue": {"role": "jit", "holder": OTHER_APP}}))


def calls_of(kind: str) -> tuple[int, int]:
    """The calls of an event that issues, and the one that stores the lease."""
    made = world_of(kind)
    before = len(made.calls.made)
    made.run(lambda: deliver(made))
    names = made.calls.names()[before:]
    return len(names), names.index("leases.open") + 1


@pytest.mark.parametrize("kind", ["granted", "delivered"])
def test_nothing_lives_that_a_deleted_rule_has_issued(kind: str) -> None:
    """Whichever call the deletion comes before: it sees the lease, or the worker sees that the rule is gone."""
    calls, _ = calls_of(kind)
    left = []
    for ordinal in range(1, calls + 1):
        made = world_of(kind)
        made.calls.meanwhile(len(made.calls.made) + ordinal, partial(deleting, made.coworker()))
        made.run(partial(deliver, made))
        made.run(partial(minutes, made, 3))
        left += [(ordinal, each.id) for each in active(made)]
    assert [] == left


def test_nothing_lives_that_a_deleted_rule_has_issued_whose_name_another_one_has() -> None:
    """The name alone does not say which rule it was."""
    calls, _ = calls_of("granted")
    left = []
    for ordinal in range(1, calls + 1):
        made = world_of("granted")
        made.calls.meanwhile(len(made.calls.made) + ordinal, partial(replacing, made.coworker()))
        made.run(partial(deliver, made))
        made.run(partial(minutes, made, 3))
        left += [(ordinal, each.id) for each in active(made) if each.known_holder.object_id != OTHER_APP]
    assert [] == left


def test_a_rule_that_is_disabled_before_its_lease_stands_issues_nothing() -> None:
    """Afterwards it does: what was issued is not its matter."""
    calls, stored = calls_of("granted")
    lives = []
    for ordinal in range(1, calls + 1):
        made = world_of("granted")
        made.calls.meanwhile(len(made.calls.made) + ordinal, partial(disabling, made.coworker()))
        made.run(partial(deliver, made))
        lives.append(len(active(made)))
    assert [0] * stored == lives[1 : stored + 1]
    assert 1 == lives[-1]
