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
from local.sample import ACCOUNTS
from shared.core.message import EVENTS
from tests.e2e.conftest import Deployment
from tests.support.samples import scenes

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
    """The samples: a role that delivers, and the rules by which sites get its leases and lose them."""
    admin = await deployment.broker("admin")
    await scenes.written(deployment, ROLE, "admin")
    for name in (MADE, GONE):
        rule = json.loads(scenes.filled((scenes.SAMPLES / f"event-driven/{name}.json").read_text(encoding="utf-8"), deployment))
        assert site.rpartition("/")[0] + "/*" == rule["subject"]
        await admin.must("PUT", f"event-rules/{name}", rule)


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


async def blob(deployment: Deployment, credential: dict[str, str]) -> str:
    """What the site reads in the storage account, signed in with what it has found."""
    endpoints = deployment.stack.described["endpoints"]
    form = {"grant_type": "client_credentials", "scope": "https://storage.azure.com/.default"}
    form |= {name: credential[name] for name in ("client_id", "client_secret")}
    signed_in = await deployment.visitor.http.post(
        f"{endpoints['entra']}/{credential['tenant_id']}/oauth2/v2.0/token", data=form
    )
    headers = {"authorization": f"Bearer {signed_in.raise_for_status().json()['access_token']}", "x-ms-version": "2024-11-04"}
    url = f"{endpoints['blob']}/{ACCOUNTS['app']}/reports/today.txt"
    return (await deployment.visitor.http.get(url, headers=headers)).raise_for_status().text


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
    await scenes.may_read(deployment, "shop", name)
    read = await secret(deployment, "shop", name)
    assert 200 == read.status_code, read.text
    value = json.loads(read.json()["value"])
    assert f"what {ACCOUNTS['app']} holds" == await blob(deployment, value)

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
