from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from shared.cloud.storage.table_operations import Operation
from shared.cloud.storage.tables import Table
from shared.core.generation import Generation
from shared.core.lease import State
from shared.core.names import RoleName
from shared.core.ports.run_history import Count
from tests.contract.stores import LOSSES, Stores
from tests.fakes.clock import START
from tests.fakes.world import WEB

OTHER = RoleName("other")


async def test_a_role_that_was_never_revoked_is_of_generation_0(stores: Stores) -> None:
    """And nothing is to be done about it."""
    assert Generation(WEB) == await stores.generations.get(WEB)
    assert {} == dict(await stores.generations.all())
    assert Generation(WEB).is_finished


async def test_it_only_grows(stores: Stores) -> None:
    """One role's leaves another's alone."""
    raised = [await stores.generations.advance(WEB) for _ in range(3)]
    assert [1, 2, 3] == [each.number for each in raised]
    await stores.generations.advance(OTHER)
    assert {WEB: 3, OTHER: 1} == {role: each.number for role, each in (await stores.generations.all()).items()}
    assert raised[-1] == await stores.generations.get(WEB)


async def test_of_several_at_once_each_is_in_force(stores: Stores) -> None:
    """Whoever loses the write finds it raised within its own call; nobody waits for a number of its own."""
    raised = await asyncio.gather(*(stores.generations.advance(WEB) for _ in range(5)))
    assert 1 <= min(each.number for each in raised)
    assert max(each.number for each in raised) == (await stores.generations.get(WEB)).number


async def test_it_is_finished_until_it_is_raised_again(stores: Stores) -> None:
    """Who has looked for leases of before the rise notes nothing."""
    first = await stores.generations.advance(WEB)
    assert not first.is_finished
    await stores.generations.finish(first)
    assert (await stores.generations.get(WEB)).is_finished
    second = await stores.generations.advance(WEB)
    await stores.generations.finish(first)
    stored = await stores.generations.get(WEB)
    assert (2, False) == (stored.number, stored.is_finished)
    assert second == stored


@LOSSES
async def test_a_rise_whose_answer_was_lost_counts_as_made(tables: Stores, loss: Exception) -> None:
    """For the first as for later ones."""
    assert tables.line is not None
    await tables.generations.advance(OTHER)  # makes the table
    tables.line.loss = loss
    for number in (1, 2):
        tables.line.losing = True
        assert number == (await tables.generations.advance(WEB)).number
    assert not tables.line.losing


async def test_a_rise_that_loses_to_the_note_of_an_earlier_one_is_made_all_the_same(
    tables: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note changes the row and raises nothing."""
    first = await tables.generations.advance(WEB)
    write = Table.write

    async def after_the_note(table: Table, operations: Sequence[Operation]) -> Any:
        monkeypatch.setattr(Table, "write", write)
        await tables.generations.finish(first)
        return await write(table, operations)

    monkeypatch.setattr(Table, "write", after_the_note)
    assert 2 == (await tables.generations.advance(WEB)).number
    assert 2 == (await tables.generations.get(WEB)).number


@pytest.mark.parametrize("name", ["a", "a" * 63])
async def test_roles_of_any_name_have_one(stores: Stores, name: str) -> None:
    """The name is the row's key."""
    assert 1 == (await stores.generations.advance(RoleName(name))).number
    assert RoleName(name) == (await stores.generations.get(RoleName(name))).role


async def test_what_was_counted_is_kept_with_its_time(stores: Stores) -> None:
    """The last count alone, be it of thousands of roles."""
    assert await stores.run_history.last_count() is None
    await stores.run_history.counted(Count(START, {(WEB, State.ACTIVE): 1}))
    many = {(RoleName(f"role-{number}"), state): number for number in range(2000) for state in State}
    await stores.run_history.counted(Count(START, many))
    assert Count(START, many) == await stores.run_history.last_count()
