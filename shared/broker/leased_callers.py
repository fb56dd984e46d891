"""Refuses callers that are principals made by a lease: otherwise a lease could outlive its end by leasing again."""

from __future__ import annotations

import asyncio

from shared.core.caller import Caller
from shared.core.errors import LeasedCaller, Unavailable, Upstream
from shared.core.ports.leased import LeasedPrincipals


class Admission:
    """The admission of one caller to one call. It is looked up from now on, beside the first reads of the call."""

    def __init__(self, leased: LeasedPrincipals, caller: Caller) -> None:
        self._look_up = asyncio.ensure_future(_look_up(leased, caller))
        # If the caller is gone meanwhile, nobody takes the exception.
        self._look_up.add_done_callback(lambda it: it.cancelled() or it.exception())

    async def granted(self) -> None:
        """Returns when the caller is admitted. Raises ``LeasedCaller``, or ``Unavailable`` if the look-up has failed."""
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
