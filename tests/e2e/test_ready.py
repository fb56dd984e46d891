"""``ready: access`` over HTTP, while Azure replicates as it typically does: Resource Manager, blob storage, Key Vault."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEED = 30
"""By which every delay of the profile is divided."""


async def made(deployment: Deployment, kind: str, name: str, **more: Any) -> str:
    """The id of a new resource in the group."""
    wanted = {"type": kind, "name": name, "group": "app", **more}
    return str((await deployment.visitor.control("POST", "resources", wanted))["id"])


async def assignable(deployment: Deployment, scope: str) -> str:
    """The scope, at which the broker may now assign every role: its own grant names two alone."""
    grant = {"identity": "leasehold", "role": "User Access Administrator", "scope": scope}
    await deployment.visitor.control("POST", "role-assignments", grant)
    return scope


async def written(deployment: Deployment, name: str, *azure_roles: dict[str, Any], **more: Any) -> None:
    """A role that wants its credentials to work where it says."""
    document = {"type": "service_principal", "ready": "access", "azure_roles": [*azure_roles], **more}
    bounds = {"bound_service_principal_ids": [deployment.object_id("vm-web")]}
    await (await deployment.broker("admin")).must("PUT", f"roles/{name}", document | bounds)


async def judged(deployment: Deployment, credential: dict[str, Any], scope: str) -> dict[str, Any]:
    """What every replica would answer now."""
    asked = {"client_id": credential["client_id"], "client_secret": credential["client_secret"], "arm_scope": scope}
    found: dict[str, Any] = await deployment.visitor.control("POST", "judge", asked)
    return found


async def test_a_credential_is_handed_out_when_it_works_in_resource_manager(deployment: Deployment) -> None:
    """The lease says what was seen, from where, and how long that took; so does whoever reads it later."""
    await written(deployment, "seen-reader", {"role_name": "Reader", "scope": deployment.app})
    web = await deployment.broker("vm-web")
    await deployment.consistency("typical", SPEED)
    answer = await web.must("POST", "roles/seen-reader/leases", {})
    lease = answer["lease"]
    assert "ready" == lease["ready"]
    assert ["token", f"arm:{deployment.app}"] == lease["readiness"]["seen"]
    assert [] == lease["readiness"]["unseen"]
    assert "westeurope" == lease["readiness"]["region"]
    # Two rounds of sign-ins and two of reads, each two seconds apart.
    assert lease["readiness"]["waited_ms"] >= 4000
    assert lease["ready_at"] == lease["issued_at"]
    verdicts = await judged(deployment, answer["credential"], deployment.app)
    assert verdicts["accepted"], verdicts
    later = await web.must("GET", f"leases/{lease['id']}")
    assert [lease[name] for name in ("ready", "ready_at", "readiness")] == [
        later[name] for name in ("ready", "ready_at", "readiness")
    ]
    listed = (await web.must("GET", "leases"))["leases"]
    assert [("ready", False)] == [(each["ready"], "readiness" in each) for each in listed if each["id"] == lease["id"]]


async def test_a_credential_is_handed_out_when_it_reads_blobs_and_secrets(deployment: Deployment) -> None:
    """By derived probes: neither role may ask Resource Manager. A hole is filled first, and the probe follows."""
    account = await made(deployment, "Microsoft.Storage/storageAccounts", "seenlake", containers={"docs": {"a": "1"}})
    vault = await assignable(deployment, await made(deployment, "Microsoft.KeyVault/vaults", "seensafe"))
    hole = account.replace("seenlake", "{account}")
    await written(
        deployment,
        "seen-data",
        {"role_name": "Storage Blob Data Reader", "scope": hole},
        {"role_name": "Key Vault Secrets User", "scope": vault},
        parameters={"account": {"kind": "storage_account", "allowed": ["seen*"]}},
    )
    web = await deployment.broker("vm-web")
    await deployment.consistency("typical", SPEED)
    answer = await web.must("POST", "roles/seen-data/leases", {"parameters": {"account": "seenlake"}})
    seen = ["token", "probe:seenlake.blob.core.windows.net", "probe:seensafe.vault.azure.net"]
    assert ("ready", seen) == (answer["lease"]["ready"], answer["lease"]["readiness"]["seen"])
    for place in (account, vault):
        verdicts = await judged(deployment, answer["credential"], place)
        assert verdicts["accepted"], verdicts


async def test_what_nothing_shows_is_refused_when_the_role_is_written(deployment: Deployment) -> None:
    """Each assignment is named; a probe that covers it makes it good, and proves it."""
    account = await made(deployment, "Microsoft.Storage/storageAccounts", "seenqueue", containers={"docs": {}})
    await assignable(deployment, account)
    admin, web = await deployment.broker("admin"), await deployment.broker("vm-web")
    roles = [{"role_name": "AcrPull", "scope": account}, {"role_name": "Storage Blob Data Reader", "scope": account}]
    document = {"type": "service_principal", "ready": "access", "azure_roles": roles}
    refused = await admin.call("PUT", "roles/seen-not", document)
    assert (400, "not_observable") == (refused.status_code, refused.json()["code"])
    assert ["azure_roles[0]"] == [each["path"] for each in refused.json()["errors"]]
    probe = {
        "url": "https://seenqueue.blob.core.windows.net/docs?restype=container&comp=list",
        "resource": "https://storage.azure.com",
        "covers": [0],
    }
    await written(deployment, "seen-not", *roles, ready_probes=[probe])
    lease = (await web.must("POST", "roles/seen-not/leases", {}))["lease"]
    assert ("ready", ["token", "probe:seenqueue.blob.core.windows.net"]) == (lease["ready"], lease["readiness"]["seen"])


async def test_what_will_never_work_is_undone_and_refused(deployment: Deployment) -> None:
    """409 ``azure_refused``, and Azure's own code in the audit trail."""
    account = await made(deployment, "Microsoft.Storage/storageAccounts", "seennever", containers={"docs": {}})
    probe = {"url": "https://seennever.blob.core.windows.net/gone?restype=container&comp=list"}
    await written(
        deployment,
        "seen-never",
        {"role_name": "Storage Blob Data Reader", "scope": account},
        ready_probes=[probe | {"resource": "https://storage.azure.com"}],
    )
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    refused = await web.call("POST", "roles/seen-never/leases", {})
    assert (409, "azure_refused") == (refused.status_code, refused.json()["code"])
    await deployment.settled()
    assert before == await deployment.objects()
    events = (await (await deployment.broker("admin")).must("GET", "audit?role=seen-never"))["events"]
    assert any("ContainerNotFound" in each.get("reason", "") for each in events if each["outcome"] == "failed")
