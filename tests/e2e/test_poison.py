"""A message that failed too often, as the platform sets it aside: what the operator sees of it, and does."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

from shared.core.message import POISON, Batch, write_message
from shared.core.names import LeaseId
from tests.by_hand import make_due
from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

BATCH = "bbbbbbbb-0000-4000-8000-000000000001"


async def due(deployment: Deployment) -> str:
    """The id of a lease that is due, with neither a timer nor a message that would end it: a revocation begins at once."""
    made = await (await deployment.broker("vm-web")).must("POST", "roles/app-reader/leases", {})
    assert await make_due(deployment.stack, "app-reader") == 1
    return str(made["lease"]["id"])


async def poison(deployment: Deployment, lease: str) -> None:
    """Puts a message of that lease where the platform puts those that failed too often."""
    message = write_message(Batch(BATCH, (LeaseId.parse(lease),)))
    connection = deployment.stack.environment()["AzureWebJobsStorage"]
    async with QueueClient.from_connection_string(connection, POISON) as queue:
        # The first poisoned message makes the queue.
        with suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(base64.b64encode(message.encode()).decode())


async def becoming(deployment: Deployment, lease: str, state: str) -> dict[str, Any]:
    """The lease, once it is in that state."""
    admin = await deployment.broker("admin")
    async with asyncio.timeout(20):
        while (found := await admin.must("GET", f"leases/{lease}"))["state"] != state:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.1)
    return dict(found)


async def test_its_leases_are_stuck_told_and_ended_by_the_operator(deployment: Deployment) -> None:
    """Listed, counted and audited as stuck with the cause; then ended by force, with nothing left behind."""
    before = await deployment.objects()
    lease = await due(deployment)
    await poison(deployment, lease)
    stuck = await becoming(deployment, lease, "stuck")
    admin = await deployment.broker("admin")
    status = await admin.must("GET", "status")
    listed = await admin.must("GET", "leases?state=stuck")
    result = [each for each in (await admin.must("GET", f"audit?lease={lease}"))["events"] if each["operation"] == "stuck"]
    assert stuck["last_error"].startswith("poisoned: ")
    assert ([lease], [lease]) == ([each["id"] for each in status["stuck"]], [each["id"] for each in listed["leases"]])
    assert [("failed", "poisoned")] == [(each["outcome"], each["code"]) for each in result]
    ended = await admin.must("POST", f"leases/{lease}/revoke?force=true")
    assert ("ended", before) == (ended["state"], await deployment.objects())
