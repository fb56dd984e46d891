"""Whether a caller may come in at all: not if it is a principal that a lease has made.

Else what is leased could outlive its lease by leasing again.
"""

from __future__ import annotations

import asyncio

from shared.core.caller import Caller
from shared.core.errors import LeasedCaller, Unavailable, Upstream
from shared.core.ports.leased import LeasedPrincipals


class Admission:
    """One caller's, to one call. It is looked up from now on, beside whatever else the call reads first."""

    def __init__(self, leased: LeasedPrincipals, caller: Caller) -> None:
        self._look_up = asyncio.ensure_future(_look_up(leased, caller))
        # A caller that is gone meanwhile does not ask what came of it.
        self._look_up.add_done_callback(lambda it: it.cancelled() or it.exception())

    async def granted(self) -> None:
        """Returns when it is. Raises ``LeasedCaller``, and ``Unavailable`` when that cannot be told."""
        await asyncio.shield(self._look_up)


async def _look_up(leased: LeasedPrincipals, caller: Caller) -> None:
    try:
        lease_id = await leased.find(frozenset((caller.object_id, *((caller.app_id,) if caller.app_id else ()))))
    except Upstream as failure:
        raise Unavailable("whether a lease made the caller") from failure
    if lease_id is not None:
        raise LeasedCaller(audit_reason=f"made by the lease {lease_id}")


async def nobody_asks() -> None:
    """For work of the broker's own, which has no caller."""
