"""A bug behind a write that has taken effect comes out: only a lost answer is looked after, and told as done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from shared.core.audit import AuditEvent, Outcome
from tests.contract.stores import Stores, lease
from tests.fakes.clock import START
from tests.fakes.world import WEB, role


class UnforeseenError(Exception):
    """Nothing in the broker knows it."""


WRITES: dict[str, Callable[[Stores], Awaitable[object]]] = {
    "a lease": lambda stores: stores.leases.open(lease()),
    "a role": lambda stores: stores.roles.put(role(), expected=""),
    "a generation": lambda stores: stores.generations.advance(WEB),
    "an event": lambda stores: stores.audit.record(AuditEvent(START, "sweep", Outcome.DONE, "r")),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_bug_behind_a_write_comes_out(tables: Stores, write: Callable[[Stores], Awaitable[object]]) -> None:
    """The SDK's own retries do not hide it either."""
    assert tables.line is not None
    await write(tables)  # so that the table is there
    tables.line.loss = UnforeseenError()
    tables.line.losing = True
    with pytest.raises(UnforeseenError):
        await write(tables)
