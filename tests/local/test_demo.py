"""``make demo`` tells its whole story, and each of its steps holds."""

from __future__ import annotations

import re
import subprocess
import sys

from local.host.process import ROOT

BOUND = 150
"""Seconds. It takes about 45 on two cores of its own, most of them for Azure to replicate."""


def test_the_demo_tells_every_step_and_each_holds() -> None:
    """Let in, issued, used, refused elsewhere, renewed, ended; then refused by Azure; nothing is left, and all is on record.

    And one role serves two applications, each at its own storage account. And a token and a role are leased without a secret.
    And a lease from a pool works sooner than the same lease without. And a site gets its credential by events alone.
    """
    result = subprocess.run(
        [sys.executable, "-m", "local", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=BOUND, check=False
    )

    assert 0 == result.returncode, result.stdout + result.stderr
    assert [str(number) for number in range(1, 25)] == re.findall(r"^(\d+)\. [A-Z]", result.stdout, re.MULTILINE)
    assert result.stdout.endswith("Every step held.\n")
    steps = re.split(r"^\d+\. ", result.stdout, flags=re.MULTILINE)
    assert "vm-batch is one of them, and may issue from app-reader at once" in steps[2]
    assert "the operator learns why: bound_resource_ids of data-machines wants Microsoft.Compute/virtualMachines/*" in steps[2]
    assert "Azure answers 403: AuthorizationFailed" in steps[5]
    assert "the lease is ended" in steps[7]
    assert re.search(r"Entra ID does not take the secret any more, after \d+\.\d s: AADSTS\d+", steps[8])
    assert re.search(r"Azure refuses the token as well, after \d+\.\d s: AuthorizationFailed", steps[8])
    assert ["issue", "renew", "end"] == re.findall(r"Z  (\w+) +done ", steps[10])
    for step, account in ((12, "myappstorageaccount"), (13, "datastorageaccount")):
        assert f"what {account} holds" in steps[step]
        assert "the answer has client_id, client_secret, tenant_id, subscription_id, expires_at" in steps[step]
    assert "blob storage answers 403: AuthorizationPermissionMismatch" in steps[14]
    assert "vm-batch gave no name, and was granted /data" in steps[15]
    assert re.search(r"answers 202 at once: come back in \d+ s, at https?://", steps[16])
    assert "no secret, and one trusted identity, lh-broker" in steps[17]
    assert re.search(r"after its end Azure answers 403 again", steps[18])
    for step in (19, 20):
        assert re.search(r"after \d+\.\d s every replica of Azure accepts the credential", steps[step])
    assert re.search(r"one stands in the pool, proven, and nobody holds it: quick-reader\.\w+", steps[20])
    assert "rule sites-made" in steps[21]
    assert re.search(r"the site's own identity, [0-9a-f-]{36}, holds site-app\.\w+", steps[22])
    assert "what myappstorageaccount holds" in steps[23]
    assert "nobody reads it in the vault: 403 SecretDisabled" in steps[24]
    assert re.search(r"without the pool it took \d+\.\d s, and with it [0-2]\.\d s", steps[20])
