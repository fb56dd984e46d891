"""``make demo`` tells its whole story, and each of its steps holds."""

from __future__ import annotations

import re
import subprocess
import sys

from local.host.process import ROOT

BOUND = 150
"""Seconds. It takes about 15 on two cores of its own."""


def test_the_demo_tells_every_step_and_each_holds() -> None:
    """Issued, used, refused elsewhere, renewed, ended; refused by Azure once it has noticed; nothing left; all on record."""
    result = subprocess.run(
        [sys.executable, "-m", "local", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=BOUND, check=False
    )

    assert 0 == result.returncode, result.stdout + result.stderr
    assert [str(number) for number in range(1, 10)] == re.findall(r"^(\d+)\. [A-Z]", result.stdout, re.MULTILINE)
    assert result.stdout.endswith("Every step held.\n")
    steps = re.split(r"^\d+\. ", result.stdout, flags=re.MULTILINE)
    assert "Azure answers 403: AuthorizationFailed" in steps[4]
    assert "the lease is ended" in steps[6]
    assert re.search(r"Entra ID does not take the secret any more, after \d+\.\d s: AADSTS\d+", steps[7])
    assert re.search(r"Azure refuses the token as well, after \d+\.\d s: AuthorizationFailed", steps[7])
    assert ["issue", "renew", "end"] == re.findall(r"Z  (\w+) +done ", steps[9])
