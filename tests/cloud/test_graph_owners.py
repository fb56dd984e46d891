"""Whether the broker may change an application: who owns it, and what Entra ID lets the broker do."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from shared.cloud.graph.directory import Graph
from shared.core.errors import Absent, Throttled, Unavailable
from shared.core.names import ObjectId
from tests.cloud.adapters import Adapters
from tests.cloud.graph_answers import APPLICATION, CLIENT, GROUP, KEY, PRINCIPAL, done, found
from tests.cloud.scripted import Scripted, refused

OWNER = {"@odata.type": "#microsoft.graph.servicePrincipal", "id": PRINCIPAL, "appId": CLIENT.upper()}
PERSON = {"@odata.type": "#microsoft.graph.user", "id": GROUP}


@pytest.mark.parametrize(
    ("owners", "expected"),
    [([PERSON, OWNER], True), ([PERSON, OWNER | {"appId": None}], False), ([PERSON], False), ([], False)],
)
async def test_an_owner_is_told_by_its_client_id(
    graph: Graph, service: Scripted, owners: list[dict[str, object]], *, expected: bool
) -> None:
    """One call. People own applications as well, and have none; nor has whoever the broker is not shown."""
    service.will(found(value=owners))
    assert expected is await graph.is_owner(APPLICATION, CLIENT)
    assert [f"GET /v1.0/applications/{APPLICATION}/owners?$select=id,appId&$top=999"] == service.lines


ANSWERS: dict[str, tuple[Callable[[], httpx.Response], bool]] = {
    "403": (lambda: refused(403, "Authorization_RequestDenied"), True),
    "no such secret": (lambda: refused(400, "Request_BadRequest"), False),
    "another change at the same time": (lambda: refused(409, "Directory_ConcurrencyViolation"), False),
    "no content": (done, False),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_what_entra_id_forbids_is_learned_by_removing_what_nobody_has(
    graph: Graph, service: Scripted, answer: str
) -> None:
    """One call, and no other answer but a refusal for want of a right counts as one."""
    step, expected = ANSWERS[answer]
    service.will(step())
    assert expected is await graph.is_denied(APPLICATION, KEY)
    assert [f"POST /v1.0/applications/{APPLICATION}/removePassword"] == service.lines
    assert {"keyId": KEY} == service.body()


@pytest.mark.parametrize(("status", "expected"), [(404, Absent), (429, Throttled), (500, Unavailable)])
async def test_a_trial_that_comes_to_nothing_tells_nothing(
    graph: Graph, service: Scripted, status: int, expected: type[Exception]
) -> None:
    """Neither that the broker may, nor that it may not."""
    service.will(refused(status, "x", headers={"retry-after": "1"} if expected is Throttled else None))
    with pytest.raises(expected):
        await graph.is_denied(APPLICATION, KEY)


async def test_in_the_local_cloud_the_broker_changes_what_it_owns_and_nothing_else(adapters: Adapters) -> None:
    """It has no more than ``Application.ReadWrite.OwnedBy``, and reads everybody's owners."""
    client_id = ObjectId(adapters.cloud.identity("leasehold")["client_id"])
    applications = adapters.cloud.control("GET", "state")["applications"]
    owned, strange = (
        next(ObjectId(each["object_id"]) for each in applications if bool(each["owners"]) is wanted) for wanted in (True, False)
    )
    result = [
        (await adapters.graph.is_owner(each, client_id), await adapters.graph.is_denied(each, KEY)) for each in (owned, strange)
    ]
    assert [(True, False), (False, True)] == result
