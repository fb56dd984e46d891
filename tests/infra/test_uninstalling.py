"""The guide's commands that take a deployment away: run in a shell, against a local cloud with several subscriptions."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.cloud.control import provision
from local.cloud.control.sample import BROKER, furnish
from local.cloud.local_azure import LocalAzure
from local.cloud.local_cloud import LocalCloud, Settings, running
from local.cloud.tenant.resources import Resource
from local.snapshots import INFRA
from tests.infra.conftest import place_azure_cli

GUIDE = (INFRA.parent / "docs" / "deploy.md").read_text()
OTHER = "/subscriptions/20000000-0000-4000-8000-00000000000b"
ABOVE = "/providers/Microsoft.Management/managementGroups/"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


def _blocks(heading: str) -> list[str]:
    section = GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def _deployed(world: LocalAzure) -> None:
    """A deployment, with rights in another subscription, and on management groups above that and above none."""
    furnish(world)
    for scope in (OTHER, f"{OTHER}/resourceGroups/web"):
        kind = "Microsoft.Resources/subscriptions" + ("/resourceGroups" if "Groups" in scope else "")
        world.tree.resources[scope.casefold()] = Resource(scope, kind, "westeurope")
    provision.management_group(world, "holding", subscriptions=[OTHER.rpartition("/")[2]])
    provision.management_group(world, "empty")
    for scope in (OTHER, f"{OTHER}/resourceGroups/web", f"{ABOVE}holding", f"{ABOVE}empty"):
        provision.role_assignment(world, world.directory.identities[BROKER].object_id, READER, scope)
    provision.role_assignment(world, world.directory.identities["admin"].object_id, "Owner", "/")
    applications = world.directory.applications
    api = applications.pop(next(each.id for each in applications.values() if each.app_id == world.directory.broker_app_id))
    api.unique_name = "leasehold-api"
    applications[api.id] = api


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """With its deployment, over HTTP."""
    with running(Settings(state_dir=tmp_path_factory.mktemp("cloud"), furnish=_deployed)) as found:
        yield found


def _token(cloud: LocalCloud, resource: str, *roles: str) -> str:
    asked = {"identity": "admin", "resource": resource, "overrides": {"roles": roles}}
    answer = httpx.post(f"{cloud.control_url}/token", json=asked, trust_env=False)
    return str(answer.raise_for_status().json()["access_token"])


def _run(cloud: LocalCloud, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a shell that any failure ends, right after a deployment, signed in as an owner of everything."""
    httpx.post(f"{cloud.control_url}/reset", trust_env=False).raise_for_status()
    httpx.put(f"{cloud.control_url}/consistency", json={"profile": "none"}, trust_env=False).raise_for_status()
    place_azure_cli(folder)
    (folder / "current").write_text(OTHER.rpartition("/")[2])
    storage = next(key for key in cloud.world.tree.resources if "/storageaccounts/" in key)
    names = {
        "the broker's subscription": cloud.world.subscription_id,
        "brokerPrincipalId": cloud.world.directory.identities[BROKER].object_id,
        "storageAccountName": storage.rpartition("/")[2],
    }
    for name, value in names.items():
        script = script.replace(f"<{name}>", value)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "FAKE_AZ_GRAPH": cloud.endpoints["graph"],
        "FAKE_AZ_ARM": cloud.endpoints["arm"],
        "FAKE_AZ_TENANT": cloud.world.tenant_id,
        "FAKE_AZ_TOKEN": _token(cloud, "https://graph.microsoft.com", "Application.ReadWrite.All", "Directory.Read.All"),
        "FAKE_AZ_ARM_TOKEN": _token(cloud, "https://management.azure.com"),
        "FAKE_AZ_CA": str(cloud.ca_bundle),
        "FAKE_AZ_CURRENT": str(folder / "current"),
        "FAKE_AZ_MANAGEMENT_GROUPS": f"{ABOVE}holding {ABOVE}empty",
    }
    shell = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(shell, env=environment, capture_output=True, text=True, check=False, timeout=60)


def _left(cloud: LocalCloud) -> list[str]:
    """What a deployment has made and is still there."""
    world = cloud.world
    group = f"/subscriptions/{world.subscription_id}/resourcegroups/leasehold"
    broker = world.directory.identities[BROKER].object_id
    return [
        *(each.scope for each in world.tree.role_assignments.values() if each.principal_id == broker),
        *world.tree.locks,
        *(key for key in world.tree.resources if key.startswith(group)),
        *(each.id for each in world.directory.applications.values() if each.unique_name and each.deleted is None),
    ]


def test_the_documented_commands_leave_nothing(cloud: LocalCloud, tmp_path: Path) -> None:
    """In their order: no lock is in the way, and no right is left in any subscription or on any management group."""
    done = _run(cloud, _blocks("Uninstalling")[1], tmp_path)

    assert 0 == done.returncode, done.stderr
    assert [] == _left(cloud)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("--name leasehold-records", "--name leasehold"),
        ("az account set", ": az account set"),
        (' --all --subscription "$subscription"', " --all"),
        (" --all ", " "),
        ("for group in $(", "for group in $(: "),
        ("--assignee <brokerPrincipalId>", "--assignee <storageAccountName>"),
    ],
)
def test_a_wrong_argument_leaves_something(cloud: LocalCloud, tmp_path: Path, right: str, wrong: str) -> None:
    """So the commands are what the guide says, and the stand-in honours what they say."""
    script = _blocks("Uninstalling")[1]
    assert right in script

    done = _run(cloud, script.replace(right, wrong), tmp_path)

    assert done.returncode != 0 or [] != _left(cloud)


def test_the_guide_shows_every_right_of_the_broker(cloud: LocalCloud, tmp_path: Path) -> None:
    """Each once, wherever it stands."""
    (listing,) = [block for block in _blocks("What each permission is for") if "role assignment list" in block]

    done = _run(cloud, listing, tmp_path)

    broker = cloud.world.directory.identities[BROKER].object_id
    held = [each for each in cloud.world.tree.role_assignments.values() if each.principal_id == broker]
    assert sorted(each.name for each in held) == sorted(line.rpartition("/")[2] for line in done.stdout.split())
