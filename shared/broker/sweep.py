"""The sweep: looks at every lease that is due, and at no other.

Due are: active leases past their end, leases whose worker died while making or ending them, failed attempts to end one whose
pause is over, and ended ones past their retention.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass

from shared.broker.ending import claim, take_back
from shared.broker.outside import Outside
from shared.core.errors import LostRace, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId
from shared.core.urgency import in_background

log = logging.getLogger(__name__)

_AT_ONCE = 16
"""Leases worked on side by side. Each makes several calls at once in turn; Graph limits writes per application."""
_AT_MOST = 5000
"""Leases that one sweep takes up; the next one goes on."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What one sweep did. ``ended``: leases that ended; ``undone``: of unfinished or failed issues; ``stuck``: not ended in
    too many attempts; ``remaining``: due, and not ended now; ``pruned``: records forgotten.
    """

    ended: int = 0
    undone: int = 0
    stuck: int = 0
    remaining: int = 0
    pruned: int = 0


async def sweep(outside: Outside, request_id: str) -> Summary:
    """One sweep. Two at once do no harm. Raises ``Upstream`` only when the store cannot be read at all."""
    due = await _due(outside)
    with in_background():
        results = Counter(await _Round(outside, request_id, due).run())
    summary = Summary(
        ended=results["ended"],
        undone=results["undone"],
        stuck=results["stuck"],
        remaining=results["remaining"],
        pruned=results["pruned"],
    )
    await outside.journal.swept(
        outside.now(),
        {"ended": summary.ended, "undone": summary.undone, "stuck": summary.stuck, "remaining": summary.remaining},
    )
    return summary


async def _due(outside: Outside) -> list[LeaseId]:
    found: list[LeaseId] = []
    async for lease_id in outside.leases.due(outside.now()):
        found.append(lease_id)
        if len(found) == _AT_MOST:
            break
    return found


class _Round:
    """The leases of one sweep, worked on by a few hands."""

    def __init__(self, outside: Outside, request_id: str, due: list[LeaseId]) -> None:
        self._outside = outside
        self._request_id = request_id
        self._due = iter(due)
        self._results: list[str] = []
        self._stop_at = outside.within(outside.timing.sweep)

    async def run(self) -> list[str]:
        """One word for each lease."""
        await asyncio.gather(*(self._hand() for _ in range(_AT_ONCE)))
        return self._results

    async def _hand(self) -> None:
        for lease_id in self._due:
            if self._outside.clock.monotonic() >= self._stop_at:
                self._results.append("remaining")
                continue
            self._results.append(await self._look_at(lease_id))

    async def _look_at(self, lease_id: LeaseId) -> str:
        try:
            lease = await self._outside.leases.get(lease_id)
            if lease is None or lease.due_at > self._outside.now():
                return "elsewhere"
            return await self._prune(lease) if lease.state is State.ENDED else await self._end(lease)
        except LostRace:
            return "elsewhere"
        except Upstream:
            log.warning("the sweep could not deal with lease %s", lease_id, exc_info=True)
            return "remaining"
        except Exception:
            # One bad record must not keep the others waiting.
            log.exception("the sweep failed on lease %s", lease_id)
            return "remaining"

    async def _prune(self, lease: Lease) -> str:
        await self._outside.leases.remove(lease)
        return "pruned"

    async def _end(self, lease: Lease) -> str:
        cause = Cause.UNFINISHED if lease.state is State.PLANNED else Cause.EXPIRED
        async with await claim(self._outside, lease, cause) as hold:
            ended = await take_back(self._outside, hold, request_id=self._request_id, patience=self._outside.timing.sweep_undo)
        return _word(ended)


def _word(lease: Lease) -> str:
    if lease.state is State.STUCK:
        return "stuck"
    if lease.state is not State.ENDED:
        return "remaining"
    return "undone" if lease.cause in {Cause.UNFINISHED, Cause.FAILED} else "ended"
