"""The configuration over HTTP: auth roles, policies, what Azure has of them, export and import."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECTIONS = {"policies": "policies", "roles": "roles", "auth_roles": "auth-roles"}


async def machine(deployment: Deployment, name: str, group: str) -> str:
    """Makes a virtual machine with an identity of its own in a resource group. Returns the identity's object id."""
    resource = f"{deployment.app.rpartition('/')[0]}/{group}/providers/Microsoft.Compute/virtualMachines/{name}"
    body = {"name": name, "kind": "system_assigned", "resource_id": resource, "location": "westeurope"}
    made: dict[str, Any] = await deployment.visitor.control("POST", "identities", body)
    return str(made["object_id"])


async def test_a_machine_is_let_in_by_its_resource_group_and_the_configuration_survives_a_loss(deployment: Deployment) -> None:
    """A dry run counts it. The same kind of machine elsewhere is refused. After a loss, an import lets it in again."""
    admin = await deployment.broker("admin")
    subscription = str(deployment.stack.described["subscription_id"])
    await machine(deployment, "vm-inside", "app")
    await machine(deployment, "vm-outside", "elsewhere")
    inside, outside = await deployment.broker("vm-inside"), await deployment.broker("vm-outside")
    role = {"type": "service_principal", "ready": "none", "azure_roles": [{"role_name": "Reader", "scope": deployment.app}]}
    await admin.must("PUT", "roles/reports", role)
    policy = {"rules": [{"path": "roles/reports/leases", "capabilities": ["issue"]}]}
    await admin.must("PUT", "policies/report-readers", policy)
    bounds = {
        "bound_subscription_ids": [subscription],
        "bound_resource_groups": ["app"],
        "bound_resource_ids": [f"{deployment.app}/providers/Microsoft.Compute/virtualMachines/*"],
    }
    machines = {**bounds, "policies": ["report-readers"]}
    looked = await admin.must("PUT", "auth-roles/machines?dry_run=true", machines)
    (counted,) = [each for each in looked["azure"] if each["path"] == "bound_resource_ids[0]"]
    assert any(each.endswith("/vm-inside") for each in counted["examples"])
    assert not any(each.endswith("/vm-outside") for each in counted["examples"])
    assert 403 == (await inside.call("POST", "roles/reports/leases", {})).status_code
    await admin.must("PUT", "auth-roles/machines", machines)
    lease = await inside.must("POST", "roles/reports/leases", {})
    await inside.must("DELETE", f"leases/{lease['lease']['id']}")
    assert 403 == (await outside.call("POST", "roles/reports/leases", {})).status_code

    exported = await admin.must("GET", "export")
    await admin.must("PUT", "import?prune=true&revoke=true", {"form": 1, "policies": {}, "roles": {}, "auth_roles": {}})
    for field, path in SECTIONS.items():
        assert [] == (await admin.must("GET", path))[field]
    assert 403 == (await inside.call("POST", "roles/reports/leases", {})).status_code
    done = await admin.must("PUT", "import", exported)
    assert "auth_roles.machines" in [each["path"] for each in done["created"]]
    assert exported == await admin.must("GET", "export")
    lease = await inside.must("POST", "roles/reports/leases", {})
    await inside.must("DELETE", f"leases/{lease['lease']['id']}")
    assert 403 == (await outside.call("POST", "roles/reports/leases", {})).status_code
    trail = await admin.must("GET", "audit?document=auth-roles/machines")
    operations = [event["operation"] for event in trail["events"]]
    assert ["put_auth_role", "delete_auth_role", "put_auth_role"] == operations
    await deployment.settled()


async def test_versions_are_honoured_over_http(deployment: Deployment) -> None:
    """Entity tags come through the host, and 304 has no body."""
    admin = await deployment.broker("admin")
    policy = {"rules": [{"path": "status", "capabilities": ["read"]}]}
    made = await admin.call("PUT", "policies/watchers", policy)
    tag = made.headers["etag"]
    seen = await admin.call("GET", "policies/watchers", if_none_match=tag)
    assert (201, 304, b"") == (made.status_code, seen.status_code, seen.content)
    stale = await admin.call("PUT", "policies/watchers", policy, if_match='"x"')
    assert (412, "precondition_failed") == (stale.status_code, stale.json()["code"])
    assert 204 == (await admin.call("DELETE", "policies/watchers", if_match=tag)).status_code
