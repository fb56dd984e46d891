"""The samples that services of Azure's, GitHub and Kubernetes run, over HTTP: each file is read, and what it says is done."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.sample import ACCOUNTS
from tests.e2e.conftest import Deployment
from tests.support.samples.branches import FAILED, SKIPPED, SUCCEEDED
from tests.support.samples.data_factory import PipelineRun
from tests.support.samples.github_job import GITHUB, Job
from tests.support.samples.logic_apps import Run
from tests.support.samples.machine import machine
from tests.support.samples.oidc import Issuer
from tests.support.samples.pod import Pod
from tests.support.samples.scenes import CLUSTER, TENANT, left, read_json, read_yaml, workload, written
from tests.local.sdk.tunnel import tunnel

pytestmark = pytest.mark.asyncio(loop_scope="session")
JOB = "repo:acme@123456/app@456789:environment:production"
CLUSTERS = Issuer(f"https://westeurope.oic.prod-aks.azure.com/{TENANT}/{CLUSTER}/")
TOKEN = "eyJ"
"""What every token begins with."""
NO_READING = {
    "service": "arm",
    "method": "GET",
    "path": "(?i)/resourcegroups/app$",
    "times": None,
    "effect": {"status": 403, "code": "AuthorizationFailed"},
}
SPEED = 30


@asynccontextmanager
async def azure(deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    """The network of a service, in which Azure's own names lead to the local Azure."""
    trusted = ssl.create_default_context(cafile=deployment.visitor.ca_bundle)
    with tunnel(int(deployment.stack.described["endpoints"]["all_tls"].rpartition(":")[2])) as proxy:
        through = {"https://": httpx.AsyncHTTPTransport(proxy=proxy, verify=trusted)}
        async with httpx.AsyncClient(mounts=through, trust_env=False) as client:
            yield client


def identity(deployment: Deployment, name: str) -> Any:
    """The tokens of a managed identity."""

    async def token(resource: str) -> str:
        asked = {"identity": name, "resource": resource}
        return str((await deployment.visitor.control("POST", "token", asked))["access_token"])

    return token


def settings(deployment: Deployment) -> dict[str, str]:
    """The parameters that every workflow has."""
    return {"broker_url": deployment.stack.url, "audience": f"api://{deployment.audience}"}


async def test_the_workflows_of_logic_apps_work_with_their_leases(deployment: Deployment) -> None:
    """With a token, and with a role of their own that takes its time to count. No token is in the history of a run."""
    await deployment.consistency("typical", SPEED)
    await written(deployment, "reader-token", "vm-web")
    await written(deployment, "report-reader", "fn-orders")
    blob = f"https://{ACCOUNTS['app']}.blob.core.windows.net/reports/today.txt"
    async with azure(deployment) as client:
        token = Run(read_json("logic-apps/workflow.json"), client, identity(deployment, "vm-web"), settings(deployment))
        more = settings(deployment) | {"blob": blob}
        grant = Run(read_json("logic-apps/role-grant.json"), client, identity(deployment, "fn-orders"), more)
        assert [SUCCEEDED, SUCCEEDED] == await asyncio.gather(token.start(), grant.start()), (token.seen, grant.seen)
    assert (202, 200) == (token.seen["Lease_a_token"][0], token.seen["Lease_a_token"][-1])
    assert "westeurope" == token.history["Read_the_group"]["outputs"]["body"]["location"]
    assert 200 == grant.seen["Read_the_blob"][-1]
    assert {"Succeeded"} == {run.history["End_the_lease"]["status"] for run in (token, grant)}
    for run in (token, grant):
        assert TOKEN not in json.dumps(run.history)
        assert SKIPPED == run.history.get("Say_that_the_work_failed", {"status": SKIPPED})["status"]
    assert "credential" not in json.dumps(token.history["Lease_a_token"])
    assert (["ended"], ["ended"]) == (await left(deployment, "reader-token"), await left(deployment, "report-reader"))


async def test_the_pipeline_of_data_factory_works_with_its_lease(deployment: Deployment) -> None:
    """No token is in the history of the run."""
    await written(deployment, "reader-token", "vm-web")
    async with azure(deployment) as client:
        run = PipelineRun(read_json("data-factory/pipeline.json"), client, identity(deployment, "vm-web"), settings(deployment))
        assert SUCCEEDED == await run.start(), run.seen
    assert "westeurope" == run.history["ReadGroup"]["output"]["location"]
    assert {"LeaseToken": {"input", "status"}, "ReadGroup": {"output", "status"}} == {
        name: set(run.history[name]) for name in ("LeaseToken", "ReadGroup")
    }
    assert TOKEN not in json.dumps(run.history)
    assert "ended" == (await left(deployment, "reader-token"))[0]


async def test_a_lease_is_ended_when_the_work_fails(deployment: Deployment) -> None:
    """And the run has failed: in Logic Apps and in Data Factory."""
    await written(deployment, "reader-token", "vm-web")
    await deployment.faults(NO_READING)
    async with azure(deployment) as client:
        who, given = identity(deployment, "vm-web"), settings(deployment)
        workflow = Run(read_json("logic-apps/workflow.json"), client, who, given)
        pipeline = PipelineRun(read_json("data-factory/pipeline.json"), client, who, given)
        assert ["Failed", "Failed"] == await asyncio.gather(workflow.start(), pipeline.start())
    assert [403] == workflow.seen["Read_the_group"]
    assert [403, 403, 403] == pipeline.seen["ReadGroup"]
    assert SUCCEEDED == workflow.history["End_the_lease"]["status"] == pipeline.history["EndLease"]["status"]
    assert FAILED == workflow.history["Work_with_a_lease"]["status"]
    assert ["ended", "ended"] == (await left(deployment, "reader-token"))[:2]


async def job(deployment: Deployment, home: Path, client_id: str) -> Job:
    """A run of the sample."""
    (document,) = read_yaml("github-actions/deploy.yml")
    variables = {
        "AZURE_CLIENT_ID": client_id,
        "AZURE_TENANT_ID": deployment.stack.described["tenant_id"],
        "LEASEHOLD_URL": deployment.stack.url,
        "LEASEHOLD_AUDIENCE": f"api://{deployment.audience}",
    }
    with machine(deployment.stack, home) as host:
        run = Job(document, host, JOB, variables)
        await run.run()
    return run


async def pod(deployment: Deployment, home: Path, client_id: str) -> Pod:
    """A run of the sample."""
    text = json.dumps(read_yaml("aks/pod.yaml"))
    values = {
        "<client id of the identity that may ask the broker>": client_id,
        "https://<function app>.azurewebsites.net": deployment.stack.url,
        "<client id of the broker's application>": deployment.audience,
    }
    for placeholder, value in values.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    with machine(deployment.stack, home) as host:
        run = Pod(json.loads(text), host, CLUSTERS, deployment.stack.described["tenant_id"])
        await run.run()
    return run


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    """The identities that are there already."""
    return {}


async def workloads(deployment: Deployment, known: dict[str, str]) -> tuple[str, str]:
    """The client ids of the identities that job and pod ask the broker as. Entra ID knows their issuers.

    The broker may assign what the job's role gives: in a deployment, ``assignableRoles`` names it.
    """
    if not known:
        for name, issuer, subject in (("deploys", GITHUB, JOB), ("pods", CLUSTERS, "system:serviceaccount:reports:nightly")):
            await issuer.publish(deployment.visitor)
            known[name] = await workload(deployment, name, issuer.address, subject)
        grant = {"identity": "leasehold", "role": "User Access Administrator", "scope": deployment.app}
        await deployment.visitor.control("POST", "role-assignments", grant)
    for role, caller in (("deploy-app", "deploys"), ("reader-pod", "pods")):
        assert [] == (await written(deployment, role, caller)).get("warnings", [])
    return known["deploys"], known["pods"]


async def test_a_job_and_a_pod_work_with_their_own_tokens(
    deployment: Deployment, known: dict[str, str], tmp_path: Path
) -> None:
    """While Entra ID hears of the new trusts. Nobody sees a token, and nothing is left."""
    deploys, pods = await workloads(deployment, known)
    before = await deployment.objects()
    await deployment.consistency("typical", SPEED)
    homes = tmp_path / "job", tmp_path / "pod"
    for home in homes:
        home.mkdir()
    done, ran = await asyncio.gather(job(deployment, homes[0], deploys), pod(deployment, homes[1], pods))
    assert {"success"} == {*done.results.values()}, done.log
    assert "westeurope" in done.log.splitlines()
    assert TOKEN not in done.log
    assert {"lease": 0, "nightly": 0} == {name: each.status for name, each in ran.done.items()}, ran.done
    assert ["westeurope"] == ran.done["nightly"].output.splitlines()[-1:]
    assert (["ended"], ["ended"]) == (await left(deployment, "deploy-app"), await left(deployment, "reader-pod"))
    assert before == await deployment.objects()


async def test_a_job_and_a_pod_that_fail_give_their_leases_back(
    deployment: Deployment, known: dict[str, str], tmp_path: Path
) -> None:
    """Whatever has failed in them."""
    deploys, pods = await workloads(deployment, known)
    await deployment.faults(NO_READING)
    homes = tmp_path / "job", tmp_path / "pod"
    for home in homes:
        home.mkdir()
    done, ran = await asyncio.gather(job(deployment, homes[0], deploys), pod(deployment, homes[1], pods))
    assert ("failure", "success") == (done.results["Deploy"], done.results["End the lease"]), done.log
    assert 0 != ran.done["nightly"].status
    ends = await left(deployment, "deploy-app"), await left(deployment, "reader-pod")
    assert ({"ended"}, {"ended"}) == tuple(map(set, ends))
