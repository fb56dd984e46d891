"""Who may have what, over HTTP: what verifying and deciding cost, a cold worker, and whether times tell what answers do not."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from shared.cloud.storage.access_table import AUTH_ROLES, POLICIES, TableAccess
from shared.cloud.storage.table_operations import create
from shared.cloud.storage.tables import Table, chunked
from shared.core.access.configuration import Stored
from shared.core.names import LeaseId, RoleName
from shared.wiring.root import Composition
from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.deciding import documents
from tests.bench.figures import Figure, Target, percentile
from tests.bench.processes import told_by

_EACH = 5_000
"""Auth roles, and policies: ten thousand documents."""
_TOGETHER = 100
"""Rows a transaction: as many as Table Storage takes."""
_AT_ONCE = 8
_SAMPLES = 200
_SHUFFLES = 2_000
_JUDGED = 1_000
_WORKERS = 2
_CALLERS = 16
_FOR = 5.0
_SLOWEST = 120.0
_ONE = {"bound_subscription_ids": ["00000000-0000-0000-0000-000000000001"], "bound_resource_groups": ["group-of-one"]}
_ROLE, _FORBIDDEN = "access", "access-of-others"


async def measure(scale: Scale) -> list[Figure]:
    """Two workers; then one with hardly a document, beside one with ten thousand."""
    async with bench_stack(hosts=_WORKERS) as on:
        rate = await _rate(on)
    async with bench_stack() as small, bench_stack() as on:
        await small.make_role(_ROLE, 1, 0)
        alike = [*await _forbidden(small), *await _not_found(small)]
        (none,) = await _cold(scale, small)
        await small.admin.must("PUT", "auth-roles/one", _ONE)
        await _furnish(on)
        few, many = await _cold(scale, small, on)
        judged: list[float] = await told_by(on, "judging", str(_JUDGED), seconds=_SLOWEST)
        looked_up = await _looked_up(on)
    return [
        Figure("verify with a cached key and decide, CPU, p50", percentile(judged, 0.5), "ms", Target("<=", 1)),
        Figure("verify with a cached key and decide, CPU, p99", percentile(judged, 0.99), "ms"),
        Figure(f"whoami, {_WORKERS} workers, {_CALLERS} callers at once", rate, "requests/s"),
        Figure("first request of a cold worker, no document", none.first, "ms"),
        Figure("first request of a cold worker, one document, for which the directory is asked", few.first, "ms"),
        Figure(f"first request of a cold worker, {2 * _EACH:,} documents", many.first, "ms"),
        Figure(f"{2 * _EACH:,} documents cost more than one by", many.first - few.first, "ms", Target("<=", 300)),
        Figure("the same for the worker that reads and packs them", many.longest - few.longest, "ms"),
        Figure(f"{2 * _EACH:,} documents cost more than one by: CPU of the worker", many.cpu - few.cpu, "ms"),
        Figure(f"{2 * _EACH:,} documents cost more than one by: memory", many.resident - few.resident, "MB", Target("<=", 30)),
        Figure("calls to Graph of 20 requests by a caller to look up", looked_up, "calls", Target("=", 1)),
        *alike,
    ]


async def _rate(on: BenchStack) -> float:
    """Requests a second, from this process, which takes its part of the processors."""
    urls = itertools.cycle([host.url for host in on.stack.hosts])
    headers = {"authorization": f"Bearer {on.web.token}"}
    counted = 0

    async def ask_on(url: str, until: float) -> None:
        nonlocal counted
        async with httpx.AsyncClient(headers=headers) as client:
            while time.perf_counter() < until:
                (await client.get(f"{url}/api/v1/whoami")).raise_for_status()
                counted += 1

    began = 0.0
    for seconds in (1.0, _FOR):
        counted, began = 0, time.perf_counter()
        await asyncio.gather(*(ask_on(next(urls), began + seconds) for _ in range(_CALLERS)))
    return counted / (time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class _Cold:
    """Medians of fresh workers."""

    first: float
    """Milliseconds of the first request."""
    longest: float
    """The same of the worker that was the first to read these documents: it packs them for the others."""
    resident: float
    """Megabytes after it."""
    cpu: float
    """Milliseconds of the worker's process from its start to its answer, in steps of ten."""


async def _cold(scale: Scale, *stacks: BenchStack) -> list[_Cold]:
    """Starts a fresh worker on each of the stacks in turn: noise comes upon all of them alike."""
    found: list[list[tuple[float, float, float]]] = [[] for _ in stacks]
    for _ in range(scale.starts + 1):
        for on, samples in zip(stacks, found, strict=True):
            await on.stack.hosts[0].stop()
            await on.stack.hosts[0].start()
            began = time.perf_counter()
            await on.web.must("GET", "whoami")
            taken = (time.perf_counter() - began) * 1000
            samples.append((taken, await on.resident(), _cpu_of(on.stack.hosts[0].pid)))
    # The first of them compiles what is not compiled yet.
    return [_middle(samples) for samples in found]


def _middle(samples: Sequence[tuple[float, float, float]]) -> _Cold:
    first, resident, cpu = (median(column) for column in zip(*samples[1:], strict=True))
    return _Cold(first, samples[0][0], resident, cpu)


def _cpu_of(pid: int) -> float:
    """Returns the milliseconds that a process has used; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) * 1000 / os.sysconf("SC_CLK_TCK")


async def _furnish(on: BenchStack) -> None:
    """Puts the documents there as the stores would have left them, and changes the version."""
    composition = Composition(on.stack.environment())
    async with composition.storage.tables:
        table = Table(composition.storage.tables, "roles")
        rows = [row for of, stored in zip((AUTH_ROLES, POLICIES), documents(_EACH), strict=True) for row in _rows(of, stored)]
        portions = itertools.batched(rows, _TOGETHER, strict=False)

        async def write_some() -> None:
            for some in portions:
                await table.write([create(row) for row in some])

        await asyncio.gather(*(write_some() for _ in range(_AT_ONCE)))
        await TableAccess(composition.storage.tables).touch()


def _rows(of: Any, stored: Mapping[str, Stored]) -> Iterator[dict[str, Any]]:
    for name, each in stored.items():
        yield {**of.key(name), **of.form.stamp, "Write": "", **chunked("Document", each.text)}


async def _looked_up(on: BenchStack) -> float:
    """How often Graph is asked who the caller is, while a fresh worker answers 20 requests of a managed identity."""
    await on.stack.hosts[0].stop()
    await on.stack.hosts[0].start()
    await on.forget_calls()
    for _ in range(20):
        await on.web.must("GET", "whoami")
    return float(sum(call["service"] == "graph" for call in await on.calls()))


async def _forbidden(on: BenchStack) -> list[Figure]:
    """An unknown role, and one that the caller may not use."""
    await on.admin.must("PUT", f"roles/{_FORBIDDEN}", await _unbound(on))
    unknown, forbidden = (_asking(on, "POST", f"roles/{name}/leases", 403) for name in ("access-of-nobody", _FORBIDDEN))
    return await _compared("403: an unknown role", unknown, "a forbidden one", forbidden)


async def _unbound(on: BenchStack) -> dict[str, Any]:
    document = await on.admin.must("GET", f"roles/{_ROLE}")
    return {name: value for name, value in document.items() if name not in {"name", "bound_service_principal_ids"}}


async def _not_found(on: BenchStack) -> list[Figure]:
    """A lease that is not there, and one that another caller holds."""
    lease = await on.issue(_ROLE)
    nobody = LeaseId.of(RoleName(_ROLE), f"{lease.partition('.')[2][:-4]}zzzz")
    stranger = await on.visitor.token("stranger", on.stack.described["audience"])
    unknown, others = (_asking(on, "GET", f"leases/{each}", 404, stranger) for each in (nobody, lease))
    return await _compared("404: an unknown lease", unknown, "another's", others)


def _asking(on: BenchStack, method: str, path: str, status: int, token: str = "") -> Callable[[], Awaitable[float]]:
    headers = {"authorization": f"Bearer {token or on.web.token}"}

    async def ask() -> float:
        began = time.perf_counter()
        answer = await on.visitor.http.request(method, f"{on.stack.url}/api/v1/{path}", headers=headers)
        taken = (time.perf_counter() - began) * 1000
        if answer.status_code != status:
            raise NotMeasuredError(f"{method} {path}: {answer.status_code} {answer.text}")
        return taken

    return ask


async def _compared(
    one_name: str, one: Callable[[], Awaitable[float]], other_name: str, other: Callable[[], Awaitable[float]]
) -> list[Figure]:
    """Asks for one and the other by turns, in a random order, and says how probable such a difference is by chance alone."""
    chance = random.Random(12)
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(2 * _WORKERS + _SAMPLES):
        for which in chance.sample((0, 1), 2):
            taken = await (one, other)[which]()
            if number >= 2 * _WORKERS:
                found[which].append(taken)
    return [
        Figure(f"{one_name}, p50 of {_SAMPLES}", median(found[0]), "ms"),
        Figure(f"{one_name.partition(':')[0]}: {other_name}, p50 of {_SAMPLES}", median(found[1]), "ms"),
        Figure("so great a difference by chance alone", 100 * permutation(*found, chance), "%", Target(">=", 1)),
    ]


def permutation(one: list[float], other: list[float], chance: random.Random) -> float:
    """Returns the share of random divisions of all samples whose medians differ at least as much."""
    pool, seen = [*one, *other], abs(median(one) - median(other))
    as_great = 0
    for _ in range(_SHUFFLES):
        chance.shuffle(pool)
        as_great += abs(median(pool[: len(one)]) - median(pool[len(one) :])) >= seen
    return (as_great + 1) / (_SHUFFLES + 1)
