"""Leases by the thousand, put straight into storage as ``TableLeases`` would have left them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.broker.ports import Ports
from shared.cloud.storage.lease_rows import due_row, index_rows, lease_row
from shared.cloud.storage.scope_rows import by_scope, scope_rows
from shared.cloud.storage.table_operations import create
from shared.cloud.storage.tables import Table
from shared.cloud.system import SystemIds
from shared.core.footprint import Assignment
from shared.core.lease import Holder, Lease, State
from shared.core.names import LeaseId, ObjectId, Scope
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.support.kinds import SCHEMAS

_TOGETHER = 14
"""Leases a transaction: seven rows each, and Table Storage takes a hundred."""
_AT_ONCE = 8


async def put_there(table: Table, leases: Sequence[Lease]) -> None:
    """The transactions that ``TableLeases.open`` would make, several at once. Raises ``Upstream``."""
    ids = SystemIds()
    by_shard = sorted(leases, key=lambda each: each.id.shard)
    alike = (each for _, each in itertools.groupby(by_shard, key=lambda each: each.id.shard))
    portions = itertools.chain.from_iterable(itertools.batched(each, _TOGETHER, strict=False) for each in alike)

    async def write_some() -> None:
        for some in portions:
            rows = [rows_of(each, ids.guid()) for each in some]
            await table.write([create(row) for row in itertools.chain.from_iterable(rows)])

    await asyncio.gather(*(write_some() for _ in range(_AT_ONCE)))


def rows_of(lease: Lease, write_id: str) -> list[dict[str, Any]]:
    """The rows of a lease as the store writes them."""
    places = by_scope(SCHEMAS, lease)
    stored = replace(lease, by_scope=tuple(places))
    return [lease_row(SCHEMAS, stored, write_id), due_row(stored), *index_rows(stored), *scope_rows(stored, places)]


def active_lease(lease_id: LeaseId, ports: Ports) -> Lease:
    """An active lease of an hour."""
    now = ports.now()
    later = now + timedelta(hours=1)
    here = ObjectId(UUID(int=1))
    scope = Scope(f"/subscriptions/{here}/resourceGroups/app")
    footprint = ServicePrincipalFootprint(f"leasehold-{lease_id}", (Assignment(scope, here),), (), True, here, here, here)
    return Lease(
        id=lease_id,
        type="service_principal",
        state=State.ACTIVE,
        holder=Holder(here, here, here),
        issued_at=now,
        expires_at=later,
        max_expires_at=later,
        ttl=3600,
        renewable=True,
        parts=(footprint,),
        planned_at=now,
        due_at=later,
        made_by=now,
        max_ttl=3600,
    )
