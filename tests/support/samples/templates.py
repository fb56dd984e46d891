"""Deploys templates of samples as Resource Manager does: what Azure's compiler makes of them is put there, one by one."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.snapshots import INFRA
from tests.e2e.conftest import Deployment
from tests.infra import compiler
from tests.support.samples.scenes import SAMPLES

REGION = "westeurope"
_SUFFIX = ".vault.azure.net"


@dataclass(frozen=True, slots=True)
class Made:
    """What a template comes down to, for the subscription of a stack and its resource group ``app``."""

    resources: list[dict[str, Any]]
    outputs: dict[str, Any]

    def text(self, output: str) -> str:
        """An output that is written with ``format`` and the suffix of vaults."""
        written = str(self.outputs[output]).replace("environment().suffixes.keyvaultDns", f"'{_SUFFIX}'")
        found = re.findall(r"'([^']*)'", written)
        assert written == f"[format({', '.join(repr(each) for each in found)})]"
        return str(found[0]).format(*found[1:])


def compiled(deployment: Deployment, program: str, sample: str, folder: Path, **parameters: str) -> Made:
    """What a template of the samples comes down to, by this compiler, with these parameters."""
    source = SAMPLES / sample
    copy = shutil.copytree(source.parent, folder / f"{source.stem}-compiled")
    shutil.copy(INFRA / "bicepconfig.json", copy)
    lines = [f"using '{source.name}'", *(f"param {each} = '{value}'" for each, value in parameters.items())]
    (copy / "given.bicepparam").write_text("\n".join(lines) + "\n", encoding="utf-8")
    place = ("--subscription-id", str(deployment.stack.described["subscription_id"]), "--resource-group", "app")
    done = compiler.run(program, "snapshot", "given.bicepparam", "--mode", "overwrite", *place, cwd=copy)
    assert 0 == done.returncode, done.stdout
    document = json.loads((copy / "given.snapshot.json").read_text(encoding="utf-8"))
    assert [] == document["diagnostics"]
    return Made(document["predictedResources"], document["outputs"])


async def put(deployment: Deployment, resource: dict[str, Any], deployer: str) -> dict[str, Any]:
    """Resource Manager's answer to this resource, made by whoever deploys."""
    token = await deployment.visitor.token(deployer, "https://management.azure.com")
    url = f"{deployment.stack.described['endpoints']['arm']}{resource['id']}?api-version={resource['apiVersion']}"
    body = {name: value for name, value in resource.items() if name not in {"id", "type", "name", "apiVersion"}}
    if "location" in body:
        assert "[resourceGroup().location]" == body["location"]
        body["location"] = REGION
    answer = await deployment.visitor.http.put(url, json=body, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code in {200, 201}, answer.text
    found: dict[str, Any] = answer.json()
    return found
