"""The stores of auth roles and policies, on Table Storage. Satisfies the ports of ``shared.core.ports.access``.

All auth roles, all policies and one row with the version share one partition of the table ``roles``. So a write and the change
of the version are one transaction. The row keys begin with the type.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.document_table import DocumentType, TableDocuments
from shared.cloud.storage.table_operations import Operation, create, put, update
from shared.cloud.storage.tables import Table, etag_of, joined
from shared.core.access.auth_role import AuthRole, restore_auth_role, write_auth_role
from shared.core.access.configuration import Stored
from shared.core.access.policy import Policy, restore_policy, write_policy
from shared.core.errors import Unavailable, Uncertain
from shared.core.forms import ACCESS_VERSION, AUTH_ROLE, POLICY, PROPERTY
from shared.core.ports.access import StoredAccess
from shared.core.ports.system import Ids
from shared.resilience.tasks import all_of

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

    def __init__(self, service: TableServiceClient, name: str = "roles") -> None:
        self._table = Table(service, name)

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
        """Makes a point read, two range reads side by side (a page for each 1000 documents), and another point read.

        The result is of one version, although another worker may write between two pages. Each write changes the version, in
        the same transaction, to one that it has never had. The version is read before all documents, and again after all of
        them. If both are the same, nothing was written in between, so all documents are as they were at that version. If they
        differ, the documents are read again, and the later version is the one before. Raises ``Unavailable`` if each of five
        tries fails so.
        """
        before = await self.version()
        for _ in range(_TRIES):
            auth_roles, policies = await all_of(self._read(AUTH_ROLES), self._read(POLICIES))
            after = await self.version()
            if after == before:
                return StoredAccess(auth_roles, policies, after)
            before = after
        raise Unavailable(f"table storage: auth roles or policies were changed during each of {_TRIES} reads")

    async def _read[T](self, of: DocumentType[T]) -> dict[str, Stored]:
        """Returns the documents of a type by name, unread. One of an unknown form counts as damaged: nothing in it is
        believed.
        """
        found: dict[str, Stored] = {}
        async for rows, _ in self._table.pages(of.after(""), select=_SELECT, limit=_PAGE):
            for row in rows:
                text = joined("Document", row) if of.form.knows(row) else ""
                found[row["RowKey"][len(of.prefix) :]] = Stored(text, etag_of(row))
        return found
