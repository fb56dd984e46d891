"""Whether what verbs were answered, and what is there in the end, is what the model allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.broker.issue.issue import Issued
from shared.broker.revoke import Revoking
from shared.broker.revoke_reaching import RevokingReaching
from shared.core.audit import Outcome
from shared.core.delivery import Delivered
from shared.core.errors import LeaseholdError, LostRace, Upstream
from shared.core.lease import IllegalMove, Lease, State
from shared.core.names import LeaseId
from shared.core.role import Role
from tests.fakes.world import WEB, World
from tests.model.model import Done, Machine, Told, ends
from tests.support.every_kind import is_held
from tests.support.operations import LASTS, Action, is_changed

WORKERS = ("a", "b")

_ANSWERS: dict[type, Callable[[str, object], str]] = {
    Issued: lambda _, __: "issued",
    Lease: lambda verb, lease: "renewed" if verb == "renew" else str(getattr(lease, "state", "")),
    Role: lambda _, __: "written",
    Revoking: lambda _, __: "revoking",
    RevokingReaching: lambda _, answer: "revoking" if getattr(answer, "roles", ()) else "found none",
}
_ROLE_WRITTEN = ("put_role", "")
_ROLE_DELETED = ("delete_role", "")
_SWEEPS = {"sweep", "message", "poison"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker's verb came to. ``died``: nobody knows how far it has come.

    ``fault``: what the verb raised and no verb may raise. The caller would be answered ``internal_error``.
    """

    value: object = None
    refusal: LeaseholdError | None = None
    died: bool = False
    fault: LostRace | IllegalMove | None = None


async def answer_of(action: Action, world: World) -> Answer:
    """Does it. Any other exception than these is an error of the tests, or of a defect that was planted badly: it is raised."""
    try:
        return Answer(await action(world))
    except (LostRace, IllegalMove) as fault:
        return Answer(fault=fault)
    except Upstream as failure:
        return Answer(refusal=failure, died=True)
    except LeaseholdError as refusal:
        return Answer(refusal=refusal)


def start_of(world: World) -> Machine | None:
    """How the world is before anything is done, as the model says it; ``None`` where a lease is half made or half ended."""
    leases = world.leases.rows
    if any(lease.state is not State.ACTIVE for lease in leases.values()):
        return None
    if not leases:
        return observed(world, Machine(has_holes=bool(world.ask.parameters)), ())
    found = leases[min(leases)]
    expired, has_holes = found.expires_at <= world.clock.now(), bool(world.ask.parameters)
    return observed(world, Machine(lease=_told(world, found), expired=expired, has_holes=has_holes), ())


def require_as_promised(
    world: World, start: Machine, verbs: Sequence[str], answers: Sequence[Answer], order: Sequence[str] = ()
) -> None:
    """One verb, or two side by side, or in the ``order`` of their workers. Each end and each issue is told once, besides."""
    history = [
        Done(verb, worker, None if answer.died else _said(verb, answer))
        for verb, worker, answer in zip(verbs, WORKERS, answers, strict=False)
    ]
    possible = ends(start, history, order)
    assert possible, f"no order of these fits: {history}"
    seen = observed(world, start, answers)
    fitting = [each for each in possible if _fits(each, seen, answers)]
    assert fitting, f"after {history}\nis      {seen}\nand not {sorted(map(str, possible))}"
    _require_told_once(world, answers)


def require_kept_rules(world: World, verbs: Sequence[str], answers: Sequence[Answer]) -> None:
    """What holds for every verb, whatever the model knows of the world.

    A verb does what it was asked for, or refuses: it never raises ``LostRace`` or ``IllegalMove``, which say that the broker
    itself is wrong. The audit trail has an event for whatever was answered as done; if a worker has died, the event may still
    wait for a reconciliation. Before a credential leaves the broker, the principals that it signs in as are noted as a lease's.
    A lease is active only after what carries its credential was made.
    """
    faults = [f"{worker}: {answer.fault!r}" for worker, answer in zip(WORKERS, answers, strict=False) if answer.fault]
    assert not faults, f"left the broker: {faults}"
    wanted: Counter[tuple[str, str] | None] = Counter(
        _event_of(verb, answer.value) for verb, answer in zip(verbs, answers, strict=False)
    )
    # A write that changes nothing is answered as done, and is no event. Neither is a deletion that finds the role gone.
    for each in (_ROLE_WRITTEN, _ROLE_DELETED):
        wanted[each] = min(1, wanted[each])
    events = [*world.audit.events, *(world.pending_events() if any(answer.died for answer in answers) else ())]
    recorded = Counter((event.operation, event.lease) for event in events if event.outcome is Outcome.DONE)
    # The first who collects issues, and whoever does within the grace gets a fresh credential.
    for operation, lease_id in [*recorded]:
        if operation in {"issue", "reissue"}:
            recorded["collect", lease_id] += recorded[operation, lease_id]
    missing = [(*event,) for event, count in wanted.items() if event and recorded[event] < count]
    assert not missing, f"answered as done, and not in the audit trail: {missing}"
    for lease in world.leases.rows.values():
        if lease.handed_out and lease.state.is_live:
            is_made = world.ports.kinds.of(lease).schema.can_hold_credential(lease.footprint)
            assert is_made, f"{lease.id} was active before what it makes was made: {lease.footprint}"
            owners = {each: world.leased.rows.get(each) for each in world.ports.kinds.principals(lease)}
            assert {*owners.values()} <= {lease.id}, f"{lease.id} was handed out, and its principals are noted as {owners}"


def _event_of(verb: str, value: object) -> tuple[str, str] | None:
    """Returns the operation and the lease of the event that an answer of this kind must have, ``None`` if it needs none.

    Where a revocation meets another worker that ends the lease, the event is the other worker's.
    """
    if isinstance(value, Issued):
        # Of what is delivered, a repeat makes nothing: the lease does not tell which answer was the first.
        if verb == "collect" or isinstance(value.credential, Delivered):
            return "collect", value.lease.id
        is_repeat = value.lease.rotations > 0 and value.lease.key_digest
        return "reissue" if is_repeat else "issue", value.lease.id
    if isinstance(value, Lease) and verb == "renew":
        return "renew", value.id
    if isinstance(value, Revoking):
        return _ROLE_DELETED if verb == "delete role" else ("revoke_role", "")
    if isinstance(value, RevokingReaching):
        return "revoke_reaching", ""
    return _ROLE_WRITTEN if isinstance(value, Role) else None


def _said(verb: str, answer: Answer) -> str:
    if answer.refusal is not None:
        return str(getattr(answer.refusal, "stable_code", answer.refusal.code))
    named = _ANSWERS.get(type(answer.value))
    if named is not None:
        return named(verb, answer.value)
    return {"delete role": "revoking"}.get(verb, "swept" if verb in _SWEEPS else "looked")


def observed(world: World, start: Machine, answers: Sequence[Answer]) -> Machine:
    """What is seen from outside, as the model would say it."""
    result = {lease_id: _told(world, lease) for lease_id, lease in sorted(world.leases.rows.items())}
    found = _met(world, start)
    others = Counter(state for lease_id, state in result.items() if lease_id != found)
    stored = world.roles.kept(WEB)
    lease = world.leases.rows[found] if found else None
    return Machine(
        lease=result[found] if found else "none",
        expired=start.expired,
        renewed=lease is not None and lease.expires_at - lease.issued_at > timedelta(seconds=LASTS),
        secret=_who_signs_in(world, answers),
        role="gone" if stored is None else "other" if is_changed(stored.target) else "same",
        others=others["active"],
        others_over=others["over"],
        has_holes=start.has_holes,
    )


def _met(world: World, start: Machine) -> LeaseId | None:
    """The lease that the verbs meet on: the one of the scene, or the one that the key stands for."""
    if start.lease != "none":
        return min(world.leases.rows, default=None)
    stored = ((key, world.leases.rows.get(key.lease_id)) for key in world.leases.keys.values())
    return next((lease.id for key, lease in stored if lease is not None and lease.key_digest == key.digest), None)


def _told(world: World, lease: Lease) -> Told:
    generation = world.generations.rows.get(lease.id.role)
    state = (lease.under(generation.number) if generation else lease).state
    return {State.ACTIVE: "active", State.PLANNED: "none"}.get(state, "over")  # type: ignore[return-value]  # they are


def _who_signs_in(world: World, answers: Sequence[Answer]) -> str:
    """The workers whose callers got a secret that works once all replicas know it, of those that are one lease's."""
    keyed = [
        (worker, answer.value)
        for worker, answer in zip(WORKERS, answers, strict=False)
        if isinstance(answer.value, Issued) and world.leases.rows[answer.value.lease.id].key_digest
    ]
    held = ((worker, given) for worker, given in keyed if is_held(world, given.credential))
    return "".join(worker for worker, given in held if not was_missed(world, given))


def was_missed(world: World, given: Issued) -> bool:
    """Whether another repeat has asked for its removal, and no replica knew of it: the lease says that there may be more.

    So docs/adr/0009 has it: it goes with the lease.
    """
    removals = [call for call in world.calls.made if call.name.endswith(".remove_secret")]
    asked = [call.failed for call in removals if given.credential.fields().get("secret_id") in call.about]
    return bool(asked) and all(asked) and world.leases.rows[given.lease.id].maybe_more_secrets


def _fits(model: Machine, seen: Machine, answers: Sequence[Answer]) -> bool:
    """A worker that died has told nobody how far it came: leases that are over beside the one are not counted then."""
    wanted = (model.lease, model.role, model.others)
    if wanted != (seen.lease, seen.role, seen.others):
        return False
    if model.lease == "active" and not (model.renewed == seen.renewed and _same_secret(model, seen, answers)):
        return any(each.died for each in answers) and model.renewed == seen.renewed and len(seen.secret) <= 1
    return model.others_over == seen.others_over or any(each.died for each in answers)


def _same_secret(model: Machine, seen: Machine, answers: Sequence[Answer]) -> bool:
    """A credential that no other replaces, such as an access token, works for everybody who is answered with one."""
    given = [answer.value.credential for answer in answers if isinstance(answer.value, Issued)]
    if not any("secret_id" in credential.fields() for credential in given):
        return model.secret in seen.secret and bool(model.secret) == bool(seen.secret)
    return model.secret == seen.secret


def _require_told_once(world: World, answers: Sequence[Answer]) -> None:
    """Nothing is told twice, unless somebody died who had told it and not noted that."""
    result = Counter((event.operation, event.lease) for event in world.audit.events if event.outcome is Outcome.DONE)
    if not any(each.died for each in answers):
        once = {"issue", "end", "delete_role"}
        assert not [each for each, count in result.items() if each[0] in once and count > 1], f"told twice: {result}"
