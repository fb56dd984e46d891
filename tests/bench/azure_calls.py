"""Calls to Azure: how many an issue and a revocation make, and that those which may run side by side do."""

from __future__ import annotations

import statistics
import time

from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.figures import Figure, Target

TITLE = "Calls to Azure, on a warm worker (R role assignments, G groups)"
_SIZES = ((1, 0), (3, 0), (2, 2), (5, 3))
_REPEATS = 3
_SCOPES = 20
_DELAY = 0.3
_SLOW = (("arm", "/roleAssignments/"), ("graph", r"/members/"))


async def measure(scale: Scale) -> list[Figure]:  # noqa: ARG001 - it is small at any scale
    """Reads the local cloud's ledger."""
    figures: list[Figure] = []
    async with bench_stack() as on:
        for assignments, groups in _SIZES:
            name = f"r{assignments}g{groups}"
            await on.make_role(name, assignments, groups)
            size = assignments + groups
            figures += await _counted(on, name, f"R={assignments} G={groups}", 3 + size, 4 + size)
        await on.make_secret_role("secret")
        figures += await _counted(on, "secret", "application_secret", 2, 1)
        figures += await _delayed(on, "r5g3")
        figures += await _written(on)
    return figures


async def _written(on: BenchStack) -> list[Figure]:
    """A PUT of a role for twenty resource groups, with answers as slow as Azure's."""
    await on.visitor.control("PUT", "consistency", {"profile": "typical", "seed": 1})
    await on.forget_calls()
    began = time.perf_counter()
    await on.make_role("twenty", _SCOPES, 0)
    taken = time.perf_counter() - began
    asked = [call for call in await on.calls() if call["service"] in {"arm", "graph"}]
    await on.visitor.control("PUT", "consistency", {"profile": "none", "seed": 1})
    each = f"a role of {_SCOPES} scopes is written"
    return [
        Figure(f"{each}: calls", len(asked), "calls", Target("<=", 2 * _SCOPES)),
        Figure(f"{each}: time, making the groups included", taken, "s"),
    ]


async def _counted(on: BenchStack, role: str, label: str, to_issue: int, to_revoke: int) -> list[Figure]:
    await on.revoke(await on.issue(role))
    await on.forget_calls()
    lease = await on.issue(role)
    issued = len(await on.calls())
    await on.forget_calls()
    await on.revoke(lease)
    revoked = len(await on.calls())
    return [
        Figure(f"{label}: issue", issued, "calls", Target("<=", to_issue)),
        Figure(f"{label}: revoke", revoked, "calls", Target("<=", to_revoke)),
    ]


async def _delayed(on: BenchStack, role: str) -> list[Figure]:
    """What slow role assignments and memberships cost: one delay to issue; to revoke, in which they are two steps, two."""
    quick = await _timed(on, role)
    await on.visitor.control(
        "POST",
        "faults",
        [{"service": service, "path": path, "times": None, "effect": {"delay": _DELAY}} for service, path in _SLOW],
    )
    slow = await _timed(on, role)
    await on.visitor.control("DELETE", "faults")
    issue, revoke = (late - soon for late, soon in zip(slow, quick, strict=True))
    if min(issue, revoke) < _DELAY / 2:
        raise NotMeasuredError(f"no call was delayed: {quick} and {slow} s")
    each = f"R=5 G=3, each assignment and membership {_DELAY * 1000:.0f} ms slower"
    return [
        Figure(f"{each}: issue is slower by", issue, "s", Target("<", 2 * _DELAY)),
        Figure(f"{each}: revoke is slower by", revoke, "s", Target("<", 3 * _DELAY)),
    ]


async def _timed(on: BenchStack, role: str) -> tuple[float, float]:
    """Median seconds of an issue and of a revocation."""
    taken = [await _once(on, role) for _ in range(_REPEATS)]
    return statistics.median(issue for issue, _ in taken), statistics.median(revoke for _, revoke in taken)


async def _once(on: BenchStack, role: str) -> tuple[float, float]:
    began = time.perf_counter()
    lease = await on.issue(role)
    issued = time.perf_counter()
    await on.revoke(lease)
    return issued - began, time.perf_counter() - issued
