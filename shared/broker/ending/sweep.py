"""The sweep: looks at every lease that is due, and at no other.

Due are: active leases past their end, those that their role's generation has overtaken, leases whose worker died while making
or ending them, leases that nobody has collected or claimed from a pool in time, failed attempts to end one whose pause is over,
and ended ones past their retention. A lease for which nobody waits is not ended while there is time to prepare it: its message
is sent again. An active lease may be due before its end: an event tells of it, or its successor is asked for. Events that are
due are published beside all that.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.broker.ending.due import Ages, all_due, overdue
from shared.broker.ending.enqueue import FEW, enqueue, not_queued
from shared.broker.ending.resume import probe_outage
from shared.broker.ending.undo import claim, undo
from shared.broker.events.seeking import seek_successor, tell_missing_successor
from shared.broker.issue.preparations import queue_again
from shared.broker.pool.making import tell_failed
from shared.broker.ports import Ports
from shared.broker.telling.publish import publish_due
from shared.broker.upkeep import keep_up
from shared.core.errors import LostRace, Unreachable, Unreadable, Upstream
from shared.core.lease import NOT_PROVEN, Cause, Lease, State
from shared.core.message import Batch
from shared.core.names import LeaseId
from shared.core.ports.outbox import WaitingEvent
from shared.resilience.priority import in_background
from shared.resilience.tasks import all_of, both

log = logging.getLogger(__name__)

_AT_ONCE = 16
"""Leases worked on side by side. Each makes several calls at once in turn; Graph limits writes per application."""
_APART = 0.1
"""Seconds between the beginnings of two: several times what one keeps the processor for, which callers need as well. Sixteen
in 1.6 s are still more than Graph's limit lets end."""
_TOLD = 100
"""Overdue leases that are noted."""
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


async def sweep(ports: Ports, request_id: str) -> Summary:
    """One sweep, here and now; what it does not get to in its time is left to the queue.

    Two at once do no harm. Raises ``Upstream`` only when the store cannot be read at all.
    """
    due = await all_due(ports, _AT_MOST)
    work = _Round(ports, request_id, due.leases, seconds=ports.timing.asked_sweep)
    results = await _with_a_look(ports, request_id, work, due.events)
    if work.left:
        await enqueue(ports, await not_queued(ports, work.left))
    return await _noted(ports, _summary(results), due.leases)


async def sweep_on_time(ports: Ports, request_id: str, *, few: int = FEW) -> Summary:
    """The timer's sweep: ends a few itself, and leaves more to the queue. Raises as ``sweep``."""
    found = await all_due(ports, _AT_MOST)
    due = mine = found.leases
    if len(due) > few:
        fresh = await not_queued(ports, due)
        mine = fresh if len(fresh) <= few else await enqueue(ports, fresh)
        # What has waited since an earlier sweep may wait for nobody: a few of those are ended here each time.
        waited = sorted(set(due).difference(fresh))
        mine = [*mine, *waited[: max(0, few - len(mine))]]
    work = _Round(ports, request_id, mine, seconds=ports.timing.sweep)
    results = await _with_a_look(ports, request_id, work, found.events)
    results["remaining"] += len(due) - len(mine)
    return await _noted(ports, _summary(results), due)


async def _with_a_look(ports: Ports, request_id: str, work: _Round, events: Sequence[WaitingEvent]) -> Counter[str]:
    """The round's results. Beside it what waits for Azure to answer is given a chance to go on, and events are published."""
    rest = both(probe_outage(ports, request_id), publish_due(ports, request_id, events))
    words, (looked, _) = await both(work.run(), rest)
    return Counter([*words, *([_word(looked)] if looked else [])])


async def end_due(ports: Ports, request_id: str, batch: Batch) -> Summary:
    """Ends those of a message's leases that are due; the others are somebody else's, or have ended.

    A lease that fails is due again later by itself. Raises ``Upstream`` only when nothing could be done at all.
    """
    # From here on each lease's own hold says that it is being worked on: if this worker dies, the next sweep takes it up.
    await ports.queued_markers.forget(batch.id)
    results = Counter(await _Round(ports, request_id, batch.leases, seconds=ports.timing.sweep).run())
    if results["unread"] == len(batch.leases):
        raise Unreachable("no lease of the batch could be read")
    return _summary(results)


async def end_here(ports: Ports, request_id: str, due: Sequence[LeaseId]) -> Summary:
    """Ends those of the leases that are due, here and now. Raises nothing: what fails is due again later."""
    return _summary(Counter(await _Round(ports, request_id, due, seconds=ports.timing.sweep).run()))


def _summary(results: Counter[str]) -> Summary:
    return Summary(
        ended=results["ended"],
        undone=results["undone"],
        stuck=results["stuck"],
        remaining=results["remaining"] + results["unread"],
        pruned=results["pruned"],
    )


async def _noted(ports: Ports, summary: Summary, due: Sequence[LeaseId]) -> Summary:
    await ports.run_history.swept(
        ports.now(),
        {"ended": summary.ended, "undone": summary.undone, "stuck": summary.stuck, "remaining": summary.remaining},
        await overdue(ports, _TOLD) if due else (),
    )
    return summary


class _Round:
    """The leases of one sweep, worked on by a few hands. After so many ``seconds`` none is taken up any more."""

    def __init__(self, ports: Ports, request_id: str, due: Sequence[LeaseId], *, seconds: float) -> None:
        self.left: list[LeaseId] = []
        self._ports = ports
        self._request_id = request_id
        self._hands = min(_AT_ONCE, len(due))
        self._due = iter(due)
        self._results: list[str] = []
        self._ages = Ages(ports)
        self._stop_at = ports.within(seconds)

    async def run(self) -> list[str]:
        """One word for each lease that was this round's to look at."""
        with in_background():
            await all_of(*(self._hand(number * _APART) for number in range(self._hands)))
        return self._results

    async def _hand(self, pause: float) -> None:
        if pause:
            await self._ports.clock.sleep(pause)
        for lease_id in self._due:
            if self._ports.clock.monotonic() >= self._stop_at:
                self._results.append("remaining")
                self.left.append(lease_id)
                continue
            if word := await self._look_at(lease_id):
                self._results.append(word)

    async def _look_at(self, lease_id: LeaseId) -> str | None:
        """``None`` for what is somebody else's by now, or not due."""
        try:
            lease = await self._ports.leases.get(lease_id)
        except Upstream:
            log.warning("the sweep could not read lease %s", lease_id, exc_info=True)
            return "unread"
        except Unreadable as unreadable:
            # One bad record must not keep the others waiting. It stays due, and ``status`` tells of it.
            log.error("%s", unreadable)  # noqa: TRY400 - its frames say no more
            return "remaining"
        except Exception:
            log.exception("the sweep cannot read lease %s", lease_id)
            return "remaining"
        return await self._deal_with(lease) if lease is not None else None

    async def _deal_with(self, lease: Lease) -> str | None:
        try:
            revoked = await self._ages.overtakes(lease)
            if not revoked and await self._lives_on(lease):
                return None
            return (
                await self._prune(lease)
                if lease.state is State.ENDED
                else await self._end(lease, cause_of(lease, revoked=revoked), role_revoked=revoked)
            )
        except LostRace:
            return None
        except Upstream:
            log.warning("the sweep could not deal with lease %s", lease.id, exc_info=True)
            return "remaining"
        except Exception:
            log.exception("the sweep failed on lease %s", lease.id)
            return "remaining"

    async def _lives_on(self, lease: Lease) -> bool:
        """Returns whether the lease is not to end, or to be forgotten. Does what else it is due for."""
        now = self._ports.now()
        if lease.due_at > now:
            return True
        if lease.lasts(now):
            await self._attend_to(lease)
            return True
        if lease.is_to_prepare(now):
            # Its message was lost, or its worker has died.
            await queue_again(self._ports, lease)
            return True
        return False

    async def _attend_to(self, lease: Lease) -> None:
        """Does what an active lease is due for before its end."""
        now = self._ports.now()
        if lease.is_to_be_told(now):
            lease = await self._ports.leases.swap(lease.end_told(), former=lease)
        if lease.seeks_successor(now):
            lease = await seek_successor(self._ports, lease)
        if lease.due_at <= now:
            await keep_up(self._ports, lease)

    async def _prune(self, lease: Lease) -> str:
        # First: the lease's record is what tells whom it has made.
        if made := self._ports.kinds.principals(lease):
            await self._ports.leased.forget(made)
        await self._ports.leases.remove(lease)
        return "pruned"

    async def _end(self, lease: Lease, cause: Cause, *, role_revoked: bool) -> str:
        if lease.is_for_pool and cause is Cause.UNFINISHED:
            await tell_failed(self._ports, lease.id.role, NOT_PROVEN)
        await tell_missing_successor(self._ports, self._request_id, lease, cause)
        async with await claim(self._ports, lease, cause, role_revoked=role_revoked) as lock:
            ended = await undo(self._ports, lock, request_id=self._request_id, within=self._ports.timing.sweep_undo)
        return _word(ended)


_CAUSES = {State.PLANNED: Cause.UNFINISHED, State.POOLED: Cause.DRAINED, State.PREPARED: Cause.UNCOLLECTED}
"""Why a lease ends that has stayed in a state for too long."""


def cause_of(lease: Lease, *, revoked: bool) -> Cause:
    """Why a lease that is due ends, unless it is ending already. ``revoked``: its role's generation has overtaken it."""
    return Cause.REVOKED if revoked else _CAUSES.get(lease.state, Cause.EXPIRED)


def _word(lease: Lease) -> str:
    if lease.state is State.STUCK:
        return "stuck"
    if lease.state is not State.ENDED:
        return "remaining"
    return "undone" if lease.cause in {Cause.UNFINISHED, Cause.FAILED} else "ended"
