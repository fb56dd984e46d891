"""The sequential model (``tests.model``) as a judge of walks: what a verb was answered, and what is there right after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared.broker.revoke import Revoking
from shared.core.errors import Conflict, Pending
from tests.fakes.world import World
from tests.model.judge import Answer, require_as_promised, require_kept_rules
from tests.model.model import Machine
from tests.support.operations import VERBS, Action, first, forcing, forcing_all, revoking, revoking_all, sweeping

_NAMES = {verb.action: verb.name for verb in VERBS if verb.name != "repeat"}
_OF_SEVERAL = {"issue", "revoke role"}
"""Verbs of which the model says what becomes of leases beside the one on which verbs meet."""
_NOT_SAID = {"reconcile"}
"""Here it meets what was lost, or deleted by hand, which the model does not have."""
_TELL_NOTHING = {"sweep", "fan out", "message", "poison"}
"""Verbs that are answered as ever when a call of theirs has failed: the rest is the next one's."""


async def frozen_then_swept(world: World) -> object:
    """The worker's machine stands still for longer than a hold lasts, and a sweep runs."""
    world.clock.jump(25)
    return await sweeping(world)


def require_promised(
    world: World, start: Machine | None, actions: Sequence[Action], answers: Sequence[Answer], *, failing: bool = False
) -> None:
    """Where the model knows the verbs: one, or two of which one was done amid the other. ``failing``: a call has failed."""
    require_kept_rules(world, [_NAMES.get(action, "") for action in actions], answers)
    verbs, result = list[str](), list[Answer]()
    if start is None or start.lease == "over":
        return
    for action, answer in zip(actions, answers, strict=True):
        verb, message = _in_the_model(world, start, action, answer)
        if not verb or verb in _NOT_SAID or (start.others and verb not in _OF_SEVERAL):
            return
        if verb == "issue" and start.lease != "none":
            # Of two leases of one instant nothing tells which was first.
            return
        verbs.append(verb)
        result.append(replace(message, died=message.died or _tells_nothing(verb, message, failing=failing)))
    require_as_promised(world, start, verbs, result)


def _tells_nothing(verb: str, answer: Answer, *, failing: bool) -> bool:
    """A caller that was told to try again has learned nothing: another worker stands still, or moves the lease."""
    busy = isinstance(answer.refusal, Conflict) and answer.refusal.stable_code == "lease_busy"
    return (failing and verb in _TELL_NOTHING) or isinstance(answer.refusal, Pending) or busy


def _in_the_model(world: World, start: Machine, action: Action, answer: Answer) -> tuple[str, Answer]:
    if action is frozen_then_swept:
        return "sweep", answer
    if action in {revoking_all, forcing_all}:
        if start.lease != "none":
            return _NAMES[revoking if action is revoking_all else forcing], replace(
                answer, value=world.leases.rows[first(world)]
            )
        # Whoever ends each lease that there is does what a revocation of the role does.
        return "revoke role", answer if answer.refusal else Answer(Revoking(0, world.clock.now()))
    name = _NAMES.get(action, "")
    return "repeat" if name.startswith("issue under a key") and start.lease != "none" else name, answer
