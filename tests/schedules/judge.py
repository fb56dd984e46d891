"""What must be true of a world when a schedule is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.core.audit import Outcome
from shared.core.lease import State
from tests.crash.walk import require_nothing_left, require_owned
from tests.fakes.world import World
from tests.model.judge import Answer, require_as_promised, require_kept_rules
from tests.model.model import Machine
from tests.schedules.explorer import Judge
from tests.support.operations import Verb

_UNTIL_STUCK_IS_TRIED = 5400.0
type Check = Callable[[World, Sequence[Verb], Sequence[Answer], Sequence[str]], None]
"""What must hold right after two verbs, before any other has come by. Last: the order of the workers, where there was one."""


def by_model(start: Machine) -> Check:
    """What the model allows of verbs that begin there."""

    def check(world: World, verbs: Sequence[Verb], answers: Sequence[Answer], order: Sequence[str]) -> None:
        require_as_promised(world, start, [verb.name for verb in verbs], answers, order)

    return check


def judged(verbs: tuple[Verb, Verb], checks: Sequence[Check]) -> Judge:
    """Judges what came of two verbs: by the checks, and by what holds whatever they are."""

    def judge(world: World, answers: Sequence[Answer], order: Sequence[str]) -> None:
        require_kept_rules(world, [verb.name for verb in verbs], answers)
        for check in checks:
            check(world, verbs, answers, order)
        require_owned(world)
        if any(lease.state is State.STUCK for lease in world.leases.rows.values()):
            world.clock.jump(_UNTIL_STUCK_IS_TRIED)
        require_nothing_left(world)
        _require_told_ends(world)

    return judge


def _require_told_ends(world: World) -> None:
    """Of every lease that is kept: a death may tell an end twice, and never not at all."""
    result = {event.lease for event in world.audit.events if event.operation == "end" and event.outcome is Outcome.DONE}
    assert {*world.leases.rows} <= result, f"ends that nobody was told of: {[*world.leases.rows.keys() - result]}"
