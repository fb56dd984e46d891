"""The app roles of the broker: an admin has every capability, an auditor those of reading, nobody else any."""

from __future__ import annotations

from typing import get_args

import pytest

from shared.core.access.decide import AppRole, Rights, decide
from shared.core.access.policy import Capability
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
    ("leases/web.1", "read"),
    ("leases/web.1", "list"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_app_roles_give_an_admin_everything_and_an_auditor_reading(path: str, capability: Capability) -> None:
    """Without a policy nobody else has anything."""
    audited = (path, capability) in AUDITED
    assert AppRole("Leasehold.Admin") == decide(Rights(ADMINISTRATOR), path, capability).by
    assert audited == decide(Rights(WATCHER), path, capability).is_allowed
    assert "denied" == decide(Rights(ALICE), path, capability).outcome
