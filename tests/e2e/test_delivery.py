"""Delivery into a key vault over HTTP: a consumer reads what no answer tells, and nothing once the lease is over."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import NEVER, Deployment, stable
from tests.e2e.test_credentials import ARM
from tests.e2e.test_pools import full

pytestmark = pytest.mark.asyncio(loop_scope="session")
SETTINGS = {"LEASEHOLD_FILL_SCHEDULE": "* * * * * *", "LEASEHOLD_SWEEP_SCHEDULE": NEVER}
VAULT = "https://app.vault.azure.net"
_SOON = 20.0


def role(deployment: Deployment, **fields: Any) -> dict[str, Any]:
    """A role that reads the group ``app``, and whose credentials lie in the sample's vault."""
    delivery = {"type": "key_vault", "vaults": [VAULT]} | fields.pop("delivery", {})
    bounds = {"bound_service_principal_ids": [deployment.object_id("vm-web")]}
    reader = {"azure_roles": [{"role_name": "Reader", "scope": deployment.app}]}
    return {"type": "service_principal", "ready": "token", "delivery": delivery} | bounds | reader | fields


async def put(deployment: Deployment, name: str, document: dict[str, Any], query: str = "") -> httpx.Response:
    """An administrator writes a role."""
    return await (await deployment.broker("admin")).call("PUT", f"roles/{name}{query}", document)


async def consumed(deployment: Deployment, path: str) -> httpx.Response:
    """What an application sees that may read the vault's secrets."""
    cloud = await deployment.visitor.control("GET")
    if "consumer" not in cloud["identities"]:
        await deployment.visitor.control("POST", "identities", {"name": "consumer", "kind": "application"})
        grant = {"identity": "consumer", "role": "Key Vault Secrets User", "scope": deployment.app}
        await deployment.visitor.control("POST", "role-assignments", grant)
    token = await deployment.visitor.token("consumer", "https://vault.azure.net")
    url = f"{cloud['endpoints']['key_vault']}/app/secrets/{path}?api-version=7.4"
    return await deployment.visitor.http.get(url, headers={"authorization": f"Bearer {token}"})


async def signs_in(deployment: Deployment, credential: dict[str, Any]) -> bool:
    """Whether Entra ID takes what lies in the vault, and Resource Manager the group's reader."""
    asked = {name: credential[name] for name in ("client_id", "client_secret")} | {"arm_scope": deployment.app}
    judged: dict[str, Any] = await deployment.visitor.control("POST", "judge", asked)
    return bool(judged["accepted"])


async def test_the_credential_is_read_from_the_vault_and_is_over_with_its_lease(deployment: Deployment) -> None:
    """No answer, list or audit event has the secret."""
    await consumed(deployment, "nothing")
    before = await deployment.objects()
    assert 201 == (await put(deployment, "delivered", role(deployment))).status_code
    web = await deployment.broker("vm-web")
    issued = await web.call("POST", "roles/delivered/leases", {"ttl": "15m"})
    assert 201 == issued.status_code
    answer = issued.json()
    answered, lease = answer["credential"], answer["lease"]
    assert "delivered" == answered["type"]
    assert f"{VAULT}/secrets/{answered['secret_name']}/{answered['secret_version']}" == answered["key_vault_secret_id"]
    assert {
        "vault": VAULT,
        "name": answered["secret_name"],
        "version": answered["secret_version"],
        "state": "delivered",
    } == lease["delivery"]
    read = await consumed(deployment, f"{answered['secret_name']}/{answered['secret_version']}")
    assert 200 == read.status_code
    value = json.loads(read.json()["value"])
    assert value["client_secret"] not in issued.text
    assert await signs_in(deployment, value)
    again = await web.must("GET", f"leases/{lease['id']}/credential")
    assert answered == again["credential"]
    await web.must("DELETE", f"leases/{lease['id']}")
    await deployment.settled()
    assert 404 == (await consumed(deployment, answered["secret_name"])).status_code
    ended = await web.must("GET", f"leases/{lease['id']}")
    assert ("ended", "ended") == (ended["state"], ended["delivery"]["state"])
    assert before == await deployment.objects()


async def test_nobody_has_to_wait_for_it(deployment: Deployment) -> None:
    """202 until the worker has delivered it, then where it lies."""
    assert 201 == (await put(deployment, "later", role(deployment))).status_code
    web = await deployment.broker("vm-web")
    asked = await web.call("POST", "roles/later/leases", {}, Prefer="respond-async")
    assert 202 == asked.status_code
    assert "pending" == asked.json()["lease"]["delivery"]["state"]
    path = f"leases/{asked.json()['lease']['id']}/credential"
    found = await web.call("GET", path)
    async with asyncio.timeout(_SOON):
        while found.status_code == 202:
            await asyncio.sleep(0.2)
            found = await web.call("GET", path)
    assert 200 == found.status_code
    read = await consumed(deployment, found.json()["credential"]["secret_name"])
    assert await signs_in(deployment, json.loads(read.json()["value"]))


async def test_from_a_pool_it_takes_one_write_to_graph_and_one_to_the_vault(deployment: Deployment) -> None:
    """The name is made of the lease that the pool gives."""
    assert 201 == (await put(deployment, "at-once", role(deployment, pool={"size": 1}))).status_code
    admin, web = await deployment.broker("admin"), await deployment.broker("vm-web")
    await full(deployment, "at-once", 1)
    answer = await web.must("POST", "roles/at-once/leases", {})
    answered = answer["credential"]
    assert f"lh-at-once-{answer['lease']['id'].partition('.')[2]}" == answered["secret_name"]
    assert 200 == (await consumed(deployment, answered["secret_name"])).status_code
    await full(deployment, "at-once", 1)
    await admin.must("DELETE", "roles/at-once?revoke=true")
    await deployment.settled()


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"delivery": {"vaults": ["https://foreign.vault.azure.net"]}}, "delivery.vaults[0]", "vault_foreign"),
        ({"delivery": {"vaults": ["https://app.vault.example.net"]}}, "delivery.vaults[0]", "malformed"),
        ({"delivery": {"vaults": ["https://APP.vault.azure.net"]}}, "delivery.vaults[0]", "malformed"),
        ({"delivery": {"vaults": [VAULT, VAULT]}}, "delivery.vaults[1]", "malformed"),
        ({"delivery": {"vaults": []}}, "delivery.vaults", "malformed"),
        ({"delivery": {"vaults": [VAULT], "name": "a_b"}}, "delivery.name", "malformed"),
        ({"delivery": {"vaults": [VAULT], "format": "xml"}}, "delivery.format", "malformed"),
        ({"credential": "token", "token_scopes": [ARM]}, "delivery", "malformed"),
    ],
)
async def test_what_cannot_be_delivered_is_refused_with_the_role(
    deployment: Deployment, fields: dict[str, Any], path: str, code: str
) -> None:
    """The path says where, and nothing is stored."""
    cloud = await deployment.visitor.control("GET", "state")
    if "vault_foreign" == code and "foreign" not in json.dumps(cloud):
        await deployment.visitor.control(
            "POST", "vaults", {"name": "foreign", "tenant_id": "2b0e0a1c-66a2-4f5b-8d11-0f6f4f2d9a10"}
        )
    refused = await put(deployment, "never", role(deployment, **fields))
    assert 400 == refused.status_code, refused.text
    assert code == refused.json()["code"]
    assert path in {each["path"] for each in refused.json()["errors"]}
    assert 404 == (await (await deployment.broker("admin")).call("GET", "roles/never")).status_code


async def test_a_dry_run_tries_the_vault(deployment: Deployment) -> None:
    """A vault that refuses is told as a warning."""
    await deployment.visitor.control("POST", "vaults", {"name": "closed", "firewall": True})
    document = role(deployment, delivery={"vaults": [VAULT, "https://closed.vault.azure.net"]})
    tried = await put(deployment, "tried", document, "?dry_run=true")
    assert 200 == tried.status_code, tried.text
    warned = [(each["path"], each["code"]) for each in tried.json()["warnings"]]
    assert ("delivery.vaults[1]", "vault_refuses") in warned
    assert "delivery.vaults[0]" not in {path for path, _ in warned}


async def test_an_ask_names_one_of_the_roles_vaults(deployment: Deployment) -> None:
    """Anything else is refused, and said only to those who may issue."""
    assert 201 == (await put(deployment, "asked", role(deployment))).status_code
    web, stranger = await deployment.broker("vm-web"), await deployment.broker("stranger")
    body = {"delivery": {"vault": "https://other.vault.azure.net"}}
    refused = await web.call("POST", "roles/asked/leases", body)
    assert (400, ["delivery.vault"]) == (refused.status_code, [each["path"] for each in refused.json()["errors"]])
    assert 403 == (await stranger.call("POST", "roles/asked/leases", body)).status_code
    answered = stable(await web.call("POST", "roles/asked/leases", {"delivery": {"vaults": []}}))
    assert "malformed" == answered["code"]
