"""Where the resource of a caller is, as Resource Manager says: over scripted answers, in virtual time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.core.access.facts import Principal, Unread
from tests.cloud.scripted_facts import CALLER, VM, Azure, listed, why
from tests.fakes.world import SUBSCRIPTION


@pytest.fixture
def azure() -> Azure:
    """A fresh worker."""
    return Azure()


PLACES = {
    VM: (f"/subscriptions/{SUBSCRIPTION}/resourcegroups/app", "Microsoft.Compute/virtualMachines", "web"),
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/my (app)/providers/Microsoft.Web/sites/fn/slots/blue": (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/my%20%28app%29",
        "Microsoft.Web/sites/slots",
        "fn/blue",
    ),
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Some/things/o'neil": (
        f"/subscriptions/{SUBSCRIPTION}",
        "Microsoft.Some/things",
        "o''neil",
    ),
    f"{VM}/providers/Microsoft.Other/parts/one": (
        f"/subscriptions/{SUBSCRIPTION}/resourcegroups/app",
        "Microsoft.Other/parts",
        "one",
    ),
}


@pytest.mark.parametrize("resource", PLACES)
async def test_a_resource_of_any_type_is_found_in_its_groups_list(azure: Azure, resource: str) -> None:
    """By type and name, with one api-version for all types; those without a group in their subscription's list."""
    assert "westeurope" == await azure.location(listed({"id": resource, "location": "westeurope"}), resource=resource)
    place, kind, name = PLACES[resource]
    address = httpx.URL(azure.arm.asked[0].removeprefix("GET "))
    assert place == address.raw_path.decode().partition("/resources?")[0]
    expected = {"$filter": f"resourceType eq '{kind}' and name eq '{name}'", "api-version": "2021-04-01"}
    assert expected == dict(address.params)


@pytest.mark.parametrize(
    ("written", "read"), [("West Europe", "westeurope"), ("westeurope", "westeurope"), ("", None), (None, None)]
)
async def test_a_location_is_written_in_one_way(azure: Azure, written: str | None, read: str | None) -> None:
    """Some providers write its name for people. A resource may have none: that is known."""
    assert read == await azure.location(listed({"id": VM, "location": written}))


async def test_the_location_is_that_of_this_resource(azure: Azure) -> None:
    """Whatever else is listed, in whatever case the id is written."""
    others = [
        {"id": f"{VM}-2", "location": "northeurope"},
        {"location": "northeurope"},
        {"id": 7},
        {"id": VM.rpartition("/provi")[0]},
    ]
    assert "westeurope" == await azure.location(listed(*others, {"id": VM.upper(), "location": "westeurope"}))


async def test_a_further_page_is_read(azure: Azure) -> None:
    """Until the resource is found."""
    first: tuple[int, object, dict[str, str]] = 200, {"value": [], "nextLink": "https://arm.example/next?page=2"}, {}
    assert "westeurope" == await azure.location(first, listed({"id": VM, "location": "westeurope"}))


async def test_a_resource_that_is_not_listed_is_unknown(azure: Azure) -> None:
    """It may be gone, or too fresh, or the broker may not read it: the answer is the same."""
    assert "give the broker's identity Reader there" in why(await azure.location(listed()))
    group = "/providers/Microsoft.Management/managementGroups/g/providers/Microsoft.Authorization/policyAssignments/p"
    assert isinstance(await azure.location(resource=group), Unread)
    assert 1 == len(azure.arm.asked)


async def test_a_resource_whose_group_is_gone_has_no_location(azure: Azure) -> None:
    """Resource Manager names what is missing. A subscription that the broker does not see proves nothing."""
    error = {"error": {"code": "ResourceGroupNotFound", "message": "no"}}
    assert None is await azure.location((404, error, {}))
    unseen = {"error": {"code": "SubscriptionNotFound", "message": "no"}}
    assert isinstance(await azure.location((404, unseen, {})), Unread)


_FORBIDDEN = (
    "Resource Manager forbids the broker to read the caller's resource (403 AuthorizationFailed): "
    "give the broker's identity Reader there"
)


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (
            [(403, {"error": {"code": "AuthorizationFailed", "message": "no"}}, {})],
            _FORBIDDEN,
        ),
        ([(429, {}, {"retry-after": "60"})], "Resource Manager limits the broker's requests"),
        ([(500, {}, {})] * 9, "Resource Manager does not say what was asked of the caller's resource (500 code)"),
        ([(200, {}, {})] * 9, "Resource Manager does not say what was asked of the caller's resource (no code)"),
        ([listed("web")] * 9, "Resource Manager does not say what was asked of the caller's resource (no code)"),
        (
            [listed({"id": VM, "location": 7})] * 9,
            "Resource Manager does not say what was asked of the caller's resource (no code)",
        ),
    ],
    ids=["forbidden", "throttled", "failing", "no list", "no objects", "no text"],
)
async def test_a_location_that_cannot_be_read_is_unknown(azure: Azure, answers: list[Any], sentence: str) -> None:
    """And is asked for again by the next request."""
    begun = azure.clock.monotonic()
    assert sentence == why(await azure.location(*answers))
    assert azure.clock.monotonic() - begun < 10
    azure.arm.left.clear()
    azure.clock.jump(60)
    assert "westeurope" == await azure.location(listed({"id": VM, "location": "westeurope"}))


async def test_a_location_is_remembered_for_an_hour(azure: Azure) -> None:
    """And no longer, of each resource apart."""
    await azure.location(listed({"id": VM, "location": "westeurope"}))
    azure.clock.jump(3599)
    assert "westeurope" == await azure.location()
    assert "uksouth" == await azure.location(listed({"id": f"{VM}2", "location": "uksouth"}), resource=f"{VM}2")
    azure.clock.jump(1)
    assert "northeurope" == await azure.location(listed({"id": VM, "location": "northeurope"}))


@pytest.mark.parametrize("names", [(), (VM, f"{VM}2"), ("isExplicit=True",)])
async def test_without_a_resource_there_is_no_location(azure: Azure, names: tuple[str, ...]) -> None:
    """Nobody has to be asked for that."""
    assert None is await azure.facts.location(CALLER, Principal("ManagedIdentity", names))
    assert None is await azure.facts.location(CALLER, Principal("ManagedIdentity", ("/subscriptions/../x",)))
    assert [] == azure.arm.asked
