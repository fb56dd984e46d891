"""The port to the store of principals that leases have made."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from shared.core.names import LeaseId, ObjectId


class LeasedPrincipals(Protocol):
    """The principals that leases have made, by object id and by application id, for as long as the lease's record is stored."""

    async def note(self, ids: Collection[ObjectId], lease_id: LeaseId) -> None:
        """Notes that the lease has made these principals. Repeating the call is harmless."""
        ...

    async def find(self, ids: Collection[ObjectId]) -> LeaseId | None:
        """Returns the lease that has made any of them."""
        ...

    async def forget(self, ids: Collection[ObjectId]) -> None:
        """Forgets these principals. Absence is no error."""
        ...
