"""azure-storage-blob, unmodified: user delegation keys, shared access signatures, and what ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    UserDelegationKey,
    generate_blob_sas,
    generate_container_sas,
)

from tests.local.conftest import Cloud
from tests.local.sdk.tunnel import tunnel

STORAGE = "https://storage.azure.com"
URL = "https://sales.blob.core.windows.net"
ALL = "racwdl"


@dataclass(frozen=True, slots=True)
class Signer:
    """``stranger``, who holds a role at the account ``sales`` and signs for its container ``reports``."""

    cloud: Cloud
    account: str

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        """Satisfies the SDK's credential."""
        return AccessToken(self.cloud.token("stranger", STORAGE), int(self.now().timestamp()) + 3600)

    def now(self) -> datetime:
        """By the cloud's clock."""
        return datetime.now(UTC)

    def assign(self, role: str) -> None:
        """At the account."""
        self.cloud.control("POST", "role-assignments", {"identity": "stranger", "role": role, "scope": self.account})

    def unassign(self) -> None:
        """Whatever it holds, through Resource Manager."""
        arm = self.cloud.endpoints["arm"]
        headers = {"authorization": f"Bearer {self.cloud.token('admin', 'https://management.azure.com')}"}
        of_stranger = self.cloud.identity("stranger")["object_id"]
        for each in self.cloud.control("GET", "state")["role_assignments"]:
            if each["principal_id"] == of_stranger:
                path = f"{each['scope']}/providers/Microsoft.Authorization/roleAssignments/{each['name']}"
                self.cloud.http.delete(f"{arm}{path}?api-version=2022-04-01", headers=headers).raise_for_status()

    def key(self, hours: float = 1) -> UserDelegationKey:
        """As the SDK asks for it."""
        with BlobServiceClient(URL, self) as client:
            return client.get_user_delegation_key(self.now() - timedelta(minutes=5), self.now() + timedelta(hours=hours))

    def container(self, letters: str = ALL, hours: float = 1, **more: Any) -> ContainerClient:
        """A client that has nothing but the signature, made by the SDK."""
        end = self.now() + timedelta(hours=hours)
        wanted: dict[str, Any] = {"user_delegation_key": self.key(), "permission": letters, "expiry": end, **more}
        return ContainerClient(URL, "reports", credential=generate_container_sas("sales", "reports", **wanted), retry_total=0)


def code(failure: HttpResponseError) -> str:
    """The service's own, which the SDK adds to what it raises."""
    found = getattr(failure, "error_code", "")
    return str(getattr(found, "value", found))


@pytest.fixture
def signer(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Signer]:
    """Who may do everything with the account's blobs, on a machine that has the cloud's names and authority."""
    containers = {"reports": {"may.txt": "Mai"}, "raw": {"one": "1"}}
    wanted = {"type": "Microsoft.Storage/storageAccounts", "name": "sales", "group": "data", "containers": containers}
    account = cloud.control("POST", "resources", wanted)
    with tunnel(int(cloud.endpoints["all_tls"].rpartition(":")[2])) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, cloud.ca_bundle)
        made = Signer(cloud, account["id"])
        made.assign("Storage Blob Data Contributor")
        cloud.control("POST", "role-assignments", {"identity": "admin", "role": "Owner", "scope": account["id"]})
        yield made


def test_writes_reads_lists_and_deletes_with_a_signature(signer: Signer) -> None:
    """And nothing else: no token is sent."""
    with signer.container() as container:
        container.upload_blob("june.txt", b"Juni")
        with pytest.raises(ResourceExistsError):
            container.upload_blob("june.txt", b"again")
        container.upload_blob("june.txt", b"Juni 2", overwrite=True)
        names = [each.name for each in container.list_blobs()]
        read = container.download_blob("june.txt").readall()
        size = container.get_blob_client("june.txt").get_blob_properties().size
        container.delete_blob("june.txt")
        left = [each.name for each in container.list_blobs()]
    assert (["june.txt", "may.txt"], b"Juni 2", 6, ["may.txt"]) == (names, read, size, left)


def test_does_the_same_with_a_token(signer: Signer) -> None:
    """As whoever holds the role itself."""
    with ContainerClient(URL, "reports", credential=signer) as container:
        container.upload_blob("june.txt", b"Juni")
        assert b"Juni" == container.download_blob("june.txt").readall()
        container.delete_blob("june.txt")


@pytest.mark.parametrize(
    ("letters", "act"),
    [
        ("wdl", lambda it: it.download_blob("may.txt")),
        ("racdl", lambda it: it.upload_blob("may.txt", b"", overwrite=True)),
        ("rl", lambda it: it.upload_blob("new.txt", b"x")),
        ("racwl", lambda it: it.delete_blob("may.txt")),
        ("racwd", lambda it: list(it.list_blobs())),
        (ALL, lambda it: it.get_container_properties()),
    ],
)
def test_what_the_letters_do_not_say_is_refused(signer: Signer, letters: str, act: Callable[[ContainerClient], Any]) -> None:
    """Whatever the signer may do. What is of the container itself, no signature gives."""
    with signer.container(letters) as container, pytest.raises(HttpResponseError) as caught:
        act(container)
    assert (403, "AuthorizationPermissionMismatch") == (caught.value.status_code, code(caught.value))


def test_what_the_signer_may_not_do_is_refused(signer: Signer) -> None:
    """The letters alone give nothing."""
    signer.unassign()
    signer.assign("Storage Blob Data Reader")
    with signer.container() as container:
        assert b"Mai" == container.download_blob("may.txt").readall()
        with pytest.raises(HttpResponseError) as caught:
            container.upload_blob("june.txt", b"x")
    assert "AuthorizationPermissionMismatch" == code(caught.value)


def test_ends_with_the_signers_assignment(signer: Signer) -> None:
    """At the next use, once blob storage has heard of it. The same signature holds again when it is assigned again."""
    with signer.container() as container:
        before = container.download_blob("may.txt").readall()
        signer.unassign()
        with pytest.raises(HttpResponseError) as caught:
            container.download_blob("may.txt")
        signer.assign("Storage Blob Data Reader")
        again = container.download_blob("may.txt").readall()
    assert (b"Mai", "AuthorizationPermissionMismatch", b"Mai") == (before, code(caught.value), again)


def test_a_delegator_gets_a_key_that_gives_nothing(signer: Signer) -> None:
    """And a role at a container alone gets none: the key is the account's."""
    signer.unassign()
    signer.assign("Storage Blob Delegator")
    with signer.container() as container, pytest.raises(HttpResponseError) as nothing:
        container.download_blob("may.txt")
    signer.unassign()
    scope = f"{signer.account}/blobServices/default/containers/reports"
    wanted = {"identity": "stranger", "role": "Storage Blob Data Contributor", "scope": scope}
    signer.cloud.control("POST", "role-assignments", wanted)
    with pytest.raises(HttpResponseError) as refused:
        signer.key()
    assert ["AuthorizationPermissionMismatch"] * 2 == [code(nothing.value), code(refused.value)]


@pytest.mark.parametrize(
    "forged",
    [
        {"permission": "racwdlt"},
        {"expiry": datetime.now(UTC) + timedelta(days=6)},
        {"start": datetime.now(UTC) + timedelta(minutes=30)},
        {"protocol": "https,http"},
    ],
)
def test_a_signature_for_something_else_does_not_match(signer: Signer, forged: dict[str, Any]) -> None:
    """Whoever changes a word of it would need the key."""
    end = datetime.now(UTC) + timedelta(hours=1)
    wanted: dict[str, Any] = {"user_delegation_key": signer.key(), "permission": ALL, "expiry": end, "protocol": "https"}
    good = generate_container_sas("sales", "reports", **wanted)
    other = generate_container_sas("sales", "reports", **wanted | forged)
    token = other.rpartition("sig=")[0] + "sig=" + good.rpartition("sig=")[2]
    with ContainerClient(URL, "reports", credential=token) as container, pytest.raises(ClientAuthenticationError) as caught:
        container.download_blob("may.txt")
    assert "AuthenticationFailed" == code(caught.value)


def test_a_signature_is_of_its_container_alone(signer: Signer) -> None:
    """The name is part of what was signed."""
    end = signer.now() + timedelta(hours=1)
    token = generate_container_sas("sales", "reports", user_delegation_key=signer.key(), permission=ALL, expiry=end)
    with ContainerClient(URL, "raw", credential=token) as container, pytest.raises(ClientAuthenticationError):
        container.download_blob("one")


def test_a_signature_may_be_of_one_blob(signer: Signer) -> None:
    """Then it opens no other."""
    end = signer.now() + timedelta(hours=1)
    more: dict[str, Any] = {"user_delegation_key": signer.key(), "permission": "r", "expiry": end}
    token = generate_blob_sas("sales", "reports", "may.txt", **more)
    with ContainerClient(URL, "reports", credential=token) as container:
        assert b"Mai" == container.download_blob("may.txt").readall()
        with pytest.raises(ClientAuthenticationError):
            container.download_blob("june.txt")


def test_a_signature_ends_and_its_key_ends(signer: Signer) -> None:
    """Whichever comes first."""
    short, long = signer.container(hours=0.5), signer.container(hours=6)
    with short, long:
        signer.cloud.control("POST", "clock", {"advance_seconds": 2700})
        with pytest.raises(ClientAuthenticationError):
            short.download_blob("may.txt")
        assert b"Mai" == long.download_blob("may.txt").readall()
        signer.cloud.control("POST", "clock", {"advance_seconds": 1200})
        with pytest.raises(ClientAuthenticationError):
            long.download_blob("may.txt")


@pytest.mark.parametrize("hours", [7 * 24 + 1, -1])
def test_no_key_lasts_longer_than_seven_days(signer: Signer, hours: float) -> None:
    """Nor is one over before it begins."""
    with pytest.raises(HttpResponseError) as caught:
        signer.key(hours)
    assert 400 == caught.value.status_code
