from __future__ import annotations

import re

import pytest

from local.cloud.arm.settings import Bucket, Limits
from tests.local.arm.calls import AUDIENCE, GROUP, READER, ROOT, TENANT, Azure, code, outcome

QUERY = {"api-version": "2022-04-01"}


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


def _bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "audience",
    [
        "https://management.azure.com",
        "https://management.azure.com/",
        "https://management.core.windows.net/",
        "https://management.core.windows.net",
        "https://arm.local:8443",
        "https://arm.local:8443/",
    ],
)
def test_accepts_the_audiences_of_azure_and_its_own_origin(azure: Azure, audience: str) -> None:
    """With and without a slash."""
    token = azure.token(azure.owner, audience)

    assert azure.send("GET", GROUP, None, _bearing(token), QUERY).status == 200


def test_refuses_a_token_for_another_audience(azure: Azure) -> None:
    """Naming it and the ones that would do."""
    token = azure.token(azure.owner, "https://graph.microsoft.com")

    reply = azure.send("GET", GROUP, None, _bearing(token), QUERY)

    assert outcome(reply) == (401, "InvalidAuthenticationTokenAudience")
    assert "wrong audience or resource 'https://graph.microsoft.com'" in reply.body["error"]["message"]


def test_refuses_a_call_without_a_token(azure: Azure) -> None:
    """And tells where to get one: clients learn the tenant from the challenge."""
    reply = azure.send("GET", GROUP, None, {}, QUERY)

    message = "Authentication failed. The 'Authorization' header is missing."
    assert (reply.status, reply.body["error"]) == (401, {"code": "AuthenticationFailed", "message": message})
    assert reply.headers["www-authenticate"] == (
        f'Bearer authorization_uri="https://arm.local:8443/{TENANT}", error="invalid_token", '
        "error_description=\"The authentication failed because of missing 'Authorization' header.\""
    )


def test_the_challenge_names_the_authority_that_is_set(azure: Azure) -> None:
    """For when Entra ID is at another port."""
    azure.arm.settings.authority = "https://entra.local"

    reply = azure.send("GET", GROUP, None, {}, QUERY)

    assert f'"https://entra.local/{TENANT}"' in reply.headers["www-authenticate"]


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer", "Basic eDp5", "Bearer a.b.c"])
def test_refuses_what_is_no_token(azure: Azure, header: str) -> None:
    """Whatever the scheme."""
    reply = azure.send("GET", GROUP, None, {"authorization": header}, QUERY)

    assert outcome(reply) == (401, "InvalidAuthenticationToken")


def test_refuses_a_token_whose_signature_was_changed(azure: Azure) -> None:
    """Claims count as far as they are signed."""
    head, body, _ = azure.token(azure.owner).split(".")
    signature = azure.token(azure.principal()).rsplit(".", 1)[1]

    reply = azure.send("GET", GROUP, None, _bearing(f"{head}.{body}.{signature}"), QUERY)

    assert outcome(reply) == (401, "InvalidAuthenticationToken")


def test_refuses_an_expired_token(azure: Azure) -> None:
    """With both instants in Azure's way of writing them."""
    token = azure.token(azure.owner, lifetime=60)
    azure.clock.at += 60

    reply = azure.send("GET", GROUP, None, _bearing(token), QUERY)

    message = "The access token expiry UTC time '1/15/2027 8:01:00 AM' is earlier than current UTC time '1/15/2027 8:01:00 AM'."
    assert (reply.status, reply.body["error"]) == (401, {"code": "ExpiredAuthenticationToken", "message": message})


def test_refuses_a_token_that_is_not_valid_yet(azure: Azure) -> None:
    """Its ``nbf`` lies ahead."""
    token = azure.token(azure.owner, nbf=int(azure.clock.at) + 60)

    assert outcome(azure.send("GET", GROUP, None, _bearing(token), QUERY)) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "MissingApiVersionParameter"),
        ({"api-version": ""}, "MissingApiVersionParameter"),
        ({"api-version": "v1"}, "InvalidApiVersionParameter"),
    ],
)
def test_every_call_names_an_api_version(azure: Azure, query: dict[str, str], expected: str) -> None:
    """As a date."""
    assert outcome(azure.send("GET", GROUP, None, _bearing(azure.token(azure.owner)), query)) == (400, expected)


def test_query_names_are_read_in_any_case(azure: Azure) -> None:
    """Some clients write ``Api-Version``."""
    reply = azure.send("GET", GROUP, None, _bearing(azure.token(azure.owner)), {"Api-Version": "2022-04-01"})

    assert reply.status == 200


def test_every_reply_carries_the_headers_of_azure(azure: Azure) -> None:
    """Ids to quote, and the ones that browsers go by."""
    headers = azure.call("GET", GROUP).headers

    guid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    assert re.fullmatch(guid, headers["x-ms-request-id"])
    assert re.fullmatch(f"LOCAL:20270115T080000Z:{guid}", headers["x-ms-routing-request-id"])
    fixed = ("cache-control", "strict-transport-security", "x-content-type-options", "content-type", "date")
    assert [headers[name] for name in fixed] == [
        "no-cache",
        "max-age=31536000; includeSubDomains",
        "nosniff",
        "application/json; charset=utf-8",
        "Fri, 15 Jan 2027 08:00:00 GMT",
    ]


def test_the_correlation_id_is_the_clients(azure: Azure) -> None:
    """So is its request id, when it asks for it back."""
    sent = {
        **_bearing(azure.token(azure.owner)),
        "x-ms-correlation-request-id": "mine",
        "x-ms-client-request-id": "also mine",
        "x-ms-return-client-request-id": "true",
    }

    headers = azure.send("GET", GROUP, None, sent, QUERY).headers

    assert [headers[f"x-ms-{name}-request-id"] for name in ("correlation", "client")] == ["mine", "also mine"]


@pytest.mark.parametrize(
    ("method", "kind", "remaining"), [("GET", "reads", "249"), ("PUT", "writes", "199"), ("DELETE", "deletes", "199")]
)
def test_replies_tell_what_remains_of_the_quota(azure: Azure, method: str, kind: str, remaining: str) -> None:
    """Without throttling the bucket is always full."""
    path = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/aaaaaaaa-0000-4000-8000-00000000000a"

    headers = azure.call(method, path, {"properties": {}}).headers

    assert headers[f"x-ms-ratelimit-remaining-subscription-{kind}"] == remaining


def test_what_the_gateway_refuses_counts_for_no_provider(azure: Azure) -> None:
    """A 403 carries no quota, as recorded."""
    headers = azure.call("GET", GROUP, by=azure.principal()).headers

    assert not [name for name in headers if name.startswith("x-ms-ratelimit")]


def test_throttling_refuses_until_tokens_are_back(azure: Azure) -> None:
    """429 with ``Retry-After``; waiting that long is enough."""
    azure.arm.settings.limits = Limits(reads=Bucket(2, 0.5))

    replies = [azure.call("GET", GROUP) for _ in range(3)]
    wait = int(replies[2].headers["retry-after"])
    azure.clock.at += wait
    replies.append(azure.call("GET", GROUP))

    assert ([reply.status for reply in replies], wait) == ([200, 200, 429, 200], 2)
    assert code(replies[2]) == "SubscriptionRequestsThrottled"


def test_throttling_counts_each_principal_and_kind_apart(azure: Azure) -> None:
    """Reads do not use up writes, nor others' reads."""
    azure.arm.settings.limits = Limits(reads=Bucket(1, 1), writes=Bucket(1, 1))
    other = azure.principal()
    azure.grant(other, READER, ROOT)
    azure.call("GET", GROUP)

    replies = [azure.call("GET", GROUP, by=other), azure.assign(azure.principal()), azure.call("GET", GROUP)]

    assert [reply.status for reply in replies] == [200, 201, 429]


def test_a_bucket_never_holds_more_than_its_size(azure: Azure) -> None:
    """However long nobody called."""
    azure.arm.settings.limits = Limits(reads=Bucket(2, 10))
    azure.call("GET", GROUP)
    azure.clock.at += 3600

    assert [azure.call("GET", GROUP).status for _ in range(3)] == [200, 200, 429]


def test_an_error_has_the_shape_of_azure(azure: Azure) -> None:
    """What the server answers in this service's name."""
    reply = azure.arm.error(503, "ServerBusy", "Later.")

    assert (reply.status, reply.body) == (503, {"error": {"code": "ServerBusy", "message": "Later."}})


def test_a_users_refusal_names_them_by_user_name(azure: Azure) -> None:
    """Applications are named by their client id."""
    token = azure.token(azure.principal(), AUDIENCE, upn="ada@example.com")

    reply = azure.send("GET", GROUP, None, _bearing(token), QUERY)

    assert "The client 'ada@example.com' with object id" in reply.body["error"]["message"]


@pytest.mark.parametrize(
    ("origin", "login", "graph"),
    [
        ("https://127.0.0.1:7443", "https://127.0.0.1:7443", "https://127.0.0.1:7443/"),
        ("https://management.azure.com", "https://login.microsoftonline.com", "https://graph.microsoft.com/"),
        ("https://management.azure.com:7443", "https://login.microsoftonline.com:7443", "https://graph.microsoft.com:7443/"),
    ],
)
def test_tells_without_a_token_where_the_other_services_are(azure: Azure, origin: str, login: str, graph: str) -> None:
    """All at one local origin, or each under its public name."""
    shown = azure.send("GET", "/metadata/endpoints", None, {}, {"api-version": "2022-09-01"}, origin).body

    assert (login, graph) == (shown["authentication"]["loginEndpoint"], shown["microsoftGraphResourceId"])


def test_older_metadata_is_a_list_of_clouds(azure: Azure) -> None:
    """azure-cli still asks for it so."""
    reply = azure.send("GET", "/metadata/endpoints", None, {}, {"api-version": "2019-05-01"})

    assert [cloud["name"] for cloud in reply.body] == ["AzureCloud"]
