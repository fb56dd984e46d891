"""Azure's own command line, ``az``, against the local cloud: how to point it there, and the check that it works.

``python -m local.azure_cli`` installs azure-cli into an environment of its own and runs that check.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = _ROOT / ".local" / "azure-cli"
"""Where the check installs azure-cli: it is large, and nothing of the project depends on it."""
EXECUTABLE_VARIABLE = "LEASEHOLD_AZ"
_MANAGEMENT = "https://management.core.windows.net/"
_VAULTS = ".vault.azure.net"


class AzureCliError(Exception):
    """``az`` ended with an error; the text is what it wrote there."""


@dataclass(frozen=True, slots=True)
class AzureCli:
    """One configuration of ``az``, in a folder of its own: the user's own sign-ins are neither seen nor changed."""

    executable: str
    folder: Path
    ca_bundle: str

    def run(self, *arguments: str) -> Any:
        """Runs a command; its JSON output, or ``None`` when there is none. Raises ``AzureCliError``."""
        done = subprocess.run(
            [self.executable, *arguments, "--only-show-errors", "--output", "json"],
            env={**os.environ, **self._environment()},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            raise AzureCliError(done.stderr.strip())
        return json.loads(done.stdout) if done.stdout.strip() else None

    def register(self, origin: str, name: str = "Local") -> None:
        """Makes a cloud whose every service is at one https origin, and turns to it. Vaults keep Azure's names.

        The Graph endpoint doubles as the audience of Graph's tokens, so it needs its slash.
        """
        self.run(
            *("cloud", "register", "--name", name, "--skip-endpoint-discovery"),
            *("--endpoint-resource-manager", origin, "--endpoint-active-directory", origin),
            *("--endpoint-active-directory-resource-id", _MANAGEMENT),
            *("--endpoint-microsoft-graph-resource-id", f"{origin}/"),
            *("--suffix-keyvault-dns", _VAULTS),
        )
        self.run("cloud", "set", "--name", name)
        self.run("config", "set", "core.instance_discovery=false")

    def sign_in(self, tenant: str, client_id: str, secret: str) -> Any:
        """Signs in as a service principal; the subscriptions that it sees."""
        return self.run(
            *("login", "--service-principal", "--tenant", tenant, "--username", client_id, f"--password={secret}"),
        )

    def _environment(self) -> dict[str, str]:
        return {
            "AZURE_CONFIG_DIR": str(self.folder),
            "REQUESTS_CA_BUNDLE": self.ca_bundle,
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_SURVEY_MESSAGE": "false",
            "AZURE_CORE_LOGIN_EXPERIENCE_V2": "false",
            "NO_PROXY": "127.0.0.1",
        }


def install(folder: Path = ENVIRONMENT) -> Path:
    """The ``az`` in this environment, made when it is missing. Takes some minutes the first time."""
    executable = folder / "bin" / "az"
    if not executable.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "azure-cli"], check=True)
    return executable


def main() -> int:
    """Installs azure-cli where it is missing and runs the check; pytest's exit code."""
    executable = os.environ.get(EXECUTABLE_VARIABLE) or str(install())
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/local/sdk/test_azure_cli.py"],
        cwd=_ROOT,
        env={**os.environ, EXECUTABLE_VARIABLE: executable},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
