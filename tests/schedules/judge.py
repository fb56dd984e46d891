"""What must be true of a world when a schedule is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

from shared.broker.issue import Issued
from shared.broker.revoke import Revoking
from shared.core.audit import Outcome
from shared.core.lease import Lease, State
from shared.core.names import LeaseId
from shared.core.role import Role
from tests.crash.walk import require_nothing_left, require_owned
from tests.fakes.world import WEB, World
from tests.model.model import Done, Machine, Told, ends
from tests.schedules.explorer import Judge
from tests.schedules.scheduler import WORKERS, Answer
from tests.schedules.verbs import LASTS, OTHER_TARGET, Verb

_ANSWERS: dict[type, Callable[[str, object], str]] = {
    Issued: lambda _, __: "issued",
    Lease: lambda verb, lease: "renewed" if verb == "renew" else str(getattr(lease, "state", "")),
    Role: lambda _, __: "written",
    Revoking: lambda _, __: "revoking",
}
_UNTIL_STUCK_IS_TRIED = 5400.0
_SWEEPS = {"sweep", "message", "poison"}


def judged(verbs: tuple[Verb, Verb], start: Machine) -> Judge:
    """Judges what came of two verbs that began there."""

    def judge(world: World, answers: Sequence[Answer], order: Sequence[str]) -> None:
        history = [
            Done(verb.name, worker, None if answer.died else _said(verb.name, answer))
            for verb, worker, answer in zip(verbs, WORKERS, answers, strict=True)
        ]
        possible = ends(start, history, order)
        assert possible, f"no order of these fits: {history}"
        seen = observed(world, start, answers)
        fitting = [each for each in possible if _fits(each, seen, answers)]
        assert fitting, f"after {history}\nis      {seen}\nand not {sorted(map(str, possible))}"
        _require_one_end(world, answers)
        require_owned(world)
        if any(lease.state is State.STUCK for lease in world.leases.rows.values()):
            world.clock.jump(_UNTIL_STUCK_IS_TRIED)
        require_nothing_left(world)
        _require_told_ends(world)

    return judge


def _said(verb: str, answer: Answer) -> str:
    if answer.refusal is not None:
        return str(getattr(answer.refusal, "stable_code", answer.refusal.code))
    named = _ANSWERS.get(type(answer.value))
    if named is not None:
        return named(verb, answer.value)
    return {"delete role": "revoking"}.get(verb, "swept" if verb in _SWEEPS else "looked")


def observed(world: World, start: Machine, answers: Sequence[Answer]) -> Machine:
    """What is seen from outside, as the model would say it."""
    told = {lease_id: _told(world, lease) for lease_id, lease in sorted(world.leases.rows.items())}
    met = _met(world, start)
    others = Counter(state for lease_id, state in told.items() if lease_id != met)
    kept = world.roles.kept(WEB)
    lease = world.leases.rows[met] if met else None
    return Machine(
        lease=told[met] if met else "none",
        expired=start.expired,
        renewed=lease is not None and lease.expires_at - lease.issued_at > timedelta(seconds=LASTS),
        secret=_who_signs_in(world, answers),
        role="gone" if kept is None else "other" if kept.target == OTHER_TARGET else "same",
        others=others["active"],
        others_over=others["over"],
    )


def _met(world: World, start: Machine) -> LeaseId | None:
    """The lease that the verbs meet on: the one of the scene, or the one that was issued under the key."""
    if start.lease != "none":
        return min(world.leases.rows, default=None)
    return next((lease.id for lease in world.leases.rows.values() if lease.key), None)


def _told(world: World, lease: Lease) -> Told:
    generation = world.generations.rows.get(lease.id.role)
    state = (lease.under(generation.number) if generation else lease).state
    return {State.ACTIVE: "active", State.PLANNED: "none"}.get(state, "over")  # type: ignore[return-value]  # they are


def _who_signs_in(world: World, answers: Sequence[Answer]) -> str:
    """The workers whose callers got a secret that works, of those that it is one lease's."""
    keyed = [
        (worker, answer.value)
        for worker, answer in zip(WORKERS, answers, strict=True)
        if isinstance(answer.value, Issued) and world.leases.rows[answer.value.lease.id].key
    ]
    given = ((worker, issued.credential) for worker, issued in keyed)
    return "".join(worker for worker, each in given if world.cloud.signs_in(each.client_id, each.client_secret))


def _fits(model: Machine, seen: Machine, answers: Sequence[Answer]) -> bool:
    """A worker that died has told nobody how far it came: leases that are over beside the one are not counted then."""
    wanted = (model.lease, model.role, model.others)
    if wanted != (seen.lease, seen.role, seen.others):
        return False
    if model.lease == "active" and (model.renewed, model.secret) != (seen.renewed, seen.secret):
        return any(each.died for each in answers) and model.renewed == seen.renewed and len(seen.secret) <= 1
    return model.others_over == seen.others_over or any(each.died for each in answers)


def _require_told_ends(world: World) -> None:
    """Of every lease that is kept: a death may tell an end twice, and never not at all."""
    told = {event.lease for event in world.audit.events if event.operation == "end" and event.outcome is Outcome.DONE}
    assert {*world.leases.rows} <= told, f"ends that nobody was told of: {[*world.leases.rows.keys() - told]}"


def _require_one_end(world: World, answers: Sequence[Answer]) -> None:
    """Nothing is told twice, unless somebody died who had told it and not noted that."""
    told = Counter((event.operation, event.lease) for event in world.audit.events if event.outcome is Outcome.DONE)
    if not any(each.died for each in answers):
        once = {"issue", "end"}
        assert not [each for each, count in told.items() if each[0] in once and count > 1], f"told twice: {told}"
