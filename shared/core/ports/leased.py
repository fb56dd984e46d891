"""The port to what is known of the principals that leases have made."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from shared.core.names import LeaseId, ObjectId


class LeasedPrincipals(Protocol):
    """Whom leases have made, by object id and by application id: for as long as the lease's record is kept."""

    async def note(self, ids: Collection[ObjectId], lease_id: LeaseId) -> None:
        """These are of that lease. Repeating it is harmless."""
        ...

    async def find(self, ids: Collection[ObjectId]) -> LeaseId | None:
        """The lease that made any of them."""
        ...

    async def forget(self, ids: Collection[ObjectId]) -> None:
        """They may be anybody's again. Absence is no error."""
        ...
