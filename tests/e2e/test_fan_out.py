"""Hundreds of leases that end at once, through the queue, over two function hosts on one store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from local import up
from local.host.process import FunctionHost
from local.stack import Stack
from tests.e2e.conftest import HOLD, SETTLE, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANY, FEWER = 200, 100
EVERY_THREE_SECONDS = "*/3 * * * * *"
TAKEN = "ended="
"""What a host writes for each message, and its timer for each sweep."""


@pytest_asyncio.fixture(loop_scope="session")
async def pair() -> AsyncIterator[Deployment]:
    """Two hosts with the sample configuration; both of their timers sweep."""
    settings = {
        "LEASEHOLD_HOLD_SECONDS": str(HOLD),
        "LEASEHOLD_SETTLE_SECONDS": str(SETTLE),
        "LEASEHOLD_ISSUES_PER_MINUTE": "0",
    }
    async with (
        Stack(settings=settings, hosts_wanted=2, sweep_schedule=EVERY_THREE_SECONDS) as stack,
        stack.visitor() as visitor,
    ):
        await up.configure(stack)
        yield Deployment(stack, visitor)


async def issue(deployment: Deployment, count: int) -> None:
    """So many leases, some at a time."""
    web = await deployment.broker("vm-web")

    async def some() -> None:
        for _ in range(count // 10):
            await web.must("POST", "roles/app-reader/leases", {})

    await asyncio.gather(*(some() for _ in range(10)))


async def live(deployment: Deployment) -> dict[str, int]:
    """How many leases have not ended, by state."""
    listed: dict[str, Any] = await (await deployment.broker("admin")).must("GET", "leases?limit=1000")
    return Counter(each["state"] for each in listed["leases"])


async def drained(deployment: Deployment, seconds: float) -> None:
    """Waits until every lease has ended; fails when some have not in time."""
    async with asyncio.timeout(seconds):
        while await live(deployment):  # noqa: ASYNC110 - what is awaited happens in other processes
            await asyncio.sleep(0.5)


def batches(lines: list[str]) -> list[str]:
    """The ids of the messages whose leases a host says it has dealt with."""
    return [line.partition("batch ")[2].split()[0] for line in lines if "batch " in line and TAKEN in line]


async def first_at_it(hosts: list[FunctionHost]) -> FunctionHost:
    """The host that deals with a message first. With few messages it may take all of them."""
    waits = {asyncio.create_task(host.child.lines_with("batch ", within=30)): host for host in hosts}
    done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in others:
        each.cancel()
    first = done.pop()
    await first
    return waits[first]


async def test_a_role_of_hundreds_is_drained_by_both_hosts(pair: Deployment) -> None:
    """Each takes its share of the messages; nothing is left, and every lease is told of once."""
    before = await pair.objects()
    await issue(pair, MANY)
    admin = await pair.broker("admin")
    revoked = await admin.must("POST", "roles/app-reader/revoke")
    assert revoked["revoking"] == MANY
    await drained(pair, 90)
    assert await pair.objects() == before
    shares = [batches(host.output) for host in pair.stack.hosts]
    assert all(shares), [len(share) for share in shares]
    ended = [each for each in await events(pair) if (each["operation"], each["outcome"]) == ("end", "done")]
    assert MANY == len(ended) == len({each["lease"] for each in ended})


async def test_a_host_that_is_killed_at_it_delays_its_share_and_loses_nothing(pair: Deployment) -> None:
    """What it had taken is due again when its holds have lapsed; no message's ten hidden minutes are waited for."""
    before = await pair.objects()
    await issue(pair, FEWER)
    await (await pair.broker("admin")).must("POST", "roles/app-reader/revoke")
    busy = await first_at_it(pair.stack.hosts)
    pair.stack.hosts.sort(key=lambda host: host is busy)  # callers go to the first one
    await busy.kill9()
    await drained(pair, 90)
    assert await pair.objects() == before


async def events(deployment: Deployment) -> list[dict[str, Any]]:
    """The whole audit trail."""
    admin = await deployment.broker("admin")
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await admin.must("GET", f"audit?limit=1000{cursor}")
        found += page["events"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"
