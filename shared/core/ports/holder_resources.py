"""The port to what is known of holders of leases: of which resource in Azure each is the identity."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from shared.core.events.holder_resource import HolderResource


class HolderResources(Protocol):
    """A record for each holder and resource. Every method may raise ``Upstream``. A record that cannot be read is left out."""

    async def note(self, record: HolderResource) -> None:
        """Stores the record, in place of a former one of that holder and resource."""
        ...

    async def at_or_below(self, resource: str) -> Sequence[HolderResource]:
        """Returns the records of the resource and of all that lies in it. It is a resource of a resource group."""
        ...

    def everything(self) -> AsyncIterator[HolderResource]:
        """Yields all records, also those of holders that are no resource's identity."""
        ...

    async def forget(self, record: HolderResource) -> None:
        """Forgets that version of a record. That it is gone is no error. Raises ``LostRace`` if it was noted again since."""
        ...
