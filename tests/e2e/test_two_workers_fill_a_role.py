"""A role's ``max_leases`` over two function hosts on one store, before and after all of its leases are revoked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from local import up
from local.stack import Stack
from local.visitor import Broker
from tests.by_hand import make_due
from tests.e2e.conftest import HOLD, NEVER, SETTLE, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST, ASKED = 4, 16
DELETIONS_FAIL = {"service": "graph", "method": "DELETE", "times": None, "effect": {"status": 403, "code": "Forbidden"}}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """Two hosts, each a process of its own; nothing sweeps unless asked to."""
    settings = {"LEASEHOLD_HOLD_SECONDS": str(HOLD), "LEASEHOLD_SETTLE_SECONDS": str(SETTLE)}
    async with Stack(settings=settings, hosts_wanted=2, sweep_schedule=NEVER) as stack, stack.visitor() as visitor:
        await up.configure(stack)
        yield Deployment(stack, visitor)


async def filled(deployment: Deployment) -> list[str]:
    """So many asks at once, half at each host: the ids of the leases that were issued; the others were refused for room."""
    token = await deployment.visitor.token("vm-web", deployment.audience)
    hosts = [Broker(deployment.visitor, host.url, token) for host in deployment.stack.hosts]
    replies = await asyncio.gather(*(hosts[number % 2].call("POST", "roles/few/leases", {}) for number in range(ASKED)))
    result = Counter((reply.status_code, reply.json().get("code")) for reply in replies)
    assert result == {(201, None): MOST, (429, "too_many_leases"): ASKED - MOST}
    return [reply.json()["lease"]["id"] for reply in replies if reply.status_code == 201]


async def test_exactly_as_many_as_it_may_have_are_served(deployment: Deployment) -> None:
    """And as many again when it is revoked, although Azure lets none of the former end."""
    before, admin = await deployment.objects(), await deployment.broker("admin")
    document = {
        "type": "service_principal",
        "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
        "max_leases": MOST,
        "bound_service_principal_ids": [deployment.object_id("vm-web")],
    }
    await admin.must("PUT", "roles/few", document)
    former = await filled(deployment)
    await deployment.faults(DELETIONS_FAIL)
    assert (await admin.call("POST", "roles/few/revoke")).status_code == 202
    await filled(deployment)
    states = {lease["id"]: lease["state"] for lease in await deployment.leases(admin)}
    assert {"ending"} == {states.pop(lease_id) for lease_id in former}
    assert Counter(states.values()) == {"active": MOST}
    await deployment.faults()
    assert (await admin.call("POST", "roles/few/revoke")).status_code == 202
    # Else those that have failed to end wait for their next attempts, a minute and more.
    await make_due(deployment.stack, "few")
    await deployment.settled()
    assert await deployment.objects() == before
