"""The compiler of the templates; and ``infra/entra.sh`` against a local cloud, with stand-ins for the Azure CLI and waiting."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.cloud.local_cloud import Settings, running
from local.snapshots import INFRA
from tests.infra import compiler

_PERMISSIONS = [
    *("Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"),
    "Directory.Read.All",
]


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, and an administrator's way to run the script in it."""

    control_url: str
    ca_bundle: str
    environment: dict[str, str]
    _waited: Path

    def waited(self) -> list[int]:
        """The pauses, in seconds, that the script has made since this was last asked. Nobody waits for them."""
        found = [int(line) for line in self._waited.read_text().split()] if self._waited.exists() else []
        self._waited.unlink(missing_ok=True)
        return found

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The script's end, with what it wrote."""
        return subprocess.run(
            ["bash", str(INFRA / "entra.sh"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def lines(self, *arguments: str) -> dict[str, str]:
        """What it printed, by name, of a run that must succeed."""
        done = self.run(*arguments)
        assert 0 == done.returncode, done.stderr
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    def graph(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Any:
        """What Graph says of it."""
        with httpx.Client(verify=ssl.create_default_context(cafile=self.ca_bundle), trust_env=False) as http:
            address = f"{self.environment['FAKE_AZ_GRAPH']}/v1.0/{path}"
            token = {"authorization": f"Bearer {self.environment['FAKE_AZ_TOKEN']}"}
            answer = http.request(method, address, headers=token | headers, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Calls the local cloud's control API."""
        with httpx.Client(trust_env=False) as http:
            answer = http.request(method, f"{self.control_url}/{path}".rstrip("/"), json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def place_azure_cli(folder: Path) -> None:
    """The stand-in for ``az``, as a program in this folder."""
    program = folder / "az"
    run = f'PYTHONPATH="{INFRA.parent}" exec "{sys.executable}" -S -m tests.infra.azure_cli "$@"'
    program.write_text(f"#!/bin/sh\n{run}\n")
    program.chmod(0o755)


@pytest.fixture(scope="module")
def bicep() -> str:
    """The compiler. Where ``BICEP`` names one, it has to be there: continuous integration does."""
    found = compiler.found()
    if found is None:
        pytest.skip("no Bicep compiler at $BICEP or on PATH: the templates are not compiled here")
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The templates, where they may be changed."""
    return shutil.copytree(INFRA, tmp_path / "infra")


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """A local cloud's, with profile ``none``."""
    programs = tmp_path_factory.mktemp("bin")
    place_azure_cli(programs)
    waiting = programs / "sleep"
    waiting.write_text(f'#!/bin/sh\necho "$1" >>"{programs}/waited"\n')
    waiting.chmod(0o755)
    with running(Settings(state_dir=tmp_path_factory.mktemp("cloud"))) as cloud:
        found = Tenant(cloud.control_url, str(cloud.ca_bundle), {}, programs / "waited")
        found.control("PUT", "consistency", {"profile": "none"})
        overrides = {"roles": _PERMISSIONS}
        graph = "https://graph.microsoft.com"
        token = found.control("POST", "token", {"identity": "admin", "resource": graph, "overrides": overrides})
        found.environment.update(
            PATH=f"{programs}:{os.environ['PATH']}",
            FAKE_AZ_GRAPH=found.control("GET", "")["endpoints"]["graph"],
            FAKE_AZ_USER=found.control("GET", "")["identities"]["admin"]["client_id"],
            FAKE_AZ_TOKEN=token["access_token"],
            FAKE_AZ_CA=str(cloud.ca_bundle),
        )
        yield found
