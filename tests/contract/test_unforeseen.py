"""A bug behind a write that has taken effect comes out: only a lost answer is looked after, and told as done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from shared.core.audit import AuditEvent, Outcome
from shared.core.names import RoleName
from shared.core.ports.documents import ABSENT, ANY
from tests.contract.stores import Stores, lease
from tests.fakes.clock import START
from tests.fakes.world import WEB, role


class UnforeseenError(Exception):
    """Nothing in the broker knows it."""


WRITES: dict[str, Callable[[Stores, int], Awaitable[object]]] = {
    "a lease": lambda stores, number: stores.leases.open(lease(number)),
    "a role": lambda stores, number: stores.roles.put(role(name=RoleName(f"r-{number}")), expected=ABSENT),
    "a role's deletion": lambda stores, _: stores.roles.delete(WEB, expected=ANY),
    "a generation": lambda stores, _: stores.generations.advance(WEB),
    "an event": lambda stores, _: stores.audit.record(AuditEvent(START, "sweep", Outcome.DONE, "r")),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_bug_behind_a_write_comes_out(tables: Stores, write: Callable[[Stores, int], Awaitable[object]]) -> None:
    """The SDK's own retries do not hide it either."""
    assert tables.line is not None
    await write(tables, 1)  # so that the table is there
    await tables.roles.put(role(), expected=ANY)
    tables.line.loss = UnforeseenError()
    tables.line.losing = True
    with pytest.raises(UnforeseenError):
        await write(tables, 2)
