"""Revoking a role with many live leases: how soon it is answered, when the first one is gone, what issues meet meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.figures import Figure, Target, percentile
from tests.bench.processes import told_by

TITLE = "Revocation of a role with many live leases (R=1, G=0; no replication delays)"
_ROLE, _OTHER = "revoked", "beside"
_SAMPLES = 100
_LONGEST = 3_600.0
_ANSWER = 1.0
_FIRST_GONE = 5.0
_SLOWER = 1.5
"""Times by which issues may become slower meanwhile."""
_LOOK_FOR = 60.0


async def measure(scale: Scale) -> list[Figure]:
    """Issues them all, then revokes the role while a caller issues one lease after the other from another one."""
    async with bench_stack() as on:
        for name in (_ROLE, _OTHER):
            await on.make_role(name, 1, 0)
        await on.visitor.control("PUT", "limits", {"arm": {"assignments_per_subscription": 2 * scale.revoked}})
        await told_by(on, "many", _ROLE, str(scale.revoked), seconds=_LONGEST)
        before = await _issued(on)
        await on.forget_calls()
        began, clock = time.time(), time.perf_counter()
        answer = await on.admin.must("POST", f"roles/{_ROLE}/revoke")
        answered = time.perf_counter() - clock
        meanwhile = await _issued(on)
        gone = await _first_gone(on) - began
    usual = percentile(before, 0.5)
    return [
        Figure("live leases of the role", scale.revoked, "leases"),
        Figure("of which the answer tells", _told(answer), "leases"),
        Figure("answered in", answered, "s", Target("<=", _ANSWER)),
        Figure("the first assignment is gone in Azure after", gone, "s", Target("<=", _FIRST_GONE)),
        Figure("issue p50 before", usual, "ms"),
        Figure("issue p50 meanwhile", percentile(meanwhile, 0.5), "ms", Target("<=", _SLOWER * usual)),
        Figure("issue p99 before", percentile(before, 0.99), "ms"),
        Figure("issue p99 meanwhile", percentile(meanwhile, 0.99), "ms"),
    ]


def _told(answer: dict[str, Any]) -> float:
    return float(answer["revoking"] or 0)


async def _issued(on: BenchStack) -> list[float]:
    """Milliseconds of each issue, one after the other."""
    taken: list[float] = []
    for _ in range(_SAMPLES):
        began = time.perf_counter()
        await on.issue(_OTHER)
        taken.append(1000 * (time.perf_counter() - began))
    return taken


async def _first_gone(on: BenchStack) -> float:
    """POSIX seconds when the local Azure first removed an assignment."""
    give_up = time.perf_counter() + _LOOK_FOR
    while time.perf_counter() < give_up:
        for call in await on.calls():
            if (call["service"], call["method"], call["status"]) == ("arm", "DELETE", 200):
                return float(call["at"])
        await asyncio.sleep(1)
    raise NotMeasuredError(f"no assignment was removed within {_LOOK_FOR:.0f} s")
