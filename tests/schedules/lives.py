"""Meetings over leases that are pooled, prepared or queued, and how they are judged.

The sequential model (``tests.model``) does not know these leases. So a schedule is judged by what must hold whatever came
first: a lease is handed out once, what was handed out works for as long as its lease is told as active, a lease of which an end
was told is not open, and nothing of before a role's revocation is given to anybody after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations_with_replacement

from shared.broker.issue.issue import Issued
from shared.broker.revoke import revoke
from shared.core.errors import LeaseholdError
from shared.core.lease import Lease, State
from shared.core.role import Target
from tests.fakes.world import World
from tests.model.judge import WORKERS, Answer
from tests.support.every_kind import is_held
from tests.support.operations import (
    LIVES,
    OF_POOLS,
    VERBS,
    Verb,
    fresh,
    pooled,
    prepared,
    revoking_as_admin,
    waiting,
)
from tests.support.pools import has_pool, of_one

_AGE = 300.0
"""Seconds after which absence is believed again, of what a lease had made when it was pooled or prepared."""
_OVER = 1000.0
"""Seconds: older than a pooled, prepared or queued lease gets here."""
SCENES: dict[str, Callable[[Target], World]] = {
    "fresh": fresh,
    "empty pool": lambda target: fresh(of_one(target)),
    "pooled": lambda target: pooled(target, age=2 * _AGE),
    "prepared": lambda target: prepared(target, age=_AGE),
    "waiting": lambda target: waiting(target, age=_AGE),
    "too long pooled": lambda target: pooled(target, age=_OVER),
    "too long prepared": lambda target: prepared(target, age=_OVER),
    "too long waiting": lambda target: waiting(target, age=_OVER),
}
REVOKE = Verb("revoke any", revoking_as_admin, revoke)
_BY_NAME = {verb.name: verb for verb in VERBS}
_BESIDE = (
    REVOKE,
    *(_BY_NAME[name] for name in ("force", "reconcile", "change role", "delete role", "revoke role", "revoke reaching")),
)
"""What meets each of them."""
_WHEN_DUE = (REVOKE, *(_BY_NAME[name] for name in ("sweep", "message", "poison")))
_REVOKES_A_ROLE = {"revoke role", "delete role"}
_GIVES = {verb.name for verb in LIVES if verb.scene in {"prepared", "waiting"}}
"""What gives somebody a lease that was there before, and no other."""
_REFUSALS = {
    *("interrupted", "forbidden", "role_changed", "role_not_found", "lease_not_found", "lease_busy"),
    *("pool_empty", "lease_ended", "lease_pending", "credential_collected", "preparation_failed"),
}


def life_meetings(target: Target) -> Iterator[tuple[str, tuple[Verb, Verb]]]:
    """A scene, and two verbs that meet there, for a role of that kind."""
    verbs = [verb for verb in LIVES if has_pool(target) or verb.name not in OF_POOLS]
    for one, other in combinations_with_replacement(verbs, 2):
        if one.scene == other.scene:
            yield one.scene, (one, other)
    for life in verbs:
        begins = life.scene in {"fresh", "empty pool"}
        for beside in _BESIDE[2:] if begins else _BESIDE:
            yield life.scene, (life, beside)
        for due in () if begins else _WHEN_DUE[1:]:
            yield f"too long {life.scene}", (life, due)
    for scene in SCENES:
        if scene.startswith("too long") and (has_pool(target) or not scene.endswith("pooled")):
            yield from ((scene, pair) for pair in combinations_with_replacement(_WHEN_DUE, 2))


def require_lives(world: World, verbs: Sequence[Verb], answers: Sequence[Answer], order: Sequence[str]) -> None:
    """Right after the two verbs, before any other has come by. ``order``: of the workers, if one was done before the other."""
    refusals = {_code(answer.refusal) for answer in answers if answer.refusal is not None and not answer.died}
    assert refusals <= _REFUSALS, f"refused with {refusals - _REFUSALS}"
    handed_out = [answer.value for answer in answers if isinstance(answer.value, Issued)]
    # Whoever collects or asks once more gets a fresh credential, and the former one is removed.
    once_more = {verb.name for verb in verbs} in ({"collect"}, {"claim under a key"})
    assert once_more or len(handed_out) == len({each.lease.id for each in handed_out}), "handed out twice"
    active = {lease.id for lease in world.leases.rows.values() if _told(world, lease) is State.ACTIVE}
    for lease_id in active & {each.lease.id for each in handed_out}:
        held = [is_held(world, each.credential) for each in handed_out if each.lease.id == lease_id]
        assert any(held), "active, and what was handed out does not work"
    if not any(answer.died for answer in answers):
        # What a worker has put into a vault, nobody needs to collect.
        in_vaults = {lease.id for lease in world.leases.rows.values() if lease.delivery and lease.prepare_by}
        assert active - in_vaults <= {each.lease.id for each in handed_out}, "active, and nobody has got it"
    for answer in answers:
        if isinstance(answer.value, Lease) and not answer.value.state.is_open:
            assert not _told(world, world.leases.rows[answer.value.id]).is_open, "an end was told, and the lease is open"

    if order:
        first, second = sorted(zip(WORKERS, verbs, answers, strict=True), key=lambda each: order.index(each[0]))
        if first[1].name in _REVOKES_A_ROLE and not first[2].died and second[1].name in _GIVES:
            given = second[2].value
            is_over = given is None or (isinstance(given, Lease) and not given.state.is_open)
            assert is_over, "given to somebody after its role was revoked"


def _told(world: World, lease: Lease) -> State:
    generation = world.generations.rows.get(lease.id.role)
    return (lease.under(generation.number) if generation else lease).state


def _code(refusal: LeaseholdError) -> str:
    return str(getattr(refusal, "stable_code", refusal.code))
