"""A user delegation SAS over HTTP: used as its holder would, with azure-storage-blob unmodified, until the lease ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from tests.e2e.conftest import NEVER, Deployment
from tests.e2e.test_pools import full, gone, put, until
from tests.e2e.test_ready import assignable, made
from tests.local.sdk.test_storage_blob import code
from tests.local.sdk.tunnel import tunnel

pytestmark = pytest.mark.asyncio(loop_scope="session")
SETTINGS = {"LEASEHOLD_FILL_SCHEDULE": "* * * * * *", "LEASEHOLD_SWEEP_SCHEDULE": NEVER}
SPEED = 60
"""By which every delay of the profile is divided."""
READER, WRITER = "Storage Blob Data Reader", "Storage Blob Data Contributor"


@pytest.fixture
def proxy(deployment: Deployment) -> Iterator[str]:
    """What leads Azure's own names to the local Azure."""
    with tunnel(int(deployment.stack.described["endpoints"]["all_tls"].rpartition(":")[2])) as address:
        yield address


async def account(deployment: Deployment, name: str) -> str:
    """The id of a new account with the containers ``reports`` and ``raw``, at which the broker may assign every role."""
    containers = {"reports": {"may.txt": "Mai"}, "raw": {"one": "1"}}
    scope = await made(deployment, "Microsoft.Storage/storageAccounts", name, containers=containers)
    return await assignable(deployment, scope)


def signing(deployment: Deployment, scope: str, role: str = WRITER, **fields: Any) -> dict[str, Any]:
    """A role that signs for what lies there, and from which two identities may issue."""
    return {
        "type": "service_principal",
        "credential": "storage_sas",
        "azure_roles": [{"role_name": role, "scope": scope}],
        "bound_service_principal_ids": [deployment.object_id("fn-orders"), deployment.object_id("vm-web")],
    } | fields


async def tried(deployment: Deployment, proxy: str, credential: dict[str, Any], *, writes: bool = True) -> str:
    """What comes of writing, reading, listing and deleting a blob with nothing but the SAS: ``ok``, or storage's code."""

    def use() -> str:
        more: dict[str, Any] = {
            "proxies": {"https": proxy},
            "connection_verify": deployment.visitor.ca_bundle,
            "retry_total": 0,
        }
        container = ContainerClient(
            credential["account_url"], credential["container"], credential=credential["sas_token"], **more
        )
        try:
            with container:
                if writes:
                    container.upload_blob("june.txt", b"Juni", overwrite=True)
                    assert b"Juni" == container.download_blob("june.txt").readall()
                    container.delete_blob("june.txt")
                assert "may.txt" in [each.name for each in container.list_blobs()]
                assert b"Mai" == container.download_blob("may.txt").readall()
        except HttpResponseError as refusal:
            return code(refusal)
        return "ok"

    return await asyncio.to_thread(use)


async def collected(deployment: Deployment, role: str, ask: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status of the first answer, and the lease with its credential once they are there."""
    caller = await deployment.broker("fn-orders")
    answer = await caller.call("POST", f"roles/{role}/leases", ask, prefer="wait=2")
    first = answer.status_code
    async with asyncio.timeout(60):
        while answer.status_code == 202:
            await asyncio.sleep(0.5)
            answer = await caller.call("GET", f"leases/{answer.json()['lease']['id']}/credential")
    assert answer.status_code in {200, 201}, answer.text
    return first, answer.json()


async def test_a_container_is_written_read_and_listed_with_a_plain_address(deployment: Deployment, proxy: str) -> None:
    """The role is for an account, and the ask names one of its containers. Everything is taken back at the end."""
    before = await deployment.objects()
    scope = await account(deployment, "sasplain")
    expected = await deployment.objects()
    assert 201 == (await put(deployment, "sas-plain", signing(deployment, scope))).status_code
    caller = await deployment.broker("fn-orders")
    answer = await caller.must("POST", "roles/sas-plain/leases", {"container": "reports"})
    lease, credential = answer["lease"], answer["credential"]
    assert ("ready", "storage_sas", "racwdl") == (lease["ready"], credential["credential"], credential["permissions"])
    assert credential["expires_at"] == min(lease["expires_at"], credential["sas_expires_at"])
    assert f"{credential['account_url']}/reports?{credential['sas_token']}" == credential["url"]
    assert not {"client_secret", "access_token"} & {*credential}
    assert "ok" == await tried(deployment, proxy, credential)
    assert "AuthenticationFailed" == await tried(deployment, proxy, credential | {"container": "raw"})
    await caller.must("DELETE", f"leases/{lease['id']}")
    await gone(deployment, "sas-plain", expected)
    assert before["applications"] == (await deployment.objects())["applications"]


async def test_the_end_of_the_lease_ends_its_sas_and_no_other(deployment: Deployment, proxy: str) -> None:
    """Works before; refused when storage has heard that the signer's assignments are gone, long before the SAS's own end."""
    scope = await account(deployment, "sasends")
    await put(deployment, "sas-ends", signing(deployment, scope, ready="access"))
    await deployment.consistency("typical", SPEED)
    (_, one), (_, other) = await asyncio.gather(
        *(collected(deployment, "sas-ends", {"container": "reports", "ttl": "1h"}) for _ in range(2))
    )
    assert ["ok", "ok"] == [await tried(deployment, proxy, each["credential"]) for each in (one, other)]
    caller = await deployment.broker("fn-orders")
    await caller.call("DELETE", f"leases/{one['lease']['id']}")

    async def is_refused() -> bool:
        return await tried(deployment, proxy, one["credential"]) != "ok"

    await until(is_refused, "the SAS has outlived its lease")
    await deployment.consistency("none")
    assert "AuthorizationPermissionMismatch" == await tried(deployment, proxy, one["credential"])
    assert "ok" == await tried(deployment, proxy, other["credential"])
    ended = await caller.must("GET", f"leases/{one['lease']['id']}")
    assert ended["residual_until"] == one["credential"]["sas_expires_at"]


async def test_is_there_at_once_with_a_pool(deployment: Deployment, proxy: str) -> None:
    """The lease was made before anybody asked; a repeat gets a fresh signature, and changes nothing in Azure."""
    before = await deployment.objects()
    scope = await account(deployment, "saspool")
    expected = await deployment.objects()
    await put(deployment, "sas-pool", signing(deployment, scope, READER, pool={"size": 1}))
    (pooled,) = await full(deployment, "sas-pool", 1)
    caller = await deployment.broker("fn-orders")
    answers = [
        (await caller.call("POST", "roles/sas-pool/leases", {"container": "reports"}, idempotency_key="k")).json()
        for _ in range(2)
    ]
    assert [pooled["id"]] * 2 == [each["lease"]["id"] for each in answers]
    assert ["ok", "ok"] == [await tried(deployment, proxy, each["credential"], writes=False) for each in answers]
    await full(deployment, "sas-pool", 1)
    await gone(deployment, "sas-pool", expected)
    assert before["applications"] == expected["applications"]


async def test_a_role_with_holes_signs_once_its_assignment_counts(deployment: Deployment, proxy: str) -> None:
    """Usually 202 at first: storage hears of assignments last."""
    scope = await account(deployment, "sasholes")
    document = signing(
        deployment,
        scope.replace("sasholes", "{account}"),
        READER,
        parameters={"account": {"kind": "storage_account", "allowed": ["sas*"]}},
    )
    assert 201 == (await put(deployment, "sas-holes", document)).status_code
    await deployment.consistency("typical", 10)
    first, answer = await collected(deployment, "sas-holes", {"parameters": {"account": "sasholes"}, "container": "reports"})
    await deployment.consistency("none")
    assert (202, "rl") == (first, answer["credential"]["permissions"])
    assert "ok" == await tried(deployment, proxy, answer["credential"], writes=False)


async def test_what_cannot_be_signed_is_refused_by_name(deployment: Deployment) -> None:
    """With the role, or with the ask; and nothing is made."""
    before = await deployment.objects()
    scope = await account(deployment, "sasrefused")
    expected = await deployment.objects()
    container = f"{scope}/blobServices/default/containers/reports"
    refused = await put(deployment, "sas-refused", signing(deployment, container))
    assert (400, "not_signable", "azure_roles") == (
        refused.status_code,
        refused.json()["code"],
        refused.json()["errors"][0]["path"],
    )
    wide = await put(deployment, "sas-wide", signing(deployment, deployment.app, READER))
    assert (201, ["needs_within"]) == (wide.status_code, [each["code"] for each in wide.json()["warnings"]])
    caller = await deployment.broker("fn-orders")
    for ask, path in (
        ({"container": "reports"}, "within"),
        ({"within": scope}, "container"),
        ({"within": container, "container": "reports"}, "within"),
        ({"within": scope, "container": "../raw"}, "container"),
    ):
        for query in ("", "?dry_run=true"):
            answer = await caller.call("POST", f"roles/sas-wide/leases{query}", ask)
            problem = answer.json()
            assert (400, "not_signable", path) == (answer.status_code, problem["code"], problem["errors"][0]["path"])
    assert (expected, before["applications"]) == (await deployment.objects(), expected["applications"])
    answer = await caller.call("POST", "roles/sas-wide/leases", {"within": scope, "container": "reports"})
    assert (201, scope) == (answer.status_code, answer.json()["lease"]["within"])
