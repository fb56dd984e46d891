"""The store of roles, on Table Storage. Satisfies ``shared.core.ports.documents.Roles``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.document_table import DocumentType, TableDocuments
from shared.cloud.storage.table_operations import Row, update
from shared.cloud.storage.tables import chunked, etag_of, joined
from shared.core.audit import AuditEvent
from shared.core.forms import ADMISSIONS, ROLE, SHARED_VERSION
from shared.core.names import LeaseId, RoleName
from shared.core.ports.documents import Admissions, Expect
from shared.core.ports.system import Ids
from shared.core.role import Role
from shared.kinds.registry import Kinds
from shared.kinds.stored_role import restore_role, store_role

_PARTITION, _ADMISSIONS = "role", "admission"
_SHARED: Final[dict[str, Any]] = {"PartitionKey": _PARTITION, "RowKey": "\u00a7shared", **SHARED_VERSION.stamp}
"""The row with the version of what roles share. Its key comes after every name, and after every pending event: whoever reads
these passes over it. Only its ETag counts, which never comes back."""


def roles_of(kinds: Kinds) -> DocumentType[Role]:
    """Returns how roles for these kinds of credentials are stored."""
    return DocumentType[Role](
        partition=_PARTITION,
        form=ROLE,
        name_of=lambda role: role.name,
        store=lambda role: store_role(kinds, role),
        restore=lambda name, stored, version, form: restore_role(kinds, RoleName(name), stored, version, form=form),
        with_version=lambda role, version: replace(role, version=version),
        beside=lambda judged_at: (update(_SHARED, judged_at),) if judged_at is not None else (),
    )


class TableRoles(TableDocuments[Role]):
    """Roles as documents, and in a partition of their own the leases that were admitted to each role."""

    def __init__(self, service: TableServiceClient, ids: Ids, kinds: Kinds, name: str = "roles") -> None:
        super().__init__(service, ids, roles_of(kinds), name)

    async def shared_version(self) -> str:
        """Makes one point read."""
        row = await self._table.read(_PARTITION, _SHARED["RowKey"])
        return etag_of(row) if row is not None else ""

    async def put_sharing(
        self, document: Role, *, expected: Expect, judged_at: str, event: AuditEvent | None = None
    ) -> tuple[Role, str]:
        """Makes one transaction."""
        stored, beside = await self._put(document, expected, event, judged_at)
        return stored, beside[0] if beside else ""

    async def admissions(self, role: RoleName) -> Admissions:
        """Makes one point read."""
        row = await self._table.read(_ADMISSIONS, role)
        return _admitted(row) if row is not None else Admissions()

    async def admit(self, role: RoleName, leases: frozenset[LeaseId], *, former: Admissions) -> None:
        """Makes one conditional write."""
        listed = chunked("Leases", json.dumps(sorted(leases)))
        row = {"PartitionKey": _ADMISSIONS, "RowKey": role, **ADMISSIONS.stamp, **listed}
        await self._table.write([update(row, former.version)])


def _admitted(row: Row) -> Admissions:
    with ADMISSIONS.reading(row):
        return Admissions(frozenset(map(LeaseId.parse, json.loads(joined("Leases", row)))), etag_of(row))
