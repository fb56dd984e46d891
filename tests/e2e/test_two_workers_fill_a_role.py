"""Limits over two function hosts on one store: of a role, of a caller in a role, of what a caller asks for in a minute."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from local import up
from local.stack import Stack
from local.visitor import Broker
from tests.by_hand import make_due
from tests.e2e.conftest import HOLD, NEVER, SETTLE, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST, ASKED = 4, 16
A_MINUTE, TOO_OFTEN = 40, 50
DELETIONS_FAIL = {"service": "graph", "method": "DELETE", "times": None, "effect": {"status": 403, "code": "Forbidden"}}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """Two hosts, each a process of its own; nothing sweeps unless asked to."""
    settings = {
        "LEASEHOLD_HOLD_SECONDS": str(HOLD),
        "LEASEHOLD_SETTLE_SECONDS": str(SETTLE),
        "LEASEHOLD_ISSUES_PER_MINUTE": str(A_MINUTE),
    }
    async with Stack(settings=settings, hosts_wanted=2, sweep_schedule=NEVER) as stack, stack.visitor() as visitor:
        await up.configure(stack)
        yield Deployment(stack, visitor)


async def at_once(deployment: Deployment, identity: str, role: str, count: int) -> list[httpx.Response]:
    """So many asks, half at each host."""
    token = await deployment.visitor.token(identity, deployment.audience)
    hosts = [Broker(deployment.visitor, host.url, token) for host in deployment.stack.hosts]
    return await asyncio.gather(*(hosts[number % 2].call("POST", f"roles/{role}/leases", {}) for number in range(count)))


async def filled(deployment: Deployment, identity: str, role: str, code: str) -> list[str]:
    """The ids of the leases that were issued; the others were refused for room, with that code."""
    replies = await at_once(deployment, identity, role, ASKED)
    result = Counter((reply.status_code, reply.json().get("code")) for reply in replies)
    assert result == {(201, None): MOST, (429, code): ASKED - MOST}
    return [reply.json()["lease"]["id"] for reply in replies if reply.status_code == 201]


async def test_exactly_as_many_as_it_may_have_are_served(deployment: Deployment) -> None:
    """And as many again when it is revoked, although Azure lets none of the former end."""
    before, admin = await deployment.objects(), await deployment.broker("admin")
    document = {
        "type": "service_principal",
        "ready": "none",
        "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
        "max_leases": MOST,
        "bound_service_principal_ids": [deployment.object_id("vm-web")],
    }
    await admin.must("PUT", "roles/few", document)
    former = await filled(deployment, "vm-web", "few", "too_many_leases")
    await deployment.faults(DELETIONS_FAIL)
    assert (await admin.call("POST", "roles/few/revoke")).status_code == 202
    await filled(deployment, "vm-web", "few", "too_many_leases")
    states = {lease["id"]: lease["state"] for lease in await deployment.leases(admin)}
    assert {"ending"} == {states.pop(lease_id) for lease_id in former}
    assert Counter(states.values()) == {"active": MOST}
    await deployment.faults()
    assert (await admin.call("POST", "roles/few/revoke")).status_code == 202
    # Else those that have failed to end wait for their next attempts, a minute and more.
    await make_due(deployment.stack, "few")
    await deployment.settled()
    assert await deployment.objects() == before


async def test_a_caller_holds_exactly_as_many_as_it_may(deployment: Deployment) -> None:
    """Another caller of the same role has as much room of its own."""
    admin = await deployment.broker("admin")
    callers = ("fn-orders", "vm-web")
    document = {
        "type": "service_principal",
        "ready": "none",
        "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
        "max_leases_per_caller": MOST,
        "bound_service_principal_ids": [deployment.object_id(each) for each in callers],
    }
    await admin.must("PUT", "roles/shared", document)
    await filled(deployment, "fn-orders", "shared", "too_many_leases_of_caller")
    assert 201 == (await at_once(deployment, "vm-web", "shared", 1))[0].status_code


async def test_who_guesses_names_is_refused_exactly_so_often_in_a_minute(deployment: Deployment) -> None:
    """Then whatever it asks for is answered alike, and says when to come again."""
    replies = await at_once(deployment, "stranger", "guessed", TOO_OFTEN)
    result = Counter((reply.status_code, reply.json()["code"]) for reply in replies)
    assert result == {(403, "forbidden"): A_MINUTE, (429, "too_many_issues"): TOO_OFTEN - A_MINUTE}
    waits = [int(reply.headers["retry-after"]) for reply in replies if reply.status_code == 429]
    assert 1 <= min(waits) <= max(waits) <= 60
