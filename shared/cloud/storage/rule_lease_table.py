"""The records of what event rules have issued, on Table Storage: a partition a rule. Satisfies ``RuleLeases``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from azure.data.tables.aio import TableServiceClient

from shared.cloud.lenient import readable
from shared.cloud.storage.table_operations import Row, create, delete, put, update
from shared.cloud.storage.tables import Table, etag_of
from shared.core.access.folding import fold
from shared.core.errors import LostRace
from shared.core.events.rule_lease import RuleLease
from shared.core.forms import RULE_DENIED, RULE_LEASE
from shared.core.names import LeaseId, ObjectId
from shared.core.typed import instant, named, typed

_PREFIX = "rule_"
_DENIED = "denied"
_LEASE = "lease_"


class TableRuleLeases:
    """See the module."""

    def __init__(self, service: TableServiceClient, name: str = "roles") -> None:
        self._table = Table(service, name)

    async def of_rule(self, rule: str) -> Sequence[RuleLease]:
        """Makes one range read."""
        condition = f"PartitionKey eq '{_PREFIX}{rule}' and RowKey ge '{_LEASE}' and RowKey lt 'lease`'"
        found = [readable(rule_lease, row) async for row in self._table.scan(condition)]
        return tuple(each for each in found if each is not None)

    async def everything(self) -> AsyncIterator[RuleLease]:
        """Makes one range read over the partitions of all rules."""
        condition = f"PartitionKey ge '{_PREFIX}' and PartitionKey lt 'rule`' and RowKey ge '{_LEASE}' and RowKey lt 'lease`'"
        async for row in self._table.scan(condition):
            if (found := readable(rule_lease, row)) is not None:
                yield found

    async def put(self, record: RuleLease) -> RuleLease:
        """Makes one conditional write."""
        row = {
            **_key(record),
            **RULE_LEASE.stamp,
            "Subject": record.subject,
            "Holder": record.holder,
            "LeaseId": record.lease_id,
            "At": record.at.isoformat(),
            "Former": json.dumps([each.isoformat() for each in record.former]),
            "OfSubject": record.of_subject,
            **({"Earlier": json.dumps(record.earlier)} if record.earlier else {}),
        }
        (version,) = await self._table.write([update(row, record.version) if record.version else create(row)])
        return replace(record, version=version)

    async def remove(self, record: RuleLease) -> None:
        """Makes one conditional delete, and a read if it finds something else."""
        try:
            await self._table.write([delete(_key(record), record.version)])
        except LostRace:
            if await self._table.read(*_key(record).values()) is not None:
                raise

    async def denied_since(self, rule: str) -> datetime | None:
        """Makes one point read."""
        row = await self._table.read(f"{_PREFIX}{rule}", _DENIED)
        return readable(rule_denied, row) if row is not None else None

    async def note_denied(self, rule: str, since: datetime | None) -> None:
        """Makes one write."""
        row = {"PartitionKey": f"{_PREFIX}{rule}", "RowKey": _DENIED, **RULE_DENIED.stamp}
        await self._table.write([put(row | {"Since": since.isoformat() if since is not None else ""})])


def _key(record: RuleLease) -> dict[str, str]:
    digest = sha256(fold(record.subject).encode()).hexdigest()[:32]
    return {"PartitionKey": f"{_PREFIX}{record.rule}", "RowKey": f"{_LEASE}{digest}_{record.holder}"}


def rule_lease(row: Row) -> RuleLease:
    """Reads a record. Raises ``Unreadable``."""
    with RULE_LEASE.reading(row):
        return typed(
            RuleLease(
                str(row["PartitionKey"]).removeprefix(_PREFIX),
                row["Subject"],
                named(ObjectId.parse, row["Holder"]),
                named(LeaseId.parse, row["LeaseId"]),
                instant(row["At"]),
                tuple(instant(each) for each in json.loads(row["Former"])),
                row.get("OfSubject", False),
                tuple(named(LeaseId.parse, each) for each in json.loads(row.get("Earlier", "[]"))),
                etag_of(row),
            )
        )


def rule_denied(row: Row) -> datetime | None:
    """Reads since when a rule is denied. Raises ``Unreadable``."""
    with RULE_DENIED.reading(row):
        return instant(row["Since"]) if row["Since"] != "" else None
