"""The event of a change is stored with the change, and waits until the trail has it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import PreconditionFailed, Upstream
from shared.core.ports.audit import AuditQuery
from shared.core.ports.documents import ABSENT, ANY, Version
from tests.contract.stores import LOSSES, Stores
from tests.contract.test_document_stores import AnyStore, of_each_store
from tests.fakes.clock import START
from tests.fakes.world import ADMINISTRATOR

CHANGES = ({"path": "ttl", "from": 60, "to": "an hour \u00e9"},)


def event(number: int) -> AuditEvent:
    """One of several, later than those of smaller numbers."""
    return AuditEvent(
        at=START + timedelta(seconds=number),
        operation="put_policy",
        outcome=Outcome.DONE,
        request_id=f"r{number}",
        caller=ADMINISTRATOR,
        document="policies/web",
        changes=CHANGES,
        decided_by={"app_role": "Leasehold.Admin"},
        id=f"0{number:025d}",
    )


@of_each_store
async def test_an_event_waits_where_its_change_is_stored(stores: Stores, tested: AnyStore) -> None:
    """In the order of time, whole, and in nobody's list of documents, until it is forgotten."""
    store = tested.store(stores)
    assert () == await store.pending_events()
    stored = await store.put(tested.make("web", 1), expected=ABSENT, event=event(1))
    await store.put(tested.make("zz", 1), expected=ANY, event=event(2))
    assert await store.delete("web", expected=Version(stored.version), event=event(3))
    assert (event(1), event(2), event(3)) == await store.pending_events()
    assert ["zz"] == [each.name for each in await store.list()] == [each.name for each in (await store.page(9)).items]
    assert not (await store.page(9, after="zz")).items
    await store.forget_event(event(2))
    await store.forget_event(event(2))
    assert (event(1), event(3)) == await store.pending_events()
    others = [each for each in (stores.roles, stores.auth_roles, stores.policies, stores.event_rules) if each is not store]
    assert [(), (), ()] == [await each.pending_events() for each in others]


@of_each_store
async def test_a_change_that_fails_leaves_no_event(stores: Stores, tested: AnyStore) -> None:
    """Neither a write nor a deletion that meets another version, nor a deletion of nothing."""
    store = tested.store(stores)
    await store.put(tested.make("web", 1), expected=ABSENT)
    for expected in (ABSENT, Version('W/"1"')):
        with pytest.raises(PreconditionFailed):
            await store.put(tested.make("web", 2), expected=expected, event=event(1))
        with pytest.raises(PreconditionFailed):
            await store.delete("web", expected=expected, event=event(1))
    assert not await store.delete("not-there", expected=ANY, event=event(1))
    assert () == await store.pending_events()


@LOSSES
@of_each_store
async def test_a_change_whose_answer_is_lost_has_its_event_once(tables: Stores, tested: AnyStore, loss: Exception) -> None:
    """Whether the store finds out that it was made, or cannot tell."""
    store, line = tested.store(tables), tables.line
    assert line is not None
    await store.put(tested.make("other", 1), expected=ABSENT)
    line.loss, line.losing = loss, True
    try:
        await store.put(tested.make("web", 1), expected=ABSENT, event=event(1))
    except Upstream:
        assert None is not await store.get("web")
    assert (event(1),) == await store.pending_events()


@of_each_store
async def test_of_four_who_delete_one_document_one_has_deleted_it(stores: Stores, tested: AnyStore) -> None:
    """And its event alone waits."""
    store = tested.store(stores)
    await store.put(tested.make("web", 1), expected=ABSENT)
    deletions = (store.delete("web", expected=ANY, event=event(number)) for number in range(4))
    gone = await asyncio.gather(*deletions)
    assert [event(number) for number, each in enumerate(gone) if each] == [*await store.pending_events()]
    assert 3 == gone.count(None)


@of_each_store
async def test_a_deletion_that_comes_second_is_not_made(tables: Stores, tested: AnyStore) -> None:
    """Somebody else deletes the document between the look at it and the deletion."""
    store, line = tested.store(tables), tables.line
    assert line is not None
    await store.put(tested.make("web", 1), expected=ABSENT)
    line.before = lambda: store.delete("web", expected=ANY, event=event(1))
    assert not await store.delete("web", expected=ANY, event=event(2))
    assert (event(1),) == await store.pending_events()


@LOSSES
@of_each_store
async def test_a_deletion_whose_answer_is_lost_is_known_by_its_event(tables: Stores, tested: AnyStore, loss: Exception) -> None:
    """Also when somebody has put a document of that name again before the store looks."""
    store, line = tested.store(tables), tables.line
    assert line is not None
    for number in (1, 2):
        await store.put(tested.make("web", number), expected=ABSENT)
        line.loss, line.losing = loss, True
        if number == 2:
            line.meanwhile = lambda: store.put(tested.make("web", 3), expected=ABSENT)
        assert await store.delete("web", expected=ANY, event=event(number))
        assert number == len(await store.pending_events())
    assert None is not await store.get("web")


async def test_the_trail_keeps_an_event_with_an_id_once(stores: Stores) -> None:
    """It may be recorded by its writer and by a reconciliation. Events without an id are each another one."""
    other = replace(event(1), id="", request_id="other")
    for each in (event(1), event(1), other, other, event(2)):
        await stores.audit.record(each)
    found = await stores.audit.read(AuditQuery(START, START + timedelta(days=1)))
    assert ["other", "other", "r1", "r2"] == sorted(each.request_id for each in found.items)
