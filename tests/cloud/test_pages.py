"""Lists that come in pages: the odd item first, pages with nothing in them, and what lies on the last one."""

from __future__ import annotations

import json

import httpx
import pytest

from shared.cloud.inventory import AzureLists
from shared.core.names import ObjectId
from tests.cloud.adapters import Adapters
from tests.cloud.graph_answers import APPLICATION, CLIENT, ENDPOINT, KEY, NAME, PRINCIPAL, found
from tests.cloud.scripted import Scripted
from tests.cloud.test_inventory import census_at, principal_of

ODD = {"@odata.type": "#microsoft.graph.group", "id": KEY}


def page(number: int, *items: object) -> httpx.Response:
    """One page, and where the next is."""
    return found(value=list(items), **{"@odata.nextLink": f"{ENDPOINT}/v1.0/page{number + 1}"})


def application(object_id: ObjectId) -> dict[str, str]:
    """An application in a list."""
    return principal_of(object_id) | {"@odata.type": "#microsoft.graph.application", "uniqueName": NAME}


async def _owned(inventory: AzureLists) -> list[ObjectId]:
    return [item.object_id async for item in inventory.owned()]


async def test_what_the_broker_owns_is_found_behind_odd_items_and_empty_pages(adapters: Adapters) -> None:
    """Graph gives pages without an item, and others follow."""
    service = Scripted().will(
        page(1, ODD, principal_of(PRINCIPAL)),
        page(2),
        page(3, None, "x", ODD),
        page(4),
        found(value=[ODD, application(APPLICATION)]),
    )
    assert [PRINCIPAL, APPLICATION] == await _owned(census_at(adapters, service))
    assert 5 == len(service.calls)


async def test_a_full_page_is_not_the_last_by_itself(adapters: Adapters) -> None:
    """Nor is one that is not full: the link alone tells."""
    full = [principal_of(ObjectId(f"dddddddd-0000-4000-8000-{number:012d}")) for number in range(999)]
    service = Scripted().will(page(1, *full), page(2, full[0]), found(value=[principal_of(PRINCIPAL)]))
    assert 1001 == len(await _owned(census_at(adapters, service)))


async def test_the_bin_is_walked_to_its_end_for_both_kinds(adapters: Adapters) -> None:
    """An empty first page of the first kind keeps neither its second nor the other kind."""
    service = Scripted().will(page(1), found(value=[application(APPLICATION)]), page(2), found(value=[principal_of(PRINCIPAL)]))
    assert [APPLICATION, PRINCIPAL] == [item.object_id async for item in census_at(adapters, service).recycled()]


@pytest.mark.parametrize("at", [0, 19, 20, 39, 40])
async def test_groups_are_asked_about_to_the_last(adapters: Adapters, at: int) -> None:
    """Twenty a call, though the first twenty hold none."""
    groups = tuple(ObjectId(f"dddddddd-0000-4000-8000-{number:012d}") for number in range(41))
    answers = [found(value=[groups[at]] if first <= at < first + 20 else []) for first in (0, 20, 40)]
    service = Scripted().will(*answers)
    assert (groups[at],) == await census_at(adapters, service).groups_of(PRINCIPAL, groups)
    assert [20, 20, 1] == [len(json.loads(call.content)["groupIds"]) for call in service.calls]


async def test_secrets_are_found_behind_odd_ones(adapters: Adapters) -> None:
    """What is none at all, one without a name, and one without an age, come first."""
    held = [None, {"keyId": PRINCIPAL, "displayName": None}, {"keyId": CLIENT}, {"keyId": KEY, "displayName": NAME}]
    service = Scripted().will(found(passwordCredentials=held))
    assert [PRINCIPAL, CLIENT, KEY] == [each.key_id for each in await census_at(adapters, service).secrets_on(APPLICATION)]
