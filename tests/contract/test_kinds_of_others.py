"""Leases of a kind that this broker does not have: another version has issued them, and ends them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.tables import connect
from shared.core.errors import Unreadable
from tests.contract.stores import lease
from tests.fakes.clock import FixedIds
from tests.fakes.world import world
from tests.support.kinds import SCHEMAS
from tests.support.toy_kind import BadgeFootprint, badge


async def test_they_keep_nobody_from_reading_the_others(storage_connection: str) -> None:
    """A reconciliation goes by the footprints that it can read, and names the others; the one lease cannot be read."""
    theirs = replace(lease(1), type="badge", parts=(BadgeFootprint("n", "north"),))
    async with connect(storage_connection) as service:
        another = TableLeases(service, FixedIds(), world(kinds=(badge,)).ports.kinds)
        for each in (theirs, lease(2)):
            await another.open(each)
        ours = TableLeases(service, FixedIds(), SCHEMAS)
        assert {theirs.id: None, lease(2).id: lease(2).footprint} == dict([each async for each in ours.footprints()])
        assert {theirs.footprint, lease(2).footprint} == {found async for _, found in another.footprints()}
        with pytest.raises(Unreadable):
            await ours.get(theirs.id)
