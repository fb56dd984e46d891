"""Event-driven provisioning, whole: a site is made, finds its credential in a vault, is deleted, and all is taken back.

Event Grid tells the broker of the site, and tells others what the broker has done.
"""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

from local import up
from shared.core.message import EVENTS
from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTINGS = up.EVENTS
ROLE, MADE, GONE, TOLD = "site-app", "sites-made", "sites-deleted", "told"
VAULT = "https://app.vault.azure.net"
WRITTEN, DELETED = "Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"
_SOON = 60.0


def queue(deployment: Deployment, name: str) -> QueueClient:
    """A queue of the stack's account."""
    return QueueClient.from_connection_string(deployment.stack.environment()["AzureWebJobsStorage"], name)


async def subscribed(deployment: Deployment, site: str) -> None:
    """Event Grid tells the broker of sites, and a queue of what the broker publishes."""
    control = deployment.visitor.control
    for name in (EVENTS, TOLD):
        async with queue(deployment, name) as made:
            with suppress(ResourceExistsError):
                await made.create_queue()
    await control("POST", "topics", {"name": "changes", "kind": "system", "source": deployment.app})
    filtered = {"types": [WRITTEN, DELETED], "subject_begins_with": site.rpartition("/")[0]}
    to_broker = {"name": "to-broker", "topic": "changes", "schema": "EventGridSchema", "destination": {"queue": EVENTS}}
    await control("POST", "subscriptions", to_broker | filtered)
    to_others = {"name": "to-others", "topic": "leasehold", "schema": "CloudEventSchemaV1_0", "destination": {"queue": TOLD}}
    await control("POST", "subscriptions", to_others)


async def configured(deployment: Deployment, site: str) -> None:
    """A role that delivers, and the rules by which sites get its leases and lose them."""
    admin = await deployment.broker("admin")
    document = {
        "type": "service_principal",
        "ready": "token",
        "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
        "delivery": {"type": "key_vault", "vaults": [VAULT], "name": "app-{holder}"},
    }
    await admin.must("PUT", f"roles/{ROLE}", document)
    rule = {"source": deployment.app, "subject": f"{site.rpartition('/')[0]}/*"}
    issue = {"issue": {"role": ROLE, "ttl": "1h", "holder": "subject_identity", "delivery": {"vault": VAULT}}}
    await admin.must("PUT", f"event-rules/{MADE}", rule | {"types": [WRITTEN], "action": issue})
    await admin.must("PUT", f"event-rules/{GONE}", rule | {"types": [DELETED], "action": {"revoke": {"of": f"rule:{MADE}"}}})


async def arm(deployment: Deployment, method: str, resource: str, body: Any = None) -> httpx.Response:
    """A call to Resource Manager by somebody who may change sites."""
    token = await deployment.visitor.token("admin", "https://management.azure.com")
    url = f"{deployment.stack.described['endpoints']['arm']}{resource}?api-version=2024-04-01"
    return await deployment.visitor.http.request(method, url, json=body, headers={"authorization": f"Bearer {token}"})


async def secret(deployment: Deployment, identity: str, name: str) -> httpx.Response:
    """What that identity reads in the vault."""
    token = await deployment.visitor.token(identity, "https://vault.azure.net")
    url = f"{deployment.stack.described['endpoints']['key_vault']}/app/secrets/{name}?api-version=7.4"
    return await deployment.visitor.http.get(url, headers={"authorization": f"Bearer {token}"})


async def leases(deployment: Deployment, expected: list[str]) -> list[dict[str, Any]]:
    """The rule's leases, once they are in these states. Sweeps come, as a timer has them come."""
    admin = await deployment.broker("admin")
    async with asyncio.timeout(_SOON):
        while True:
            found: list[dict[str, Any]] = (await admin.must("GET", f"leases?role={ROLE}&state=all"))["leases"]
            if [each["state"] for each in found] == expected:
                return found
            await asyncio.sleep(0.5)
            await deployment.sweep()


async def told(deployment: Deployment, wanted: set[str]) -> list[dict[str, Any]]:
    """What was published of the role's leases, once these types are among it."""
    found = list[dict[str, Any]]()
    async with asyncio.timeout(_SOON), queue(deployment, TOLD) as made:
        while not wanted <= {each["type"] for each in found}:
            await deployment.sweep()
            async for message in made.receive_messages(messages_per_page=32):
                event = json.loads(base64.b64decode(message.content))
                found += [event] if event["data"].get("role") == ROLE else []
                await made.delete_message(message)
            await asyncio.sleep(0.5)
    return found


async def test_a_site_finds_its_credential_and_leaves_nothing_behind(deployment: Deployment) -> None:
    """Nobody has asked for anything: events alone did it, and no event and no answer has the secret."""
    site = f"{deployment.app}/providers/Microsoft.Web/sites/shop"
    control = deployment.visitor.control
    await control("POST", "role-assignments", {"identity": "admin", "role": "Contributor", "scope": deployment.app})
    await control("POST", "identities", {"name": "onlooker", "kind": "application"})
    await control(
        "POST", "role-assignments", {"identity": "onlooker", "role": "Key Vault Secrets User", "scope": deployment.app}
    )
    before = await deployment.objects()
    await subscribed(deployment, site)
    await configured(deployment, site)

    made = await arm(deployment, "PUT", site, {"location": "westeurope", "identity": {"type": "SystemAssigned"}})
    assert made.status_code in {200, 201}, made.text
    principal = (await arm(deployment, "GET", site)).json()["identity"]["principalId"]
    (lease,) = await leases(deployment, ["active"])
    assert principal == lease["holder"]["object_id"]
    name = f"app-{principal}"
    place = f"{deployment.app}/providers/Microsoft.KeyVault/vaults/app/secrets/{name}"
    await control("POST", "role-assignments", {"identity": "shop", "role": "Key Vault Secrets User", "scope": place})
    read = await secret(deployment, "shop", name)
    assert 200 == read.status_code, read.text
    value = json.loads(read.json()["value"])
    asked = {each: value[each] for each in ("client_id", "client_secret")} | {"arm_scope": deployment.app}
    assert (await control("POST", "judge", asked))["accepted"]

    # Every further write of the site finds the lease, and does nothing.
    await arm(deployment, "PUT", site, {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "tags": {"a": "b"}})
    assert 1 == len(await leases(deployment, ["active"]))

    assert (await arm(deployment, "DELETE", site)).status_code in {200, 204}
    await leases(deployment, ["ended"])
    refused = await secret(deployment, "onlooker", name)
    assert (403, "SecretDisabled") == (refused.status_code, refused.json()["error"]["innererror"]["code"])

    published = await told(deployment, {"leasehold.lease.issued", "leasehold.lease.ended"})
    issued = next(each for each in published if each["type"] == "leasehold.lease.issued")
    assert (f"{VAULT}/secrets/{name}", f"roles/{ROLE}/leases/{lease['id']}") == (
        issued["data"]["delivered_to"],
        issued["subject"],
    )
    assert value["client_secret"] not in json.dumps(published)
    after = await deployment.objects()
    assert before["applications"] == after["applications"]
    # Of the site's own identity, the directory keeps what it keeps of any.
    assert [] == [each for each in after["deleted_items"] if each["display_name"].startswith("leasehold-")]
