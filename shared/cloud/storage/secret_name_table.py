"""What the names of shared secrets stand for, on Table Storage. Satisfies ``shared.core.ports.secret_names.SecretNames``.

Each name that was ever used has a row, in a partition of the table ``roles``. The row stays, as the secret itself does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.table_operations import Row, update
from shared.cloud.storage.tables import Table, etag_of
from shared.core.forms import NAME_CLAIM
from shared.core.names import LeaseId
from shared.core.ports.secret_names import NameClaim, SecretName
from shared.core.typed import typed

_PARTITION = "secret-name"


class TableSecretNames:
    """See the module."""

    def __init__(self, service: TableServiceClient, name: str = "roles") -> None:
        self._table = Table(service, name)

    async def find(self, name: SecretName) -> NameClaim | None:
        """See the port."""
        row = await self._table.read(_PARTITION, name.key)
        return _claim(row) if row is not None else None

    async def claim(self, name: SecretName, wanted: NameClaim, *, former: NameClaim | None) -> NameClaim:
        """Makes one conditional write. The version is the row's ETag, which never comes back."""
        row: dict[str, Any] = {
            "PartitionKey": _PARTITION,
            "RowKey": name.key,
            **NAME_CLAIM.stamp,
            "Lease": wanted.lease,
            "Target": wanted.target_digest,
        }
        (version,) = await self._table.write([update(row, former.version if former is not None else "")])
        return replace(wanted, version=version)


def _claim(row: Row) -> NameClaim:
    with NAME_CLAIM.reading(row):
        return typed(NameClaim(LeaseId.parse(row["Lease"]), row["Target"], etag_of(row)))
