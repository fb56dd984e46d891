"""The store of roles, on Table Storage. Satisfies ``shared.core.ports.Roles``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.table_operations import Operation, Row, delete, put, update
from shared.cloud.storage.tables import Table, chunked, etag_of, joined
from shared.core.errors import LostRace, PreconditionFailed, Uncertain
from shared.core.forms import ADMISSIONS, ROLE, form_of
from shared.core.names import LeaseId, RoleName
from shared.core.ports.documents import Admissions
from shared.core.ports.system import Ids
from shared.core.role import Role
from shared.core.stored_role import restore_role, store_role

_PARTITION = "role"
_ADMISSIONS = "admission"


class TableRoles:
    """See the module. All roles share one partition: they are few, and listing them is one range read."""

    def __init__(self, service: TableServiceClient, ids: Ids, name: str = "roles") -> None:
        self._table = Table(service, name)
        self._ids = ids

    async def get(self, name: RoleName) -> Role | None:
        """One point read."""
        row = await self._table.read(_PARTITION, name)
        return _role(row) if row is not None else None

    async def list(self) -> tuple[Role, ...]:
        """One range read."""
        return tuple([_role(row) async for row in self._table.scan(f"PartitionKey eq '{_PARTITION}'")])

    async def put(self, role: Role, *, expected: str | None) -> Role:
        """One write; conditional when ``expected`` is given."""
        write_id = self._ids.guid()
        row: dict[str, Any] = {
            "PartitionKey": _PARTITION,
            "RowKey": role.name,
            **ROLE.stamp,
            "Write": write_id,
            **chunked("Document", json.dumps(store_role(role))),
        }
        try:
            (version,) = await self._table.write([_put(row, expected)])
        except (LostRace, Uncertain) as error:
            # The write may be this very one, its first answer lost.
            stored = await self._table.read(_PARTITION, role.name)
            if stored is not None and stored.get("Write") == write_id:
                return replace(role, version=etag_of(stored))
            if isinstance(error, LostRace):
                raise PreconditionFailed from error
            raise
        return replace(role, version=version)

    async def delete(self, name: RoleName, *, expected: str | None) -> bool:
        """A read and a conditional delete."""
        row = await self._table.read(_PARTITION, name)
        if row is None:
            return False
        if expected is not None and etag_of(row) != expected:
            raise PreconditionFailed
        key = {"PartitionKey": _PARTITION, "RowKey": name}
        try:
            await self._table.write([delete(key, etag_of(row))])
        except LostRace as lost:
            if await self._table.read(_PARTITION, name) is not None:
                raise PreconditionFailed from lost
        return True

    async def admissions(self, role: RoleName) -> Admissions:
        """One point read."""
        row = await self._table.read(_ADMISSIONS, role)
        return _admitted(row) if row is not None else Admissions()

    async def admit(self, role: RoleName, leases: frozenset[LeaseId], *, former: Admissions) -> None:
        """One write, conditional."""
        listed = chunked("Leases", json.dumps(sorted(leases)))
        row = {"PartitionKey": _ADMISSIONS, "RowKey": role, **ADMISSIONS.stamp, **listed}
        await self._table.write([_put(row, former.version)])


def _put(row: dict[str, Any], expected: str | None) -> Operation:
    return put(row) if expected is None else update(row, expected)


def _role(row: Row) -> Role:
    return restore_role(RoleName(str(row["RowKey"])), _document(row), etag_of(row), form=form_of(row))


def _admitted(row: Row) -> Admissions:
    with ADMISSIONS.reading(row):
        return Admissions(frozenset(map(LeaseId.parse, json.loads(joined("Leases", row)))), etag_of(row))


def _document(row: Row) -> Any:
    """``None`` when it is damaged: nothing that concerns one role alone may keep the others from being read."""
    try:
        return json.loads(joined("Document", row))
    except (ValueError, RecursionError):
        return None
