from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime, timedelta
from itertools import pairwise, product

import pytest

from shared.core.errors import LostRace, Unreachable
from shared.core.footprint import Assignment
from shared.core.generation import Generation
from shared.core.lease import Cause, Lease, LeaseView, State
from shared.core.names import LeaseId, RoleName
from shared.core.ports.leases import LeaseQuery
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.contract.stores import LOSSES, Stores, lease, neighbours
from tests.fakes.clock import START
from tests.fakes.world import ALICE, BOB, SCOPES, WEB

OTHER = RoleName("web-2")
LATER = START + timedelta(seconds=30)
LIFE: list[Callable[[Lease], Lease]] = [
    lambda it: it.activated(LATER, ready=True, tokens_until=LATER + timedelta(hours=1)),
    lambda it: it.renewed(LATER + timedelta(hours=1)),
    lambda it: it.ending(Cause.REVOKED, LATER, LATER),
    lambda it: it.failed(LATER, "azure_refused: it's", 0.5),
    lambda it: it.ended(LATER, timedelta(days=7)),
]


async def due(stores: Stores, seconds: float) -> list[LeaseId]:
    """What is due so many seconds after the start."""
    found = stores.leases.due(START + timedelta(seconds=seconds))
    return [each async for each in found if isinstance(each, LeaseId)]


def told(found: Lease) -> LeaseView:
    """What a listing tells of a lease."""
    return LeaseView(**{each.name: getattr(found, each.name) for each in fields(LeaseView)})


async def test_an_empty_store_answers_everything(stores: Stores) -> None:
    """Before the first write there may not even be a table."""
    assert await stores.leases.get(lease().id) is None
    assert [] == await due(stores, 1e6)
    assert () == (await stores.leases.list(LeaseQuery())).items
    assert 0 == await stores.leases.count_live(WEB, 5)
    assert {} == await stores.leases.count()


async def test_a_lease_reads_back_as_it_was_opened(stores: Stores) -> None:
    """Every field, and a version."""
    opened = await stores.leases.open(lease())
    assert replace(lease(), version=opened.version) == opened == await stores.leases.get(lease().id)
    assert opened.version


async def test_every_state_of_a_lease_reads_back(stores: Stores) -> None:
    """Through a whole life."""
    current = await stores.leases.open(lease())
    for change in LIFE:
        current = await stores.leases.swap(change(current), former=current)
        assert current == await stores.leases.get(current.id)


@pytest.mark.parametrize("character", ["\U0001f600", '"', "\u00e9"])
async def test_the_longest_metadata_moves_through_every_state(stores: Stores, character: str) -> None:
    """As many characters as a caller may send, whatever they are: a lease that can be opened can be ended."""
    metadata = {f"{number:02d}" + character * 62: character * 256 for number in range(16)}
    current = await stores.leases.open(replace(lease(), metadata=metadata))
    for change in [*LIFE[:3], lambda it: it.failed(LATER, character * 1000, 0.5), *LIFE[4:]]:
        current = await stores.leases.swap(change(current), former=current)
    assert current == await stores.leases.get(current.id)


async def test_a_footprint_of_the_largest_role_reads_back(stores: Stores) -> None:
    """Thirty-two assignments at scopes of a thousand characters are more than one property holds."""
    scope = type(SCOPES[0])(SCOPES[0] + "x" * (1024 - len(SCOPES[0])))
    footprint = ServicePrincipalFootprint("u", tuple(Assignment(scope, f"{number:036d}") for number in range(32)))
    opened = await stores.leases.open(replace(lease(), parts=(footprint,)))
    assert opened == await stores.leases.get(opened.id)


async def test_opening_an_id_twice_loses(stores: Stores) -> None:
    """The first one stays."""
    opened = await stores.leases.open(lease())
    with pytest.raises(LostRace):
        await stores.leases.open(replace(lease(), reason="another"))
    assert opened == await stores.leases.get(opened.id)


async def test_every_write_gives_a_new_version(stores: Stores) -> None:
    """Even one that changes nothing."""
    opened = await stores.leases.open(lease())
    again = await stores.leases.swap(opened, former=opened)
    assert opened.version != again.version


async def test_swapping_a_lease_that_has_changed_loses(stores: Stores) -> None:
    """Whoever read it before is too late, and nothing of its write is seen."""
    opened = await stores.leases.open(lease())
    winner = await stores.leases.swap(opened.activated(LATER, ready=False), former=opened)
    with pytest.raises(LostRace):
        await stores.leases.swap(opened.ending(Cause.REVOKED, LATER, LATER), former=opened)
    assert winner == await stores.leases.get(opened.id)
    assert [opened.id] == await due(stores, 930)


async def test_swapping_a_lease_that_is_gone_loses(stores: Stores) -> None:
    """It is not brought back."""
    opened = await stores.leases.open(lease())
    await stores.leases.remove(opened)
    with pytest.raises(LostRace):
        await stores.leases.swap(opened.activated(LATER, ready=False), former=opened)
    assert await stores.leases.get(opened.id) is None
    assert [] == await due(stores, 1e6)


async def test_of_ten_writers_one_wins(stores: Stores) -> None:
    """Compare and swap."""
    opened = await stores.leases.open(lease())
    changed = [replace(opened, reason=str(number)) for number in range(10)]
    results = await asyncio.gather(*(stores.leases.swap(each, former=opened) for each in changed), return_exceptions=True)
    (winner,) = [result for result in results if isinstance(result, Lease)]
    assert 9 == sum(isinstance(result, LostRace) for result in results)
    assert winner == await stores.leases.get(opened.id)


async def test_a_lease_is_due_once_at_its_instant(stores: Stores) -> None:
    """Not a millisecond before, and no more at an instant that it had formerly."""
    opened = await stores.leases.open(lease(due=20.0))
    assert ([], [opened.id]) == (await due(stores, 19.999), await due(stores, 20.0))
    await stores.leases.swap(opened.locked_until(START + timedelta(seconds=40)), former=opened)
    assert ([], [opened.id]) == (await due(stores, 39.999), await due(stores, 40.0))


async def test_what_is_due_comes_oldest_first_within_a_partition(stores: Stores) -> None:
    """So that nothing starves."""
    for number in range(40):
        await stores.leases.open(lease(number, due=100 - number))
    found = await due(stores, 90)
    assert {lease(number).id for number in range(10, 40)} == set(found)
    for one, other in pairwise(found):
        if one.shard == other.shard:
            assert one.ulid > other.ulid


async def test_a_removed_lease_leaves_no_trace(stores: Stores) -> None:
    """Neither itself nor in any listing; removing it again is no error."""
    opened = await stores.leases.open(lease())
    await stores.leases.remove(opened)
    await stores.leases.remove(opened)
    assert await stores.leases.get(opened.id) is None
    assert [] == await due(stores, 1e6)
    for query in (LeaseQuery(), LeaseQuery(role=WEB), LeaseQuery(holder=ALICE.object_id)):
        assert () == (await stores.leases.list(query)).items
    assert {} == await stores.leases.count()


async def test_removing_a_lease_that_has_changed_loses(stores: Stores) -> None:
    """It stays, with all its rows."""
    opened = await stores.leases.open(lease())
    changed = await stores.leases.swap(opened.activated(LATER, ready=False), former=opened)
    with pytest.raises(LostRace):
        await stores.leases.remove(opened)
    assert changed == await stores.leases.get(opened.id)
    assert [opened.id] == await due(stores, 930)


async def furnished(stores: Stores) -> list[Lease]:
    """Twelve leases of two roles and two holders, one of each three active."""
    made = []
    for number in range(12):
        opened = await stores.leases.open(
            lease(number, WEB if number % 2 else OTHER, ALICE.object_id if number < 5 else BOB.object_id)
        )
        active = number % 3 == 0
        made.append(await stores.leases.swap(opened.activated(LATER, ready=False), former=opened) if active else opened)
    return made[::-1]


async def test_a_listing_tells_what_fits_the_newest_first(stores: Stores) -> None:
    """Each filter alone and with the others; a name that only begins like a role's is none."""
    made = await furnished(stores)
    for role, holder, state in product(
        (None, WEB, OTHER, RoleName("we")), (None, ALICE.object_id, BOB.object_id), (None, State.ACTIVE, State.ENDED)
    ):
        expected = [
            told(each)
            for each in made
            if role in {None, each.id.role} and holder in {None, each.known_holder.object_id} and state in {None, each.state}
        ]
        found = await stores.leases.list(LeaseQuery(role=role, holder=holder, state=state))
        assert expected == list(found.items), (role, holder, state)


async def test_a_listing_of_live_leases_has_those_that_have_not_ended(stores: Stores) -> None:
    """Of everybody's, of a role, of a holder."""
    made = await furnished(stores)
    ending = await stores.leases.swap(made[0].ending(Cause.EXPIRED, LATER, LATER), former=made[0])
    ended = await stores.leases.swap(ending.ended(LATER, timedelta(days=7)), former=ending)
    for query in (LeaseQuery(), LeaseQuery(role=ended.id.role), LeaseQuery(holder=ended.known_holder.object_id)):
        everything = (await stores.leases.list(query)).items
        live = (await stores.leases.list(replace(query, live=True))).items
        assert [each for each in everything if each.id != ended.id] == list(live)
        assert len(live) == len(everything) - 1


@pytest.mark.parametrize("query", [LeaseQuery(), LeaseQuery(role=WEB), LeaseQuery(holder=BOB.object_id)])
async def test_pages_follow_each_other_without_gap_or_repeat(stores: Stores, query: LeaseQuery) -> None:
    """Whatever their size."""
    await furnished(stores)
    whole = (await stores.leases.list(query)).items
    for limit in (1, 5, 6, 100):
        assert list(whole) == await paged(stores, replace(query, limit=limit))


async def paged(stores: Stores, query: LeaseQuery) -> list[LeaseView]:
    """All pages of a listing, none of them larger than asked for."""
    found: list[LeaseView] = []
    while True:
        page = await stores.leases.list(query)
        assert len(page.items) <= query.limit
        found += page.items
        if page.cursor is None:
            return found
        query = replace(query, cursor=LeaseId(page.cursor))


async def test_live_leases_are_counted_up_to_a_bound(stores: Stores) -> None:
    """Ended ones are not, nor another role's; counting stops one past the bound."""
    made = await furnished(stores)
    first = next(each for each in made if each.id.role == WEB and each.state is State.ACTIVE)
    ending = await stores.leases.swap(first.ending(Cause.EXPIRED, LATER, LATER), former=first)
    assert 6 == await stores.leases.count_live(WEB, 100)
    await stores.leases.swap(ending.ended(LATER, timedelta(days=7)), former=ending)
    assert [5, 5, 3] == [await stores.leases.count_live(WEB, most) for most in (100, 5, 2)]


async def test_a_few_leases_are_counted_exactly_and_many_are_not(stores: Stores) -> None:
    """All that have not ended; more than asked for are told as that."""
    await furnished(stores)
    assert [6, 6, None] == [await stores.leases.count_few(WEB, most) for most in (1000, 48, 5)]


async def test_a_listing_of_one_partition_goes_on_where_it_stopped(stores: Stores) -> None:
    """Page by page, nothing twice and nothing left out; a page that ends the listing says so."""
    made = [(await stores.leases.open(each)).id for each in neighbours(5)]
    for limit in (1, 2, 4, 5, 6):
        assert sorted(made) == sorted(each.id for each in await paged(stores, LeaseQuery(role=WEB, limit=limit)))
    assert [False, True, True] == [
        (await stores.leases.list(LeaseQuery(role=WEB, limit=limit))).cursor is None for limit in (4, 5, 6)
    ]


async def test_leases_of_a_generation_are_counted_apart(stores: Stores) -> None:
    """Rows of before there were generations are of generation 0."""
    for number in range(5):
        await stores.leases.open(replace(lease(number), generation=number // 2))
    assert [5, 3, 1, 0] == [await stores.leases.count_live(WEB, 100, since=least) for least in (0, 1, 2, 3)]


async def test_what_a_generation_has_overtaken_is_found(stores: Stores) -> None:
    """Planned and active leases of the role that are older, and no others."""
    opened = [await stores.leases.open(replace(lease(number), generation=number // 2)) for number in range(5)]
    await stores.leases.open(lease(9, OTHER))
    active = await stores.leases.swap(opened[0].activated(LATER, ready=False), former=opened[0])
    await stores.leases.swap(opened[1].ending(Cause.EXPIRED, LATER, LATER), former=opened[1])
    for number, expected in ((0, set()), (1, {active.id}), (2, {active.id, opened[2].id, opened[3].id})):
        found = [each async for each in stores.leases.overtaken(Generation(WEB, number))]
        assert (len(expected), expected) == (len(found), set(found))


async def test_the_footprints_of_all_leases_are_read(stores: Stores) -> None:
    """Ended ones as well, until they are forgotten."""
    made = await furnished(stores)
    ended = await stores.leases.swap(made[0].ending(Cause.EXPIRED, LATER, LATER), former=made[0])
    ended = await stores.leases.swap(ended.ended(LATER, timedelta(days=7)), former=ended)
    assert [made[1].footprint] * len(made) == [each async for _, each in stores.leases.footprints()]
    await stores.leases.remove(ended)
    assert len(made) - 1 == len([each async for each in stores.leases.footprints()])


async def test_a_lease_keeps_its_generation(stores: Stores) -> None:
    """In its own row and in what listings read."""
    opened = await stores.leases.open(replace(lease(), generation=7))
    assert opened == await stores.leases.get(opened.id)
    assert [7] == [each.generation for each in (await stores.leases.list(LeaseQuery())).items]


async def test_the_census_counts_by_role_and_state(stores: Stores) -> None:
    """Every lease, once."""
    await furnished(stores)
    assert {
        (WEB, State.PLANNED): 4,
        (WEB, State.ACTIVE): 2,
        (OTHER, State.PLANNED): 4,
        (OTHER, State.ACTIVE): 2,
    } == dict(await stores.leases.count())


@LOSSES
async def test_a_write_whose_answer_was_lost_counts_as_made(tables: Stores, loss: Exception) -> None:
    """Opening and swapping: whoever wrote it recognises its own work."""
    assert tables.line is not None
    tables.line.loss = loss
    await tables.leases.open(lease(2))
    tables.line.losing = True
    opened = await tables.leases.open(lease())
    assert opened == await tables.leases.get(opened.id)
    tables.line.losing = True
    active = await tables.leases.swap(opened.activated(LATER, ready=False), former=opened)
    assert active == await tables.leases.get(opened.id)
    assert not tables.line.losing


async def test_a_removal_whose_answer_was_lost_may_be_repeated(tables: Stores) -> None:
    """What is gone already is no error."""
    assert tables.line is not None
    opened = await tables.leases.open(lease())
    tables.line.losing = True
    with pytest.raises(Unreachable):
        await tables.leases.remove(opened)
    await tables.leases.remove(opened)
    assert await tables.leases.get(opened.id) is None


async def test_instants_are_kept_to_the_millisecond(stores: Stores) -> None:
    """And in UTC."""
    instant = datetime.fromisoformat("2026-03-02T10:00:00.123+01:00")
    opened = await stores.leases.open(replace(lease(), due_at=instant))
    assert [opened.id] == [each async for each in stores.leases.due(instant)]
    assert [] == [each async for each in stores.leases.due(instant - timedelta(milliseconds=1))]


async def test_room_is_taken_by_what_is_active_and_by_what_was_admitted(stores: Stores) -> None:
    """Whatever is planned and not admitted, ending, stuck or over takes none."""
    moves: dict[State, Callable[[Lease], Lease]] = {
        State.PLANNED: lambda it: it,
        State.ACTIVE: lambda it: it.activated(START, ready=False),
        State.ENDING: lambda it: it.ending(Cause.REVOKED, START, START),
        State.STUCK: lambda it: it.ending(Cause.REVOKED, START, START).stuck_at_once(START, "e", 0.5),
        State.ENDED: lambda it: it.ending(Cause.REVOKED, START, START).ended(START, timedelta(days=1)),
    }
    number, ids = 0, dict[State, list[LeaseId]]()
    for state, move in moves.items():
        for _ in range(3):
            number += 1
            opened = await stores.leases.open(lease(number))
            await stores.leases.swap(move(opened), former=opened)
            ids.setdefault(state, []).append(opened.id)
    await stores.leases.open(lease(number + 1, RoleName("web-2")))
    admitted = frozenset(
        [ids[State.PLANNED][0], ids[State.PLANNED][2], ids[State.ACTIVE][0], ids[State.ENDED][0], lease(99).id]
    )
    found = await stores.leases.room_taken(WEB, admitted, 100)
    assert (5, [ids[State.PLANNED][0], ids[State.PLANNED][2]]) == (found.taken, sorted(found.planned))
    assert 3 == (await stores.leases.room_taken(WEB, frozenset(), 100)).taken
    assert 2 <= (await stores.leases.room_taken(WEB, admitted, 2)).taken
    assert 0 == (await stores.leases.room_taken(RoleName("web-2"), admitted, 2)).taken
    assert 0 == (await stores.leases.room_taken(WEB, admitted, 100, since=1)).taken


async def test_a_holders_leases_are_those_of_its_tenant(stores: Stores) -> None:
    """An object id may mean somebody else in another one: pages go past what is not of the tenant."""
    for number in range(12):
        made = lease(number)
        tenant = made.known_holder.tenant_id if number % 2 else BOB.object_id
        await stores.leases.open(replace(made, holder=replace(made.known_holder, tenant_id=tenant)))
    query, seen = LeaseQuery(holder=ALICE.object_id, tenant=ALICE.tenant_id, limit=2), list[LeaseId]()
    for _ in range(4):
        page = await stores.leases.list(query)
        seen += [each.id for each in page.items]
        if page.cursor is None:
            break
        query = replace(query, cursor=LeaseId(page.cursor))
    assert [lease(number).id for number in range(11, 0, -2)] == seen
    assert 12 == len((await stores.leases.list(LeaseQuery(holder=ALICE.object_id))).items)
