"""azure-keyvault-secrets, unmodified, under Azure's own names: the broker as courier, and an application that reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets.aio import SecretClient as AsyncSecretClient

from tests.local.conftest import Cloud

VAULT = "https://app.vault.azure.net"
END = dt.datetime(2031, 5, 17, 12, 0, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Clients:
    """The sample's broker, which may not read, and an application that may do nothing else."""

    courier: SecretClient
    reader: SecretClient


@pytest.fixture
def clients(named: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Both at the sample's vault."""
    identity = named.identity("leasehold")
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity["identity_endpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", identity["identity_header"])
    made = named.control("POST", "identities", {"name": "web", "kind": "application"})
    secret = named.control("POST", "secrets", {"identity": "web"})["secret"]
    scope = f"/subscriptions/{named.document['subscription_id']}/resourceGroups/app"
    named.control("POST", "role-assignments", {"identity": "web", "role": "Key Vault Secrets User", "scope": scope})
    with (
        ManagedIdentityCredential(client_id=identity["client_id"]) as own,
        ClientSecretCredential(named.document["tenant_id"], made["client_id"], secret) as others,
        SecretClient(VAULT, own) as courier,
        SecretClient(VAULT, others) as reader,
    ):
        yield Clients(courier, reader)


def test_what_one_delivers_the_other_reads(clients: Clients) -> None:
    """Value, attributes, content type and tags; the newest version without asking for one."""
    first = clients.courier.set_secret("db", "one")
    second = clients.courier.set_secret("db", "two", content_type="text/plain", tags={"lease": "1"}, expires_on=END)
    read = clients.reader.get_secret("db")
    assert ("two", second.id, END, "text/plain", {"lease": "1"}) == (
        read.value,
        read.id,
        read.properties.expires_on,
        read.properties.content_type,
        read.properties.tags,
    )
    assert ("Recoverable+Purgeable", 90) == (read.properties.recovery_level, read.properties.recoverable_days)
    assert "one" == clients.reader.get_secret("db", first.properties.version).value


def test_the_courier_sees_no_value(clients: Clients) -> None:
    """Not even of what it has set itself."""
    clients.courier.set_secret("db", "one")
    with pytest.raises(HttpResponseError) as refused:
        clients.courier.get_secret("db")
    assert refused.value.error is not None
    assert (403, "ForbiddenByRbac") == (refused.value.status_code, refused.value.error.innererror["code"])


def test_a_disabled_version_is_not_read(clients: Clients) -> None:
    """And the other one is."""
    first = clients.courier.set_secret("db", "one")
    clients.courier.set_secret("db", "two")
    changed = clients.courier.update_secret_properties("db", first.properties.version, enabled=False, tags={"ended": "yes"})
    assert (False, {"ended": "yes"}) == (changed.enabled, changed.tags)
    with pytest.raises(HttpResponseError, match="disabled secret"):
        clients.reader.get_secret("db", first.properties.version)
    assert "two" == clients.reader.get_secret("db").value


def test_lists_follow_the_pages(clients: Clients) -> None:
    """Secrets and versions, however few a page has."""
    for number in range(5):
        clients.courier.set_secret(f"s{number}", "x")
    for _ in range(6):
        clients.courier.set_secret("s0", "y")
    names = [each.name for each in clients.courier.list_properties_of_secrets(max_page_size=2)]
    versions = [str(each.version) for each in clients.courier.list_properties_of_secret_versions("s0", max_page_size=3)]
    assert ([f"s{number}" for number in range(5)], 7) == (names, len(set(versions)))
    assert versions == sorted(versions)


def test_a_deleted_secret_keeps_its_name_until_it_is_purged(clients: Clients) -> None:
    """The SDK waits until it is among the deleted ones."""
    clients.courier.set_secret("db", "one")
    deleting = clients.courier.begin_delete_secret("db")
    deleting.wait()
    deleted = deleting.result()
    assert deleted.recovery_id == f"{VAULT}/deletedsecrets/db"
    assert ["db"] == [each.name for each in clients.courier.list_deleted_secrets()]
    with pytest.raises(ResourceExistsError, match="deleted but recoverable"):
        clients.courier.set_secret("db", "two")
    clients.courier.purge_deleted_secret("db")
    with pytest.raises(ResourceNotFoundError):
        clients.courier.get_deleted_secret("db")
    assert "two" == clients.courier.set_secret("db", "two").value


def test_a_recovered_secret_is_read_again(named: Cloud, clients: Clients) -> None:
    """That, and a backup, take more than the courier has."""
    scope = f"/subscriptions/{named.document['subscription_id']}/resourceGroups/app"
    named.control("POST", "role-assignments", {"identity": "web", "role": "Key Vault Secrets Officer", "scope": scope})
    clients.courier.set_secret("db", "one")
    saved = clients.reader.backup_secret("db")
    clients.courier.begin_delete_secret("db").wait()
    clients.reader.begin_recover_deleted_secret("db").wait()
    assert "one" == clients.reader.get_secret("db").value
    clients.courier.begin_delete_secret("db").wait()
    clients.courier.purge_deleted_secret("db")
    clients.reader.restore_secret_backup(saved)
    assert "one" == clients.reader.get_secret("db").value
    with pytest.raises(HttpResponseError, match="not authorized"):
        clients.courier.backup_secret("db")


def test_waits_as_long_as_azure_takes(named: Cloud, clients: Clients) -> None:
    """Under a profile, deletion goes on after the answer: the SDK asks again and again."""
    named.control("PUT", "consistency", {"profile": "typical", "seed": 3, "speed": 20})
    clients.courier.set_secret("db", "one")
    clients.courier.begin_delete_secret("db", _polling_interval=0.05).wait()
    asked = [call for call in named.control("GET", "calls") if call["path"] == "/deletedsecrets/db"]
    assert {"app.vault.azure.net"} == {call["host"] for call in asked}
    assert [404] * (len(asked) - 1) + [200] == [call["status"] for call in asked]


def test_another_tenants_vault_is_told_by_its_challenge(named: Cloud, clients: Clients) -> None:
    """The SDK asks that tenant for a token, and does not get one."""
    other = "2b0e0a1c-66a2-4f5b-8d11-0f6f4f2d9a10"
    named.control("PUT", "vaults/app", {"tenant_id": other})
    with pytest.raises(ClientAuthenticationError):
        clients.reader.get_secret("db")


async def test_a_secret_lives_asynchronously(cloud: Cloud) -> None:
    """The asynchronous client, on the port that Key Vault has for itself: that is no vault's name, which it would refuse."""
    made = cloud.control("POST", "identities", {"name": "web", "kind": "application"})
    secret = cloud.control("POST", "secrets", {"identity": "web"})["secret"]
    scope = f"/subscriptions/{cloud.document['subscription_id']}/resourceGroups/app"
    cloud.control("POST", "role-assignments", {"identity": "web", "role": "Key Vault Secrets Officer", "scope": scope})
    trusting: dict[str, Any] = {"connection_verify": cloud.ca_bundle}
    authority = {"authority": cloud.endpoints["entra"], "disable_instance_discovery": True}
    address = f"{cloud.endpoints['key_vault']}/app"
    async with (
        AsyncClientSecretCredential(cloud.document["tenant_id"], made["client_id"], secret, **authority, **trusting) as own,
        AsyncSecretClient(address, own, verify_challenge_resource=False, **trusting) as client,
    ):
        versions = [(await client.set_secret("db", str(number))).properties.version for number in range(3)]
        listed = [each.version async for each in client.list_properties_of_secret_versions("db", max_page_size=1)]
        read = await client.get_secret("db")
        await client.delete_secret("db")
        await client.purge_deleted_secret("db")
        left = [each.name async for each in client.list_deleted_secrets()]

    assert (sorted(map(str, versions)), "2", []) == (listed, read.value, left)
