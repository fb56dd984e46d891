"""A store of leases that stores with each move the event that tells of it. Without it nothing is told, and nothing written."""

from __future__ import annotations

from typing import Any, cast

from shared.core.lease import Lease, State
from shared.core.outgoing.of_leases import event_of, to_be_told
from shared.core.ports.leases import Leases
from shared.core.ports.system import Clock, Ids
from shared.kinds.registry import Kinds


def telling(leases: Leases, kinds: Kinds, clock: Clock, ids: Ids) -> Leases:
    """Returns the store whose moves are told."""
    return cast("Leases", _Telling(leases, kinds, clock, ids))


class _Telling:
    """Passes every call on, and gives each move its event. So no verb can forget to tell, or tell what did not happen."""

    __slots__ = ("_clock", "_ids", "_kinds", "_leases")

    def __init__(self, leases: Leases, kinds: Kinds, clock: Clock, ids: Ids) -> None:
        self._leases = leases
        self._kinds = kinds
        self._clock = clock
        self._ids = ids

    def __getattr__(self, name: str) -> Any:
        return getattr(self._leases, name)

    async def swap(self, lease: Lease, *, former: Lease) -> Lease:
        """As in ``Leases``."""
        now = self._clock.now()
        lease = to_be_told(former, lease, now)
        remains = self._kinds.remains(lease) if lease.state is State.STUCK else ()
        event = event_of(former, lease, now=now, ids=self._ids, remains=remains)
        return await self._leases.swap(lease, former=former, events=(event,) if event is not None else ())
