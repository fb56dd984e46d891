from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta, timezone

import httpx
import pytest
from kiota_http.observability_options import ObservabilityOptions

from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.directory import Graph
from shared.cloud.limits import RateLimiters
from shared.core.directory import ExistingApplication, HeldCredentials
from shared.core.errors import (
    Absent,
    AmbiguousRefusal,
    Full,
    NotReplicated,
    Refused,
    Unavailable,
    Unreachable,
    Upstream,
)
from shared.kinds.calls import Applications, Directory
from shared.resilience.outages import Outages
from tests.cloud.graph_answers import (
    APPLICATION,
    CLIENT,
    END,
    ENDPOINT,
    GROUP,
    IDS,
    KEY,
    NAME,
    NEW,
    PRINCIPAL,
    done,
    found,
    graph_at,
    made,
)
from tests.cloud.scripted import Bearer, Scripted, refused
from tests.fakes.clock import FakeClock, FixedIds


def test_satisfies_what_the_issuers_ask_for(graph: Graph) -> None:
    """A matter for the type checker: both lines must type."""
    directory: Directory = graph
    applications: Applications = graph
    assert isinstance(directory, Graph)
    assert isinstance(applications, Graph)


# The wire


async def test_every_call_carries_the_token_and_an_id_of_its_own(graph: Graph, service: Scripted, bearer: Bearer) -> None:
    """The token is asked for Graph's own scope, and not for one that its challenges may end; ids differ from call to call."""
    service.will(done(), done())
    await graph.purge(APPLICATION)
    await graph.purge(APPLICATION)
    assert [("https://graph.example/.default",)] * 2 == bearer.scopes
    assert [False, False] == [options["enable_cae"] for options in bearer.options]
    assert {"Bearer bearer-of-tests"} == {call.headers["authorization"] for call in service.calls}
    assert {"application/json"} == {call.headers["accept"] for call in service.calls}
    assert 2 == len({call.headers["client-request-id"] for call in service.calls})


async def test_no_trace_tells_the_address_of_a_call(graph: Graph, service: Scripted) -> None:
    """It names whom the call is about, and the SDK would put it into its spans."""
    service.will(done())
    await graph.purge(APPLICATION)
    (options,) = [
        each for each in service.calls[0].extensions["kiota_request_options"].values() if isinstance(each, ObservabilityOptions)
    ]
    assert not options.include_euii_attributes


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


@pytest.mark.parametrize(
    ("answer", "failure"), [(refused(403, "Authorization_RequestDenied"), Refused), (refused(500), Unavailable)]
)
async def test_a_failure_to_find_what_is_there_already_is_told_as_it_is(
    graph: Graph, service: Scripted, answer: httpx.Response, failure: type[Upstream]
) -> None:
    """Not as a replica's delay, for which the issue would wait in vain."""
    service.will(done(), answer, refused(409), answer)
    for call in (graph.upsert_application(NEW), graph.create_principal(CLIENT)):
        with pytest.raises(Upstream) as result:
            await call
        assert failure is type(result.value)


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
    with pytest.raises(AmbiguousRefusal) as doubtful:
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
    """A longer name, another case and no name are others; what is no object has none."""
    held = [("lease", KEY), ("lease ", PRINCIPAL), ("Lease", GROUP), (None, CLIENT)]
    service.will(found(passwordCredentials=[None, "lease", *({"displayName": name, "keyId": key} for name, key in held)]))
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


async def test_another_refusal_to_remove_a_secret_is_definite(graph: Graph, service: Scripted) -> None:
    """A missing right says nothing of whether the secret is there: nothing is looked up."""
    service.will(refused(403, "Authorization_RequestDenied"), found(passwordCredentials=[]))
    with pytest.raises(Refused) as definite:
        await graph.remove_secret(APPLICATION, KEY)
    assert (Refused, 403) == (type(definite.value), definite.value.status)
    assert 1 == len(service.calls)


async def test_a_secret_that_is_there_and_cannot_be_removed_is_not_replicated(graph: Graph, service: Scripted) -> None:
    """The replica that was to remove it had not heard of it."""
    service.will(refused(400, "Request_BadRequest"), found(passwordCredentials=[{"keyId": KEY.upper()}]))
    with pytest.raises(NotReplicated):
        await graph.remove_secret(APPLICATION, KEY)


async def test_removing_from_an_application_that_is_not_there_is_absent(graph: Graph, service: Scripted) -> None:
    """The secret went with it; nothing is looked up then."""
    service.will(refused(404, "Request_ResourceNotFound"))
    with pytest.raises(Absent):
        await graph.remove_secret(APPLICATION, KEY)
    assert 1 == len(service.calls)


async def test_an_application_is_read_with_its_service_principal(graph: Graph, service: Scripted) -> None:
    """Two calls."""
    service.will(found(id=APPLICATION, appId=CLIENT), found(id=PRINCIPAL))
    assert ExistingApplication(APPLICATION, CLIENT, PRINCIPAL) == await graph.read_application(APPLICATION)


async def test_an_application_without_a_service_principal_is_read(graph: Graph, service: Scripted) -> None:
    """It has none in this tenant."""
    service.will(found(id=APPLICATION, appId=CLIENT), refused(404, "Request_ResourceNotFound"))
    assert ExistingApplication(APPLICATION, CLIENT, None) == await graph.read_application(APPLICATION)


OF_A_LEASE = f"leasehold-web.{'0' * 26}"


@pytest.mark.parametrize("marks", [{"tags": ["leasehold"]}, {"uniqueName": OF_A_LEASE}, {"displayName": OF_A_LEASE}])
async def test_an_application_that_a_lease_made_is_told(graph: Graph, service: Scripted, marks: dict[str, object]) -> None:
    """By any part of the mark."""
    service.will(
        found(id=APPLICATION, appId=CLIENT, **marks),
        found(id=PRINCIPAL),
        found(signInAudience="AzureADMyOrg", passwordCredentials=[], keyCredentials=[], **marks),
    )
    assert (await graph.read_application(APPLICATION)).marked
    assert (await graph.credentials_of(APPLICATION)).marked


async def test_an_applications_credentials_are_counted(graph: Graph, service: Scripted) -> None:
    """Secrets and certificates, in one call that costs one resource unit; what is no object is neither."""
    service.will(found(signInAudience="AzureADMyOrg", passwordCredentials=[{}, None, {}], keyCredentials=["x", {}]))
    assert HeldCredentials(2, 1, "AzureADMyOrg") == await graph.credentials_of(APPLICATION)
    fields = "signInAudience,passwordCredentials,keyCredentials,uniqueName,displayName,tags"
    assert [f"GET /v1.0/applications/{APPLICATION}?$select={fields}"] == service.lines


@pytest.mark.parametrize("field", ["signInAudience", "passwordCredentials", "keyCredentials"])
async def test_a_count_without_one_of_its_fields_is_no_answer(graph: Graph, service: Scripted, field: str) -> None:
    """It must not be taken for an empty application."""
    fields = {"signInAudience": "AzureADMyOrg", "passwordCredentials": [], "keyCredentials": []}
    service.will(found(**{name: value for name, value in fields.items() if name != field}))
    with pytest.raises(Unavailable):
        await graph.credentials_of(APPLICATION)


@pytest.mark.parametrize("status", [400, 403])
async def test_an_application_that_has_reached_its_size_is_full(graph: Graph, service: Scripted, status: int) -> None:
    """By the code: reports show it with either status."""
    service.will(refused(status, "Directory_ResourceSizeExceeded"))
    with pytest.raises(Full):
        await graph.add_secret(APPLICATION, NAME, END)


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


async def test_an_answer_after_silence_is_a_recovery(service: Scripted, bearer: Bearer) -> None:
    """A server's error is none, a refusal is one."""
    result: list[int] = []
    limiters = RateLimiters(FakeClock(), Outages(lambda: result.append(len(service.calls))))
    graph = Graph(GraphCalls(ENDPOINT, bearer, service.client(), FixedIds(), limiters))
    service.will(httpx.ConnectError("silence"), refused(500), refused(403), httpx.Response(204))
    for expected in (Unreachable, Unavailable, Refused):
        with pytest.raises(expected):
            await graph.delete_principal(PRINCIPAL)
    await graph.delete_principal(PRINCIPAL)
    assert [3] == result
