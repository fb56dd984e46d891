"""The gate: an admin has every capability, an auditor those of reading, nobody else any."""

from __future__ import annotations

from typing import get_args

import pytest
from shared.core.access.gate import Capability, Lacking, gate

from shared.core.access.decide import Allowed
from tests.fakes.world import ADMINISTRATOR, ALICE, WATCHER

PATHS = (
    "roles",
    "roles/web",
    "roles/web/leases",
    "leases",
    "leases/web.1",
    "audit",
    "status",
    "sweep",
    "reconcile",
    "policies/p",
)
CAPABILITIES: tuple[Capability, ...] = get_args(Capability.__value__)
AUDITED = {
    ("audit", "read"),
    ("status", "read"),
    ("leases", "read"),
    ("leases", "list"),
    ("leases/web.1", "read"),
    ("leases/web.1", "list"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_the_gate_knows_admins_auditors_and_everybody_else(path: str, capability: Capability) -> None:
    """Whoever is refused is told which app role it would take."""
    audited = (path, capability) in AUDITED
    lacking = "auditor_required" if audited else "admin_required"
    assert Allowed() == gate(ADMINISTRATOR, path, capability)
    refused = [gate(caller, path, capability) for caller in ((ALICE,) if audited else (ALICE, WATCHER))]
    assert [lacking] * len(refused) == [each.code for each in refused if isinstance(each, Lacking)]
    assert audited == isinstance(gate(WATCHER, path, capability), Allowed)
