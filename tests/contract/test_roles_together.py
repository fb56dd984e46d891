"""What roles share has a version: the fake and Table Storage keep one contract."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import PreconditionFailed
from shared.core.names import RoleName
from shared.core.ports.documents import ABSENT, ANY, Version
from tests.contract.stores import LOSSES, Stores
from tests.fakes.clock import START
from tests.fakes.world import role

ONE, TWO = role(name=RoleName("one")), role(name=RoleName("two"))


async def test_it_is_changed_by_whoever_takes_of_it_and_by_nobody_else(stores: Stores) -> None:
    """And it never comes back."""
    assert "" == await stores.roles.shared_version()
    await stores.roles.put(ONE, expected=ANY)
    assert "" == await stores.roles.shared_version()
    stored, first = await stores.roles.put_sharing(TWO, expected=ABSENT, judged_at="")
    assert first == await stores.roles.shared_version()
    assert stored == await stores.roles.get("two")
    _, second = await stores.roles.put_sharing(replace(TWO, ttl=300), expected=Version(stored.version), judged_at=first)
    assert second == await stores.roles.shared_version()
    await stores.roles.delete("two", expected=ANY)
    assert second == await stores.roles.shared_version()
    assert 3 == len({"", first, second})


async def test_whoever_was_judged_before_another_came_writes_nothing(stores: Stores) -> None:
    """Neither the role nor its event."""
    event = AuditEvent(at=START, operation="put_role", outcome=Outcome.DONE, request_id="r", id="0" * 26)
    _, first = await stores.roles.put_sharing(ONE, expected=ABSENT, judged_at="")
    _, second = await stores.roles.put_sharing(ONE, expected=ANY, judged_at=first)
    for judged_at in ("", first):
        with pytest.raises(PreconditionFailed):
            await stores.roles.put_sharing(TWO, expected=ABSENT, judged_at=judged_at, event=event)
    with pytest.raises(PreconditionFailed):
        await stores.roles.put_sharing(ONE, expected=ABSENT, judged_at=second, event=event)
    assert (["one"], ()) == ([each.name for each in await stores.roles.list()], await stores.roles.pending_events())
    assert second == await stores.roles.shared_version()


async def test_of_several_at_once_one_is_stored(stores: Stores) -> None:
    """The others are judged again."""
    names = [RoleName(f"role-{number}") for number in range(4)]
    writes = (stores.roles.put_sharing(role(name=name), expected=ABSENT, judged_at="") for name in names)
    made = await asyncio.gather(*writes, return_exceptions=True)
    assert 3 == sum(isinstance(each, PreconditionFailed) for each in made)
    assert 1 == len(await stores.roles.list())


async def test_nobody_takes_the_version_for_a_role_or_an_event(stores: Stores) -> None:
    """It lies beside them."""
    event = AuditEvent(at=START, operation="put_role", outcome=Outcome.DONE, request_id="r", id="0" * 26)
    await stores.roles.put_sharing(ONE, expected=ABSENT, judged_at="", event=event)
    assert ["one"] == [each.name for each in await stores.roles.list()]
    assert ["one"] == [each.name for each in (await stores.roles.page(10)).items]
    assert ["0" * 26] == [each.id for each in await stores.roles.pending_events()]


@LOSSES
async def test_a_write_whose_answer_was_lost_counts_as_made(tables: Stores, loss: Exception) -> None:
    """What the version is by then is not known: somebody else may have changed it again."""
    assert tables.line is not None
    await tables.roles.put(ONE, expected=ANY)  # makes the table
    tables.line.loss, tables.line.losing = loss, True
    stored, version = await tables.roles.put_sharing(TWO, expected=ABSENT, judged_at="")
    assert not tables.line.losing
    assert stored == await tables.roles.get("two")
    assert version in {"", await tables.roles.shared_version()}
