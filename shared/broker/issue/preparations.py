"""Leases for which nobody waits: how they get into the queue of preparations, and what their callers are answered meanwhile.

The queue holds hints and never the truth (docs/adr/0007): a lease that waits is due when its message should have been taken,
and the sweep then sends the message again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.ports import Ports
from shared.core.errors import Upstream
from shared.core.lease import Lease, State
from shared.core.preparing import TooManyPreparations

log = logging.getLogger(__name__)

DEFAULT_WAIT = 45
"""Seconds that a caller waits which names none: Data Factory's Web activity gives up after sixty.
https://learn.microsoft.com/azure/data-factory/control-flow-web-activity
"""
LONGEST_WAIT = 200
"""Seconds. The platform ends an HTTP request after 230 s."""
UNFINISHED = 20
"""So many leases of one role may be unfinished for one caller."""
SOON = 5
"""Seconds after which it is worth asking again while another request collects."""


@dataclass(frozen=True, slots=True)
class Preference:
    """How long a caller waits, in seconds, and whether it takes a credential that is not proven (``is_lenient``).

    ``wait`` is ``None`` if the caller does not say. RFC 7240 has ``wait``, ``respond-async``, which is no wait at all, and
    ``handling=lenient``: https://www.rfc-editor.org/rfc/rfc7240#section-4.
    """

    wait: int | None = None
    is_lenient: bool = False

    @property
    def seconds(self) -> int:
        """How long the caller waits."""
        return DEFAULT_WAIT if self.wait is None else self.wait

    @property
    def is_async(self) -> bool:
        """Whether the caller wants no work done before the answer."""
        return self.wait == 0 and not self.is_lenient

    @property
    def is_in_a_hurry(self) -> bool:
        """Whether the caller takes a credential at once that nobody has tried out."""
        return self.is_lenient and not self.wait

    def collecting(self, lease: Lease) -> Preference:
        """Returns the preference of a request that collects: what it does not say, the ask has said.

        A request that wants no work done is answered at once as long as there is nothing to collect. Then there is no later
        answer for which the credential could be made: the request waits as one that does not say how long.
        """
        is_said = self.wait is not None and (self.wait > 0 or lease.state is State.PLANNED)
        return Preference(self.wait if is_said else lease.collect_wait, self.is_lenient or lease.lenient)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A lease whose credential is not handed out yet. ``after``: seconds until it is worth asking for it."""

    lease: Lease
    after: int


def accepted(ports: Ports, lease: Lease) -> Accepted:
    """Returns the answer, with what this worker knows of the role's pace."""
    return Accepted(lease, ports.pace.after(lease.id.role))


def as_asked(lease: Lease, preference: Preference) -> Lease:
    """Returns the lease with what whoever collects it need not say again."""
    return replace(lease, collect_wait=preference.wait or None, lenient=preference.is_lenient)


async def require_room(ports: Ports, lease: Lease) -> None:
    """Raises ``TooManyPreparations`` if the holder has more unfinished leases of the role than it may have, this one included.

    The lease is stored already: of two that come at once, each sees the other.
    """
    held = await ports.leases.held_by(lease.known_holder.tenant_id, lease.known_holder.object_id)
    unfinished = {State.PLANNED, State.PREPARED}
    mine = [each for each in held if each.id.role == lease.id.role and each.state in unfinished]
    if sum(each.generation >= lease.generation for each in mine) > UNFINISHED:
        raise TooManyPreparations(retry_after=ports.pace.after(lease.id.role))


async def leave_to_queue(ports: Ports, lock: LeaseLock, change: Callable[[Lease], Lease]) -> Lease:
    """Ends the lock, and leaves the lease to the worker that takes its message. ``change`` is stored as well.

    Raises ``LostRace``, ``Upstream``. If the worker dies before the message, the sweep sends it.
    """
    prepare_by = lock.lease.planned_at + timedelta(seconds=ports.timing.prepare)

    def queued(lease: Lease) -> Lease:
        return _queued(ports, change(lease).left_to_queue(prepare_by))

    lease = await lock.release(queued)
    await send_preparation(ports, lease)
    return lease


async def queue_again(ports: Ports, lease: Lease) -> Lease:
    """Sends the message of a lease again that nobody works on. Raises ``LostRace``, ``Upstream``."""
    lease = await ports.leases.swap(_queued(ports, lease), former=lease)
    await send_preparation(ports, lease)
    return lease


def waiting_for_sweep(ports: Ports, lease: Lease, seconds: float) -> Lease:
    """Returns the lease as it waits for so many seconds, until the sweep sends its message again, or ends it."""
    until = ports.now() + timedelta(seconds=seconds)
    return lease.queued(until if lease.prepare_by is None else min(until, lease.prepare_by))


def _queued(ports: Ports, lease: Lease) -> Lease:
    return waiting_for_sweep(ports, lease, ports.timing.message)


async def send_preparation(ports: Ports, lease: Lease) -> None:
    """Sends the message of a lease that waits for a worker. If that fails, the sweep does it. Raises nothing foreseen."""
    try:
        by = lease.prepare_by or lease.due_at
        queue = ports.fillings if lease.is_for_pool else ports.preparations
        await queue.send(lease.id, lives=by - ports.now())
    except Upstream:
        log.warning("the preparation of lease %s could not be queued: the sweep does it", lease.id, exc_info=True)
