"""Ready: how long it takes until a credential works everywhere, how often it is said to work too early, and what that costs.

``ready_columns`` compares the ways to a credential, and ``ready_idle`` looks at full pools, both in virtual time
(``ready_broker``). ``ready_claims`` and the connections here are real processes in real time.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import httpx

from local.stack import Stack
from tests.bench import ready_claims, ready_columns, ready_idle
from tests.bench.bench_stack import Scale
from tests.bench.figures import Figure, Target, percentile
from tests.bench.ready_broker import PROFILE, SEED, STORAGE

TITLE = (
    f"Ready (profile {PROFILE}, seed {SEED}). Real: the broker, its adapters, all decisions, the local Azure's replicas and "
    "judge. Simulated, but for 'claims at once' and 'new connections': time, connections, and storage, which takes "
    f"{1000 * STORAGE:.0f} ms a call"
)
_CONNECTIONS = 45
"""Sign-ins of one proof in the median."""
_SPANS = 2
_PROCESSES = 2
_FASTER = 20.0


async def measure(scale: Scale) -> list[Figure]:
    """Whatever is in virtual time first, in two processes side by side; then, alone, what is in real time."""
    loop, issues = asyncio.get_running_loop(), scale.issues
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as others:
        ways = {
            name: loop.run_in_executor(others, ready_columns.run, name, issues) for name in reversed([*ready_columns.COLUMNS])
        }
        idle = loop.run_in_executor(others, ready_idle.run, _SPANS)
        found = {name: await ways[name] for name in ready_columns.COLUMNS}
        of_idle = await idle
    return [
        Figure("leases of each way", issues, "leases"),
        *(figure for name, of_way in found.items() for figure in ready_columns.figures(name, of_way)),
        _faster(found),
        *ready_idle.figures(of_idle),
        *await ready_claims.measure(),
        *await _connections(),
    ]


def _faster(found: Mapping[str, Sequence[ready_columns.Got]]) -> Figure:
    slow, fast = (percentile([each.usable for each in found[name]], 0.5) for name in ("naive", "pool + token"))
    return Figure("naive until it works : pool + token, p50", slow / fast, "times", Target(">=", _FASTER))


async def _connections() -> list[Figure]:
    """Real sign-ins, each on a connection of its own, by a client like the worker's; they are refused, which costs as much."""
    async with Stack(hosts_wanted=0) as stack:
        described = stack.described
        url = f"{described['endpoints']['entra']}/{described['tenant_id']}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": described["tenant_id"],
            "client_secret": "x",
            "scope": "x/.default",
        }
        # Like the worker's (`shared.cloud.connections`), but for where it finds the authority.
        trusted = ssl.create_default_context(cafile=described["ca_bundle"])
        async with httpx.AsyncClient(verify=trusted, limits=httpx.Limits(max_keepalive_connections=0)) as client:
            await client.post(url, data=form, headers={"Connection": "close"})
            memory, spent, began = _resident(), time.process_time(), time.perf_counter()
            for _ in range(_CONNECTIONS):
                await client.post(url, data=form, headers={"Connection": "close"})
            cpu, taken = time.process_time() - spent, time.perf_counter() - began
    return [
        Figure(f"{_CONNECTIONS} new connections: CPU", 1000 * cpu, "ms"),
        Figure(f"{_CONNECTIONS} new connections: time", 1000 * taken, "ms"),
        Figure(f"{_CONNECTIONS} new connections: memory at most", (_resident() - memory) / 1024, "MB"),
    ]


def _resident() -> int:
    """KB at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
