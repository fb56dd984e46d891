"""What a soak has shown: the leases as they are stored at the end, beside what is in Azure and what the clients saw."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId
from shared.core.ports.leases import LeaseQuery, Leases
from shared.wiring.root import Composition
from tests.bench.figures import percentile
from tests.soak.seen import NO_ANSWER, Seen
from tests.soak.soak_stack import FLUSHED, SoakStack

_PROBLEMS = Path(__file__).resolve().parents[2] / "docs" / "problems.md"
_FAULTY = (429, 500, 503, 409, "dropped")
_VERBS = ("issue", "repeat", "read", "renew", "revoke", "list")


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that a soak is judged by. ``live`` are leases that had not ended when it was time."""

    seen: Seen
    states: Counter[State]
    orphans: list[str]
    early: list[str]
    undocumented: Counter[str]
    live: list[str]
    calls: Counter[bool]
    """Those to Azure that the local cloud still remembers: whether each met a fault."""

    @property
    def good(self) -> bool:
        """Whether every promise was kept, and enough happened to say so."""
        broken = self.orphans or self.early or self.undocumented or self.live or self.states[State.STUCK]
        happened = self.seen.given and self.seen.kills and self.calls[True]
        return bool(happened) and not broken

    def lines(self) -> Iterator[str]:
        """As it is printed."""
        seen = self.seen
        yield f"issued    {len(seen.given)} (recorded: {self.states.total()}, hosts killed: {seen.kills})"
        yield f"ended     {self.states[State.ENDED]}"
        yield f"stuck     {self.states[State.STUCK]}"
        yield from _told("not ended", self.live)
        yield from _told("orphans", self.orphans)
        yield from _told("early ends", self.early)
        yield from _told("undocumented problem codes", [f"{code!r} ({count})" for code, count in self.undocumented.items()])
        yield f"faults met: {self.calls[True]} of the last {self.calls.total():,} calls to Azure"
        yield f"sweeps on demand: {dict(seen.sweeps)}"
        yield f"problems: {dict(seen.codes.most_common())}"
        yield ""
        for verb, counted in itertools.groupby(sorted(seen.statuses.items()), key=lambda each: each[0][0]):
            result = ", ".join(f"{_status(status)}: {count}" for (_, status), count in counted)
            yield f"{verb:<12}{result}"
        yield ""
        for verb in _VERBS:
            if taken := seen.latencies.get(verb):
                yield f"{verb:<12}p50 {percentile(taken, 0.5):,.0f} ms, p99 {percentile(taken, 0.99):,.0f} ms"


async def judged(soak_stack: SoakStack, before: dict[str, set[str]], *, wants_all_ended: bool) -> Verdict:
    """Compares everything. ``before`` is what was in the cloud at the start."""
    leases, seen = await stored(soak_stack), soak_stack.seen
    live = [str(each.id) for each in leases.values() if each.state is not State.ENDED]
    return Verdict(
        seen,
        Counter(each.state for each in leases.values()),
        await orphans(soak_stack, before),
        seen.early + list(_early(seen, leases)),
        Counter({code: count for code, count in seen.codes.items() if code not in documented()}),
        live if wants_all_ended else [],
        Counter(call["status"] in _FAULTY for call in await soak_stack.visitor.control("GET", "calls")),
    )


async def orphans(soak_stack: SoakStack, before: dict[str, set[str]]) -> list[str]:
    """What is in the cloud and was not at the start. Whoever asks has seen to it that no lease may still hold something."""
    now = await soak_stack.objects()
    return [f"{kind}: {name}" for kind, names in now.items() for name in sorted(names - before[kind])]


async def stored(soak_stack: SoakStack) -> dict[str, Lease]:
    """Every lease as its record stands, by id. Read past the API, which does not tell when a lease ended, and why."""
    composition = Composition(soak_stack.stack.environment())
    async with composition.storage.tables:
        return {each.id: each async for each in _all(composition.ports.leases)}


async def _all(leases: Leases) -> AsyncIterator[Lease]:
    query = LeaseQuery(limit=200)
    while True:
        page = await leases.list(query)
        for found in await asyncio.gather(*(leases.get(each.id) for each in page.items)):
            if found is not None:
                yield found
        if page.cursor is None:
            return
        query = replace(query, cursor=LeaseId(page.cursor))


def _early(seen: Seen, leases: dict[str, Lease]) -> Iterator[str]:
    """Leases that ended before their time though nobody had asked for it, or that a holder was given and nobody knows of."""
    for lease_id in seen.given.keys() - leases.keys():
        yield f"{lease_id} was given to a holder and has no record"
    for lease in leases.values():
        if fault := _fault(seen, lease):
            yield f"{lease.id} {fault}"


def _fault(seen: Seen, lease: Lease) -> str:
    held = seen.given.get(lease.id)
    if lease.cause in {Cause.FAILED, Cause.UNFINISHED} and held is not None:
        return f"was given to a holder and taken back: {lease.cause}"
    if lease.cause is Cause.TAMPERED:
        return "was touched by somebody else, and there is nobody else"
    if lease.cause is Cause.REVOKED and lease.id.role != FLUSHED and lease.id not in seen.asked_back:
        return "was revoked, and nobody has asked for it"
    end = max(lease.expires_at, held.expires_at) if held else lease.expires_at
    if lease.cause is Cause.EXPIRED and lease.ended_at is not None and lease.ended_at < end:
        return f"expired at {lease.ended_at}, before {end}"
    return ""


def documented() -> set[str]:
    """The problem codes that there are."""
    return set(re.findall(r"^## (\w+)$", _PROBLEMS.read_text(encoding="utf-8"), re.MULTILINE))


def _told(what: str, found: list[str]) -> Iterator[str]:
    yield f"{what}: {len(found)}"
    yield from (f"    {each}" for each in found[:20])


def _status(status: int) -> str:
    return "no answer" if status == NO_ANSWER else str(status)
