"""A client that goes away before its answer comes, and asks again under the same key."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW: dict[str, Any] = {
    "service": "graph",
    "method": "POST",
    "path": r"/addPassword$",
    "times": 1,
    "effect": {"delay": 2.0},
}


async def gone_early(deployment: Deployment, path: str, key: str) -> None:
    """Sends the request, and closes the connection while the secret is being made."""
    web = await deployment.broker("vm-web")
    headers = {"authorization": f"Bearer {web.token}", "idempotency-key": key}
    async with httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(1.0, connect=5.0)) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{deployment.stack.url}/api/v1/{path}", json={}, headers=headers)


@pytest.mark.parametrize("role", ["app-reader", "legacy-app"])
async def test_a_lost_answer_is_not_a_lost_lease(deployment: Deployment, role: str) -> None:
    """The repeats come while the lease is being made: one lease, and of all the secrets the last one answered."""
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    key, path = f"lost-{role}", f"roles/{role}/leases"
    known = {lease["id"] for lease in await deployment.leases(web)}
    await deployment.faults(SLOW)
    await gone_early(deployment, path, key)
    replies = await asyncio.gather(*(web.call("POST", path, {}, Idempotency_Key=key) for _ in range(3)))
    assert {reply.status_code for reply in replies} == {201}, [reply.text for reply in replies]
    last = await web.call("POST", path, {}, Idempotency_Key=key)
    (lease_id,) = {lease["id"] for lease in await deployment.leases(web)} - known
    assert {reply.json()["lease"]["id"] for reply in (*replies, last)} == {lease_id}
    during = await deployment.objects()
    assert set(during["secrets"]) - set(before["secrets"]) == {last.json()["credential"]["secret_id"]}
    reused = await web.call("POST", path, {"ttl": 60}, Idempotency_Key=key)
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_key_reused")
    await web.must("DELETE", f"leases/{lease_id}")
    ended = await web.call("POST", path, {}, Idempotency_Key=key)
    assert (ended.status_code, ended.json()["code"]) == (410, "lease_ended")
    await deployment.settled()
    assert await deployment.objects() == before
