"""Entra withdraws the key that signed the broker's own tokens: things go on, and where they cannot, the status says why."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

ISSUE = "roles/app-reader/leases"


async def withdraw_keys(deployment: Deployment) -> None:
    """Until none is left that has signed anything so far."""
    for _ in range(4):
        await deployment.visitor.control("POST", "keys/rotate")


async def test_leases_are_issued_and_ended_with_a_new_token(deployment: Deployment) -> None:
    """Not only after half of the old one's life, which may be hours: one lease, and twenty that a sweep ends in batches."""
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    made = [(await web.must("POST", ISSUE, {}))["lease"]["id"] for _ in range(2)]
    await withdraw_keys(deployment)
    fresh = await deployment.broker("vm-web")
    assert (await fresh.call("DELETE", f"leases/{made[0]}")).status_code in {200, 202}
    many = await asyncio.gather(*(fresh.call("POST", ISSUE, {}) for _ in range(20)))
    assert {each.status_code for each in many} == {201}
    await withdraw_keys(deployment)
    admin = await deployment.broker("admin")
    assert (await admin.call("POST", "roles/app-reader/revoke")).status_code == 202
    await deployment.settled()
    assert await deployment.objects() == before
    assert "identity" not in await admin.must("GET", "status")


async def test_an_identity_that_is_refused_throughout_is_told(deployment: Deployment) -> None:
    """503 with a time to come back; the status names the service, until that takes a token."""
    before, web, admin = await deployment.objects(), await deployment.broker("vm-web"), await deployment.broker("admin")
    refusal = {"status": 401, "code": "InvalidAuthenticationToken"}
    await deployment.faults({"service": "graph", "times": 1000, "effect": refusal})
    reply = await web.call("POST", ISSUE, {})
    assert (reply.status_code, reply.json()["code"]) == (503, "azure_identity_refused")
    assert int(reply.headers["retry-after"]) > 0
    (refused,) = (await admin.must("GET", "status"))["identity"]["refused"]
    assert refused["service"] == deployment.stack.described["endpoints"]["graph"]
    await deployment.faults()
    await deployment.settled()
    assert (await web.call("POST", ISSUE, {})).status_code == 201
    assert "identity" not in await admin.must("GET", "status")
    await admin.must("POST", "roles/app-reader/revoke")
    await deployment.settled()
    assert await deployment.objects() == before
