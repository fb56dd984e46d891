"""A crowd at one existing application, over two function hosts on one store: nobody is refused, and nothing stays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from local import up
from local.stack import Stack
from local.visitor import Broker
from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")

CROWD = 50
SPEED = 5
"""By which every delay of the profile is divided."""
BUSY = 0.05
"""Seconds after a change of the application in which Graph refuses another, whatever the speed."""
VIOLATIONS = 20
"""Changes of others, beside the broker: so many calls meet one of them."""
LONGEST = 60.0
"""Seconds. Far below the 180 that an issue has: nobody is starved."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """Two hosts, and no timer in between."""
    async with Stack(hosts_wanted=2, sweep_schedule="0 0 0 1 1 *") as stack, stack.visitor() as visitor:
        await up.configure(stack)
        await visitor.control("PUT", "limits", {"graph": {"busy_seconds": BUSY * SPEED}})
        yield Deployment(stack, visitor)


async def callers(deployment: Deployment) -> list[Broker]:
    """The virtual machine ``vm-web``, once at each host."""
    token = await deployment.visitor.token("vm-web", deployment.audience)
    return [Broker(deployment.visitor, host.url, token) for host in deployment.stack.hosts]


def others(status: int = 409) -> list[dict[str, Any]]:
    """Half of the violations, on a quarter of the calls until they are used up. Reports show this code with either status."""
    effect = {"status": status, "code": "Directory_ConcurrencyViolation"}
    return [
        {"service": "graph", "path": path, "times": VIOLATIONS // 4, "probability": 0.25, "effect": effect}
        for path in ("addPassword", "removePassword")
    ]


async def live(web: Broker) -> tuple[int, int, float]:
    """One lease from issue to revocation: both statuses, and how many seconds the issue took."""
    began = time.perf_counter()
    reply = await web.call("POST", "roles/legacy-app/leases", {})
    taken = time.perf_counter() - began
    if reply.status_code != 201:
        return reply.status_code, 0, taken
    return 201, (await web.call("DELETE", f"leases/{reply.json()['lease']['id']}")).status_code, taken


async def test_a_crowd_at_one_application_over_two_hosts_is_served(deployment: Deployment) -> None:
    """Issues and revocations at once; Entra refuses some changes that meet, no caller hears of it, and no secret stays."""
    before, hosts = await deployment.objects(), await callers(deployment)
    await deployment.consistency("typical", SPEED)
    await deployment.faults(*others(), *others(status=503))
    await deployment.visitor.control("DELETE", "calls")
    outcomes = await asyncio.gather(*(live(hosts[number % 2]) for number in range(CROWD)))
    assert {issued for issued, _, _ in outcomes} == {201}
    assert {revoked for _, revoked, _ in outcomes} <= {200, 202}
    assert max(taken for _, _, taken in outcomes) < LONGEST
    calls = [call for call in await deployment.visitor.control("GET", "calls") if "Password" in call["path"]]
    refused = [call for call in calls if call["status"] in {409, 503}]
    assert len(refused) >= VIOLATIONS
    # Few of the broker's own changes meet, each within the time in which Graph is busy with the one before. Without turns as
    # many calls are refused as succeed.
    assert len(refused) - VIOLATIONS <= CROWD // 2
    await deployment.consistency("none")
    await deployment.settled()
    assert await deployment.objects() == before
