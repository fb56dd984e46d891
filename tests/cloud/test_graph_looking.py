"""Microsoft Graph: looks at what stands in pools, and the certificate that is added to an application that is there."""

from __future__ import annotations

from typing import Any

import pytest

from shared.cloud.graph.directory import Graph
from shared.core.directory import LookedAt, NewKey, NewTrust
from shared.core.errors import Absent, Refused, Throttled, Unavailable
from shared.core.names import ObjectId
from tests.cloud.graph_answers import APPLICATION, END, GROUP, KEY, PRINCIPAL, done, found
from tests.cloud.scripted import Scripted, refused

OTHER = ObjectId("99999999-0000-4000-8000-000000000009")
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


def batch(*answers: tuple[int, dict[str, Any]]) -> Any:
    """The answers to the items of a batch, the last first: Graph keeps no order."""
    items = [{"id": str(number), "status": status, "body": body} for number, (status, body) in enumerate(answers)]
    return found(responses=items[::-1])


async def test_two_applications_are_looked_at_in_one_call(graph: Graph, service: Scripted) -> None:
    """Each by two reads: Graph expands one relationship at a time."""
    trust = {"name": "lh-broker", "issuer": "https://i", "subject": PRINCIPAL, "audiences": ["api://x"]}
    touched = BARE | {
        "passwordCredentials": [{"keyId": KEY}],
        "keyCredentials": [{"keyId": GROUP}],
        "owners": [{"@odata.type": "#microsoft.graph.user", "id": PRINCIPAL}],
        "web": {"redirectUris": ["https://a", "https://b"]},
        "spa": {"redirectUris": ["https://c"]},
        "appRoles": [{"id": KEY}],
    }
    service.will(batch((200, BARE), (200, {"value": [trust]}), (200, touched), (200, {"value": []})))
    seen = await graph.look_at([APPLICATION, OTHER])
    own = NewTrust("lh-broker", "https://i", PRINCIPAL, "api://x")
    assert [
        LookedAt("AzureADMyOrg", trusted=(own,)),
        LookedAt("AzureADMyOrg", (KEY,), (GROUP,), (), (PRINCIPAL,), 3, 1),
    ] == [*seen]
    assert ["POST /v1.0/$batch"] == service.lines
    urls = [each["url"] for each in service.body()["requests"]]
    assert ["GET"] * 4 == [each["method"] for each in service.body()["requests"]]
    assert f"/applications/{OTHER}/federatedIdentityCredentials" == urls[3]
    assert urls[2].startswith(f"/applications/{OTHER}?$select=id,signInAudience,")
    assert urls[2].endswith("&$expand=owners($select=id)")


async def test_one_that_is_gone_is_told_apart(graph: Graph, service: Scripted) -> None:
    """The others of the batch are seen."""
    gone = {"error": {"code": "Request_ResourceNotFound", "message": "no"}}
    service.will(batch((404, gone), (404, gone), (200, BARE), (200, {"value": []})))
    assert [None, LookedAt("AzureADMyOrg")] == [*await graph.look_at([APPLICATION, OTHER])]


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
    service.will(batch((200, BARE), (status, body)))
    with pytest.raises(failure):
        await graph.look_at([APPLICATION])


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [(403, "Authorization_RequestDenied", Refused), (503, "ServiceUnavailable", Unavailable)],
)
async def test_one_that_cannot_be_seen_hides_no_other(
    graph: Graph, service: Scripted, status: int, code: str, failure: type[Exception]
) -> None:
    """Somebody may have taken one application from the broker, and must not blind it for the rest."""
    wrong = {"error": {"code": code, "message": "no"}}
    service.will(batch((status, wrong), (status, wrong), (200, BARE), (200, {"value": []})))
    unseen, seen = await graph.look_at([APPLICATION, OTHER])
    assert isinstance(unseen, failure)
    assert LookedAt("AzureADMyOrg") == seen


async def test_an_answer_that_is_missing_says_nothing(graph: Graph, service: Scripted) -> None:
    """Graph may have left it out."""
    service.will(batch((200, BARE)))
    with pytest.raises(Unavailable):
        await graph.look_at([APPLICATION])


async def test_a_batch_that_is_refused_is_a_failure(graph: Graph, service: Scripted) -> None:
    """As any other call."""
    service.will(refused(404, "Request_ResourceNotFound"))
    with pytest.raises(Absent):
        await graph.look_at([APPLICATION])


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
