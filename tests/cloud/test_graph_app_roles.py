"""Application permissions of Microsoft Graph: what Graph is asked, and what a token says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shared.cloud.access_probe import AccessProbe
from shared.cloud.entra.app_roles_claim import carries
from shared.cloud.entra.lease_sign_in import AssertionSignIn
from shared.cloud.entra.sign_in import TokenEndpoint
from shared.cloud.graph.app_roles import AppRolesInGraph
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.limits import RateLimiters
from shared.core.errors import (
    Absent,
    AmbiguousRefusal,
    LeaseholdError,
    NotReplicated,
    Refused,
    Throttled,
    Unavailable,
)
from shared.core.names import ObjectId
from shared.core.readiness.observability import AppRolesLook
from shared.core.readiness.verdicts import Word
from shared.core.secret import Secret
from tests.cloud.graph_answers import ENDPOINT, PRINCIPAL, found, made
from tests.cloud.scripted import Bearer, Scripted, refused
from tests.cloud.test_lease_sign_in import Identity, token
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import guid

GRAPH, USERS, MAIL = guid(0x900), guid(0x901), guid(0x902)


@pytest.fixture
def app_roles(service: Scripted, bearer: Bearer) -> AppRolesInGraph:
    """Graph over the service."""
    return AppRolesInGraph(GraphCalls(ENDPOINT, bearer, service.client(), FixedIds(), RateLimiters(FakeClock())))


def refusal(status: int = 400) -> httpx.Response:
    """For a permission that is held already: the finer code is also that of one that Graph does not offer."""
    return refused(status, "Request_BadRequest", finer="InvalidUpdate")


def offered(value: object, app_role: object, *members: str, enabled: bool = True) -> dict[str, Any]:
    """An app role of Graph's service principal."""
    return {"id": app_role, "value": value, "allowedMemberTypes": [*members], "isEnabled": enabled}


def held(resource: str = GRAPH, app_role: str = USERS) -> httpx.Response:
    """The principal's permissions."""
    return found(value=[{"resourceId": resource.upper(), "appRoleId": app_role, "principalId": PRINCIPAL}])


async def test_what_graph_offers_to_applications(app_roles: AppRolesInGraph, service: Scripted) -> None:
    """By names, in one call; not what is for people, disabled, or nameless."""
    listed = [
        offered("User.Read.All", USERS.upper(), "Application"),
        offered("Mail.Send", MAIL, "User", "Application"),
        offered("User.Read", guid(3), "User"),
        offered("Old.Read.All", guid(4), "Application", enabled=False),
        offered(None, guid(5), "Application"),
        offered("Odd.Read.All", "no-guid", "Application"),
    ]
    service.will(found(id=GRAPH, appRoles=listed))
    answer = await app_roles.offered()
    assert (GRAPH, {"User.Read.All": USERS, "Mail.Send": MAIL}) == (answer.resource, answer.ids)
    path = "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')?$select=id,appRoles"
    assert [f"GET {path}"] == service.lines


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(404, "Request_ResourceNotFound"), Absent),
        (refused(403, "Authorization_RequestDenied"), Refused),
        (found(id=GRAPH), Unavailable),
    ],
)
async def test_what_graph_offers_cannot_be_read(
    app_roles: AppRolesInGraph, service: Scripted, answer: httpx.Response, error: type[LeaseholdError]
) -> None:
    """Then nothing is taken for offered."""
    service.will(answer)
    with pytest.raises(error):
        await app_roles.offered()


async def test_a_permission_is_given(app_roles: AppRolesInGraph, service: Scripted) -> None:
    """In one call to Graph's own service principal."""
    service.will(made(id="x"))
    await app_roles.give(PRINCIPAL, GRAPH, USERS)
    assert [f"POST /v1.0/servicePrincipals/{GRAPH}/appRoleAssignedTo"] == service.lines
    assert {"principalId": PRINCIPAL, "resourceId": GRAPH, "appRoleId": USERS} == service.body()


@pytest.mark.parametrize("status", [400, 409])
async def test_a_permission_that_is_held_already_is_success(app_roles: AppRolesInGraph, service: Scripted, status: int) -> None:
    """The answer to the first call was lost."""
    service.will(refusal(status), held())
    await app_roles.give(PRINCIPAL, GRAPH, USERS)
    assert f"GET /v1.0/servicePrincipals/{PRINCIPAL}/appRoleAssignments" == service.lines[-1]


@pytest.mark.parametrize(("status", "error"), [(400, AmbiguousRefusal), (409, NotReplicated)])
@pytest.mark.parametrize(
    "second", [held(app_role=MAIL), held(resource=guid(7)), found(value=[]), refused(404, "Request_ResourceNotFound")]
)
async def test_a_refusal_may_mean_a_principal_that_is_too_fresh(
    app_roles: AppRolesInGraph, service: Scripted, second: httpx.Response, status: int, error: type[LeaseholdError]
) -> None:
    """No code says so. A replica that says that it is held, while this one does not know it, is believed later."""
    service.will(refusal(status), httpx.Response(second.status_code, content=second.content))
    with pytest.raises(error) as caught:
        await app_roles.give(PRINCIPAL, GRAPH, USERS)
    assert error is type(caught.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(404, "Request_ResourceNotFound"), Absent),
        (refused(403, "Authorization_RequestDenied"), Refused),
        (refused(429, "TooManyRequests"), Throttled),
        (refused(500, "InternalServerError"), Unavailable),
    ],
)
async def test_any_other_refusal_is_told_as_it_is(
    app_roles: AppRolesInGraph, service: Scripted, answer: httpx.Response, error: type[LeaseholdError]
) -> None:
    """Without a second call: 403 means that the broker lacks AppRoleAssignment.ReadWrite.All."""
    service.will(answer)
    with pytest.raises(error) as caught:
        await app_roles.give(PRINCIPAL, GRAPH, USERS)
    assert (error, 1) == (type(caught.value), len(service.lines))


# What a token says


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"roles": ["User.Read.All", "Mail.Send", "More.Read.All"]}, Word.YES),
        ({"roles": ["User.Read.All"]}, Word.NOT_YET),
        ({"roles": []}, Word.NOT_YET),
        ({}, Word.NOT_YET),
        ({"roles": "User.Read.All Mail.Send"}, Word.NOT_YET),
        ({"roles": [["User.Read.All"], "Mail.Send"]}, Word.NOT_YET),
        ({"scp": "User.Read.All Mail.Send"}, Word.NOT_YET),
    ],
)
def test_a_token_carries_all_or_not_yet(claims: dict[str, Any], word: Word) -> None:
    """More than all is all."""
    assert word is carries(Secret(token(**claims)), {"User.Read.All", "Mail.Send"}).word


def test_a_token_that_only_graph_can_read_says_nothing() -> None:
    """Its format is Graph's own."""
    assert Word.NOTHING is carries(Secret("opaque"), {"User.Read.All"}).word


class Entra:
    """Gives tokens that carry these permissions, one list after the other; the last one for ever."""

    def __init__(self, *carried: list[str]) -> None:
        self.carried = [*carried]
        self.scopes: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """As the network would."""
        self.scopes.append(dict(_form(request))["scope"])
        roles = self.carried.pop(0) if len(self.carried) > 1 else self.carried[0]
        return httpx.Response(200, json={"access_token": token(roles=roles, exp=2_000_000_000, n=len(self.scopes))})

    def signing_in(self, clock: FakeClock) -> AssertionSignIn:
        """The broker's."""
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        endpoint = TokenEndpoint(client, "https://login.example", guid(1))
        return AssertionSignIn(
            endpoint, Identity(), clock, "api://AzureADTokenExchange", "https://graph.microsoft.com/.default"
        )


def _form(request: httpx.Request) -> Iterator[tuple[str, str]]:
    yield from httpx.QueryParams(request.content.decode()).items()


SCOPE = "https://graph.microsoft.com/.default"
WANTED = frozenset({"User.Read.All"})


async def test_a_token_that_lacks_a_permission_is_not_handed_out(clock: FakeClock) -> None:
    """Another is asked for."""
    entra = Entra([], ["Mail.Send"], ["User.Read.All", "Mail.Send"])
    signing_in = entra.signing_in(clock)
    found = await signing_in.token(ObjectId(guid(2)), SCOPE, deadline=clock.monotonic() + 60, carrying=WANTED)
    assert token(roles=["User.Read.All", "Mail.Send"], exp=2_000_000_000, n=3) == found.token.reveal()
    assert [SCOPE] * 3 == entra.scopes


async def test_no_token_with_the_permission_in_time(clock: FakeClock) -> None:
    """It may come to be known later."""
    signing_in, until = Entra([]).signing_in(clock), clock.monotonic() + 60
    with pytest.raises(NotReplicated):
        await signing_in.token(ObjectId(guid(2)), SCOPE, deadline=until, carrying=WANTED)
    assert until - 3 < clock.monotonic() < until


@pytest.mark.parametrize("secret", [Secret("s3cret"), None])
async def test_permissions_are_seen_in_two_rounds_of_ten_tokens(clock: FakeClock, secret: Secret | None) -> None:
    """Each a fresh one for Graph; the first without them breaks the round. Nothing else is read."""
    entra = Entra(*[["User.Read.All"]] * 3, [], ["User.Read.All"])
    probe = AccessProbe(
        httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500))),
        entra.signing_in(clock),
        clock,
        RateLimiters(clock),
        "https://management.azure.com",
    )
    until = clock.monotonic() + 60
    assert await probe.sees(ObjectId(guid(2)), secret, AppRolesLook(WANTED), deadline=until)
    assert [SCOPE] * 24 == entra.scopes
    assert not await probe.sees(ObjectId(guid(2)), secret, AppRolesLook(frozenset({"Mail.Send"})), deadline=until + 60)
