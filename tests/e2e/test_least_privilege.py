"""What the broker may do when nobody has asked for more: as much as a deployment with two resource groups, and no more."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_without_the_permissions_for_groups_no_role_has_any(deployment: Deployment) -> None:
    """The broker has none of them unless somebody says so."""
    admin = await deployment.broker("admin")
    group = (await deployment.objects())["groups"][0]
    document = {"type": "service_principal", "ready": "none", "azure_groups": [{"object_id": group["object_id"]}]}
    refused = await admin.call("PUT", "roles/grouped", document)
    assert not refused.is_success
    assert (await admin.call("GET", "roles/grouped")).status_code == 404


@pytest.mark.parametrize("where", ["app", "data"])
async def test_leases_a_role_in_each_granted_group(deployment: Deployment, where: str) -> None:
    """By a name or by an id that begins with the subscription, over which the broker has no right."""
    admin, scope = await deployment.broker("admin"), deployment.app.replace("/app", f"/{where}")
    subscription = scope.partition("/resourceGroups")[0]
    reader = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    before = await deployment.objects()
    for given in ({"role_name": "Reader"}, {"role_id": reader}):
        await admin.must(
            "PUT",
            f"roles/in-{where}",
            {"type": "service_principal", "ready": "none", "azure_roles": [given | {"scope": scope}]},
        )
        answer = await admin.must("POST", f"roles/in-{where}/leases", {})
        await admin.must("DELETE", f"leases/{answer['lease']['id']}")
    assert await deployment.objects() == before


async def test_leases_no_role_that_is_not_listed(deployment: Deployment) -> None:
    """The grant's condition names what may be assigned, and nothing is left of the attempt."""
    admin = await deployment.broker("admin")
    before = await deployment.objects()
    document = {
        "type": "service_principal",
        "ready": "none",
        "azure_roles": [{"role_name": "Contributor", "scope": deployment.app}],
    }
    if (await admin.call("PUT", "roles/too-much", document)).is_success:
        assert not (await admin.call("POST", "roles/too-much/leases", {})).is_success
        await deployment.settled()
    assert await deployment.objects() == before


async def test_no_role_reaches_the_brokers_own_group(deployment: Deployment) -> None:
    """It is protected, as it is when deployed."""
    admin, own = await deployment.broker("admin"), deployment.app.replace("/app", "/leasehold")
    document = {"type": "service_principal", "ready": "none", "azure_roles": [{"role_name": "Reader", "scope": own}]}
    refused = await admin.call("PUT", "roles/own", document)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, "azure_roles[0].scope")
