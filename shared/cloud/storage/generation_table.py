"""The store of roles' generations, on Table Storage. Satisfies ``shared.core.ports.Generations``.

Each role that was ever revoked has a row, in a partition beside the roles. The deletion of a role leaves the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.table_operations import Row, update
from shared.cloud.storage.tables import Table, etag_of
from shared.core.errors import LostRace, Uncertain
from shared.core.forms import GENERATION
from shared.core.generation import Generation
from shared.core.names import RoleName
from shared.core.typed import typed

_PARTITION = "generation"
_TRIES = 5
"""To raise the number. Of all other writes, only the note that an earlier rise is finished leaves the number as it is."""


class TableGenerations:
    """See the module."""

    def __init__(self, service: TableServiceClient, name: str = "roles") -> None:
        self._table = Table(service, name)

    async def get(self, role: RoleName) -> Generation:
        """Makes one point read."""
        row = await self._table.read(_PARTITION, role)
        return _generation(row) if row is not None else Generation(role)

    async def all(self) -> Mapping[RoleName, Generation]:
        """Makes one range read."""
        found = [readable(_generation, row) async for row in self._table.scan(f"PartitionKey eq '{_PARTITION}'")]
        return {each.role: each for each in found if each is not None}

    async def advance(self, role: RoleName) -> Generation:
        """Makes a point read and a conditional write."""
        for _ in range(_TRIES):
            former = await self.get(role)
            raised = replace(former, number=former.number + 1)
            try:
                return replace(raised, version=await self._write(raised))
            except (LostRace, Uncertain):
                # If the number has risen since the read above, by this very write or another's, it has risen within this call.
                stored = await self.get(role)
                if stored.number > former.number:
                    return stored
        raise Uncertain(f"the generation of role {role} could not be raised")

    async def finish(self, generation: Generation) -> None:
        """Makes one conditional write."""
        with suppress(LostRace):
            await self._write(replace(generation, finished=generation.number))

    async def _write(self, generation: Generation) -> str:
        row: dict[str, Any] = {
            "PartitionKey": _PARTITION,
            "RowKey": generation.role,
            **GENERATION.stamp,
            "Number": generation.number,
            "Finished": generation.finished,
        }
        (version,) = await self._table.write([update(row, generation.version)])
        return version


def _generation(row: Row) -> Generation:
    with GENERATION.reading(row):
        return typed(Generation(RoleName(str(row["RowKey"])), row["Number"], row["Finished"], etag_of(row)))
