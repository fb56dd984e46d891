"""Bad input: a problem with a stable code, nothing created, one audit event."""

from __future__ import annotations

import gzip
from typing import Any

import httpx
import pytest

from local.visitor import Broker
from tests.e2e.conftest import Deployment, stable

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHERS = "app-reader.01arz3ndektsv4rrffq69g5fav"
ISSUE = "roles/app-reader/leases"
CASES = [
    ("vm-web", "POST", "roles/no-such-role/leases", {}, 403, "forbidden"),
    ("stranger", "POST", ISSUE, {}, 403, "forbidden"),
    ("vm-web", "POST", "roles/Bad_Name/leases", {}, 400, "malformed"),
    ("vm-web", "POST", ISSUE, b"{", 400, "malformed"),
    ("vm-web", "POST", ISSUE, b"[1]", 400, "malformed"),
    ("vm-web", "POST", ISSUE, b'{"ttl": 60, "ttl": 90}', 400, "malformed"),
    ("vm-web", "POST", ISSUE, b'{"ttl": NaN}', 400, "malformed"),
    ("vm-web", "POST", ISSUE, b"\xff\xfe", 400, "malformed"),
    ("vm-web", "POST", ISSUE, {"tll": 60}, 400, "malformed"),
    ("vm-web", "POST", ISSUE, {"ttl": "5h"}, 400, "ttl_out_of_range"),
    ("vm-web", "POST", ISSUE, {"ttl": 59}, 400, "ttl_out_of_range"),
    ("vm-web", "POST", ISSUE, {"ttl": "soon"}, 400, "malformed"),
    ("vm-web", "POST", ISSUE, {"reason": "x" * 70_000}, 413, "body_too_large"),
    ("vm-web", "POST", ISSUE, {"metadata": {"a": 1}}, 400, "malformed"),
    ("vm-web", "GET", "leases/nonsense", None, 400, "malformed"),
    ("vm-web", "GET", f"leases/{OTHERS}", None, 404, "lease_not_found"),
    ("vm-web", "DELETE", f"leases/{OTHERS}", None, 404, "lease_not_found"),
    ("vm-web", "POST", f"leases/{OTHERS}/renew", {"increment": 59}, 400, "ttl_out_of_range"),
    ("vm-web", "GET", "leases?limit=0", None, 400, "malformed"),
    ("vm-web", "GET", "leases?colour=blue", None, 400, "malformed"),
    ("vm-web", "GET", "leases?limit=1&limit=2", None, 400, "malformed"),
    ("vm-web", "GET", "leases?=&%FF=1", None, 400, "malformed"),
    ("vm-web", "GET", "leases/%F0%9F%94%91", None, 400, "malformed"),
    ("vm-web", "GET", "leases/%2e%2e%2fx", None, 400, "malformed"),
    ("vm-web", "POST", "roles/r\u00f4le/leases", {}, 400, "malformed"),
    ("admin", "PUT", "roles/mine?dry_run", {}, 400, "malformed"),
    ("admin", "PUT", "roles/mine?dry_run=", {}, 400, "malformed"),
    ("admin", "POST", "reconcile?dry_run=true&dry_run=true", {}, 400, "malformed"),
    ("vm-web", "POST", ISSUE, "{}".encode("utf-16"), 415, "unsupported_media_type"),
    ("vm-web", "PUT", "roles/mine", {}, 403, "forbidden"),
    ("admin", "POST", "roles/no-such-role/leases", {}, 404, "role_not_found"),
]  # fmt: skip


async def call(broker: Broker, method: str, path: str, body: Any) -> httpx.Response:
    """Sends a document, or octets as they are."""
    headers = {"authorization": f"Bearer {broker.token}", "content-type": "application/json"}
    url = f"{broker.url}/api/v1/{path}"
    if isinstance(body, bytes):
        return await broker.visitor.http.request(method, url, content=body, headers=headers)
    return await broker.visitor.http.request(method, url, json=body, headers={"authorization": headers["authorization"]})


@pytest.mark.parametrize(("who", "method", "path", "body", "status", "code"), CASES)
async def test_refuses_with_a_stable_code_and_one_audit_event(
    deployment: Deployment, who: str, method: str, path: str, body: Any, status: int, code: str
) -> None:
    """And nothing is created, in Azure or among the leases."""
    admin = await deployment.broker("admin")
    before, leases = await deployment.objects(), len(await deployment.leases(admin))
    reply = await call(await deployment.broker(who), method, path, body)
    problem = reply.json()
    assert (reply.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert problem["type"].endswith(f"#{code}")
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert {"title", "detail"} <= set(problem)
    assert await deployment.objects() == before
    assert len(await deployment.leases(admin)) == leases
    assert [(event["outcome"], event["code"]) for event in await deployment.events(problem["request_id"])] == [
        ("refused", code)
    ]


async def test_an_unknown_and_a_forbidden_role_read_alike(deployment: Deployment) -> None:
    """To the letter, but for the request's id."""
    stranger = await deployment.broker("stranger")
    unknown = await stranger.call("POST", "roles/no-such-role/leases", {})
    forbidden = await stranger.call("POST", ISSUE, {})
    assert (unknown.status_code, stable(unknown)) == (forbidden.status_code, stable(forbidden))


async def test_an_unknown_and_another_callers_lease_read_alike(deployment: Deployment) -> None:
    """To the letter, but for the request's id."""
    lease = (await (await deployment.broker("vm-web")).must("POST", ISSUE, {}))["lease"]
    stranger = await deployment.broker("stranger")
    for method in ("GET", "DELETE"):
        unknown = await stranger.call(method, f"leases/{OTHERS}")
        others = await stranger.call(method, f"leases/{lease['id']}")
        assert (unknown.status_code, stable(unknown)) == (others.status_code, stable(others))


async def test_a_role_with_five_faults_is_told_all_five(deployment: Deployment) -> None:
    """In one answer, each with its place."""
    document = {
        "type": "service_principal",
        "ready": "none",
        "ttl": "1s",
        "renewable": "yes",
        "colour": "blue",
        "azure_roles": [{"role_name": "Reader", "role_id": "x", "scope": "nowhere"}],
    }
    reply = await (await deployment.broker("admin")).call("PUT", "roles/faulty", document)
    assert reply.status_code == 400
    paths = {fault["path"] for fault in reply.json()["errors"]}
    assert {"ttl", "renewable", "colour", "azure_roles[0].scope", "azure_roles[0]"} <= paths


@pytest.mark.parametrize("field", ["application_object_id"])
async def test_a_role_may_not_target_the_brokers_own_application(deployment: Deployment, field: str) -> None:
    """Whoever could mint its secrets would be the broker."""
    state = await deployment.visitor.control("GET", "state")
    own = next(each for each in state["applications"] if each["client_id"] == deployment.audience)
    reply = await (await deployment.broker("admin")).call(
        "PUT", "roles/own", {"type": "application_secret", "ready": "none", field: own["object_id"]}
    )
    assert (reply.status_code, reply.json()["code"]) == (400, "protected_target")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "nope", 404, "no_such_call"),
        ("GET", "r%C3%B4les", 404, "no_such_call"),
        ("GET", "leases/%2f/x/y", 404, "no_such_call"),
        ("OPTIONS", "leases", 405, "method_not_allowed"),
        ("PATCH", "l%65ases?limit", 405, "method_not_allowed"),
    ],
)
async def test_refuses_a_call_that_there_is_not(deployment: Deployment, method: str, path: str, status: int, code: str) -> None:
    """A problem as well, whatever the path; to HEAD the same without the body."""
    reply = await call(await deployment.broker("vm-web"), method, path, None)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    head = await call(await deployment.broker("vm-web"), "HEAD", "sweep" if status == 405 else path, None)
    assert (head.status_code, head.content) == (status, b"")


async def test_head_is_answered_as_get(deployment: Deployment) -> None:
    """Load balancers probe with it."""
    web = await deployment.broker("vm-web")
    for path in ("health", "whoami", "leases?limit=0"):
        got, head = await call(web, "GET", path, None), await call(web, "HEAD", path, None)
        different = {"x-request-id", "date", "content-length"}
        stored = [{name: value for name, value in each.headers.items() if name not in different} for each in (got, head)]
        assert (head.status_code, head.content, stored[1]) == (got.status_code, b"", stored[0])


async def test_takes_a_body_as_clients_write_it(deployment: Deployment) -> None:
    """A byte order mark and further parameters are taken; what is compressed is told how to be sent."""
    web = await deployment.broker("vm-web")
    headers = {"authorization": f"Bearer {web.token}", "content-type": "application/json; charset='utf-8'; odata=x"}
    url = f"{web.url}/api/v1/{ISSUE}"
    marked = await web.visitor.http.post(url, content=b"\xef\xbb\xbf{}", headers=headers)
    packed = await web.visitor.http.post(url, content=gzip.compress(b"{}"), headers={**headers, "content-encoding": "gzip"})
    assert marked.status_code == 201
    assert (packed.status_code, packed.headers["accept-encoding"]) == (415, "identity")


async def test_the_host_refuses_what_is_larger_than_any_body(deployment: Deployment) -> None:
    """Before the broker sees it: 500 without a body, as the Functions host does."""
    web = await deployment.broker("vm-web")
    reply = await call(web, "POST", ISSUE, b" " * (6 * 1024 * 1024 + 1))
    assert (reply.status_code, reply.content) == (500, b"")


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("expired", {"overrides": {"exp": 1_600_000_000}}),
    ("not yet valid", {"overrides": {"nbf": 4_000_000_000}}),
    ("without an end", {"overrides": {"exp": None}}),
    ("of a foreign issuer", {"overrides": {"iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/"}}),
    ("of a foreign tenant", {"overrides": {"tid": "00000000-0000-0000-0000-000000000000"}}),
    ("for another audience", {"overrides": {"aud": "https://management.azure.com"}}),
    ("without an object id", {"overrides": {"oid": None}}),
    ("by an unpublished key", {"sign_with": "unpublished"}),
    ("unsigned", {"sign_with": "none"}),
    ("with alg none", {"header": {"alg": "none"}}),
    ("with HS256 and the public key for a secret", {"header": {"alg": "HS256"}}),
    ("with an unknown key id", {"header": {"kid": "nobody"}}),
]


@pytest.mark.parametrize(("how", "forgery"), FORGED, ids=[how for how, _ in FORGED])
async def test_refuses_a_token(deployment: Deployment, how: str, forgery: dict[str, Any]) -> None:
    """401 with a challenge, one audit event without a caller, nothing created."""
    before = await deployment.objects()
    body = {"identity": "vm-web", "resource": deployment.audience, **forgery}
    token = (await deployment.visitor.control("POST", "token", body))["access_token"]
    reply = await deployment.with_token(token).call("POST", ISSUE, {})
    assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated"), how
    assert reply.headers["www-authenticate"].startswith("Bearer realm=")
    assert await deployment.objects() == before
    events = await deployment.events(reply.json()["request_id"])
    assert [(event["outcome"], "caller" in event) for event in events] == [("refused", False)]


async def test_refuses_a_call_without_a_token(deployment: Deployment) -> None:
    """The challenge says where to get one, and does not call a token invalid that was never sent."""
    reply = await deployment.visitor.http.post(f"{deployment.stack.url}/api/v1/{ISSUE}", json={})
    challenge = reply.headers["www-authenticate"]
    assert reply.status_code == 401
    assert "authorization_uri=" in challenge
    assert f'resource_id="{deployment.audience}"' in challenge
    assert "invalid_token" not in challenge


async def test_takes_tokens_of_both_versions(deployment: Deployment) -> None:
    """Version 2 tokens name the bare client id as their audience."""
    body = {"identity": "vm-web", "resource": deployment.audience, "version": 2}
    token = (await deployment.visitor.control("POST", "token", body))["access_token"]
    assert (await deployment.with_token(token).call("GET", "whoami")).status_code == 200
