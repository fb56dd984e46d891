"""Of which resources holders of leases are the identities, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from shared.core.access.folding import fold
from shared.core.errors import LostRace
from shared.core.events.holder_resource import HolderResource
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions

type _Key = tuple[str, str]


class MemoryHolderResources:
    """Satisfies ``HolderResources``."""

    def __init__(self, calls: Calls) -> None:
        self.rows: dict[_Key, HolderResource] = {}
        self._calls, self._versions = calls, Versions()

    async def note(self, record: HolderResource) -> None:
        """See the port."""
        await self._calls.through("holder_resources.note", lambda: self._note(record), record)

    async def at_or_below(self, resource: str) -> Sequence[HolderResource]:
        """See the port."""
        found = await self._calls.through("holder_resources.at_or_below", lambda: [*self.rows.values()], resource)
        return tuple(each for each in found if each.is_at_or_below(resource))

    async def everything(self) -> AsyncIterator[HolderResource]:
        """See the port."""
        for each in await self._calls.through("holder_resources.everything", lambda: [*self.rows.values()]):
            yield each

    async def forget(self, record: HolderResource) -> None:
        """See the port."""
        await self._calls.through("holder_resources.forget", lambda: self._forget(record), record)

    def _note(self, record: HolderResource) -> None:
        key = _key(record)
        self.rows[key] = replace(record, version=self._versions.following(key))

    def _forget(self, record: HolderResource) -> None:
        stored = self.rows.get(_key(record))
        if stored is not None and stored.version != record.version:
            raise LostRace
        self.rows.pop(_key(record), None)


def _key(record: HolderResource) -> _Key:
    return fold(record.resource), record.holder
