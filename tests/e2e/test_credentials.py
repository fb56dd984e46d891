"""Credentials that are no secrets, over HTTP: each is used as its holder would, with azure-identity unmodified."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.identity import CertificateCredential, ClientAssertionCredential

from tests.e2e.conftest import Deployment
from tests.support.certificates import key_pair, plain, private_key

pytestmark = pytest.mark.asyncio(loop_scope="session")

ARM = "https://management.azure.com/.default"


async def role(deployment: Deployment, name: str, **fields: Any) -> None:
    """A role that reads the group ``app``, and from which two identities may issue."""
    document = {
        "type": "service_principal",
        "ready": "token",
        "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
        "bound_service_principal_ids": [deployment.object_id("fn-orders"), deployment.object_id("vm-web")],
    }
    await (await deployment.broker("admin")).must("PUT", f"roles/{name}", document | fields)


async def reads(deployment: Deployment, token: str) -> int:
    """What Resource Manager answers to a look at the group."""
    url = f"{deployment.stack.described['endpoints']['arm']}{deployment.app}?api-version=2024-03-01"
    answer = await deployment.visitor.http.get(url, headers={"authorization": f"Bearer {token}"})
    return answer.status_code


def options(deployment: Deployment) -> dict[str, Any]:
    """What a client needs to know about the local cloud."""
    return {
        "authority": deployment.stack.described["endpoints"]["entra"],
        "disable_instance_discovery": True,
        "connection_verify": deployment.visitor.ca_bundle,
    }


async def token_of(make: Callable[[], Any]) -> str:
    """What the client library gets for Resource Manager."""

    def ask() -> AccessToken:
        with make() as credential:
            found: AccessToken = credential.get_token(ARM)
            return found

    return (await asyncio.to_thread(ask)).token


async def test_a_token_is_used_as_it_is(deployment: Deployment) -> None:
    """A repeat gets a fresh one and writes nothing to Azure; after the end it counts for nothing."""
    await role(deployment, "tokens", credential="token", token_scopes=[ARM])
    caller = await deployment.broker("fn-orders")
    made = (await caller.call("POST", "roles/tokens/leases", {}, idempotency_key="t-1")).json()
    lease, credential = made["lease"], made["credential"]
    assert ("ready", "token", ARM) == (lease["ready"], credential["credential"], credential["scope"])
    assert credential["expires_at"] == min(lease["expires_at"], credential["token_expires_at"])
    assert 200 == await reads(deployment, credential["access_token"])
    before = await deployment.objects()
    again = (await caller.call("POST", "roles/tokens/leases", {}, idempotency_key="t-1")).json()
    assert (lease["id"], before) == (again["lease"]["id"], await deployment.objects())
    assert 200 == await reads(deployment, again["credential"]["access_token"])
    await caller.must("DELETE", f"leases/{lease['id']}")
    assert 403 == await reads(deployment, again["credential"]["access_token"])
    ended = await caller.must("GET", f"leases/{lease['id']}")
    assert ended["residual_until"] == again["credential"]["token_expires_at"]


async def test_a_user_assigned_identity_signs_in_with_its_own_token(deployment: Deployment) -> None:
    """Nothing was handed over."""
    await role(deployment, "workloads", credential="federated")
    caller = await deployment.broker("fn-orders")
    made = await caller.must("POST", "roles/workloads/leases", {})
    lease, credential = made["lease"], made["credential"]
    assert "ready" == lease["ready"]
    assert {"issuer": credential["issuer"], "subject": deployment.object_id("fn-orders")} == lease["federated_identity"]
    assert not {"client_secret", "access_token"} & {*credential}
    asked = {"identity": "fn-orders", "resource": credential["audience"]}
    assertion = str((await deployment.visitor.control("POST", "token", asked))["access_token"])
    arguments = (credential["tenant_id"], credential["client_id"], lambda: assertion)
    token = await token_of(lambda: ClientAssertionCredential(*arguments, **options(deployment)))
    assert 200 == await reads(deployment, token)
    system_assigned = await (await deployment.broker("vm-web")).call("POST", "roles/workloads/leases", {})
    assert (409, "federation_unsupported") == (system_assigned.status_code, system_assigned.json()["code"])


async def test_a_certificate_signs_in_with_its_key(deployment: Deployment) -> None:
    """The key was never sent; a request with it is refused."""
    await role(deployment, "certified", credential="certificate")
    caller, key = await deployment.broker("fn-orders"), private_key(key_pair())
    refused = await caller.call("POST", "roles/certified/leases", {"certificate": key + plain()})
    assert (400, "certificate_invalid") == (refused.status_code, refused.json()["code"])
    assert key.splitlines()[1] not in refused.text
    made = await caller.must("POST", "roles/certified/leases", {"certificate": plain()})
    credential = made["credential"]
    assert "ready" == made["lease"]["ready"]
    arguments = (credential["tenant_id"], credential["client_id"])
    both = {"certificate_data": (key + plain()).encode(), **options(deployment)}
    token = await token_of(lambda: CertificateCredential(*arguments, **both))
    assert 200 == await reads(deployment, token)
