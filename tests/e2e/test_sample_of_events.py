"""The program that renews when an event says so, unmodified: from the topic through a queue to a later end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from azure.storage.queue.aio import QueueClient

from local import up
from tests.e2e.conftest import Deployment
from tests.e2e.test_samples import CALLER, own
from tests.support.samples.machine import Done, machine
from tests.support.samples.queue_door import queue_door
from tests.support.samples.scenes import written

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTINGS = up.EVENTS
ROLE, QUEUE, EXPIRING = "reader-token", "renewals", "leasehold.lease.expiring"
LEAST = "1m"
"""The shortest life of a lease: two thirds of it are over after 40 seconds."""
_SOON = 100.0


async def test_a_program_renews_its_lease_when_an_event_says_that_it_is_near_its_end(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Once for an event, which is then gone from the queue. A lease of somebody else's is left alone."""
    await deployment.stack.storage.make_queue(QUEUE)
    subscription = {"topic": up.TOPIC, "schema": "CloudEventSchemaV1_0", "types": [EXPIRING], "destination": {"queue": QUEUE}}
    await deployment.visitor.control("POST", "subscriptions", {"name": "renewals", **subscription})
    bounds = [deployment.object_id(each) for each in (CALLER, "vm-web")]
    await written(deployment, ROLE, CALLER, ready="none", bound_service_principal_ids=bounds)
    caller = await deployment.broker(CALLER)
    asked = {"ttl": LEAST}
    mine, other = [
        (await (await deployment.broker(each)).must("POST", f"roles/{ROLE}/leases", asked))["lease"]
        for each in (CALLER, "vm-web")
    ]
    connection = deployment.stack.environment()["AzureWebJobsStorage"]
    async with QueueClient.from_connection_string(connection, QUEUE) as queue, asyncio.timeout(_SOON):
        while (await queue.get_queue_properties()).approximate_message_count != 2:
            await asyncio.sleep(1)
            await deployment.sweep()

        with machine(deployment.stack, tmp_path) as host, queue_door(deployment.stack) as (address, callers):
            me = deployment.object_id(CALLER)
            there = {"QUEUE_ENDPOINT": address, "OBJECT_ID": me, "NO_PROXY": "127.0.0.1"}
            done = await host.python("events/renewer.py", **own(deployment), **there)

        assert Done(0, "") == done
        assert {me} == callers
        assert 0 == (await queue.get_queue_properties()).approximate_message_count
    renewed = await caller.must("GET", f"leases/{mine['id']}")
    assert renewed["expires_at"] > mine["expires_at"]
    left = await (await deployment.broker("admin")).must("GET", f"leases/{other['id']}")
    assert other["expires_at"] == left["expires_at"]
