"""Many at once under Azure's eventual consistency, and workers killed in the midst of it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import httpx
import pytest

from local.visitor import Broker
from tests.e2e.conftest import HOLD, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEED = 20
"""By which every delay of the profile is divided."""


async def live(broker: Broker) -> tuple[int, int]:
    """One lease from issue to revocation: both statuses."""
    reply = await broker.call("POST", "roles/app-reader/leases", {})
    if reply.status_code != 201:
        return reply.status_code, 0
    ended = await broker.call("DELETE", f"leases/{reply.json()['lease']['id']}")
    return reply.status_code, ended.status_code


async def test_a_hundred_at_once_end_with_an_empty_directory(deployment: Deployment) -> None:
    """No caller hears of the consistency, and no lease is lost."""
    before, admin = await deployment.objects(), await deployment.broker("admin")
    known = {lease["id"] for lease in await deployment.leases(admin)}
    await deployment.consistency("typical", SPEED)
    web = await deployment.broker("vm-web")
    statuses = await asyncio.gather(*(live(web) for _ in range(100)))
    assert {issued for issued, _ in statuses} == {201}
    assert {revoked for _, revoked in statuses} <= {200, 202}
    await deployment.settled()
    assert await deployment.objects() == before
    assert len({lease["id"] for lease in await deployment.leases(admin)} - known) == 100


async def test_killing_the_worker_at_random_moments_orphans_nothing(deployment: Deployment) -> None:
    """After two sweeps the directory is empty."""
    before, chance = await deployment.objects(), random.Random(11)
    await deployment.consistency("typical", SPEED)
    web, host = await deployment.broker("vm-web"), deployment.stack.hosts[0]
    outcomes: list[tuple[int, int]] = []

    async def try_to_live() -> None:
        try:
            outcomes.append(await live(web))
        except httpx.HTTPError:
            outcomes.append((0, 0))

    for _ in range(3):
        storm = [asyncio.create_task(try_to_live()) for _ in range(15)]
        await asyncio.sleep(chance.uniform(0.3, 2.0))
        await host.kill9()
        await asyncio.gather(*storm)
        await host.start()
    assert (0, 0) in outcomes
    await release(web)
    # A dead worker's holds have lapsed by now, and so has the time in which a fresh object may read as absent.
    await asyncio.sleep(HOLD + 1)
    await deployment.sweep()
    await deployment.sweep()
    assert await deployment.objects() == before
    # What a dead worker was making is looked at once more, minutes from now: until then it is not called ended.
    assert {lease["state"] for lease in await deployment.leases(await deployment.broker("admin"))} <= {"ended", "ending"}


async def release(web: Broker) -> None:
    """Whoever got no answer to its issue or revocation revokes what it finds under its name."""
    listed: dict[str, Any] = await web.must("GET", "leases?limit=1000&state=active")
    await asyncio.gather(*(web.call("DELETE", f"leases/{lease['id']}") for lease in listed["leases"]))
