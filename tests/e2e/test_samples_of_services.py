"""The samples that services of Azure's, GitHub and Kubernetes run, over HTTP: each file is read, and what it says is done."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from local.sample import ACCOUNTS
from tests.e2e.conftest import Deployment
from tests.local.sdk.tunnel import tunnel
from tests.support.samples.branches import FAILED, SKIPPED, SUCCEEDED
from tests.support.samples.connectors import Dataverse, KeyVault
from tests.support.samples.data_factory import PipelineRun
from tests.support.samples.github_job import GITHUB, Job
from tests.support.samples.http_actions import Tokens
from tests.support.samples.logic_apps import Run
from tests.support.samples.machine import machine
from tests.support.samples.oidc import Issuer
from tests.support.samples.pod import Pod
from tests.support.samples.scenes import CLUSTER, TENANT, VAULT, left, may_read, read_json, read_yaml, workload, written

pytestmark = pytest.mark.asyncio(loop_scope="session")
JOB = "repo:acme@123456/app@456789:environment:production"
POD = "system:serviceaccount:reports:nightly"
CLUSTERS = Issuer(f"https://westeurope.oic.prod-aks.azure.com/{TENANT}/{CLUSTER}/")
CALLERS = {
    "reader-token": "vm-web",
    "report-reader": "fn-orders",
    "reader-delivered": "fn-orders",
    "deploy-app": "deploys",
    "reader-pod": "pods",
}
FLOW = "flow"
"""The application as which a flow of Power Automate asks: it may use ``reader-token`` as well."""
TOKEN = "eyJ"
"""What every token begins with."""
SPEED = 60
NO_READING = {
    "service": "arm",
    "method": "GET",
    "path": "(?i)/resourcegroups/app$",
    "times": None,
    "effect": {"status": 403, "code": "AuthorizationFailed"},
}


@dataclass(frozen=True, slots=True)
class Runs:
    """One run of each sample, side by side, and what was in the cloud before and after."""

    token: Run
    grant: Run
    secret: Run
    flow: Run
    pipeline: PipelineRun
    job: Job
    pod: Pod
    ends: dict[str, list[str]]
    """The states of all leases, by their role."""
    objects: tuple[Any, Any]


@asynccontextmanager
async def azure(deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    """The network of a service, in which Azure's own names lead to the local Azure."""
    trusted = ssl.create_default_context(cafile=deployment.visitor.ca_bundle)
    with tunnel(int(deployment.stack.described["endpoints"]["all_tls"].rpartition(":")[2])) as proxy:
        through = {"https://": httpx.AsyncHTTPTransport(proxy=proxy, verify=trusted)}
        async with httpx.AsyncClient(mounts=through, trust_env=False) as client:
            yield client


def identity(deployment: Deployment, name: str) -> Tokens:
    """The tokens of a managed identity."""

    async def token(resource: str) -> str:
        asked = {"identity": name, "resource": resource}
        return str((await deployment.visitor.control("POST", "token", asked))["access_token"])

    return token


def job(deployment: Deployment) -> Job:
    """The sample, as a repository's owner has set it up."""
    (document,) = read_yaml("github-actions/deploy.yml")
    variables = {
        "AZURE_CLIENT_ID": deployment.stack.described["identities"]["deploys"]["client_id"],
        "AZURE_TENANT_ID": deployment.stack.described["tenant_id"],
        "LEASEHOLD_URL": deployment.stack.url,
        "LEASEHOLD_AUDIENCE": f"api://{deployment.audience}",
    }
    return Job(document, JOB, variables)


def pod(deployment: Deployment) -> Pod:
    """The sample, as a cluster's owner has filled it in."""
    text = json.dumps(read_yaml("aks/pod.yaml"))
    values = {
        "<client id of the identity that may ask the broker>": deployment.stack.described["identities"]["pods"]["client_id"],
        "https://<function app>.azurewebsites.net": deployment.stack.url,
        "<client id of the broker's application>": deployment.audience,
    }
    for placeholder, value in values.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    return Pod(json.loads(text), CLUSTERS, deployment.stack.described["tenant_id"])


def secret_run(deployment: Deployment, client: httpx.AsyncClient, settings: dict[str, str]) -> Run:
    """A logic app that is not told its secret: it reads it in the vault, where it may read no other."""
    document, tokens = read_json("logic-apps/delivered-secret.json"), identity(deployment, "fn-orders")
    connection = document["parameters"]["$connections"]["value"]["keyvault"]["connectionId"]
    vault = KeyVault(client, tokens, f"https://{VAULT}.vault.azure.net")
    return Run(document, client, tokens, dict(settings), connectors={connection: vault})


def flow_run(deployment: Deployment, client: httpx.AsyncClient, settings: dict[str, str]) -> Run:
    """A flow of Power Automate. Its application's secret is a variable of its environment."""
    known = deployment.stack.described["identities"][FLOW]
    own = {"tenant": deployment.stack.described["tenant_id"], "client_id": known["client_id"]}
    dataverse = Dataverse({"<prefix>_LeaseholdClientSecret": known["secret"]})
    connectors = {"shared_commondataserviceforapps": dataverse}

    async def none(_: str) -> str:
        raise AssertionError("a flow has no managed identity")

    document = read_json("power-automate/flow.json")
    return Run(document, client, none, settings | own, connectors=connectors, signs_polls=False)


async def runs(deployment: Deployment, home: Path) -> Runs:
    """Runs all of them at once."""
    settings = {"broker_url": deployment.stack.url, "audience": f"api://{deployment.audience}"}
    blob = {"blob": f"https://{ACCOUNTS['app']}.blob.core.windows.net/reports/today.txt"}
    before = await deployment.objects()
    homes = home / "job", home / "pod"
    for each in homes:
        each.mkdir()
    async with azure(deployment) as client:
        web, orders = identity(deployment, "vm-web"), identity(deployment, "fn-orders")
        token = Run(read_json("logic-apps/workflow.json"), client, web, dict(settings))
        grant = Run(read_json("logic-apps/role-grant.json"), client, orders, settings | blob)
        secret = secret_run(deployment, client, settings)
        flow = flow_run(deployment, client, settings)
        pipeline = PipelineRun(read_json("data-factory/pipeline.json"), client, web, dict(settings))
        one, other = job(deployment), pod(deployment)
        with machine(deployment.stack, homes[0]) as runner, machine(deployment.stack, homes[1]) as node:
            workflows = (token, grant, secret, flow, pipeline)
            await asyncio.gather(*(each.start() for each in workflows), one.run(runner), other.run(node))
    ends = {role: await left(deployment, role) for role in CALLERS}
    return Runs(token, grant, secret, flow, pipeline, one, other, ends, (before, await deployment.objects()))


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def prepared(running: Deployment) -> Deployment:
    """Entra ID knows GitHub and the cluster. Job and pod have an identity each that may ask the broker.

    The broker may assign what the job's role gives: in a deployment, ``assignableRoles`` names it.
    """
    for name, issuer, subject in (("deploys", GITHUB, JOB), ("pods", CLUSTERS, POD)):
        await issuer.publish(running.visitor)
        await workload(running, name, issuer.address, subject)
    grant = {"identity": "leasehold", "role": "User Access Administrator", "scope": running.app}
    await running.visitor.control("POST", "role-assignments", grant)
    flow = await running.visitor.control("POST", "identities", {"name": FLOW, "kind": "application"})
    secret = (await running.visitor.control("POST", "secrets", {"identity": FLOW}))["secret"]
    running.stack.described["identities"][FLOW] = flow | {"secret": secret}
    await may_read(running, "fn-orders", f"reader-{running.object_id('fn-orders')}")
    return running


async def opened(deployment: Deployment, role: str, **more: Any) -> Any:
    """The role, open to whoever asks for it in the samples."""
    if role == "reader-token":
        more["bound_service_principal_ids"] = [deployment.object_id(each) for each in (CALLERS[role], FLOW)]
    return await written(deployment, role, CALLERS[role], **more)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def worked(prepared: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The samples with their roles as they are, while what is new takes its time to be known everywhere."""
    for role in CALLERS:
        assert [] == (await opened(prepared, role)).get("warnings", [])
    await prepared.consistency("typical", SPEED)
    try:
        return await runs(prepared, tmp_path_factory.mktemp("worked"))
    finally:
        await prepared.consistency("none")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def failed(prepared: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The samples, where Azure refuses the work itself. What comes before the work is the same."""
    for role in CALLERS:
        await opened(prepared, role, **({} if role == "report-reader" else {"ready": "none"}))
    await prepared.faults(NO_READING)
    try:
        return await runs(prepared, tmp_path_factory.mktemp("failed"))
    finally:
        await prepared.faults()


async def test_a_logic_app_works_with_a_token(worked: Runs) -> None:
    """The first answer comes at once; no token is in the history of the run."""
    run = worked.token
    assert SUCCEEDED == run.status, run.seen
    assert (202, 200) == (run.seen["Lease_a_token"][0], run.seen["Lease_a_token"][-1])
    assert "westeurope" == run.history["Read_the_group"]["outputs"]["body"]["location"]
    assert {"inputs", "status"} == {*run.history["Lease_a_token"]}
    assert {"outputs", "status"} == {*run.history["Read_the_group"]}
    assert (SUCCEEDED, SKIPPED) == tuple(run.history[name]["status"] for name in ("End_the_lease", "Say_that_the_work_failed"))
    assert TOKEN not in json.dumps(run.history)


async def test_a_logic_app_works_with_a_role_of_its_own(worked: Runs) -> None:
    """It reads again until the role counts."""
    run = worked.grant
    assert SUCCEEDED == run.status, run.seen
    assert 200 == run.seen["Read_the_blob"][-1]
    assert {"inputs", "status"} == {*run.history["Read_the_blob"]} == {*run.history["Lease_a_role"]}
    assert SUCCEEDED == run.history["End_the_lease"]["status"]
    assert "Say_that_the_work_failed" not in run.history


async def test_a_logic_app_works_with_a_secret_that_no_answer_has(worked: Runs) -> None:
    """It reads the secret in the vault, by its name. Neither of the two outputs is in the history."""
    run = worked.secret
    assert SUCCEEDED == run.status, (run.seen, run.history)
    assert "westeurope" == run.history["Read_the_group"]["outputs"]["body"]["location"]
    assert {"inputs", "status"} == {*run.history["Get_secret"]} == {*run.history["Lease_into_a_vault"]}
    assert {"outputs", "status"} == {*run.history["Read_the_group"]}
    assert SUCCEEDED == run.history["End_the_lease"]["status"]
    assert json.loads(run.outputs["Get_secret"]["body"]["value"])["client_secret"] not in json.dumps(run.history)


async def test_a_flow_of_power_automate_asks_for_its_token_until_it_is_there(worked: Runs) -> None:
    """No answer is followed, since that would be without a token. Its own secret is nowhere in the history."""
    run = worked.flow
    assert SUCCEEDED == run.status, (run.seen, run.history)
    assert [202] == run.seen["Lease_a_token"]
    assert [200] == run.seen["Get_the_token"]
    assert "westeurope" == run.history["Read_the_group"]["outputs"]["body"]["location"]
    assert SUCCEEDED == run.history["End_the_lease"]["status"]
    shown, own = json.dumps(run.history), run.outputs["Get_own_secret"]["body"]["EnvironmentVariableSecretValue"]
    assert [False, False] == [each in shown for each in (TOKEN, own)]


async def test_a_data_factory_works_with_a_token(worked: Runs) -> None:
    """No token is in the history of the run."""
    run = worked.pipeline
    assert SUCCEEDED == run.status, run.seen
    assert "westeurope" == run.history["ReadGroup"]["output"]["location"]
    assert {"input", "status"} == {*run.history["LeaseToken"]}
    assert {"output", "status"} == {*run.history["ReadGroup"]}
    assert (SUCCEEDED, SKIPPED) == (run.history["EndLease"]["status"], run.history["SayThatTheWorkFailed"]["status"])
    assert TOKEN not in json.dumps(run.history)


async def test_a_job_of_github_works_with_its_own_token(worked: Runs) -> None:
    """Its users see none."""
    assert {"success"} == {*worked.job.results.values()}, worked.job.log
    assert "westeurope" in worked.job.log.splitlines()
    assert TOKEN not in worked.job.log


async def test_a_pod_works_with_its_own_token(worked: Runs) -> None:
    """It prints none."""
    assert {"lease": 0, "nightly": 0} == {name: each.status for name, each in worked.pod.done.items()}, worked.pod.done
    assert "westeurope" == worked.pod.done["nightly"].output.splitlines()[-1]
    assert TOKEN not in "".join(each.output for each in worked.pod.done.values())


async def test_nothing_is_left_of_what_has_worked(worked: Runs) -> None:
    """Each has given its lease back."""
    assert {"ended"} == {state for states in worked.ends.values() for state in states}
    assert worked.objects[0] == worked.objects[1]


async def test_a_logic_app_whose_work_fails_ends_its_lease(failed: Runs) -> None:
    """And the run has failed."""
    run = failed.token
    assert ("Failed", [403]) == (run.status, run.seen["Read_the_group"])
    ends = [run.history[name]["status"] for name in ("Work_with_a_lease", "End_the_lease", "Say_that_the_work_failed")]
    assert [FAILED, SUCCEEDED, SUCCEEDED] == ends


@pytest.mark.parametrize("name", ["secret", "flow"])
async def test_a_workflow_whose_work_fails_ends_its_lease(failed: Runs, name: str) -> None:
    """And the run has failed."""
    run: Run = getattr(failed, name)
    assert ("Failed", [403]) == (run.status, run.seen["Read_the_group"]), run.history
    ends = [run.history[action]["status"] for action in ("End_the_lease", "Say_that_the_work_failed")]
    assert [SUCCEEDED, SUCCEEDED] == ends


async def test_a_data_factory_whose_work_fails_ends_its_lease(failed: Runs) -> None:
    """After it has tried three times; and the run has failed."""
    run = failed.pipeline
    assert (FAILED, [403, 403, 403]) == (run.status, run.seen["ReadGroup"])
    ends = [run.history[name]["status"] for name in ("ReadGroup", "EndLease", "SayThatTheWorkFailed")]
    assert [FAILED, SUCCEEDED, FAILED] == ends


async def test_a_job_of_github_whose_work_fails_ends_its_lease(failed: Runs) -> None:
    """And the job has failed."""
    assert ("failure", "success") == (failed.job.results["Deploy"], failed.job.results["End the lease"]), failed.job.log


async def test_a_pod_whose_work_fails_ends_its_lease(failed: Runs) -> None:
    """And the pod has failed."""
    assert (0, True) == (failed.pod.done["lease"].status, failed.pod.done["nightly"].status != 0)


async def test_nothing_is_left_of_what_has_failed(failed: Runs) -> None:
    """The lease of each has ended."""
    assert {"ended"} == {state for states in failed.ends.values() for state in states}
    assert failed.objects[0] == failed.objects[1]
