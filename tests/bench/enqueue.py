"""Fan-out: leases that one and two function hosts end a second, through the queue, when Azure takes its time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.figures import Figure

TITLE = "Fan-out (every call to Azure takes a second longer)"
_ROLE = "fan-out"
_AT_ONCE = 8
_DELAY = 1.0
"""Seconds. Without it the machine's cores are the limit, which the hosts share with the local cloud and storage."""
_SLOW = ("graph", "arm")
_EVERY_FIVE_SECONDS = "*/5 * * * * *"
_MOST = 0.95
"""Share of the leases that is timed: one whose end takes a second look, minutes later, says nothing of the queue."""
_DEADLINE = 300.0
"""Seconds until a queue that is not drained is given up."""


async def measure(scale: Scale) -> list[Figure]:
    """The same leases, once with one host and once with two."""
    return [await _drained(hosts, 2 * scale.due) for hosts in (1, 2)]


async def _drained(hosts: int, due: int) -> Figure:
    async with bench_stack(hosts=hosts, sweep_schedule=_EVERY_FIVE_SECONDS) as on:
        count = await _issue(on, due)
        slow = [{"service": service, "path": ".*", "times": None, "effect": {"delay": _DELAY}} for service in _SLOW]
        await on.visitor.control("POST", "faults", slow)
        await on.admin.must("POST", f"roles/{_ROLE}/revoke")
        began = datetime.now(UTC)
        await _empty(on)
        ended = sorted(await _ends(on))
    if len(ended) != count:
        raise NotMeasuredError(f"of {count} leases {len(ended)} were told of as ended")
    most = int(_MOST * count)
    seconds = (ended[most - 1] - began).total_seconds()
    return Figure(f"{count} due at once, {hosts} host{'s' if hosts > 1 else ''}", most / seconds, "leases/s")


async def _issue(on: BenchStack, due: int) -> int:
    await on.make_role(_ROLE, 1, 0)

    async def some() -> None:
        for _ in range(due // _AT_ONCE):
            await on.issue(_ROLE)

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    return due // _AT_ONCE * _AT_ONCE


async def _empty(on: BenchStack) -> None:
    """Waits until no lease is live."""
    began = time.perf_counter()
    while left := (await on.admin.must("GET", "leases?limit=1000"))["leases"]:
        if time.perf_counter() - began > _DEADLINE:
            raise NotMeasuredError(f"after {_DEADLINE:.0f} s there are still {len(left)}")
        await asyncio.sleep(1)


async def _ends(on: BenchStack) -> list[datetime]:
    """When each lease ended, as the audit trail has it."""
    found: list[datetime] = []
    cursor = ""
    while True:
        page: dict[str, Any] = await on.admin.must("GET", f"audit?limit=1000{cursor}")
        ends = (each for each in page["events"] if (each["operation"], each["outcome"]) == ("end", "done"))
        found += [datetime.fromisoformat(each["at"]) for each in ends]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"
