from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.leased_table import TableLeasedPrincipals
from shared.cloud.storage.tables import connect
from shared.core.names import LeaseId
from shared.core.ports.leased import LeasedPrincipals
from shared.core.ports.leases import LeaseQuery, Leases
from tests.contract.stores import lease
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.leased import MemoryLeasedPrincipals
from tests.fakes.leases import MemoryLeases
from tests.fakes.world import guid
from tests.support.kinds import SCHEMAS

ONE, OTHER = (LeaseId.of(lease().id.role, f"{number:026d}") for number in (1, 2))
PRINCIPAL, APPLICATION, STRANGER = guid(0x700), guid(0x701), guid(0x702)


@pytest.fixture
async def leased(connection: str | None) -> AsyncIterator[LeasedPrincipals]:
    """Each test runs on the fake and on Table Storage."""
    if connection is None:
        yield MemoryLeasedPrincipals(Calls(FakeClock()))
    else:
        async with connect(connection) as service:
            yield TableLeasedPrincipals(service)


async def test_nobody_is_leased_at_first(leased: LeasedPrincipals) -> None:
    """Not even a table is there."""
    assert await leased.find({PRINCIPAL, APPLICATION}) is None


async def test_either_id_tells(leased: LeasedPrincipals) -> None:
    """Beside whatever else is asked for; noting twice does no harm."""
    for _ in range(2):
        await leased.note({PRINCIPAL, APPLICATION}, ONE)
    found = [await leased.find({each, STRANGER}) for each in (PRINCIPAL, APPLICATION, STRANGER)]
    assert [ONE, ONE, None] == found


async def test_what_is_forgotten_is_nobodys(leased: LeasedPrincipals) -> None:
    """Others stay; absence is success."""
    await leased.note({PRINCIPAL, APPLICATION}, ONE)
    await leased.note({STRANGER}, OTHER)
    for _ in range(2):
        await leased.forget({PRINCIPAL, APPLICATION})
    assert (None, OTHER) == (await leased.find({PRINCIPAL, APPLICATION}), await leased.find({STRANGER}))


async def _share(leases: Leases, leased: LeasedPrincipals) -> None:
    stored = await leases.open(lease())
    await leased.note({PRINCIPAL, APPLICATION}, stored.id)
    assert [stored.id] == [each.id for each in (await leases.list(LeaseQuery())).items]
    assert 1 == sum((await leases.count()).values())
    assert [stored.id] == [each async for each in leases.due(stored.due_at)]


async def test_the_leases_beside_them_are_read_as_before(connection: str | None) -> None:
    """They share a table."""
    if connection is None:
        calls = Calls(FakeClock())
        await _share(MemoryLeases(calls), MemoryLeasedPrincipals(calls))
        return
    async with connect(connection) as service:
        await _share(TableLeases(service, FixedIds(), SCHEMAS), TableLeasedPrincipals(service))
