from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from shared.cloud.graph import Graph
from shared.cloud.graph_calls import GraphCalls
from shared.core.directory import ApplicationIds, ExistingApplication, NewApplication
from shared.core.errors import (
    Absent,
    AlreadyExists,
    ConcurrentChange,
    Doubtful,
    Misconfigured,
    NotReplicated,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
    Upstream,
)
from shared.core.names import ObjectId
from shared.issuers.application_secret import Applications
from shared.issuers.service_principal import Directory
from tests.cloud.scripted import Bearer, Scripted, refused
from tests.fakes.clock import FixedIds

APPLICATION = ObjectId("aaaaaaaa-0000-4000-8000-000000000001")
CLIENT = ObjectId("aaaaaaaa-0000-4000-8000-000000000002")
PRINCIPAL = ObjectId("aaaaaaaa-0000-4000-8000-000000000003")
GROUP = ObjectId("aaaaaaaa-0000-4000-8000-000000000004")
KEY = ObjectId("aaaaaaaa-0000-4000-8000-000000000005")
IDS = ApplicationIds(APPLICATION, CLIENT)
NAME = "leasehold-reader.01jnaaaaaaaaaaaaaaaaaaaaaa"
NEW = NewApplication(NAME, NAME, "AzureADMyOrg", ("leasehold", "team:web"), "made for a test")
END = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
ENDPOINT = "https://graph.example"
EMPTY = 204


@pytest.fixture
def service() -> Scripted:
    """Microsoft Graph."""
    return Scripted()


@pytest.fixture
def bearer() -> Bearer:
    """The broker's identity."""
    return Bearer()


@pytest.fixture
def graph(service: Scripted, bearer: Bearer) -> Graph:
    """What is tested."""
    return graph_at(ENDPOINT, service, bearer)


def graph_at(endpoint: str, service: Scripted, bearer: Bearer) -> Graph:
    """Graph of another cloud."""
    return Graph(GraphCalls(endpoint, bearer, service.client(), FixedIds()))


def made(**fields: Any) -> httpx.Response:
    """A creation's answer."""
    return httpx.Response(201, json=fields)


def found(**fields: Any) -> httpx.Response:
    """A reading's answer."""
    return httpx.Response(200, json=fields)


def done() -> httpx.Response:
    """An answer without a body."""
    return httpx.Response(204)


def test_satisfies_what_the_issuers_ask_for(graph: Graph) -> None:
    """A matter for the type checker: both lines must type."""
    directory: Directory = graph
    applications: Applications = graph
    assert isinstance(directory, Graph)
    assert isinstance(applications, Graph)


# The wire


async def test_every_call_carries_the_token_and_an_id_of_its_own(graph: Graph, service: Scripted, bearer: Bearer) -> None:
    """The token is asked for Graph's own scope; the ids differ from call to call."""
    service.will(done(), done())
    await graph.purge(APPLICATION)
    await graph.purge(APPLICATION)
    assert [("https://graph.example/.default",)] * 2 == bearer.scopes
    assert {"Bearer bearer-of-tests"} == {call.headers["authorization"] for call in service.calls}
    assert 2 == len({call.headers["client-request-id"] for call in service.calls})


@pytest.mark.parametrize("endpoint", ["https://graph.microsoft.us", "https://microsoftgraph.chinacloudapi.cn/"])
async def test_other_clouds_are_spoken_to_at_their_own_address(endpoint: str, service: Scripted, bearer: Bearer) -> None:
    """References in bodies name it as well."""
    service.will(done())
    await graph_at(endpoint, service, bearer).add_member(GROUP, PRINCIPAL)
    origin = endpoint.rstrip("/")
    assert f"{origin}/v1.0/groups/{GROUP}/members/$ref" == str(service.calls[0].url)
    assert {"@odata.id": f"{origin}/v1.0/directoryObjects/{PRINCIPAL}"} == service.body()
    assert [(f"{origin}/.default",)] == bearer.scopes


async def test_a_redirect_is_not_followed(graph: Graph, service: Scripted) -> None:
    """The token does not travel."""
    service.will(httpx.Response(307, headers={"location": "https://evil.example/"}))
    with pytest.raises(Unavailable):
        await graph.purge(APPLICATION)
    assert 1 == len(service.calls)


@pytest.mark.parametrize("status", [429, 503, 504])
async def test_the_sdk_repeats_nothing(graph: Graph, service: Scripted, status: int) -> None:
    """Trying again belongs to the broker's own patience."""
    service.will(refused(status, headers={"retry-after": "1"}))
    with pytest.raises(Upstream):
        await graph.purge(APPLICATION)
    assert 1 == len(service.calls)


# Applications


async def test_an_application_is_registered_under_its_unique_name(graph: Graph, service: Scripted) -> None:
    """One call; a repeat finds it."""
    service.will(made(id=APPLICATION, appId=CLIENT))
    assert IDS == await graph.upsert_application(NEW)
    assert [f"PATCH /v1.0/applications(uniqueName='{NAME}')"] == service.lines
    assert "create-if-missing" == service.calls[0].headers["prefer"]
    expected = {
        "displayName": NAME,
        "signInAudience": "AzureADMyOrg",
        "tags": ["leasehold", "team:web"],
        "notes": "made for a test",
    }
    assert expected == service.body()


async def test_an_application_that_is_there_already_is_found(graph: Graph, service: Scripted) -> None:
    """Graph answers with nothing, so a second call asks for its ids."""
    service.will(done(), found(id=APPLICATION, appId=CLIENT))
    assert IDS == await graph.upsert_application(NEW)
    assert f"GET /v1.0/applications(uniqueName='{NAME}')?$select=id,appId" == service.lines[1]


async def test_an_application_there_already_and_not_to_be_found_is_not_replicated(graph: Graph, service: Scripted) -> None:
    """It passes by itself."""
    service.will(done(), refused(404, "Request_ResourceNotFound"))
    with pytest.raises(NotReplicated):
        await graph.upsert_application(NEW)


async def test_a_quote_in_a_name_stays_in_the_name(graph: Graph, service: Scripted) -> None:
    """It does not end the key."""
    service.will(found(id=APPLICATION, appId=CLIENT))
    await graph.find_application("it's / 100% ?#")
    assert "GET /v1.0/applications(uniqueName='it''s%20%2F%20100%25%20%3F%23')?$select=id,appId" == service.lines[0]


# Service principals


async def test_a_service_principal_is_made(graph: Graph, service: Scripted) -> None:
    """One call."""
    service.will(made(id=PRINCIPAL))
    assert PRINCIPAL == await graph.create_principal(CLIENT)
    assert ["POST /v1.0/servicePrincipals"] == service.lines
    assert {"appId": CLIENT} == service.body()


@pytest.mark.parametrize(
    "answer",
    [
        refused(409, "Request_MultipleObjectsWithSameKeyValue"),
        refused(409),
        refused(400, "Request_MultipleObjectsWithSameKeyValue"),
        refused(400, "Request_BadRequest", finer="ObjectConflict"),
    ],
)
async def test_a_service_principal_that_is_there_already_is_found(
    graph: Graph, service: Scripted, answer: httpx.Response
) -> None:
    """By its client id, in a second call."""
    service.will(answer, found(id=PRINCIPAL))
    assert PRINCIPAL == await graph.create_principal(CLIENT)
    assert f"GET /v1.0/servicePrincipals(appId='{CLIENT}')?$select=id" == service.lines[1]


async def test_an_application_not_replicated_yet_passes(graph: Graph, service: Scripted) -> None:
    """Where Graph says what is amiss."""
    service.will(refused(400, "Request_BadRequest", finer="NoBackingApplicationObject"))
    with pytest.raises(NotReplicated):
        await graph.create_principal(CLIENT)


@pytest.mark.parametrize("answer", [refused(400, "Request_BadRequest"), refused(403, "Authorization_RequestDenied")])
async def test_a_no_that_may_only_be_too_early_is_doubtful(graph: Graph, service: Scripted, answer: httpx.Response) -> None:
    """The same codes as for a bad request or a missing permission."""
    service.will(answer)
    with pytest.raises(Doubtful) as doubtful:
        await graph.create_principal(CLIENT)
    assert answer.status_code == doubtful.value.status
    assert "because" in str(doubtful.value)


async def test_another_refusal_of_a_service_principal_is_definite(graph: Graph, service: Scripted) -> None:
    """Such as a full directory."""
    service.will(refused(403, "Directory_QuotaExceeded"))
    with pytest.raises(Refused) as definite:
        await graph.create_principal(CLIENT)
    assert "Directory_QuotaExceeded" == definite.value.azure_code


# Secrets


async def test_a_secret_is_added(graph: Graph, service: Scripted) -> None:
    """With a name, and an end in whole seconds of UTC."""
    service.will(found(keyId=KEY, secretText="s3cret", hint="s3c"))
    end = END.astimezone(timezone(timedelta(hours=2))) + timedelta(milliseconds=900)
    secret = await graph.add_secret(APPLICATION, "lease", end)
    assert (KEY, "s3cret") == (secret.key_id, secret.secret.reveal())
    assert [f"POST /v1.0/applications/{APPLICATION}/addPassword"] == service.lines
    assert {"passwordCredential": {"displayName": "lease", "endDateTime": "2026-03-02T10:00:00Z"}} == service.body()


@pytest.mark.parametrize("answer", [found(keyId=KEY), found(secretText="s3cret"), httpx.Response(200, text="<s3cret>"), done()])
async def test_an_answer_without_the_secret_leaves_it_open(graph: Graph, service: Scripted, answer: httpx.Response) -> None:
    """There may be a secret now, so undo must look. What the answer held is not told."""
    service.will(answer)
    with pytest.raises(Unavailable) as uncertain:
        await graph.add_secret(APPLICATION, "lease", END)
    assert "s3cret" not in f"{uncertain.value} {uncertain.value.__cause__} {uncertain.value.__context__}"


async def test_secrets_are_found_by_their_exact_name(graph: Graph, service: Scripted) -> None:
    """A longer name, another case and no name are others."""
    held = [("lease", KEY), ("lease ", PRINCIPAL), ("Lease", GROUP), (None, CLIENT)]
    service.will(found(passwordCredentials=[{"displayName": name, "keyId": key} for name, key in held]))
    assert (KEY,) == await graph.secrets_named(APPLICATION, "lease")
    assert [f"GET /v1.0/applications/{APPLICATION}?$select=passwordCredentials"] == service.lines


async def test_a_list_of_secrets_that_is_none_leaves_it_open(graph: Graph, service: Scripted) -> None:
    """That there are none must be said."""
    service.will(found())
    with pytest.raises(Unavailable):
        await graph.secrets_named(APPLICATION, "lease")


async def test_a_secret_is_removed(graph: Graph, service: Scripted) -> None:
    """One call."""
    service.will(done())
    await graph.remove_secret(APPLICATION, KEY)
    assert [f"POST /v1.0/applications/{APPLICATION}/removePassword"] == service.lines
    assert {"keyId": KEY} == service.body()


async def test_a_secret_that_is_not_there_is_absent(graph: Graph, service: Scripted) -> None:
    """Graph says only that the request is bad; a look at the application tells."""
    service.will(refused(400, "Request_BadRequest"), found(passwordCredentials=[{"keyId": GROUP}]))
    with pytest.raises(Absent):
        await graph.remove_secret(APPLICATION, KEY)
    assert 2 == len(service.calls)


async def test_a_secret_that_is_there_and_cannot_be_removed_is_not_replicated(graph: Graph, service: Scripted) -> None:
    """The replica that was to remove it had not heard of it."""
    service.will(refused(400, "Request_BadRequest"), found(passwordCredentials=[{"keyId": KEY.upper()}]))
    with pytest.raises(NotReplicated):
        await graph.remove_secret(APPLICATION, KEY)


async def test_removing_from_an_application_that_is_not_there_is_absent(graph: Graph, service: Scripted) -> None:
    """The secret went with it."""
    service.will(refused(404, "Request_ResourceNotFound"))
    with pytest.raises(Absent):
        await graph.remove_secret(APPLICATION, KEY)


async def test_an_application_is_read_with_its_service_principal(graph: Graph, service: Scripted) -> None:
    """Two calls."""
    service.will(found(id=APPLICATION, appId=CLIENT), found(id=PRINCIPAL))
    assert ExistingApplication(APPLICATION, CLIENT, PRINCIPAL) == await graph.read_application(APPLICATION)


async def test_an_application_without_a_service_principal_is_read(graph: Graph, service: Scripted) -> None:
    """It has none in this tenant."""
    service.will(found(id=APPLICATION, appId=CLIENT), refused(404, "Request_ResourceNotFound"))
    assert ExistingApplication(APPLICATION, CLIENT, None) == await graph.read_application(APPLICATION)


# Groups


@pytest.mark.parametrize("member", [[GROUP], [GROUP.upper()]])
async def test_a_member_already_is_success(graph: Graph, service: Scripted, member: list[str]) -> None:
    """Graph's 400 has no code of its own for it, so a second call asks."""
    service.will(refused(400, "Request_BadRequest"), found(value=member))
    await graph.add_member(GROUP, PRINCIPAL)
    assert f"POST /v1.0/servicePrincipals/{PRINCIPAL}/checkMemberGroups" == service.lines[1]
    assert {"groupIds": [GROUP]} == service.body()


@pytest.mark.parametrize("value", [[], [CLIENT], None])
async def test_a_refusal_to_add_a_member_stays_one_if_it_is_none(graph: Graph, service: Scripted, value: object) -> None:
    """Such as for a group with a membership rule."""
    service.will(refused(400, "Request_BadRequest"), found(value=value))
    with pytest.raises(Refused):
        await graph.add_member(GROUP, PRINCIPAL)


@pytest.mark.parametrize(("status", "expected"), [(403, Refused), (404, Absent)])
async def test_other_refusals_to_add_a_member_ask_nothing(
    graph: Graph, service: Scripted, status: int, expected: type[Upstream]
) -> None:
    """They say what they mean."""
    service.will(refused(status))
    with pytest.raises(expected):
        await graph.add_member(GROUP, PRINCIPAL)
    assert 1 == len(service.calls)


async def test_says_whether_a_group_exists(graph: Graph, service: Scripted) -> None:
    """One call each."""
    service.will(found(id=GROUP), refused(404, "Request_ResourceNotFound"))
    assert [True, False] == [await graph.group_exists(GROUP), await graph.group_exists(GROUP)]
    assert [f"GET /v1.0/groups/{GROUP}?$select=id"] * 2 == service.lines


# Deletion


DELETIONS: list[tuple[str, Callable[[Graph], Awaitable[None]]]] = [
    (f"/groups/{GROUP}/members/{PRINCIPAL}/$ref", lambda graph: graph.remove_member(GROUP, PRINCIPAL)),
    (f"/servicePrincipals/{PRINCIPAL}", lambda graph: graph.delete_principal(PRINCIPAL)),
    (f"/applications/{APPLICATION}", lambda graph: graph.delete_application(APPLICATION)),
    (f"/directory/deletedItems/{APPLICATION}", lambda graph: graph.purge(APPLICATION)),
]


@pytest.mark.parametrize(("path", "delete"), DELETIONS)
async def test_each_deletion_is_one_call(
    graph: Graph, service: Scripted, path: str, delete: Callable[[Graph], Awaitable[None]]
) -> None:
    """Nothing is looked up."""
    service.will(done())
    await delete(graph)
    assert [f"DELETE /v1.0{path}"] == service.lines


@pytest.mark.parametrize(("path", "delete"), DELETIONS)
async def test_deleting_what_is_not_there_is_absent(
    graph: Graph, service: Scripted, path: str, delete: Callable[[Graph], Awaitable[None]]
) -> None:
    """The issuer decides what to make of it."""
    service.will(refused(404, "Request_ResourceNotFound"))
    with pytest.raises(Absent):
        await delete(graph)
    assert path in service.lines[0]


@pytest.mark.parametrize("look", [lambda graph: graph.find_application(NAME), lambda graph: graph.find_principal(CLIENT)])
async def test_what_is_not_found_is_absent(graph: Graph, service: Scripted, look: Callable[[Graph], Awaitable[object]]) -> None:
    """Application or service principal."""
    service.will(refused(404, "Request_ResourceNotFound"))
    with pytest.raises(Absent):
        await look(graph)


# Failures


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refused(400, "Request_BadRequest"), Refused),
        (refused(401, "InvalidAuthenticationToken"), Refused),
        (refused(403, "Authorization_RequestDenied"), Refused),
        (refused(404, "Request_ResourceNotFound"), Absent),
        (refused(404, "SomethingElse"), Absent),
        (refused(409, "Directory_ConcurrencyViolation"), ConcurrentChange),
        (refused(503, "Directory_ConcurrencyViolation", headers={"retry-after": "5"}), ConcurrentChange),
        (refused(409, "SomethingElse"), AlreadyExists),
        (refused(400, "Request_BadRequest", finer="ObjectConflict"), AlreadyExists),
        (refused(429, "TooManyRequests"), Throttled),
        (refused(503, "ServiceUnavailable", headers={"retry-after": "5"}), Throttled),
        (refused(503, "ServiceUnavailable"), Unavailable),
        (refused(500, "InternalServerError"), Unavailable),
        (refused(504, "UnknownError"), Unavailable),
        (httpx.Response(502, text="<html>bad gateway</html>", headers={"content-type": "text/html"}), Unavailable),
        (httpx.Response(403), Refused),
        (httpx.ConnectTimeout("late"), Unreachable),
        (httpx.ConnectError("no route"), Unreachable),
        (httpx.ReadTimeout("late"), Unreachable),
        (httpx.ReadError("broken"), Unreachable),
        (httpx.WriteError("broken"), Unreachable),
        (httpx.PoolTimeout("late"), Unreachable),
        (httpx.RemoteProtocolError("disconnected"), Unreachable),
    ],
)
async def test_each_failure_has_a_meaning(
    graph: Graph, service: Scripted, answer: httpx.Response | Exception, expected: type[Upstream]
) -> None:
    """By status and code."""
    service.will(answer)
    with pytest.raises(Upstream) as failure:
        await graph.delete_application(APPLICATION)
    assert expected is type(failure.value)


async def test_the_message_means_nothing(graph: Graph, service: Scripted) -> None:
    """Whatever it says."""
    service.will(refused(403, "Authorization_RequestDenied", text="Resource does not exist. already exists. throttled"))
    with pytest.raises(Refused) as failure:
        await graph.delete_application(APPLICATION)
    assert Refused is type(failure.value)


async def test_throttling_says_how_long(graph: Graph, service: Scripted) -> None:
    """The broker's patience obeys it."""
    service.will(refused(429, "TooManyRequests", headers={"retry-after": "12"}))
    with pytest.raises(Throttled) as throttled:
        await graph.delete_application(APPLICATION)
    assert 12.0 == throttled.value.retry_after


async def test_a_failure_tells_the_log_what_graph_said(graph: Graph, service: Scripted) -> None:
    """And the id by which Graph's support finds the call."""
    service.will(refused(403, "Authorization_RequestDenied", text="Insufficient privileges"))
    with pytest.raises(Refused) as failure:
        await graph.delete_application(APPLICATION)
    assert "Authorization_RequestDenied (403): Insufficient privileges (request r-1)" == str(failure.value)


@pytest.mark.parametrize("failure", [Unreachable("no token"), Misconfigured("no token"), Throttled("no token")])
async def test_without_a_token_nothing_is_sent(graph: Graph, service: Scripted, bearer: Bearer, failure: Exception) -> None:
    """And what the identity says is what the caller hears."""
    bearer.failure = failure
    with pytest.raises(type(failure)):
        await graph.delete_application(APPLICATION)
    assert [] == service.calls


@pytest.mark.parametrize("answer", [found(id=7), found(id="x"), found(), httpx.Response(200, json=[1]), httpx.Response(200)])
async def test_an_answer_in_no_known_shape_leaves_it_open(graph: Graph, service: Scripted, answer: httpx.Response) -> None:
    """Nobody knows what has happened."""
    service.will(answer)
    with pytest.raises(Unavailable):
        await graph.create_principal(CLIENT)


async def test_neither_token_nor_secret_reaches_the_log(
    graph: Graph, service: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level."""
    service.will(found(keyId=KEY, secretText="s3cret"), refused(500), httpx.ReadTimeout("late"))
    with caplog.at_level(logging.DEBUG):
        await graph.add_secret(APPLICATION, "lease", END)
        for _ in range(2):
            with pytest.raises(Upstream):
                await graph.add_secret(APPLICATION, "lease", END)
    assert "s3cret" not in caplog.text
    assert "bearer-of-tests" not in caplog.text
