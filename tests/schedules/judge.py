"""What must be true of a world when a schedule is over."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.audit import Outcome
from shared.core.lease import State
from tests.crash.walk import require_nothing_left, require_owned
from tests.fakes.world import World
from tests.model.judge import Answer, require_as_promised, require_kept_rules
from tests.model.model import Machine
from tests.schedules.explorer import Judge
from tests.schedules.lives import require_lives
from tests.support.operations import Verb

_UNTIL_STUCK_IS_TRIED = 5400.0


def judged(verbs: tuple[Verb, Verb], start: Machine | None) -> Judge:
    """Judges what came of two verbs that began there: by the model, unless it does not know where they began."""

    def judge(world: World, answers: Sequence[Answer], order: Sequence[str]) -> None:
        require_kept_rules(world, [verb.name for verb in verbs], answers)
        if start is None:
            require_lives(world, verbs, answers, order)
        else:
            require_as_promised(world, start, [verb.name for verb in verbs], answers, order)
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
