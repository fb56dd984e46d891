"""Azure's own Bicep compiler, where there is one; run as a program, it makes the snapshots of ``infra/`` anew.

It is looked for at ``$BICEP``, else on ``PATH``, and needs no network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from local.snapshots import FOLDER, GROUP, SUBSCRIPTION, TENANT

_PLACE = {
    "--tenant-id": TENANT,
    "--subscription-id": SUBSCRIPTION,
    "--resource-group": GROUP,
    "--location": "westeurope",
    "--deployment-name": "leasehold",
}


def found() -> str | None:
    """The program. ``None`` when nobody names one and none is on ``PATH``.

    Raises ``FileNotFoundError`` when the one that is named is not there.
    """
    named = os.environ.get("BICEP")
    program = shutil.which(named or "bicep")
    if named and program is None:
        raise FileNotFoundError(f"no Bicep compiler at {named}: docs/deploy.md tells how to get one")
    return program


def run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Its end, with all that it said on both streams."""
    with tempfile.TemporaryDirectory(prefix="bicep-") as home:  # it writes there
        return subprocess.run(
            [program, *arguments],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": home},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )


def snapshot(program: str, parameters: Path, mode: Literal["overwrite", "validate"]) -> subprocess.CompletedProcess[str]:
    """Makes a parameter set's snapshot, or compares the one that is there."""
    place = [word for pair in _PLACE.items() for word in pair]
    return run(program, "snapshot", parameters.name, "--mode", mode, *place, cwd=parameters.parent)


def main() -> int:
    """Makes all of them. The exit code."""
    program = found()
    if program is None:
        print("A Bicep compiler is needed, at $BICEP or on PATH: docs/deploy.md tells how to get one.", file=sys.stderr)  # noqa: T201
        return 1
    outcomes = [snapshot(program, path, "overwrite") for path in sorted(FOLDER.glob("*.bicepparam"))]
    for path in FOLDER.glob("*.snapshot.json"):
        _settle(path)
    print("".join(outcome.stdout for outcome in outcomes), end="")  # noqa: T201
    return max(outcome.returncode for outcome in outcomes)


def _settle(path: Path) -> None:
    """Puts the outputs into an order: the compiler's is another each time."""
    document = json.loads(path.read_text())
    document["outputs"] = dict(sorted(document["outputs"].items()))
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
