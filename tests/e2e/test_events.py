"""Events from the queue, whole: a site is made, an identity gets what a rule says, the site is deleted, and it ends."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

from shared.core.message import EVENTS
from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROLE, RULE, GONE = "site-reader", "sites", "sites-gone"
WRITTEN, DELETED = "Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"


async def published(deployment: Deployment, event: dict[str, Any]) -> None:
    """Puts an event where Event Grid puts it."""
    await sent(deployment, base64.b64encode(json.dumps(event).encode()).decode())


async def sent(deployment: Deployment, text: str) -> None:
    """Puts a message there, as it is."""
    connection = deployment.stack.environment()["AzureWebJobsStorage"]
    async with QueueClient.from_connection_string(connection, EVENTS) as queue:
        with suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(text)


async def arm(deployment: Deployment, method: str, resource: str, body: Any = None) -> Any:
    """A call to Resource Manager by somebody who may change sites."""
    token = await deployment.visitor.token("admin", "https://management.azure.com")
    url = f"{deployment.stack.described['endpoints']['arm']}{resource}?api-version=2024-04-01"
    answer = await deployment.visitor.http.request(method, url, json=body, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


async def states(deployment: Deployment) -> list[str]:
    """Those of the rule's leases."""
    found = await (await deployment.broker("admin")).must("GET", f"leases?role={ROLE}&state=all")
    return [each["state"] for each in found["leases"]]


async def becoming(deployment: Deployment, expected: list[str]) -> None:
    """Returns once they are so. Sweeps come, as a timer has them come."""
    async with asyncio.timeout(60):
        while await states(deployment) != expected:
            await asyncio.sleep(1)
            await deployment.sweep()


async def test_a_site_is_made_and_deleted(deployment: Deployment) -> None:
    """By events in both schemas. One about a site that was never there does nothing."""
    admin, subscription = await deployment.broker("admin"), deployment.app.rpartition("/resourceGroups/")[0]
    site = f"{deployment.app}/providers/Microsoft.Web/sites/shop"
    document = {
        "type": "role_grant",
        "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
        "bound_service_principal_ids": [deployment.object_id("vm-web")],
    }
    await admin.must("PUT", f"roles/{ROLE}", document)
    rule = {"source": subscription, "types": [WRITTEN], "subject": site.replace("/shop", "/*")}
    issue = {"issue": {"role": ROLE, "holder": deployment.object_id("vm-web"), "within": "subject.id"}}
    await admin.must("PUT", f"event-rules/{RULE}", rule | {"action": issue})
    await admin.must("PUT", f"event-rules/{GONE}", rule | {"types": [DELETED], "action": {"revoke": {"of": f"rule:{RULE}"}}})

    await deployment.visitor.control("POST", "resources", {"id": site})
    grid = {"id": "1", "topic": subscription, "subject": site, "eventTime": "2026-01-01T00:00:00Z", "dataVersion": "2"}
    await published(deployment, grid | {"eventType": WRITTEN, "data": {"operationName": "Microsoft.Web/sites/write"}})
    await published(deployment, grid | {"id": "2", "eventType": WRITTEN, "data": {}})
    await becoming(deployment, ["active"])
    web = await deployment.broker("vm-web")
    (listed,) = (await web.must("GET", f"leases?role={ROLE}"))["leases"]
    lease = await web.must("GET", f"leases/{listed['id']}")
    assert ([site], {"event": "1", "rule": RULE, "subject": site}) == (
        lease["scopes"],
        lease["metadata"] | {"event": "1"},
    )

    await deployment.visitor.control("DELETE", "resources", {"id": site})
    cloud = {"specversion": "1.0", "id": "3", "source": subscription, "type": DELETED, "subject": site}
    await published(deployment, cloud)
    await becoming(deployment, ["ended"])
    events = [each for each in (await admin.must("GET", "audit"))["events"] if each["operation"] == "event"]
    assert {RULE, GONE} == {each["rule"] for each in events}
    for name in (GONE, RULE):
        await admin.must("DELETE", f"event-rules/{name}")
    await admin.must("DELETE", f"roles/{ROLE}")


async def test_what_a_deleted_sites_identity_holds_ends_with_it(deployment: Deployment) -> None:
    """It has asked for the lease by itself. A deletion of which somebody has only told ends nothing."""
    admin, control = await deployment.broker("admin"), deployment.visitor.control
    site = f"{deployment.app}/providers/Microsoft.Web/sites/front"
    await control("POST", "role-assignments", {"identity": "admin", "role": "Contributor", "scope": deployment.app})
    await arm(deployment, "PUT", site, {"location": "westeurope", "identity": {"type": "SystemAssigned"}})
    document = {
        "type": "role_grant",
        "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
        "bound_service_principal_ids": [(await arm(deployment, "GET", site))["identity"]["principalId"]],
    }
    await admin.must("PUT", f"roles/{ROLE}", document)
    rule = {"source": deployment.app, "types": [DELETED], "subject": site.replace("/front", "/*")}
    await admin.must("PUT", f"event-rules/{GONE}", rule | {"action": {"revoke": {"of": "holder"}}})
    front = await deployment.broker("front")
    lease = (await front.must("POST", f"roles/{ROLE}/leases", {}))["lease"]

    event = {"specversion": "1.0", "id": "4", "source": deployment.app, "type": DELETED, "subject": site}
    await published(deployment, event)
    async with asyncio.timeout(60):
        while "event_forged" not in [each.get("code") for each in (await admin.must("GET", "audit"))["events"]]:  # noqa: ASYNC110
            await asyncio.sleep(1)
    assert "active" == (await admin.must("GET", f"leases/{lease['id']}"))["state"]

    await arm(deployment, "DELETE", site)
    await published(deployment, event | {"id": "5"})
    async with asyncio.timeout(60):
        while (await admin.must("GET", f"leases/{lease['id']}"))["state"] != "ended":
            await asyncio.sleep(1)
            await deployment.sweep()
    ends = [each for each in (await admin.must("GET", "audit"))["events"] if each["operation"] == "end"]
    assert "subject_gone" in [each.get("reason") for each in ends if each.get("lease") == lease["id"]]
    await admin.must("DELETE", f"event-rules/{GONE}")
    await admin.must("DELETE", f"roles/{ROLE}")


async def test_a_message_that_is_no_base64_is_told_and_dropped(deployment: Deployment) -> None:
    """The host hands it over as it is: it reaches no poison queue, where nobody would see it."""
    admin = await deployment.broker("admin")
    before = (await admin.must("GET", "status"))["events"]["unreadable"]
    for text in ("no base64 !!", base64.b64encode(b"\xff\xfe").decode()):
        await sent(deployment, text)
    async with asyncio.timeout(30):
        while (await admin.must("GET", "status"))["events"]["unreadable"] < before + 2:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.5)
