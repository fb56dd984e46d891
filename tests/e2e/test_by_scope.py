"""Leases that are found and ended by scope, over the function host: its routes, its queue, its storage."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_reaches_a_resource_is_listed_and_ended(deployment: Deployment) -> None:
    """By an administrator; its holder finds it as well, and may not end what reaches a scope."""
    web, admin = await deployment.broker("vm-web"), await deployment.broker("admin")
    lease = (await web.must("POST", "roles/app-reader/leases", {}))["lease"]["id"]
    resource = f"{deployment.app}/providers/Microsoft.Storage/storageAccounts/x"
    for who in (web, admin):
        found = await who.must("GET", f"leases?reaching={resource}")
        assert lease in {each["id"] for each in found["leases"]}
        assert "groups_not_seen" in {each["code"] for each in found["warnings"]}
    refused = await web.call("POST", "leases/revoke", {"reaching": resource})
    assert (403, "forbidden") == (refused.status_code, refused.json()["code"])
    answer = await admin.call("POST", "leases/revoke", {"reaching": resource, "roles": ["app-reader"]})
    assert (202, ["app-reader"]) == (answer.status_code, answer.json()["roles"])
    for _ in range(120):
        if (await web.must("GET", f"leases/{lease}"))["state"] == "ended":
            break
        await asyncio.sleep(0.5)
    assert "ended" == (await web.must("GET", f"leases/{lease}"))["state"]
    assert [] == (await admin.must("GET", f"leases?reaching={resource}&role=app-reader"))["leases"]
