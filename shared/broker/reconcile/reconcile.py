"""Reconciling Azure with the leases: orphans are removed, leases whose objects somebody else deleted are ended."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.broker.configure.events import tell_pending
from shared.broker.counting import count_all
from shared.broker.ending.undo import claim, undo
from shared.broker.events.lost import look_at_subjects
from shared.broker.holder_resources import note_all
from shared.broker.pool.tampering import end_touched
from shared.broker.ports import Actor, Ports
from shared.broker.reconcile.definitions import read_again
from shared.broker.reconcile.drift import LEASE, Drift, Orphan, Touched, find_drift
from shared.broker.reconcile.scopes import has_lost_a_scope, look_for_scopes
from shared.broker.reconcile.stored_roles import to_look_at
from shared.broker.reconcile.watched import look_again
from shared.core.audit import AuditEvent, Outcome
from shared.core.caller import Caller
from shared.core.delivery import kept_because
from shared.core.errors import LostRace, Upstream
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId
from shared.resilience.priority import in_background
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

_OPERATION = "reconcile"
_AT_ONCE = 4
"""Things worked on side by side. Issues and the sweep come first: Graph limits writes per application."""
_ALIGNED = 5000
"""Leases whose rows one run brings into today's form; the next one goes on."""
_SECONDS = 100.0
"""After that nothing further is taken up; the next run goes on. With the minute for finding, and another for the last, a run is
over before the platform ends an HTTP request, after 230 s."""


class Result(StrEnum):
    """What became of something that was found."""

    WOULD_REMOVE = "would_remove"
    WOULD_END = "would_end"
    REMOVED = "removed"
    ENDED = "ended"
    """A lease that had nothing left to stand on; or one that is ending, where Azure is slow."""
    FAILED = "failed"
    LEFT = "left"
    """For the next run: time is up, or another worker has moved the lease."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, in Azure's own ids, and what became of it."""

    type: str
    lease: LeaseId
    name: str
    result: Result
    error: str = ""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One run. ``unread`` are places that could not be read this time."""

    findings: tuple[Finding, ...]
    unread: tuple[str, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """Findings by their results, and places not read."""
        found = Counter(str(each.result) for each in self.findings)
        counted = (Result.REMOVED, Result.ENDED, Result.FAILED, Result.LEFT)
        return {result.value: found[result] for result in counted} | {"unread": len(self.unread)}


async def reconcile(ports: Ports, request_id: str, *, actor: Actor | None = None, dry_run: bool = False) -> Reconciliation:
    """One run; a dry one only reads. Two at once do no harm. Without ``actor`` it is the timer's.

    Raises ``Upstream`` when storage, or what the broker owns, cannot be read at all.
    """
    with in_background():
        return await _reconcile(ports, request_id, actor.caller if actor else None, dry_run=dry_run)


async def _reconcile(ports: Ports, request_id: str, caller: Caller | None, *, dry_run: bool) -> Reconciliation:
    if not dry_run:
        await ports.leases.align(_ALIGNED)
        await ports.leases.forget_keys(ports.now())
        await tell_pending(ports)
    drift = await find_drift(ports)
    if dry_run:
        done = Reconciliation(tuple(_would(drift)), tuple(drift.unread))
        await ports.audit.record(_event(ports, request_id, caller, reason=f"dry run: {len(done.findings)} found"))
        return done
    await count_all(ports, drift.unreadable)
    # Each of the two notes something in roles of its own type alone.
    roles = await to_look_at(ports)
    await read_again(ports, request_id, roles, drift.unread)
    await look_again(ports, request_id, roles, drift.unread)
    if any(has_lost_a_scope(ports, each) for each in roles):
        lost = [each for each in await to_look_at(ports) if has_lost_a_scope(ports, each)]
        await look_for_scopes(ports, request_id, lost, drift.unread)
    done = Reconciliation(await _Round(ports, request_id, caller, drift).run(), tuple(drift.unread))
    await note_all(ports)
    await look_at_subjects(ports, request_id)
    counts = ", ".join(f"{name} {count}" for name, count in done.counts.items())
    await ports.run_history.reconciled(ports.now(), done.counts)
    await ports.audit.record(_event(ports, request_id, caller, reason=counts))
    return done


def _would(drift: Drift) -> Iterator[Finding]:
    for orphan in drift.orphans:
        yield Finding(orphan.type, orphan.lease, orphan.name, Result.WOULD_REMOVE)
    for lease in (*drift.vanished, *(each.lease for each in drift.touched)):
        yield Finding(LEASE, lease.id, lease.id, Result.WOULD_END)


type _Item = Orphan | Lease | Touched


class _Round:
    """What one run has found, worked on by a few hands."""

    def __init__(self, ports: Ports, request_id: str, caller: Caller | None, drift: Drift) -> None:
        self._ports = ports
        self._request_id = request_id
        self._caller = caller
        self._work: Iterator[_Item] = iter([*drift.orphans, *drift.vanished, *drift.touched])
        self._findings: list[Finding] = []
        self._stop_at = ports.within(_SECONDS)

    async def run(self) -> tuple[Finding, ...]:
        await all_of(*(self._hand() for _ in range(_AT_ONCE)))
        return tuple(self._findings)

    async def _hand(self) -> None:
        for item in self._work:
            if self._ports.clock.monotonic() >= self._stop_at:
                self._findings.append(_finding(item, Result.LEFT))
                continue
            self._findings.append(await self._deal_with(item))

    async def _deal_with(self, item: _Item) -> Finding:
        try:
            match item:
                case Orphan():
                    result = await self._remove(item)
                case Touched():
                    ended = await end_touched(self._ports, self._request_id, item.lease, item.trouble)
                    result = Result.ENDED if ended is not None and ended.state is State.ENDED else Result.LEFT
                case _:
                    result = await self._end(item)
            return _finding(item, result)
        except LostRace:
            return _finding(item, Result.LEFT)
        except Upstream as failure:
            log.warning("reconciliation %s: %s: %s", self._request_id, _finding(item, Result.FAILED).name, failure)
            return _finding(item, Result.FAILED, failure.brief())

    async def _remove(self, orphan: Orphan) -> Result:
        # Told before it is done: a death in between tells it twice rather than never.
        await self._tell(orphan)
        try:
            still_there = await self._undo(orphan)
        except Upstream as failure:
            await self._tell(orphan, failure)
            raise
        if still_there:
            await self._tell(orphan, code=still_there)
        return Result.REMOVED

    async def _undo(self, orphan: Orphan) -> str:
        """Returns why a vault keeps what was deleted; empty if nothing is kept."""
        deadline = self._ports.within(self._ports.timing.sweep_undo)
        issuer, footprint = self._ports.kinds.part_of(orphan.footprint).issuer, orphan.footprint
        if orphan.is_whole:
            footprint = await issuer.locate(footprint, fresh=False, deadline=deadline)
        noted: list[object] = []
        await issuer.undo(footprint, fresh=False, deadline=deadline, note=noted.append)
        return kept_because(noted[-1:])

    async def _end(self, lease: Lease) -> Result:
        async with await claim(self._ports, lease, Cause.VANISHED) as lock:
            within = self._ports.timing.sweep_undo
            ended = await undo(self._ports, lock, request_id=self._request_id, within=within)
        return Result.ENDED if ended.state is State.ENDED else Result.LEFT

    async def _tell(self, orphan: Orphan, failure: Upstream | None = None, code: str = "") -> None:
        message = f"{orphan.type} {orphan.name}"
        event = _event(self._ports, self._request_id, self._caller, reason=message, lease=orphan.lease, failure=failure)
        await self._ports.audit.record(replace(event, code=code or event.code))


def _finding(item: _Item, result: Result, error: str = "") -> Finding:
    if isinstance(item, Orphan):
        return Finding(item.type, item.lease, item.name, result, error)
    lease = item.lease if isinstance(item, Touched) else item
    return Finding(LEASE, lease.id, lease.id, result, error)


def _event(
    ports: Ports,
    request_id: str,
    caller: Caller | None,
    *,
    reason: str,
    lease: LeaseId | None = None,
    failure: Upstream | None = None,
) -> AuditEvent:
    return AuditEvent(
        at=ports.now(),
        operation=_OPERATION,
        outcome=Outcome.FAILED if failure else Outcome.DONE,
        request_id=request_id,
        code=failure.stable_code if failure else "",
        reason=f"{reason}: {failure.brief()}" if failure else reason,
        caller=caller,
        role=lease.role if lease else "",
        lease=lease or "",
    )
