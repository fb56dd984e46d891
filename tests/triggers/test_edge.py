"""The edge: authentication, bodies, request ids, the audit of what is refused, and what reaches the log."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from shared.core.audit import Outcome
from shared.core.errors import Forbidden, LeaseholdError, Misconfigured, NotFound, Throttled, Unavailable, Unreachable
from shared.triggers.http.edge import Edge, UnverifiedRequest
from shared.triggers.http.reply import Reply
from tests.fakes.world import ALICE
from tests.triggers.app import CHALLENGE, App, Invocation

ISSUE = "/api/v1/roles/web/leases"


@pytest.mark.parametrize(
    "header", ["", "Basic YWxpY2U6c2VjcmV0", "Bearer", "Bearer ", "Bearer a b", "Bearer a,Bearer b", f"Bearer {'x' * 20000}"]
)
async def test_refuses_a_header_that_holds_no_token(app: App, header: str) -> None:
    """With a challenge that says what is wrong."""
    answer = await app.call("POST", ISSUE, token=None, headers={"authorization": header})
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == f'{CHALLENGE}, error="invalid_token"'


async def test_a_request_without_a_token_is_told_where_to_get_one(app: App) -> None:
    """RFC 6750: no error is named when none was sent."""
    answer = await app.call("GET", "/api/v1/whoami", token=None)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == CHALLENGE


async def test_refuses_a_token_that_the_verifier_refuses(app: App) -> None:
    """And does nothing else."""
    answer = await app.call("POST", ISSUE, token="garbage")
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert "error=" in answer.headers["www-authenticate"]
    assert app.world.leases.rows == {}


async def test_takes_the_scheme_in_any_case(app: App) -> None:
    """RFC 9110, 11.1."""
    answer = await app.call("GET", "/api/v1/whoami", token=None, headers={"authorization": "bearer  alice.token.x"})
    assert answer.status == 200


async def test_says_so_when_the_keys_cannot_be_had(app: App) -> None:
    """The token may be good: 504, not 401."""
    app.verifier.trouble = Unreachable("no answer from sign-in")
    answer = await app.call("GET", "/api/v1/whoami")
    assert (answer.status, answer.code) == (504, "azure_unreachable")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b"nope", "not JSON"),
        (b'{"ttl": 60,}', "not JSON"),
        (b'\xef\xbb\xbf\xef\xbb\xbf{"ttl": 60}', "not JSON"),
        (b'{"ttl": NaN}', "NaN"),
        (b'{"ttl": -Infinity}', "-Infinity"),
        (b'{"reason": "\xff"}', "UTF-8"),
        (b"\xff\xfe", "UTF-8"),
        (gzip.compress(b"{}", mtime=0), "UTF-8"),  # without the time: the test's name is the same in each process
        (b"[" * 60000, "nested"),
        (b'{"a":' * 10000 + b"1" + b"}" * 10000, "nested"),
        (b'{"ttl": ' + b"9" * 5000 + b"}", "number"),
        (b'{"ttl": 60, "ttl": 90}', "more than once"),
        (b'{"metadata": {"a": "1", "a": "2"}}', "more than once"),
        (b"[]", "expected an object"),
        (b"null", "expected an object"),
        (b'"text"', "expected an object"),
    ],
)
async def test_refuses_a_body_that_is_no_json_object(app: App, body: bytes, message: str) -> None:
    """Whatever is wrong with it, the answer is 400 and says what."""
    answer = await app.call("POST", ISSUE, body=body)
    assert (answer.status, answer.code) == (400, "malformed")
    assert message in answer.json["errors"][0]["message"]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (rb'{"reason": "\ud800"}', ["reason"]),
        (rb'{"reason": "\udc00\ud800 x", "metadata": {"a": "\uDFFF", "b": "c"}}', ["reason", "metadata.a"]),
        (rb'{"metadata": {"\ud800": "x"}, "list": ["a", ["\ud800"]]}', ["metadata", "list[1][0]"]),
        (rb'"\ud800"', [""]),
    ],
)
async def test_half_a_character_is_a_fault_of_its_text(app: App, body: bytes, paths: list[str]) -> None:
    """It is UTF-8 and JSON, and no text: the answer names each place. A whole pair is one character."""
    answer = await app.call("POST", ISSUE, body=body)
    assert (400, paths) == (answer.status, [each["path"] for each in answer.json["errors"]])
    assert "UTF-8" not in answer.body.decode()
    assert 201 == (await app.call("POST", ISSUE, body=rb'{"reason": "\ud83d\ude00"}')).status


async def test_refuses_an_oversized_body(app: App) -> None:
    """64 KiB is the most."""
    most = json.dumps({"reason": "x"}).encode()
    fitting = await app.call("POST", ISSUE, body=most + b" " * (64 * 1024 - len(most)))
    over = await app.call("POST", ISSUE, body=most + b" " * (64 * 1024 + 1 - len(most)))
    assert fitting.status == 201
    assert (over.status, over.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("dry_run", "has no value"),
        ("dry_run=", "has no value"),
        ("dry_run=true&dry_run=true", "appears more than once"),
        ("dry_run=true&dry_run=", "appears more than once"),
        ("dry_run=true&colour", "is not a known query parameter"),
        ("dry_run=true&=", "is not a known query parameter"),
        ("dry_run=true&%FF%zz=%00", "is not a known query parameter"),
        ("Dry_Run=true", "is not a known query parameter"),
        ("dry_run=maybe", "expected one of"),
    ],
)
async def test_refuses_a_query_that_could_be_read_otherwise(app: App, query: str, message: str) -> None:
    """The host leaves out what has no value, and joins what is there twice: a role that was to be checked would be written."""
    answer = await app.call("PUT", f"/api/v1/roles/web?{query}", token="admin.token.x", body={})
    assert (answer.status, answer.code) == (400, "malformed")
    assert message in answer.json["errors"][0]["message"]


async def test_a_first_page_may_be_asked_for_with_an_empty_cursor(app: App) -> None:
    """As clients write one that they do not have."""
    assert (await app.call("GET", "/api/v1/leases?cursor=&limit=5")).status == 200


async def test_names_no_more_than_a_hundred_faults(app: App) -> None:
    """An answer is not many times the size of the question."""
    answer = await app.call("POST", ISSUE, body={f"f{number}": 1 for number in range(150)})
    assert len(answer.json["errors"]) == 101
    assert answer.json["errors"][-1]["message"] == "and 50 more"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v1/whoami"), ("GET", "/api/v1/health"), ("GET", "/api/nope"), ("GET", "/api/v1/docs")]
)
async def test_nothing_is_to_be_cached(app: App, method: str, path: str) -> None:
    """Answers hold secrets, or what was true a moment ago."""
    answer = await app.call(method, path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_problems_lead_to_their_explanation(app: App) -> None:
    """At the app itself, or where the operator says."""
    own = await app.call("POST", "/api/v1/roles/nope/leases")
    app.docs_url = "https://docs.example/problems"
    other = await app.call("POST", "/api/v1/roles/nope/leases")
    assert own.headers["content-type"] == "application/problem+json"
    assert own.json["type"] == "https://broker.example/api/v1/problems#forbidden"
    assert other.json["type"] == "https://docs.example/problems#forbidden"


REFUSALS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("POST", ISSUE, {"token": None}, "issue", "unauthenticated"),
    ("POST", ISSUE, {"token": "garbage"}, "issue", "unauthenticated"),
    ("POST", ISSUE, {"body": b"{"}, "issue", "malformed"),
    ("POST", ISSUE, {"body": {"ttl": 1}}, "issue", "ttl_out_of_range"),
    ("POST", ISSUE, {"query": {"x": "y"}}, "issue", "malformed"),
    ("POST", "/api/v1/roles/nope/leases", {}, "issue", "forbidden"),
    ("GET", "/api/v1/leases/x", {}, "read", "malformed"),
    ("GET", "/api/v1/leases", {"query": {"holder": "22222222-2222-4222-8222-222222222222"}}, "list", "forbidden"),
    ("PUT", "/api/v1/roles/web", {"body": {}}, "put_role", "forbidden"),
    ("GET", "/api/v1/audit", {}, "audit", "forbidden"),
    ("GET", "/api/v1/status", {}, "status", "forbidden"),
    ("POST", "/api/v1/sweep", {}, "sweep", "forbidden"),
]


@pytest.mark.parametrize(("method", "path", "more", "operation", "code"), REFUSALS)
async def test_a_refusal_leaves_one_audit_event(
    app: App, method: str, path: str, more: dict[str, Any], operation: str, code: str
) -> None:
    """Who, what, and why not."""
    answer = await app.call(method, path, **more)
    (event,) = app.world.audit.events
    assert answer.code == code
    assert (event.operation, event.outcome, event.code) == (operation, Outcome.REFUSED, code)
    assert event.reason != ""
    assert (event.caller is not None) == (answer.status != 401)


async def test_a_refusal_names_role_and_lease(app: App) -> None:
    """So that it is found by either."""
    lease_id = (await app.call("POST", ISSUE)).json["lease"]["id"]
    await app.call("DELETE", f"/api/v1/leases/{lease_id}", token="bob.token.x")
    event = app.world.audit.events[-1]
    assert (event.operation, event.role, event.lease, event.reason) == ("revoke", "web", lease_id, "another caller's lease")


async def test_a_failure_leaves_one_audit_event(app: App) -> None:
    """With Azure's code, beside the end of the lease that was begun."""
    app.world.calls.fail(
        "directory.upsert_application", Unavailable("Graph says: down", status=500, azure_code="Oops"), times=99
    )
    answer = await app.call("POST", ISSUE)
    assert (answer.status, answer.code) == (503, "azure_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "Graph says" not in answer.body.decode()
    failed = [event for event in app.world.audit.events if event.operation == "issue"]
    assert [(event.outcome, event.code, event.reason) for event in failed] == [
        (Outcome.FAILED, "azure_unavailable", "azure_unavailable: Oops")
    ]


async def test_reads_that_succeed_leave_no_event(app: App) -> None:
    """The trail is of denials and of changes."""
    for path in ("/api/v1/whoami", "/api/v1/leases", "/api/v1/audit", "/api/v1/status"):
        assert (await app.call("GET", path, token="admin.token.x")).status == 200
    assert app.world.audit.events == []


async def test_a_success_leaves_one_event(app: App) -> None:
    """The verb's own."""
    await app.call("POST", ISSUE)
    assert app.world.audit.told() == [("issue", "done")]


async def test_a_refusal_stands_when_it_cannot_be_audited(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets its answer, the log is told."""
    app.world.calls.fail("audit.record", Unavailable("tables are down", status=500))
    answer = await app.call("POST", "/api/v1/roles/nope/leases")
    assert answer.status == 403
    assert "could not be audited: Unavailable" in caplog.text


async def test_nothing_is_issued_that_cannot_be_audited(app: App) -> None:
    """No audit, no credential."""
    app.world.calls.fail("audit.record", Unavailable("tables are down", status=500))
    answer = await app.call("POST", ISSUE)
    assert answer.status == 503
    assert b"client_secret" not in answer.body


async def test_retry_after_is_what_azure_asked_for(app: App) -> None:
    """Rounded up to whole seconds."""
    app.world.calls.fail("directory.upsert_application", Throttled(retry_after=400.2), times=99)
    answer = await app.call("POST", ISSUE)
    assert (answer.status, answer.headers["retry-after"]) == (503, "401")


async def test_a_misconfigured_broker_tells_its_log_alone(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The caller learns that it is not to blame, the log what is missing."""
    app.unwired = Misconfigured("LEASEHOLD_TENANT_ID: is required")
    answer = await app.call("GET", "/api/v1/whoami")
    assert (answer.status, answer.code) == (500, "misconfigured")
    assert answer.json["type"] == "/api/v1/problems#misconfigured"
    assert b"TENANT" not in answer.body
    assert "LEASEHOLD_TENANT_ID: is required" in caplog.text
    assert (await app.call("GET", "/api/v1/health")).json == {"status": "unavailable"}
    app.unwired = None
    assert (await app.call("GET", "/api/v1/whoami")).status == 200


def _hide(secret: str) -> Callable[..., Any]:
    def explode(*_: object) -> Any:
        try:
            return dict[str, str]()[secret]
        except KeyError as error:
            raise ValueError(f"unexpected answer {secret}") from error

    return explode


async def test_a_defect_is_told_without_its_texts(
    app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 with an id; the log has the types and where it happened, never what an exception quotes."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(app.world.leases, "open", _hide("hunter2-secret"))
    answer = await app.call("POST", ISSUE)
    assert (answer.status, answer.code) == (500, "internal_error")
    assert answer.json["request_id"] in caplog.text
    assert "ValueError" in caplog.text
    assert "KeyError" in caplog.text
    assert "in explode" in caplog.text
    assert "hunter2" not in caplog.text + answer.body.decode()
    (event,) = app.world.audit.events
    assert (event.outcome, event.code, event.reason) == (Outcome.FAILED, "internal_error", "ValueError")


async def test_no_log_holds_a_token_a_body_or_a_secret(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Over successes, refusals and failures, at every level."""
    caplog.set_level(logging.DEBUG)
    private = {"reason": "private-reason", "metadata": {"private-key": "private-value"}}
    made = await app.call("POST", ISSUE, body=private)
    await app.call("POST", ISSUE, body={**private, "private-field": 1})
    await app.call("POST", ISSUE, body=b'{"private-broken')
    await app.call("POST", ISSUE, token="private-token")
    app.world.calls.fail("directory.add_secret", Unavailable("down", status=500), times=99)
    await app.call("POST", ISSUE, body=private)
    lease = made.json["lease"]["id"]
    await app.call("DELETE", f"/api/v1/leases/{lease}")
    everything = caplog.text + "".join(str(event) for event in app.world.audit.events if event.operation != "issue")
    assert len(caplog.records) >= 6
    for hidden in (made.json["credential"]["client_secret"], "alice.token.x", "private-"):
        assert hidden not in everything


async def test_the_audit_of_a_refusal_quotes_no_body(app: App) -> None:
    """Not even the names of its fields: anything may stand there."""
    await app.call("POST", ISSUE, body={"private-field": 1})
    (event,) = app.world.audit.events
    assert event.reason == "is not a known field"


async def test_each_request_is_one_line_in_the_log(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Method, route, status, duration, caller, request."""
    caplog.set_level(logging.INFO, "shared.triggers.http.edge")
    await app.call("GET", "/api/v1/whoami", headers={"x-request-id": "one"})
    await app.call("POST", "/api/v1/roles/nope/leases", headers={"x-request-id": "two"})
    await app.call("GET", "/api/v1/leases/x", token=None, headers={"x-request-id": "three"})
    assert caplog.messages == [
        f"GET /api/v1/whoami 200 0 ms caller={ALICE.object_id} request={Invocation.invocation_id}",
        f"POST /api/v1/roles/{{role}}/leases 403 forbidden 20 ms caller={ALICE.object_id} request={Invocation.invocation_id}",
        f"GET /api/v1/leases/{{id}} 401 unauthenticated 0 ms caller=- request={Invocation.invocation_id}",
    ]


@pytest.mark.parametrize("seconds", [0.001, 0.003, 0.0199])
@pytest.mark.parametrize("refusal", [Forbidden(), NotFound("There is no such lease.", code="lease_not_found")], ids=str)
async def test_what_reads_alike_leaves_on_one_beat(app: App, refusal: LeaseholdError, seconds: float) -> None:
    """Whatever was read for it. What took longer than a beat leaves on a later one."""
    clock = app.world.clock
    edge = Edge(app.get_broker, clock)
    request = UnverifiedRequest(func.HttpRequest("GET", "/api/v1/leases/x", body=b""), "GET /x", "", "r")

    async def answered_after(late: float) -> float:
        async def refused(_: UnverifiedRequest) -> Reply:
            await clock.sleep(late)
            raise refusal

        began = clock.monotonic()
        await edge.answer(request, refused)
        return round(clock.monotonic() - began, 6)

    assert [0.02, 0.06] == [await answered_after(seconds), await answered_after(0.04 + seconds)]


async def test_what_tells_nothing_by_its_time_is_not_held_back(app: App) -> None:
    """A fault of the request is answered at once."""
    began = app.world.clock.monotonic()
    answer = await app.call("POST", ISSUE, body={"ttl": "soon"})
    assert (400, began) == (answer.status, app.world.clock.monotonic())
