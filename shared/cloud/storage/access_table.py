"""The stores of auth roles and policies, on Table Storage. Satisfies the ports of ``shared.core.ports.access``.

All auth roles, all policies and one row with the version share one partition of the table ``roles``. So a write and the change
of the version are one transaction. The row keys begin with the type. A copy of many documents, packed, lies beside them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.document_table import DocumentType, TableDocuments
from shared.cloud.storage.packed_access import PREFIX, Packed, packed_rows, packed_version, unpacked
from shared.cloud.storage.table_operations import Operation, Row, create, delete, put, update
from shared.cloud.storage.tables import Table, between, etag_of, joined
from shared.core.access.auth_role import AuthRole, restore_auth_role, write_auth_role
from shared.core.access.configuration import Stored
from shared.core.access.policy import Policy, restore_policy, write_policy
from shared.core.errors import LostRace, Unavailable, Uncertain, Upstream
from shared.core.forms import ACCESS_VERSION, AUTH_ROLE, POLICY, PROPERTY, form_of
from shared.core.ports.access import StoredAccess
from shared.core.ports.system import Ids
from shared.resilience.tasks import all_of, both

log = logging.getLogger(__name__)

_PARTITION, _VERSION = "access", "version"
_PAGE = 1000
_TRIES = 5
_MOST_CHUNKS = 8
"""A body has at most 64 KiB. In ASCII, as documents are stored, that makes three times as many characters at most."""
_SELECT = ["RowKey", PROPERTY, *(f"Document{number}" for number in range(_MOST_CHUNKS))]


_ROW: Final = {"PartitionKey": _PARTITION, "RowKey": _VERSION, **ACCESS_VERSION.stamp}
_CHANGE: Final = put(_ROW)
"""The write that changes the version.

The version is the row's ETag, and no id that the writer chooses. If the answer to a write is lost, the write is sent again, and
storage may carry it out twice. The same id would then come back after the ids of other writes, and an ETag never does.
"""


def _change(judged_at: str | None) -> Operation:
    """Returns the write that changes the version, under the condition that it is ``judged_at``. Empty: that there is none."""
    if judged_at is None:
        return _CHANGE
    return update(_ROW, judged_at) if judged_at else create(_ROW)


AUTH_ROLES = DocumentType[AuthRole](
    partition=_PARTITION,
    prefix="auth-role_",
    form=AUTH_ROLE,
    name_of=lambda auth_role: auth_role.name,
    store=write_auth_role,
    restore=restore_auth_role,
    with_version=lambda auth_role, version: replace(auth_role, version=version),
    beside=lambda judged_at: (_change(judged_at),),
    has_whole=True,
)
"""How auth roles are stored."""
POLICIES = DocumentType[Policy](
    partition=_PARTITION,
    prefix="policy_",
    form=POLICY,
    name_of=lambda policy: policy.name,
    store=write_policy,
    restore=restore_policy,
    with_version=lambda policy, version: replace(policy, version=version),
    beside=lambda judged_at: (_change(judged_at),),
    has_whole=True,
)
"""How policies are stored."""


class TableAuthRoles(TableDocuments[AuthRole]):
    """Satisfies ``AuthRoles``."""

    def __init__(self, service: TableServiceClient, ids: Ids, name: str = "roles") -> None:
        super().__init__(service, ids, AUTH_ROLES, name)


class TablePolicies(TableDocuments[Policy]):
    """Satisfies ``Policies``."""

    def __init__(self, service: TableServiceClient, ids: Ids, name: str = "roles") -> None:
        super().__init__(service, ids, POLICIES, name)


class TableAccess:
    """Satisfies ``AccessStore``."""

    def __init__(self, service: TableServiceClient, name: str = "roles", *, packed_from: int = _PAGE) -> None:
        """``packed_from``: so many documents or more are packed, for the next worker that reads them."""
        self._table = Table(service, name)
        self._packed_from = packed_from

    async def version(self) -> str:
        """Makes one point read."""
        row = await self._table.read(_PARTITION, _VERSION)
        return etag_of(row) if row is not None else ""

    async def touch(self) -> None:
        """Makes one write, and another if it is not known whether the first was made."""
        try:
            await self._table.write([_CHANGE])
        except Uncertain:
            await self._table.write([_CHANGE])

    async def load(self) -> StoredAccess:
        """Makes a point read and, beside it, a range read of the packed copy. If that is of this version, it is the result.

        Otherwise it makes two range reads side by side (a page for each 1000 documents), and another point read. If the
        documents are many, it writes a copy of them.

        The result is of one version, although another worker may write between two pages. Each write changes the version, in
        the same transaction, to one that it has never had. The version is read before all documents, and again after all of
        them. If both are the same, nothing was written in between, so all documents are as they were at that version. If they
        differ, the documents are read again, and the later version is the one before. Raises ``Unavailable`` if each of five
        tries fails so.
        """
        before, copy = await both(self.version(), self._copy())
        if before and packed_version(copy) == before and (found := _unpacked(copy)) is not None:
            return _access(found, before)
        for _ in range(_TRIES):
            auth_roles, policies = await all_of(self._read(AUTH_ROLES), self._read(POLICIES))
            after = await self.version()
            if after == before:
                found = auth_roles | policies
                await self._pack(found, after, former=copy)
                return _access(found, after)
            before = after
        raise Unavailable(f"table storage: auth roles or policies were changed during each of {_TRIES} reads")

    async def _copy(self) -> list[Row]:
        return [row async for row in self._table.scan(between(_PARTITION, PREFIX))]

    async def _read[T](self, of: DocumentType[T]) -> dict[str, Packed]:
        """Returns the documents of a type, unread, by the keys of their rows."""
        found: dict[str, Packed] = {}
        async for rows, _ in self._table.pages(of.after(""), select=_SELECT, limit=_PAGE):
            for row in rows:
                found[row["RowKey"]] = Packed(joined("Document", row), etag_of(row), form_of(row))
        return found

    async def _pack(self, found: Mapping[str, Packed], version: str, *, former: Sequence[Row]) -> None:
        """Makes one write if there are many documents. If it fails, the next worker that reads all documents makes it."""
        if len(found) < self._packed_from or not (rows := packed_rows(_PARTITION, version, found)):
            return
        rest = [delete(_key(row)) for row in former if _key(row) not in [_key(each) for each in rows]]
        try:
            await self._table.write([*map(put, rows), *rest])
        except (LostRace, Upstream):
            log.warning("auth roles and policies could not be packed", exc_info=True)


def _key(row: Row) -> dict[str, str]:
    return {name: row[name] for name in ("PartitionKey", "RowKey")}


def _unpacked(rows: Sequence[Row]) -> dict[str, Packed] | None:
    return readable(lambda _: dict(unpacked(rows)), rows[0])


def _access(found: Mapping[str, Packed], version: str) -> StoredAccess:
    return StoredAccess(_stored(AUTH_ROLES, found), _stored(POLICIES, found), version)


def _stored[T](of: DocumentType[T], found: Mapping[str, Packed]) -> dict[str, Stored]:
    """Returns the documents of a type by name. One of an unknown form counts as damaged: nothing in it is believed."""
    start = len(of.prefix)
    return {
        key[start:]: Stored(each.text if of.form.knows({PROPERTY: each.form}) else "", each.etag)
        for key, each in found.items()
        if key.startswith(of.prefix)
    }
