"""Azure's names for data, on the port that has every service: a connection to loopback, with the real name in TLS and Host."""

from __future__ import annotations

import httpx
import pytest

from tests.local.conftest import Cloud

BLOBS = ("lake.blob.core.windows.net", "/docs?restype=container&comp=list&maxresults=1", "https://storage.azure.com")
SECRETS = ("safe.vault.azure.net", "/secrets?maxresults=1&api-version=7.4", "https://vault.azure.net")
ARM = ("management.azure.com", "/subscriptions?api-version=2022-12-01", "https://management.azure.com")


def _asked(cloud: Cloud, host: str, path: str, token: str | None, *, version: str = "2021-08-06") -> httpx.Response:
    """One GET by a client that connects to the port at loopback, whatever the name."""
    headers = {"host": host, "x-ms-version": version} | ({"authorization": f"Bearer {token}"} if token else {})
    request = cloud.http.build_request("GET", cloud.endpoints["all_tls"] + path, headers=headers)
    request.extensions["sni_hostname"] = host
    return cloud.http.send(request)


@pytest.fixture
def places(cloud: Cloud) -> dict[str, str]:
    """A storage account and a vault, by the names that they have."""
    account = {"type": "Microsoft.Storage/storageAccounts", "name": "lake", "group": "data", "containers": {"docs": {"a": "1"}}}
    vault = {"type": "Microsoft.KeyVault/vaults", "name": "safe", "group": "data"}
    made = [cloud.control("POST", "resources", each)["id"] for each in (account, vault)]
    return {BLOBS[0]: made[0], SECRETS[0]: made[1], ARM[0]: f"/subscriptions/{cloud.document['subscription_id']}"}


@pytest.mark.parametrize(
    ("target", "role", "refused"),
    [
        (BLOBS, "Storage Blob Data Reader", (403, "AuthorizationPermissionMismatch")),
        (SECRETS, "Key Vault Secrets User", (403, "ForbiddenByRbac")),
        (ARM, "Reader", (200, '"value":[]')),
    ],
)
def test_is_answered_by_the_service_of_that_name(
    cloud: Cloud, places: dict[str, str], target: tuple[str, str, str], role: str, refused: tuple[int, str]
) -> None:
    """With the refusal of a caller that has no role, and the answer to one that has."""
    host, path, resource = target
    before = _asked(cloud, host, path, cloud.token("stranger", resource))
    cloud.control("POST", "role-assignments", {"identity": "stranger", "role": role, "scope": places[host]})
    after = _asked(cloud, host, path, cloud.token("stranger", resource))
    assert (refused[0], True) == (before.status_code, refused[1] in before.text)
    assert (200, False) == (after.status_code, refused[1] in after.text)


@pytest.mark.parametrize("target", [BLOBS, SECRETS])
def test_challenges_who_brings_no_token(cloud: Cloud, places: dict[str, str], target: tuple[str, str, str]) -> None:
    """With Azure's own names, which are those that clients know."""
    host, path, resource = target
    assert host in places
    answer = _asked(cloud, host, path, None)
    assert 401 == answer.status_code
    assert f"login.microsoftonline.com/{cloud.document['tenant_id']}" in answer.headers["www-authenticate"]
    assert resource in answer.headers["www-authenticate"]


def test_a_name_that_the_certificate_does_not_have_is_refused_by_the_client(cloud: Cloud) -> None:
    """The client looks at the name that it asked for, and not at the one it connected to."""
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        _asked(cloud, "lake.blob.example.org", "/", None)
