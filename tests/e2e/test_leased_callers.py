"""A leased credential signs in and calls the broker, over HTTP."""

from __future__ import annotations

import ssl
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _signed_in(deployment: Deployment, credential: dict[str, Any]) -> Any:
    """The broker, as the leased principal."""
    form = {
        "grant_type": "client_credentials",
        "client_id": credential["client_id"],
        "client_secret": credential["client_secret"],
        "scope": f"{deployment.audience}/.default",
    }
    entra = deployment.stack.described["endpoints"]["entra"]
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=deployment.stack.ca_bundle), trust_env=False) as http:
        answer = await http.post(f"{entra}/{credential['tenant_id']}/oauth2/v2.0/token", data=form)
    return deployment.with_token(answer.raise_for_status().json()["access_token"])


async def test_a_leased_principal_leases_nothing_even_after_its_end(deployment: Deployment) -> None:
    """Though a role binds it: neither while its lease lives nor with a token that outlives it."""
    web, admin = await deployment.broker("vm-web"), await deployment.broker("admin")
    made = await web.must("POST", "roles/app-reader/leases", {})
    child = await _signed_in(deployment, made["credential"])
    role = {
        "type": "service_principal",
        "ready": "none",
        "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
        "bound_service_principal_ids": [made["credential"]["object_id"]],
        "ttl": "24h",
    }
    await admin.must("PUT", "roles/child", role)
    for path in ("whoami", "leases"):
        assert "leased_caller" == (await child.call("GET", path)).json()["code"]
    refused = await child.call("POST", "roles/child/leases", {})
    assert (403, "leased_caller") == (refused.status_code, refused.json()["code"])
    (event,) = await deployment.events(refused.json()["request_id"])
    assert ("refused", made["lease"]["id"] in event["reason"]) == (event["outcome"], True)

    await web.must("DELETE", f"leases/{made['lease']['id']}")
    after = await child.call("POST", "roles/child/leases", {})
    assert (403, "leased_caller") == (after.status_code, after.json()["code"])
    assert 200 == (await child.call("GET", "health")).status_code
