"""Roles, auth roles, policies and event rules: each store of documents keeps one contract."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.core.access.auth_role import read_auth_role
from shared.core.access.policy import read_policy
from shared.core.errors import PreconditionFailed
from shared.core.events.event_rule import read_event_rule
from shared.core.events.lender import Lender
from shared.core.names import RoleName
from shared.core.ports.documents import ABSENT, ANY, Documents, Version
from tests.contract.stores import LOSSES, Stores
from tests.fakes.world import ALICE, SCOPES, role

LONGEST = "x" * 230


def auth_role(name: str, number: int = 1) -> Any:
    """An auth role that differs from those of other numbers."""
    return read_auth_role(name, {"bound_service_principal_ids": [ALICE.object_id], "policies": [f"policy-{number}"]})


def policy(name: str, number: int = 1) -> Any:
    """A policy that differs from those of other numbers."""
    return read_policy(name, {"rules": [{"path": f"roles/{number}/leases", "capabilities": ["issue"]}]})


def event_rule(name: str, number: int = 1) -> Any:
    """An event rule that differs from those of other numbers."""
    subject = f"{SCOPES[0]}/providers/Microsoft.Web/sites/site{number}"
    document = {
        "source": SCOPES[0],
        "types": ["Microsoft.Resources.ResourceDeleteSuccess"],
        "subject": subject,
        "action": {"revoke": {"of": "scope"}},
    }
    return read_event_rule(name, document, Lender.of(ALICE))


@dataclass(frozen=True, slots=True)
class AnyStore:
    """A type of document: its store, and a document of a name and a number."""

    store: Callable[[Stores], Documents[Any]]
    make: Callable[[str, int], Any]


STORES = {
    "role": AnyStore(lambda stores: stores.roles, lambda name, number: role(name=RoleName(name), ttl=60 + number)),
    "auth role": AnyStore(lambda stores: stores.auth_roles, auth_role),
    "policy": AnyStore(lambda stores: stores.policies, policy),
    "event rule": AnyStore(lambda stores: stores.event_rules, event_rule),
}
of_each_store = pytest.mark.parametrize("tested", STORES.values(), ids=STORES)


@of_each_store
async def test_a_document_reads_back_as_it_was_put(stores: Stores, tested: AnyStore) -> None:
    """With the version of its row. Before that there may not even be a table."""
    store = tested.store(stores)
    assert (None, ()) == (await store.get("web"), await store.list())
    assert not await store.delete("web", expected=ANY)
    wanted = tested.make("web", 1)
    stored = await store.put(wanted, expected=ABSENT)
    assert stored.version
    assert replace(wanted, version=stored.version) == stored == await store.get("web")
    assert (stored,) == await store.list()


@of_each_store
async def test_a_document_is_only_put_over_what_is_expected(stores: Stores, tested: AnyStore) -> None:
    """A write with another expectation changes nothing."""
    store = tested.store(stores)
    with pytest.raises(PreconditionFailed):
        await store.put(tested.make("web", 1), expected=Version('W/"1"'))
    first = await store.put(tested.make("web", 1), expected=ANY)
    second = await store.put(tested.make("web", 2), expected=Version(first.version))
    for stale in (ABSENT, Version(first.version)):
        with pytest.raises(PreconditionFailed):
            await store.put(tested.make("web", 3), expected=stale)
    assert second == await store.get("web")
    third = await store.put(tested.make("web", 3), expected=ANY)
    assert (third, 3) == (await store.get("web"), len({first.version, second.version, third.version}))


@of_each_store
async def test_a_document_is_only_deleted_at_the_version_that_is_expected(stores: Stores, tested: AnyStore) -> None:
    """It is deleted once."""
    store = tested.store(stores)
    first = await store.put(tested.make("web", 1), expected=ANY)
    second = await store.put(tested.make("web", 2), expected=ANY)
    for stale in (ABSENT, Version(first.version)):
        with pytest.raises(PreconditionFailed):
            await store.delete("web", expected=stale)
    assert second == await store.get("web")
    assert await store.delete("web", expected=Version(second.version))
    assert not await store.delete("web", expected=ANY)
    assert None is await store.get("web")


@of_each_store
async def test_of_five_who_put_over_one_version_one_wins(stores: Stores, tested: AnyStore) -> None:
    """Compare and swap."""
    store = tested.store(stores)
    first = await store.put(tested.make("web", 0), expected=ABSENT)
    writes = (store.put(tested.make("web", number), expected=Version(first.version)) for number in range(1, 6))
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert 4 == sum(isinstance(each, PreconditionFailed) for each in results)
    assert await store.get("web") in results


@of_each_store
@pytest.mark.parametrize("limit", [1, 2, 4, 5, 1000])
async def test_pages_by_name_follow_each_other_without_gap_or_repeat(stores: Stores, tested: AnyStore, limit: int) -> None:
    """No page is larger than asked for. Documents of other types are in no page."""
    store = tested.store(stores)
    names = ["0", "a", "a-2", "a1", "b", "z" * 63]
    for name in reversed(names):
        for each in STORES.values():
            await each.store(stores).put(each.make(name, 1), expected=ANY)
    found, after, pages = [], "", 0
    while True:
        page = await store.page(limit, after)
        assert len(page.items) <= limit
        found += [each.name for each in page.items]
        pages += 1
        if page.cursor is None:
            break
        assert page.cursor == found[-1]
        after = page.cursor
    assert (names, -(-len(names) // limit)) == (found, pages)


@of_each_store
@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("", ["a", "b"]),
        ("a", ["b"]),
        ("a'", ["b"]),
        ("aa", ["b"]),
        ("b", []),
        ("b' or 'a' eq 'a", []),
        (LONGEST, []),
        ("é", []),
    ],
)
async def test_a_page_begins_after_any_text(stores: Stores, tested: AnyStore, after: str, expected: list[str]) -> None:
    """The text is a name that is gone, or whatever a caller has sent as a cursor."""
    store = tested.store(stores)
    for name in ("a", "b"):
        await store.put(tested.make(name, 1), expected=ANY)
    page = await store.page(10, after)
    assert (expected, None) == ([each.name for each in page.items], page.cursor)


@of_each_store
@LOSSES
async def test_a_write_whose_answer_was_lost_counts_as_made(tables: Stores, tested: AnyStore, loss: Exception) -> None:
    """The row carries the id of the write. A deletion without an event is known by the row that is gone."""
    assert tables.line is not None
    store, line = tested.store(tables), tables.line
    await store.put(tested.make("first", 1), expected=ABSENT)
    line.loss, line.losing = loss, True
    first = await store.put(tested.make("web", 1), expected=ABSENT)
    assert (first, False) == (await store.get("web"), line.losing)
    line.losing = True
    stored = await store.put(tested.make("web", 2), expected=ANY)
    assert (stored, False) == (await store.get("web"), line.losing)
    line.losing = True
    assert await store.delete("web", expected=Version(stored.version))
    assert (None, False) == (await store.get("web"), line.losing)
