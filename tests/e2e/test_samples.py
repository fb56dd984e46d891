"""The programs of ``samples/azure-identity``, unmodified, over HTTP: each asks for its credential, uses it, gives it back."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from local.host.process import ROOT
from local.sample import ACCOUNTS
from tests.e2e.conftest import Deployment
from tests.e2e.test_commands import answers, commands, run
from tests.support.samples.machine import Done, Machine, machine
from tests.support.samples.scenes import left, written

pytestmark = pytest.mark.asyncio(loop_scope="session")
KINDS = ("secret", "token", "federated", "certificate")
WHERE = "westeurope\n"
CALLER = "fn-orders"


def own(deployment: Deployment) -> dict[str, str]:
    """What a machine with a managed identity has in its environment."""
    known = deployment.stack.described["identities"][CALLER]
    return {"IDENTITY_ENDPOINT": str(known["identity_endpoint"]), "IDENTITY_HEADER": str(known["identity_header"])}


def program(deployment: Deployment) -> str:
    """The commands of ``samples/README.md`` that run a program."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "samples/README.md").read_text(), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if "\npython " in block)
    return str(block).replace("<url>", deployment.stack.url).replace("<audience>", deployment.audience)


async def ran(deployment: Deployment, host: Machine, kind: str, **more: str) -> Done:
    """A program, on a machine with a managed identity."""
    return await host.python(f"azure-identity/with_{kind}.py", **own(deployment), **more)


async def test_each_program_gets_its_credential_and_uses_it(deployment: Deployment, tmp_path: Path) -> None:
    """It writes where the resource group is, and nothing else. Its lease has ended, and nothing is left in Azure.

    The roles are written by the command of ``samples/README.md``.
    """
    before = await deployment.objects()
    script, *_ = commands("samples/README.md")
    values = {
        "<url>": deployment.stack.url,
        "<audience>": deployment.audience,
        "<subscription id>": deployment.stack.described["subscription_id"],
        "<object id>": deployment.object_id(CALLER),
    }
    for placeholder, value in values.items():
        assert placeholder in script
        script = script.replace(placeholder, value)
    written_by_hand = answers(await run(deployment, script, ROOT))
    assert {f"reader-{kind}" for kind in KINDS} == {role["name"] for role in written_by_hand}
    with machine(deployment.stack, tmp_path) as host:
        done = await asyncio.gather(*(ran(deployment, host, kind) for kind in KINDS))
    assert [Done(0, WHERE)] * len(KINDS) == done
    for kind in KINDS:
        assert ["ended"] == await left(deployment, f"reader-{kind}")
    assert before == await deployment.objects()


async def test_a_container_is_read_with_a_plain_address(deployment: Deployment, tmp_path: Path) -> None:
    """By azure-storage-blob, which signs nobody in. Its lease has ended, and nothing is left in Azure."""
    before = await deployment.objects()
    await written(deployment, "report-sas", CALLER)
    with machine(deployment.stack, tmp_path) as host:
        done = await ran(deployment, host, "storage_sas")
    assert Done(0, f"what {ACCOUNTS['app']} holds\n") == done
    assert ["ended"] == await left(deployment, "report-sas")
    assert before == await deployment.objects()


async def test_a_tenant_that_forbids_secrets_is_served_without_one(deployment: Deployment, tmp_path: Path) -> None:
    """The refusal names the kinds that need none; the programs of two of them then work."""
    await deployment.visitor.control("PUT", "limits", {"graph": {"passwords": "blocked"}})
    kinds = ("secret", "token", "certificate")
    try:
        for kind in kinds:
            await written(deployment, f"reader-{kind}", CALLER, ready="none")
        with machine(deployment.stack, tmp_path) as host:
            refused, *done = await asyncio.gather(*(ran(deployment, host, kind) for kind in kinds))
    finally:
        await deployment.visitor.control("PUT", "limits", {"graph": {"passwords": None}})
    assert [Done(0, WHERE)] * 2 == done
    last = refused.output.splitlines()[-1]
    assert (1, True) == (refused.status, "409 azure_policy_forbids: " in last)
    assert {"token", "federated", "certificate"} <= set(re.findall(r"\w+", last.partition("azure_policy_forbids")[2]))


@pytest.mark.parametrize(("code", "status"), [(70021, 0), (700212, 1)])
async def test_a_fresh_trust_is_tried_again(code: int, status: int, deployment: Deployment, tmp_path: Path) -> None:
    """Only on the codes that the broker has named. The lease is given back all the same."""
    await written(deployment, "reader-federated", CALLER, ready="none")
    refusal = {"status": 400, "code": "invalid_request", "aadsts": code}
    await deployment.faults({"service": "entra", "method": "POST", "times": 2, "effect": refusal})
    with machine(deployment.stack, tmp_path) as host:
        done = await ran(deployment, host, "federated")
    assert (status, not status) == (done.status, done.output.endswith(WHERE)), done.output
    assert (not status) == (not await deployment.visitor.control("GET", "faults"))
    assert "ended" == (await left(deployment, "reader-federated"))[0]


async def test_a_program_that_is_started_again_gets_its_lease(deployment: Deployment, tmp_path: Path) -> None:
    """Under the key of its run. The first one was killed before it could give the lease back."""
    await written(deployment, "reader-token", CALLER, ready="none")
    caller: Any = await deployment.broker(CALLER)
    first = await caller.call("POST", "roles/reader-token/leases", {"reason": "sample"}, idempotency_key="with-token-7")
    with machine(deployment.stack, tmp_path) as host:
        assert Done(0, WHERE) == await host.run(
            "bash", "-euc", f"cd {ROOT}\n{program(deployment)}", RUN_ID="7", **own(deployment)
        )
    assert "ended" == (await caller.must("GET", f"leases/{first.json()['lease']['id']}"))["state"]


async def test_the_certificate_that_the_document_makes_is_taken(deployment: Deployment, tmp_path: Path) -> None:
    """By its own command."""
    (command,) = re.findall(r"^openssl req .+$", (ROOT / "docs" / "credentials.md").read_text(), re.MULTILINE)
    with machine(deployment.stack, tmp_path) as host:
        done = await host.run("bash", "-c", command)
    assert 0 == done.status, done.output
    await written(deployment, "reader-certificate", CALLER, ready="none")
    ask = {"certificate": (tmp_path / "certificate.pem").read_text()}
    made = await (await deployment.broker(CALLER)).must("POST", "roles/reader-certificate/leases", ask)
    assert ("certificate", "active") == (made["credential"]["credential"], made["lease"]["state"])
