"""Microsoft Graph: looks at what stands in pools, and the certificate that is added to an application that is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from shared.cloud.graph.directory import Graph
from shared.core.directory import ApplicationIds, LookedAt, NewKey, NewTrust
from shared.core.errors import Absent, Refused, Throttled, Unavailable
from shared.core.names import ObjectId
from tests.cloud.graph_answers import APPLICATION, END, GROUP, KEY, PRINCIPAL, done, found
from tests.cloud.scripted import Scripted, refused

OTHER = ObjectId("99999999-0000-4000-8000-000000000009")
CLIENT, OTHER_CLIENT = (ObjectId(f"88888888-0000-4000-8000-00000000000{each}") for each in (8, 9))
FIRST, SECOND = ApplicationIds(APPLICATION, CLIENT), ApplicationIds(OTHER, OTHER_CLIENT)
NEW_KEY = NewKey(KEY, "web.01", b"der", END)
BARE: dict[str, Any] = {
    "id": APPLICATION,
    "signInAudience": "AzureADMyOrg",
    "passwordCredentials": [],
    "keyCredentials": [],
    "web": {"redirectUris": []},
    "spa": {"redirectUris": []},
    "publicClient": {"redirectUris": []},
    "appRoles": [],
    "owners": [],
}


def principal(client: ObjectId, **more: Any) -> dict[str, Any]:
    """A service principal as a list shows it."""
    bare = {"id": PRINCIPAL, "appId": client, "accountEnabled": True, "passwordCredentials": [], "keyCredentials": []}
    return bare | more


def lists(*applications: dict[str, Any], principals: Sequence[dict[str, Any]] = ()) -> tuple[tuple[int, Any], ...]:
    """What stands in the first two answers."""
    principals = principals or [principal(CLIENT), principal(OTHER_CLIENT)]
    return (200, {"value": [*applications]}), (200, {"value": [*principals]})


NOTHING = (200, {"value": list[Any]()})


def batch(*answers: tuple[int, dict[str, Any]]) -> Any:
    """The answers to the items of a batch, the last first: Graph keeps no order."""
    items = [{"id": str(number), "status": status, "body": body} for number, (status, body) in enumerate(answers)]
    return found(responses=items[::-1])


async def test_two_applications_are_looked_at_in_one_call(graph: Graph, service: Scripted) -> None:
    """By two lists, and a read of each one's federated credentials: Graph expands one relationship at a time."""
    trust = {"name": "lh-broker", "issuer": "https://i", "subject": PRINCIPAL, "audiences": ["api://x"]}
    touched = BARE | {
        "id": OTHER,
        "passwordCredentials": [{"keyId": KEY}],
        "keyCredentials": [{"keyId": GROUP}],
        "owners": [{"@odata.type": "#microsoft.graph.user", "id": PRINCIPAL}],
        "web": {"redirectUris": ["https://a", "https://b"]},
        "spa": {"redirectUris": ["https://c"]},
        "appRoles": [{"id": KEY}],
    }
    service.will(batch(*lists(touched, BARE), (200, {"value": [trust]}), NOTHING))
    seen = await graph.look_at([FIRST, SECOND])
    own = NewTrust("lh-broker", "https://i", PRINCIPAL, "api://x")
    assert [
        LookedAt("AzureADMyOrg", trusted=(own,)),
        LookedAt("AzureADMyOrg", (KEY,), (GROUP,), (), (PRINCIPAL,), 3, 1),
    ] == [*seen]
    assert ["POST /v1.0/$batch"] == service.lines
    applications, principals, *trusts = [each["url"] for each in service.body()["requests"]]
    assert ["GET"] * 4 == [each["method"] for each in service.body()["requests"]]
    assert [f"/applications/{each}/federatedIdentityCredentials" for each in (APPLICATION, OTHER)] == trusts
    assert applications.startswith(f"/applications?$filter=id%20in%20('{APPLICATION}','{OTHER}')&$select=id,signInAudience,")
    assert applications.endswith("&$expand=owners($select=id)")
    assert principals.startswith(f"/servicePrincipals?$filter=appId%20in%20('{CLIENT}','{OTHER_CLIENT}')&$select=id,appId,")


async def test_a_service_principal_is_looked_at_as_well(graph: Graph, service: Scripted) -> None:
    """It may be gone, or disabled, or have a credential of its own."""
    added = principal(CLIENT, passwordCredentials=[{"keyId": KEY}], keyCredentials=[{"keyId": GROUP}], accountEnabled=False)
    service.will(batch(*lists(BARE, BARE | {"id": OTHER}, principals=[added]), NOTHING, NOTHING))
    assert [
        LookedAt("AzureADMyOrg", (KEY,), (GROUP,), is_enabled=False),
        LookedAt("AzureADMyOrg", has_principal=False),
    ] == [*await graph.look_at([FIRST, SECOND])]


async def test_one_that_is_gone_is_told_apart(graph: Graph, service: Scripted) -> None:
    """The others of the batch are seen."""
    gone = {"error": {"code": "Request_ResourceNotFound", "message": "no"}}
    service.will(batch(*lists(BARE | {"id": OTHER}), (404, gone), NOTHING))
    assert [None, LookedAt("AzureADMyOrg")] == [*await graph.look_at([FIRST, SECOND])]


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (429, {"error": {"code": "TooManyRequests"}}, Throttled),
        (503, {"error": {"code": "ServiceUnavailable"}}, Unavailable),
        (200, {"value": "no list"}, Unavailable),
        (200, {"value": [{"name": "lh-broker"}]}, Unavailable),
    ],
)
async def test_a_look_of_which_a_part_failed_says_nothing(
    graph: Graph, service: Scripted, status: int, body: dict[str, Any], failure: type[Exception]
) -> None:
    """Nobody is told that a lease is untouched of which only a half was seen."""
    service.will(batch(*lists(BARE), (status, body)))
    with pytest.raises(failure):
        await graph.look_at([FIRST])
    service.will(batch((status, body), lists(BARE)[1], NOTHING))
    with pytest.raises(failure):
        await graph.look_at([FIRST])


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [(403, "Authorization_RequestDenied", Refused), (503, "ServiceUnavailable", Unavailable)],
)
async def test_one_that_cannot_be_seen_hides_no_other(
    graph: Graph, service: Scripted, status: int, code: str, failure: type[Exception]
) -> None:
    """Somebody may have taken one application from the broker, and must not blind it for the rest."""
    wrong = {"error": {"code": code, "message": "no"}}
    service.will(batch(*lists(BARE, BARE | {"id": OTHER}), (status, wrong), NOTHING))
    unseen, seen = await graph.look_at([FIRST, SECOND])
    assert isinstance(unseen, failure)
    assert LookedAt("AzureADMyOrg") == seen


async def test_an_answer_that_is_missing_says_nothing(graph: Graph, service: Scripted) -> None:
    """Graph may have left it out."""
    service.will(batch(*lists(BARE)))
    with pytest.raises(Unavailable):
        await graph.look_at([FIRST])


async def test_a_batch_that_is_refused_is_a_failure(graph: Graph, service: Scripted) -> None:
    """As any other call."""
    service.will(refused(404, "Request_ResourceNotFound"))
    with pytest.raises(Absent):
        await graph.look_at([FIRST])


async def test_a_certificate_is_added_to_those_that_stand(graph: Graph, service: Scripted) -> None:
    """Whatever they are: the list is written as a whole."""
    held = {"keyId": GROUP, "type": "AsymmetricX509Cert", "usage": "Verify", "key": "AAAA"}
    service.will(found(keyCredentials=[held]), done())
    await graph.add_key(APPLICATION, NEW_KEY)
    path = f"/v1.0/applications/{APPLICATION}"
    assert [f"GET {path}?$select=keyCredentials", f"PATCH {path}"] == service.lines
    first, second = service.body()["keyCredentials"]
    assert (held, KEY, "ZGVy") == (first, second["keyId"], second["key"])


async def test_a_certificate_that_is_there_is_not_added_again(graph: Graph, service: Scripted) -> None:
    """Its first answer was lost."""
    service.will(found(keyCredentials=[{"keyId": KEY.upper()}]))
    await graph.add_key(APPLICATION, NEW_KEY)
    assert 1 == len(service.lines)
