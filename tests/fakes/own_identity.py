"""What the directory may say of the broker's own identity."""

from __future__ import annotations

from shared.core.access.facts import MANAGED_IDENTITY
from shared.core.access.facts import Principal as DirectoryPrincipal

__all__ = ["SYSTEM_ASSIGNED", "USER_ASSIGNED", "DirectoryPrincipal"]

USER_ASSIGNED = DirectoryPrincipal(MANAGED_IDENTITY, ("isExplicit=True", "/subscriptions/s/userAssignedIdentities/leasehold"))
SYSTEM_ASSIGNED = DirectoryPrincipal(MANAGED_IDENTITY, ("isExplicit=False", "/subscriptions/s/sites/leasehold"))
