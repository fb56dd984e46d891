"""Meetings over leases that are delivered, and what must hold of what lies in the vault right after two verbs.

Whoever came first: the version that an active lease names is read there and is its own, until the lease's end; no answer has a
secret; and whoever nobody waits for is told of in the audit trail before it is active.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shared.broker.issue.issue import Issued
from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.core.audit import Outcome
from shared.core.delivery import Delivered, Delivery
from shared.core.errors import LeaseholdError, Unreachable
from shared.core.lease import Lease, State
from shared.core.role import Target
from tests.fakes.vaults import VAULT
from tests.fakes.world import World, request
from tests.model.judge import Answer
from tests.schedules.lives import REVOKE
from tests.support.deliveries import SHARED, delivering_by
from tests.support.operations import LASTS, LIVES, TARGETS, VERBS, Verb, fresh, issuing, renewing, revoking, taking_up, waiting

_LOCK_IS_OVER = 90.0
_AGE = 200.0
"""Seconds of the leases that meet: nothing of theirs is fresh any more."""


@dataclass(frozen=True, slots=True)
class How:
    """How leases are delivered, and what their credential is."""

    name: str
    delivery: Delivery
    target: Target

    def made(self, make: Callable[[Target], World]) -> World:
        """A world whose role delivers so."""
        with delivering_by(self.delivery):
            return make(self.target)


OWN = How("delivered", Delivery((VAULT,)), TARGETS["service principal"])
SHARING = How("delivered under one name", Delivery((VAULT,), SHARED), TARGETS["service principal"])
ON_EXISTING = How("delivered, existing", Delivery((VAULT,)), TARGETS["application secret"])


def _two(target: Target) -> World:
    """Two leases of one holder."""
    made = fresh(target)
    for _ in range(2):
        made.run(lambda: issuing(made))
    made.clock.jump(_AGE)
    return made


def _two_of_which_one_is_over(target: Target) -> World:
    """The first is to be swept, the second was renewed."""
    made = _two(target)
    made.run(lambda: renew(made.ports, request(), max(made.leases.rows), LASTS))
    made.clock.jump(LASTS - _AGE + 1)
    return made


def _behind(target: Target) -> World:
    """A lease that was renewed while its vault was away, a minute ago."""
    made = fresh(target)
    made.run(lambda: issuing(made))
    made.clock.jump(60)
    made.vaults.refusing[VAULT] = "ForbiddenByFirewall"
    made.run(lambda: renewing(made))
    made.vaults.refusing.clear()
    made.clock.jump(61)
    return made


def _half_delivered(target: Target) -> World:
    """A lease whose worker has put its credential into the vault, and has died before it could store that."""
    made = waiting(target, age=_AGE)
    made.calls.fail("leases.swap", Unreachable(), nth=2, times=1)
    made.run(lambda: taking_up(made))
    made.clock.jump(_LOCK_IS_OVER)
    return made


OF_DELIVERIES: dict[str, Callable[[Target], World]] = {
    "two": _two,
    "two, one over": _two_of_which_one_is_over,
    "behind": _behind,
    "half delivered": _half_delivered,
}


async def revoking_the_other(world: World) -> Lease:
    """Alice revokes her second lease."""
    return await revoke(world.ports, request(), max(world.leases.rows))


async def renewing_the_other(world: World) -> Lease:
    """Alice renews her second lease."""
    return await renew(world.ports, request(), max(world.leases.rows), LASTS)


async def renewing_longer(world: World) -> Lease:
    """Alice renews, and asks for a later end."""
    return await renew(world.ports, request(), min(world.leases.rows), 2 * LASTS)


_BY_NAME = {
    **{verb.name: verb for verb in (*VERBS, *LIVES)},
    "revoke any": REVOKE,
    "renew longer": Verb("renew", renewing_longer, renew),
    "revoke the other": Verb("revoke", revoking_the_other, revoke),
    "renew the other": Verb("renew", renewing_the_other, renew),
    "revoke one": Verb("revoke", revoking, revoke),
}
_MEET: dict[How, Sequence[tuple[str, str, str]]] = {
    OWN: (
        *(("issue", "revoke", "live"), ("issue", "revoke role", "live"), ("issue", "change role", "live")),
        *(("issue", "reconcile", "live"), ("issue under a key", "issue under a key", "fresh")),
        *(("repeat", "revoke", "live"), ("repeat", "repeat", "live"), ("repeat", "change role", "live")),
        *(
            ("renew", "renew longer", "live"),
            ("renew", "revoke", "live"),
            ("renew", "sweep", "due"),
            ("renew", "reconcile", "live"),
        ),
        *(("revoke", "revoke", "live"), ("revoke", "sweep", "due"), ("revoke", "reconcile", "live")),
        *(("sweep", "renew", "behind"), ("sweep", "sweep", "behind"), ("sweep", "revoke one", "behind")),
        *(("claim", "claim", "pooled"), ("claim", "revoke any", "pooled"), ("claim", "reconcile", "pooled")),
        *(("take up", "take up", "waiting"), ("take up", "revoke any", "waiting"), ("take up", "revoke role", "waiting")),
        *(("take up", "change role", "waiting"), ("take up", "reconcile", "waiting"), ("take up", "force", "waiting")),
        *(("take up", "sweep", "too long waiting"), ("issue", "force", "live")),
    ),
    SHARING: (
        *(("issue", "issue", "live"), ("issue", "revoke", "live"), ("issue", "sweep", "due"), ("renew", "revoke", "live")),
        *(("revoke one", "revoke the other", "two"), ("renew the other", "revoke one", "two")),
        *(("renew", "revoke the other", "two"), ("revoke the other", "sweep", "two, one over")),
        *(("renew the other", "sweep", "two, one over"), ("sweep", "sweep", "two, one over")),
        *(("take up", "revoke any", "waiting"), ("take up", "take up", "waiting")),
    ),
    ON_EXISTING: (
        *(("take up", "take up", "waiting"), ("take up", "revoke any", "waiting")),
        *(("take up", "take up", "half delivered"), ("take up", "revoke any", "half delivered")),
    ),
}


def delivered_meetings() -> Iterator[tuple[str, str, tuple[Verb, Verb], How]]:
    """A name, a scene, two verbs that meet there, and how the leases are delivered."""
    for how, pairs in _MEET.items():
        for one, other, scene in pairs:
            yield f"{one} + {other}, {scene}, {how.name}", scene, (_BY_NAME[one], _BY_NAME[other]), how


def require_delivered(world: World, verbs: Sequence[Verb], answers: Sequence[Answer], _order: Sequence[str]) -> None:
    """Right after the two verbs, before any other has come by."""
    died = any(answer.died for answer in answers)
    audited = {
        event.lease for event in world.audit.events if event.operation in {"issue", "deliver"} and event.outcome is Outcome.DONE
    }
    for lease in world.leases.rows.values():
        if lease.delivery is not None and lease.state is State.ACTIVE:
            _require_lying(world, lease, died=died)
            # Who issues answers its caller only then. Nobody waits for a worker.
            assert lease.id in audited or (died and lease.prepare_by is None), f"{lease.id} is active, and nobody was told"
    # A changed role may deliver no more.
    if "change role" not in {verb.name for verb in verbs}:
        handed_out = [answer.value.credential for answer in answers if isinstance(answer.value, Issued)]
        assert all(isinstance(each, Delivered) for each in handed_out), "a secret was answered"


def _require_lying(world: World, lease: Lease, *, died: bool) -> None:
    view = lease.delivery
    assert view is not None
    assert view.version, f"{lease.id} is active, and names no version"
    try:
        world.vaults.value(view.vault, view.name, view.version)
    except LeaseholdError as refused:
        raise AssertionError(f"{lease.id} is active, and its version is not read: {refused!r}") from refused
    version = world.vaults.version(view.vault, view.name, view.version)
    assert lease.id == version.shown.tags["lease"], "the version is another lease's"
    if not died and not lease.maybe_more_secrets:
        secrets = [each for app in world.cloud.applications.values() for each in app.secrets.values()]
        own = [each for each in secrets if lease.id in each.display_name]
        assert len(own) == 1, f"{lease.id} is active, and has {len(own)} secrets"
    if not died and not lease.last_error:
        assert lease.expires_at == version.expires, f"the vault tells another end than {lease.id} has"
