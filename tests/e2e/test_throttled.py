from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")
LIFTED: Mapping[str, Any] = {"throttling": False, "writes": 3000, "writes_seconds": 150}


@pytest_asyncio.fixture(loop_scope="session")
async def before(deployment: Deployment) -> AsyncIterator[dict[str, Any]]:
    """What there is in Azure; afterwards nothing is limited any more."""
    yield await deployment.objects()
    await deployment.visitor.control("PUT", "limits", {"graph": LIFTED})


async def test_issues_under_a_low_limit_succeed_or_are_told_when_to_return(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    """Graph takes few writes at once, and few a second; when all is swept nothing is left."""
    limits = {"throttling": True, "writes": 12, "writes_seconds": 3}
    await deployment.visitor.control("PUT", "limits", {"graph": limits})
    web = await deployment.broker("vm-web")
    replies = await asyncio.gather(*(web.call("POST", "roles/app-reader/leases", {}) for _ in range(12)))
    assert {reply.status_code for reply in replies} <= {201, 503}, [reply.text for reply in replies]
    assert any(reply.status_code == 201 for reply in replies)
    for reply in replies:
        if reply.status_code == 503:
            assert ("azure_throttled", True) == (reply.json()["code"], int(reply.headers["retry-after"]) >= 1)
    await deployment.visitor.control("PUT", "limits", {"graph": LIFTED})
    await (await deployment.broker("admin")).must("POST", "roles/app-reader/revoke")
    await deployment.settled()
    assert before == await deployment.objects()


async def test_a_throttled_issue_is_answered_long_before_azure_would_take_it(deployment: Deployment) -> None:
    """``Retry-After`` is Azure's own, and the next issue is refused without a call to Graph.

    The last test of this file: for another minute this worker sends Graph no write.
    """
    fault = {"service": "graph", "method": "POST", "path": r"/servicePrincipals$", "times": 1}
    await deployment.faults({**fault, "effect": {"status": 429, "code": "TooManyRequests", "retry_after": 70}})
    web = await deployment.broker("vm-web")
    async with asyncio.timeout(20):
        first = await web.call("POST", "roles/app-reader/leases", {})
        await deployment.visitor.control("DELETE", "calls")
        second = await web.call("POST", "roles/app-reader/leases", {})
    assert (503, "azure_throttled", 503, "azure_throttled") == (
        first.status_code,
        first.json()["code"],
        second.status_code,
        second.json()["code"],
    )
    assert (70, True) == (int(first.headers["retry-after"]), 40 < int(second.headers["retry-after"]) <= 71)
    calls = await deployment.visitor.control("GET", "calls")
    assert [] == [call for call in calls if call["service"] == "graph" and call["method"] != "GET"]
