"""What Azure has of the values in bounds."""

from __future__ import annotations

from shared.core.access.bounds import Bounds, Constraint
from shared.core.ports.access import Existence, ManagedIdentities
from tests.fakes.calls import Calls


class FakeLookups:
    """Satisfies ``DirectoryLookups``. A test puts in what there is: nothing else exists."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.existing: dict[tuple[Constraint, str], Existence] = {}
        self.identities: tuple[str, ...] = ()
        """The resource ids of the directory's managed identities."""
        self.identities_a_page = 999
        self.may_list = True

    async def find(self, kind: Constraint, value: str, bounds: Bounds) -> Existence:
        """See the port."""
        found = self.existing.get((kind, value), Existence(exists=False))
        return await self._calls.through("lookups.find", lambda: found, kind, value, bounds)

    async def managed_identities(self, most_pages: int) -> ManagedIdentities | None:
        """See the port."""
        return await self._calls.through("lookups.managed_identities", lambda: self._listed(most_pages), most_pages)

    def _listed(self, most_pages: int) -> ManagedIdentities | None:
        most = most_pages * self.identities_a_page
        return ManagedIdentities(self.identities[:most], len(self.identities) <= most) if self.may_list else None
