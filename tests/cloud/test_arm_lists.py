"""What Resource Manager lists page by page, and what no call of it may take for a success: over scripted answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from azure.core.pipeline.transport import AsyncHttpTransport

from shared.cloud.arm.authorization import Arm
from shared.cloud.limits import RateLimiters
from shared.core.definition import Permission
from shared.core.errors import Absent, Refused, Throttled, Unavailable, Upstream
from shared.core.footprint import Assignment
from shared.core.names import Scope
from tests.cloud.scripted import Bearer
from tests.cloud.test_repeating import Answer
from tests.fakes.clock import FakeClock
from tests.fakes.world import DEFINITION, SCOPES, guid


class Paged(AsyncHttpTransport[Any, Any]):
    """Gives one answer after the other, and keeps what it was asked for."""

    def __init__(self, *answers: tuple[int, object, dict[str, str]]) -> None:
        self.left = list(answers)
        self.asked: list[str] = []

    async def send(self, request: Any, **_: Any) -> Any:
        """The next."""
        self.asked.append(f"{request.method} {request.url}")
        status, document, headers = self.left.pop(0)
        return Answer(request, status, json.dumps(document).encode() if document is not None else b"", headers)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


def arm_over(transport: Paged) -> Arm:
    """With these answers."""
    return Arm("https://arm.example/", Bearer(), transport, RateLimiters(FakeClock()))


GROUP = Scope.parse("/providers/Microsoft.Management/managementGroups/root")
LISTS: dict[str, tuple[Callable[[Arm], Awaitable[object]], list[dict[str, object]], object]] = {
    "permissions": (
        lambda arm: arm.permissions_at(SCOPES[0]),
        [{"actions": ["a"]}, {"actions": ["b"]}],
        (Permission(("a",)), Permission(("b",))),
    ),
    "descendants": (
        lambda arm: arm.descendants(GROUP),
        [{"type": "/subscriptions", "name": guid(1).upper()}, {"type": "/subscriptions", "name": guid(2)}],
        {f"/subscriptions/{guid(1)}", f"/subscriptions/{guid(2)}"},
    ),
}
EACH_LIST = pytest.mark.parametrize(("call", "items", "expected"), LISTS.values(), ids=LISTS)


@EACH_LIST
@pytest.mark.parametrize("end", [{}, {"nextLink": None}, {"nextLink": ""}], ids=str)
async def test_a_list_is_read_to_its_last_page(
    call: Callable[[Arm], Awaitable[object]], items: list[dict[str, object]], expected: object, end: dict[str, object]
) -> None:
    """By the link that Azure gives, as it stands; an empty page is not the last by itself."""
    first, last = items
    link = "https://arm.example/next?$skiptoken=a%2Bb"
    transport = Paged(
        (200, {"value": [first], "nextLink": link}, {}),
        (200, {"value": [], "nextLink": link}, {}),
        (200, {"value": [last], **end}, {}),
    )
    assert expected == await call(arm_over(transport))
    assert [f"GET {link}"] * 2 == transport.asked[1:]


@EACH_LIST
@pytest.mark.parametrize("link", ["https://arm.example.evil/next", "https://elsewhere.example/", "/next", 7])
async def test_a_link_to_another_host_is_never_followed(
    call: Callable[[Arm], Awaitable[object]], items: list[dict[str, object]], expected: object, link: object
) -> None:
    """The token would go there; and half a list must not be taken for the whole one."""
    transport = Paged((200, {"value": items, "nextLink": link}, {}))
    with pytest.raises(Unavailable):
        assert expected == await call(arm_over(transport))
    assert 1 == len(transport.asked)


@EACH_LIST
@pytest.mark.parametrize("document", [None, [], {}, {"value": None}, {"value": {}}, {"value": "none"}], ids=str)
async def test_an_answer_without_a_list_is_none(
    call: Callable[[Arm], Awaitable[object]], items: list[dict[str, object]], expected: object, document: object
) -> None:
    """It must not be taken for an empty one."""
    del items, expected
    with pytest.raises(Unavailable):
        await call(arm_over(Paged((200, document, {}))))


@EACH_LIST
@pytest.mark.parametrize(("status", "failure"), [(403, Refused), (429, Throttled), (500, Unavailable)])
async def test_a_list_that_is_refused_is_told_as_such(
    call: Callable[[Arm], Awaitable[object]],
    items: list[dict[str, object]],
    expected: object,
    status: int,
    failure: type[Upstream],
) -> None:
    """By its status, whatever stands in the answer."""
    del expected
    with pytest.raises(Upstream) as refused:
        await call(arm_over(Paged((status, {"value": items}, {}))))
    assert failure is type(refused.value)


async def test_the_subscriptions_and_groups_of_a_management_group_are_told_and_nothing_else() -> None:
    """Azure spells the type of subscriptions in two ways."""
    kinds = [
        "Microsoft.Management/managementGroups",
        "/subscriptions",
        "Microsoft.Management/managementGroups/subscriptions",
        None,
    ]
    listed = [{"type": kind, "name": guid(number)} for number, kind in enumerate(kinds)]
    assert {
        f"/providers/microsoft.management/managementgroups/{guid(0)}",
        f"/subscriptions/{guid(1)}",
        f"/subscriptions/{guid(2)}",
    } == await arm_over(Paged((200, {"value": listed}, {}))).descendants(GROUP)


async def test_a_redirect_of_resource_managers_is_not_followed() -> None:
    """The token does not travel."""
    transport = Paged((307, None, {"location": "https://elsewhere.example/"}), (200, {"value": []}, {}))
    with pytest.raises(Unavailable):
        await arm_over(transport).assigned_at(SCOPES[0])
    assert 1 == len(transport.asked)


async def test_deleting_an_assignment_that_is_gone_is_told_by_its_status() -> None:
    """Azure answers 204, and nothing is looked up."""
    transport = Paged((204, None, {}))
    with pytest.raises(Absent) as absent:
        await arm_over(transport).unassign(Assignment(SCOPES[0], "n"))
    assert (204, 1) == (absent.value.status, len(transport.asked))


async def test_definitions_without_a_name_are_not_told() -> None:
    """Nobody could name them."""
    listed = [{"id": f"{DEFINITION}{name}", "properties": {"roleName": name}} for name in (None, "", "Reader")]
    assert ("Reader",) == await arm_over(Paged((200, {"value": listed}, {}))).definition_names_at(SCOPES[0])
