"""Two workers, one of whom sweeps, in every order of their calls: each move is told once, and every event is published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests.crash.walk import require_nothing_left, require_owned, sweep_once
from tests.fakes.world import World
from tests.model.judge import Answer
from tests.schedules.explorer import Bound, Pair, explore
from tests.support.operations import TARGETS, renewing, revoking, sweeping
from tests.support.telling import ended, near_its_end, require_told

TARGET = TARGETS["role grant"]
MEETINGS = {
    "sweep + sweep, near its end": Pair("", partial(near_its_end, TARGET), (sweeping, sweeping)),
    "sweep + renew, near its end": Pair("", partial(near_its_end, TARGET), (sweeping, renewing)),
    "sweep + revoke, near its end": Pair("", partial(near_its_end, TARGET), (sweeping, revoking)),
    "sweep + sweep, with events": Pair("", partial(ended, TARGET), (sweeping, sweeping)),
}


def judge(world: World, _answers: Sequence[Answer], _order: Sequence[str]) -> None:
    """Right after the two."""
    require_owned(world)
    require_nothing_left(world)
    for _ in range(3):
        world.clock.jump(900)
        sweep_once(world)
    assert {} == world.outbox.rows
    require_told(world)


@pytest.mark.parametrize("bound", [Bound(1), Bound(0, deaths=True)], ids=["in every order but one", "and a death"])
@pytest.mark.parametrize("meeting", MEETINGS)
def test_what_two_workers_do_is_told_once(meeting: str, bound: Bound, record_property: Callable[..., None]) -> None:
    """Whoever loses the race for a lease tells nothing; an event that both have found comes twice with one id."""
    explored = explore(MEETINGS[meeting], bound, judge)
    assert [] == explored.violations, explored.violations[0]
    record_property("cases", explored.schedules)
    assert 2 < explored.schedules
