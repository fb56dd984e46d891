"""Just-in-time access to a key vault over HTTP: the recipe of docs/delivery.md, with a role of each of the two types."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

READS = "Key Vault Secrets User"
AUDIENCE = "https://vault.azure.net"


async def filled_vault(deployment: Deployment, name: str) -> str:
    """The id of a new vault with the secrets ``database`` and ``other``, in which the broker may assign every role."""
    vault = str((await deployment.visitor.control("POST", "vaults", {"name": name}))["id"])
    for identity, role in (("admin", "Key Vault Secrets Officer"), ("leasehold", "User Access Administrator")):
        await deployment.visitor.control("POST", "role-assignments", {"identity": identity, "role": role, "scope": vault})
    owner = await deployment.visitor.token("admin", AUDIENCE)
    for secret in ("database", "other"):
        assert 200 == await call(deployment, owner, "PUT", f"{name}/secrets/{secret}", {"value": f"{name} {secret}"})
    return vault


async def call(deployment: Deployment, token: str, method: str, path: str, body: Any = None) -> int:
    """The status of a call to Key Vault."""
    url = f"{deployment.stack.described['endpoints']['key_vault']}/{path}?api-version=7.4"
    headers = {"authorization": f"Bearer {token}"}
    return (await deployment.visitor.http.request(method, url, headers=headers, json=body)).status_code


async def written(deployment: Deployment, name: str, document: dict[str, Any]) -> None:
    """The role, for the machine ``vm-web``."""
    bounds = {"bound_service_principal_ids": [deployment.object_id("vm-web")]}
    await (await deployment.broker("admin")).must("PUT", f"roles/{name}", document | bounds)


async def signed_in(deployment: Deployment, credential: dict[str, Any]) -> str:
    """A token for Key Vault, got with a leased credential."""
    url = f"{deployment.stack.described['endpoints']['entra']}/{credential['tenant_id']}/oauth2/v2.0/token"
    form = {name: credential[name] for name in ("client_id", "client_secret")}
    form |= {"grant_type": "client_credentials", "scope": f"{AUDIENCE}/.default"}
    return str((await deployment.visitor.http.post(url, data=form)).raise_for_status().json()["access_token"])


async def test_a_caller_reads_one_secret_of_a_vault_for_the_time_of_a_lease(deployment: Deployment) -> None:
    """As itself: nothing is handed out. The vault's other secrets stay shut, and so does this one after the end."""
    vault = await filled_vault(deployment, "grantsafe")
    roles = [{"role_name": READS, "scope": f"{vault}/secrets/database"}]
    await written(deployment, "read-database", {"type": "role_grant", "ttl": "15m", "azure_roles": roles})
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    own = await deployment.visitor.token("vm-web", AUDIENCE)
    assert 403 == await call(deployment, own, "GET", "grantsafe/secrets/database")

    lease = (await web.must("POST", "roles/read-database/leases"))["lease"]
    assert 200 == await call(deployment, own, "GET", "grantsafe/secrets/database")
    assert 403 == await call(deployment, own, "GET", "grantsafe/secrets/other")
    assert 403 == await call(deployment, own, "PUT", "grantsafe/secrets/database", {"value": "mine"})

    await web.must("DELETE", f"leases/{lease['id']}")
    await deployment.settled()
    assert 403 == await call(deployment, own, "GET", "grantsafe/secrets/database")
    assert before == await deployment.objects()


async def test_a_leased_credential_reads_the_vault_that_its_caller_has_named(deployment: Deployment) -> None:
    """Proven at that vault before it is handed out, and good for no other. After the end it reads nothing."""
    vault = await filled_vault(deployment, "leasesafe")
    await filled_vault(deployment, "leaseshut")
    document = {
        "type": "service_principal",
        "ready": "access",
        "parameters": {"vault": {"kind": "key_vault", "allowed": ["lease*"]}},
        "azure_roles": [{"role_name": READS, "scope": vault.replace("leasesafe", "{vault}")}],
    }
    await written(deployment, "read-vault", document)
    web = await deployment.broker("vm-web")

    answer = await web.must("POST", "roles/read-vault/leases", {"parameters": {"vault": "leasesafe"}})
    assert "probe:leasesafe.vault.azure.net" in answer["lease"]["readiness"]["seen"]
    token = await signed_in(deployment, answer["credential"])
    assert 200 == await call(deployment, token, "GET", "leasesafe/secrets/database")
    assert 403 == await call(deployment, token, "GET", "leaseshut/secrets/database")

    await web.must("DELETE", f"leases/{answer['lease']['id']}")
    await deployment.settled()
    assert 403 == await call(deployment, token, "GET", "leasesafe/secrets/database")
