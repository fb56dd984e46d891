"""Managed identities that the control API changes."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest

from tests.local.conftest import Cloud


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _directory_says(cloud: Cloud, object_id: str) -> list[str]:
    cloud.control("POST", "app-roles", {"identity": "auditor", "app_roles": ["Application.Read.All"]})
    headers = {"authorization": f"Bearer {cloud.token('auditor', 'https://graph.microsoft.com')}"}
    names: list[str] = cloud.http.get(f"{cloud.endpoints['graph']}/v1.0/servicePrincipals/{object_id}", headers=headers).json()[
        "alternativeNames"
    ]
    return names


def test_the_brokers_identity_can_be_of_the_other_kind(cloud: Cloud) -> None:
    """Its ids stay, and it goes on signing in; the directory and its tokens tell the other kind and resource."""
    before = cloud.identity("leasehold")
    after = cloud.control("PUT", "identities/leasehold", {"kind": "system_assigned"})
    query = {"api-version": "2019-08-01", "resource": "https://management.azure.com/", "client_id": before["client_id"]}
    answer = cloud.http.get(
        before["identity_endpoint"], params=query, headers={"X-IDENTITY-HEADER": before["identity_header"]}
    ).json()

    assert {"name": "leasehold", **cloud.identity("leasehold")} == after
    assert {"kind": "system_assigned", "resource_id": after["resource_id"]} == {
        name: after[name] for name in before if before[name] != after[name]
    }
    place = after["resource_id"].replace("/resourceGroups/", "/resourcegroups/")
    assert place.endswith("/providers/Microsoft.Compute/virtualMachines/leasehold")
    assert (["isExplicit=False", place], place) == (
        _directory_says(cloud, before["object_id"]),
        _claims(answer["access_token"])["xms_mirid"],
    )

    back = cloud.control("PUT", "identities/leasehold", {"kind": "user_assigned", "resource_id": before["resource_id"]})
    assert before == {name: back[name] for name in before}
    assert "isExplicit=True" in _directory_says(cloud, before["object_id"])


def test_an_identity_changes_to_a_kind_that_fits(cloud: Cloud) -> None:
    """Nobody else's than a managed identity's, and on a resource that can have it; else nothing changes."""
    machine = cloud.identity("vm-web")["resource_id"]
    assert cloud.identity("vm-web").items() <= cloud.control("PUT", "identities/vm-web", {"kind": "system_assigned"}).items()
    before = cloud.document["identities"]
    refused = [
        ("admin", {"kind": "user_assigned"}),
        ("nobody", {"kind": "user_assigned"}),
        ("vm-web", {"kind": "application"}),
        ("vm-web", {"kind": "user_assigned", "resource_id": machine}),
        ("fn-orders", {"kind": "system_assigned", "resource_id": before["fn-orders"]["resource_id"]}),
        ("vm-web", {}),
    ]
    for name, body in refused:
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            cloud.control("PUT", f"identities/{name}", body)
    assert before == cloud.document["identities"]
