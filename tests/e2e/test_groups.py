"""Roles with ``azure_groups``: where the broker has the permissions for them, and where it has not."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Deployment
from tests.e2e.test_contract import issue

pytestmark = pytest.mark.asyncio(loop_scope="session")
GROUPS = True


async def test_a_group_membership_comes_and_goes_with_the_lease(deployment: Deployment) -> None:
    """The principal is a member of the role's groups for as long as the lease lasts."""
    admin = await deployment.broker("admin")
    group = (await deployment.objects())["groups"][0]
    document = {"type": "service_principal", "ready": "none", "azure_groups": [{"object_id": group["object_id"]}],
                "bound_service_principal_ids": [deployment.object_id("vm-web")]}  # fmt: skip
    await admin.must("PUT", "roles/grouped", document)
    before = await deployment.objects()
    answer = await issue(deployment, "grouped")
    during = await deployment.objects()
    assert (
        answer["credential"]["object_id"]
        in next(each for each in during["groups"] if each["object_id"] == group["object_id"])["members"]
    )
    await (await deployment.broker("vm-web")).must("DELETE", f"leases/{answer['lease']['id']}")
    assert await deployment.objects() == before
