"""Vaults by the control API: made, changed, and what the control API tells of them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.local.conftest import Cloud

TENANT = "2b0e0a1c-66a2-4f5b-8d11-0f6f4f2d9a10"
AUDIENCE = "https://vault.azure.net"


def _asked(cloud: Cloud, method: str, path: str, identity: str = "leasehold", body: Any = None) -> httpx.Response:
    """One call to the vault that the path begins with, on Key Vault's own port."""
    headers = {"authorization": f"Bearer {cloud.token(identity, AUDIENCE)}"}
    url = f"{cloud.endpoints['key_vault']}/{path}"
    return cloud.http.request(method, url, params={"api-version": "7.4"}, headers=headers, json=body)


def _read(cloud: Cloud, resource_id: str) -> dict[str, Any]:
    """The vault as Azure Resource Manager shows it to an owner."""
    cloud.control("POST", "role-assignments", {"identity": "admin", "role": "Reader", "scope": resource_id})
    headers = {"authorization": f"Bearer {cloud.token('admin', 'https://management.azure.com')}"}
    found = cloud.http.get(cloud.endpoints["arm"] + resource_id, params={"api-version": "2023-07-01"}, headers=headers)
    found.raise_for_status()
    properties: dict[str, Any] = found.json()["properties"]
    return properties


def test_the_answer_says_where_the_vault_is(cloud: Cloud) -> None:
    """In the group ``app`` unless another is named."""
    made = cloud.control("POST", "vaults", {"name": "Safe"})
    other = cloud.control("POST", "vaults", {"name": "safe-2", "resource_group": "more"})
    group = f"/subscriptions/{cloud.document['subscription_id']}/resourceGroups"
    expected = {
        "name": "Safe",
        "id": f"{group}/app/providers/Microsoft.KeyVault/vaults/Safe",
        "uri": "https://safe.vault.azure.net",
    }
    assert expected == made
    assert f"{group}/more/providers/Microsoft.KeyVault/vaults/safe-2" == other["id"]


def test_resource_manager_shows_its_settings(cloud: Cloud) -> None:
    """As they were given, then as they were changed; what is not named stays."""
    made = cloud.control("POST", "vaults", {"name": "safe", "purge_protection": True, "retention_days": 7})
    first = _read(cloud, made["id"])
    cloud.control("PUT", "vaults/safe", {"firewall": True, "tenant_id": TENANT})
    then = _read(cloud, made["id"])
    names = ("enablePurgeProtection", "softDeleteRetentionInDays", "tenantId", "vaultUri")
    assert (True, 7, cloud.document["tenant_id"], "https://safe.vault.azure.net/") == tuple(first[name] for name in names)
    assert (True, 7, TENANT, "https://safe.vault.azure.net/") == tuple(then[name] for name in names)
    assert ("Allow", "Deny") == (first["networkAcls"]["defaultAction"], then["networkAcls"]["defaultAction"])
    assert first["enableRbacAuthorization"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "ab"},
        {"name": "a" * 25},
        {"name": "1ab"},
        {"name": "a--b"},
        {"name": "abc-"},
        {"name": "app"},
        {"name": "safe", "retention_days": 6},
        {"name": "safe", "retention_days": 91},
        {"name": "safe", "retention_days": True},
        {"name": "safe", "purge_protection": "yes"},
        {"name": "safe", "tenant_id": "here"},
        {"name": "safe", "firewall": ["127.0.0.1"]},
        {"name": "safe", "secrets": {}},
        {},
    ],
    ids=str,
)
def test_bad_input_is_refused(cloud: Cloud, body: dict[str, Any]) -> None:
    """The name ``app`` is the sample's; nothing is made, so the name ``safe`` stays free."""
    assert 400 == cloud.http.post(f"{cloud.control_url}/vaults", json=body).status_code
    assert 201 == cloud.http.post(f"{cloud.control_url}/vaults", json={"name": "safe"}).status_code


def test_only_a_vault_that_is_there_is_changed(cloud: Cloud) -> None:
    """And only its settings."""
    answers = [
        cloud.http.put(f"{cloud.control_url}/vaults/{name}", json=body) for name, body in (("none", {}), ("app", {"name": "x"}))
    ]
    assert [400, 400] == [answer.status_code for answer in answers]


def test_the_samples_courier_delivers_and_does_not_read(cloud: Cloud) -> None:
    """Set, change, list, delete, purge: and no value."""
    version = _asked(cloud, "PUT", "app/secrets/db", body={"value": "v"}).json()["id"][-32:]
    calls = (
        ("GET", "app/secrets/db/versions", None, 200),
        ("PATCH", f"app/secrets/db/{version}", {"attributes": {"exp": 7}}, 200),
        ("GET", "app/secrets/db", None, 403),
        ("GET", f"app/secrets/db/{version}", None, 403),
        ("DELETE", "app/secrets/db", None, 200),
        ("POST", "app/deletedsecrets/db/recover", None, 403),
        ("DELETE", "app/deletedsecrets/db", None, 204),
    )
    assert [expected for *_, expected in calls] == [
        _asked(cloud, method, path, body=body).status_code for method, path, body, _ in calls
    ]


def test_the_courier_is_nobody_at_another_vault(cloud: Cloud) -> None:
    """Its right is at the vault ``app``, in which nobody else has one."""
    cloud.control("POST", "vaults", {"name": "safe"})
    assert 403 == _asked(cloud, "PUT", "safe/secrets/db", body={"value": "v"}).status_code
    assert 403 == _asked(cloud, "PUT", "app/secrets/db", "stranger", {"value": "v"}).status_code


def test_state_and_calls_tell_of_secrets_and_hosts(cloud: Cloud) -> None:
    """No value in either."""
    _asked(cloud, "PUT", "app/secrets/db", body={"value": "seen by nobody"})
    state, calls = cloud.control("GET", "state")["vault_secrets"], cloud.control("GET", "calls")
    assert [("db", "live", True)] == [(each["name"], each["state"], each["enabled"]) for each in state]
    assert [("key_vault", "PUT", "/app/secrets/db", "127.0.0.1")] == [
        (each["service"], each["method"], each["path"], each["host"]) for each in calls
    ]
    assert "seen by nobody" not in f"{state}{calls}"


def test_faults_strike_a_vault_as_any_service(cloud: Cloud) -> None:
    """With a code within the code, or without an answer though it has happened."""
    fault = {"service": "key_vault", "method": "PUT", "effect": {"status": 403, "code": "ForbiddenByFirewall"}}
    cloud.control("POST", "faults", [fault, {"service": "key_vault", "effect": "drop_after_effect"}])
    refused = _asked(cloud, "PUT", "app/secrets/db", body={"value": "v"})
    assert (403, {"code": "ForbiddenByFirewall"}) == (refused.status_code, refused.json()["error"]["innererror"])
    with pytest.raises(httpx.RemoteProtocolError):
        _asked(cloud, "PUT", "app/secrets/db", body={"value": "v"})
    assert 1 == len(cloud.control("GET", "state")["vault_secrets"])


def test_limits_are_set_like_others(cloud: Cloud) -> None:
    """A reset brings Azure's back."""
    cloud.control("PUT", "limits", {"key_vault": {"transactions": 1}})
    assert [200, 429] == [_asked(cloud, "GET", "app/secrets").status_code for _ in range(2)]
    cloud.control("POST", "reset")
    assert 4_000 == cloud.control("GET", "limits")["key_vault"]["transactions"]


def test_a_cloud_by_itself_knows_of_no_storage(cloud: Cloud) -> None:
    """The whole stack has one, and says where."""
    assert cloud.document["storage"] is None
