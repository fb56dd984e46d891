"""Credentials that are no secrets, for clients that do not wait, over HTTP: collected as often as the holder wants."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from azure.identity import CertificateCredential, ClientAssertionCredential

from local.visitor import Broker
from tests.e2e.conftest import Deployment
from tests.e2e.test_credentials import ARM, options, reads, role, token_of
from tests.support.certificates import key_pair, plain, private_key

pytestmark = pytest.mark.asyncio(loop_scope="session")
STORAGE = "https://storage.azure.com/.default"


async def collected(caller: Broker, path: str) -> Any:
    """Follows the 202."""
    reply = await caller.call("GET", path)
    if reply.status_code == httpx.codes.ACCEPTED:
        await asyncio.sleep(float(reply.headers["retry-after"]) / 20)
        return await collected(caller, path)
    assert reply.status_code == httpx.codes.OK, reply.text
    return reply.json()


async def twice(deployment: Deployment, name: str, ask: dict[str, Any], **fields: Any) -> tuple[Any, Any]:
    """A lease that nobody waits for, collected twice, and given back. The second time, Azure is not written to."""
    await role(deployment, name, ready="access", **fields)
    caller = await deployment.broker("fn-orders")
    asked = await caller.call("POST", f"roles/{name}/leases", ask, prefer="respond-async")
    assert httpx.codes.ACCEPTED == asked.status_code
    path = asked.json()["next"]["url"].partition("/api/v1/")[2]
    first = await collected(caller, path)
    before = await deployment.objects()
    again = await collected(caller, path)
    assert before == await deployment.objects()
    assert ("ready", first["lease"]["id"]) == (again["lease"]["ready"], again["lease"]["id"])
    assert {"token", f"arm:{deployment.app}"} == {*again["lease"]["readiness"]["seen"]}
    assert not {"client_secret"} & {*again["credential"]}
    return first, again


async def test_a_token(deployment: Deployment) -> None:
    """Each is a fresh one, for the scope that is asked for."""
    first, again = await twice(deployment, "later-tokens", {}, credential="token", token_scopes=[ARM, STORAGE])
    assert first["credential"]["access_token"] != again["credential"]["access_token"]
    assert 200 == await reads(deployment, again["credential"]["access_token"])
    caller, path = await deployment.broker("fn-orders"), f"leases/{first['lease']['id']}"
    other = await caller.must("GET", f"{path}/credential?scope={STORAGE}")
    assert STORAGE == other["credential"]["scope"]
    refused = await caller.call("GET", f"{path}/credential?scope=https://vault.azure.net/.default")
    assert (400, ["scope"]) == (refused.status_code, [each["path"] for each in refused.json()["errors"]])
    await caller.must("DELETE", path)
    ended = await caller.must("GET", path)
    assert ended["residual_until"] == other["credential"]["token_expires_at"]


async def test_a_workloads_own_tokens(deployment: Deployment) -> None:
    """Whoever prepares the lease knows who has asked."""
    first, again = await twice(deployment, "later-workloads", {}, credential="federated")
    credential = again["credential"]
    assert first["credential"] == credential
    assert ["federated_credential"] == again["lease"]["readiness"]["unseen"]
    asked = {"identity": "fn-orders", "resource": credential["audience"]}
    assertion = str((await deployment.visitor.control("POST", "token", asked))["access_token"])
    arguments = (credential["tenant_id"], credential["client_id"], lambda: assertion)
    token = await token_of(lambda: ClientAssertionCredential(*arguments, **options(deployment)))
    assert 200 == await reads(deployment, token)


async def test_a_certificate(deployment: Deployment) -> None:
    """Whoever prepares the lease has it."""
    first, again = await twice(deployment, "later-certified", {"certificate": plain()}, credential="certificate")
    credential = again["credential"]
    assert first["credential"] == credential
    assert ["certificate"] == again["lease"]["readiness"]["unseen"]
    both = {"certificate_data": (private_key(key_pair()) + plain()).encode(), **options(deployment)}
    arguments = (credential["tenant_id"], credential["client_id"])
    token = await token_of(lambda: CertificateCredential(*arguments, **both))
    assert 200 == await reads(deployment, token)
