"""The calls for operators, auditors and probes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.core.access.bounds import Bounds
from shared.core.errors import Unreachable
from shared.core.limits import Limits
from tests.fakes.world import ALICE, SCOPES, TENANT, WEB, guid, role, world
from tests.triggers.app import App, Invocation

ISSUE = "/api/v1/roles/web/leases"
NOTHING_PUBLISHED: dict[str, Any] = dict.fromkeys(("waiting", "oldest", "last_error", "dropped"))
"""What ``status`` has of events while the broker publishes none."""


async def test_health_is_for_anybody_and_says_nothing_more(app: App) -> None:
    """Well, then with its storage out of reach."""
    well = await app.call("GET", "/api/v1/health", token=None)
    app.world.calls.fail("run_history.reachable", Unreachable("no answer"))
    unwell = await app.call("GET", "/api/v1/health", token=None)
    assert (well.status, well.json) == (200, {"status": "ok"})
    assert (unwell.status, unwell.json) == (503, {"status": "unavailable"})


def _two_roles() -> App:
    """Alice may issue from one of them."""
    bounds = Bounds(frozenset({guid(0x999)}), app_roles=frozenset({"Deployer"}))
    return App(world(role(), role(name=WEB.parse("other"), bounds=bounds)))


ALICE_AS_VERIFIED: dict[str, Any] = {
    "object_id": ALICE.object_id,
    "tenant_id": TENANT,
    "kind": "application",
    "app_id": ALICE.app_id,
    "name": "alice",
    "app_roles": [],
}


async def test_whoami_tells_a_caller_about_itself() -> None:
    """And nothing of the roles that it may not issue from, not even their names."""
    app = _two_roles()
    answer = await app.call("GET", "/api/v1/whoami")
    assert answer.json == {
        "caller": ALICE_AS_VERIFIED,
        "auth_roles": [],
        "roles": [{"name": "web", "type": "service_principal", "ttl": 900, "max_ttl": 14400}],
    }
    assert app.world.audit.events == []


async def test_whoami_of_a_role_that_one_may_issue_from() -> None:
    """With its terms."""
    answer = await _two_roles().call("GET", "/api/v1/whoami", query={"role": "web"})
    terms = {"type": "service_principal", "ttl": 900, "max_ttl": 14400}
    assert answer.json == {"caller": ALICE_AS_VERIFIED, "role": "web", "may_issue": True, **terms}


@pytest.mark.parametrize(
    ("name", "reason"), [("other", "bound_service_principal_ids, bound_app_roles"), ("nope", "no such role")]
)
async def test_whoami_of_any_other_role_reads_alike(name: str, reason: str) -> None:
    """One that is forbidden and one that is not there: only the audit trail tells them apart."""
    app = _two_roles()
    answer = await app.call("GET", "/api/v1/whoami", query={"role": name})
    detail = "You have no right to this, or it does not exist."
    assert answer.json == {"caller": ALICE_AS_VERIFIED, "role": name, "may_issue": False, "detail": detail}
    (event,) = app.world.audit.events
    assert reason in event.reason
    assert (answer.status, event.request_id) == (200, answer.headers["x-request-id"])


async def test_whoami_of_a_role_leaves_on_the_beat() -> None:
    """Whatever it says, and also when it is asked too often. Without a role there is nothing to guess."""
    scene = world(role(), limits=Limits(issues_per_minute=1), latency=0.001)
    app = App(scene)
    found = []
    for query in ({"role": "web"}, {"role": "nope"}, {"role": "nope"}, {}):
        began = scene.clock.monotonic()
        answer = await app.call("GET", "/api/v1/whoami", query=query)
        found.append(
            (answer.status, answer.json.get("code", ""), round((scene.clock.monotonic() - began) / 0.02 % 1, 6) in {0.0, 1.0})
        )
    assert [(200, "", True)] * 2 + [(429, "too_many_issues", True), (200, "", False)] == found


async def test_whoami_takes_a_roles_name_alone(app: App) -> None:
    """Anything else is a mistake."""
    answer = await app.call("GET", "/api/v1/whoami", query={"role": "No Name"})
    assert (answer.status, [fault["path"] for fault in answer.json["errors"]]) == (400, ["role"])


async def test_status_says_that_the_brokers_own_identity_is_refused(app: App) -> None:
    """By whom and since when, as long as it is."""
    before = await app.call("GET", "/api/v1/status", token="watcher.token.x")
    app.world.ports = replace(app.world.ports, refused=lambda: {"https://graph.example/.default": app.world.clock.now()})
    refused = await app.call("GET", "/api/v1/status", token="watcher.token.x")
    assert "identity" not in before.json
    assert refused.json["identity"] == {"refused": [{"service": "https://graph.example", "since": "2026-03-02T09:00:00.000Z"}]}


async def test_status_counts_leases_and_tells_of_the_sweep(app: App) -> None:
    """For auditors."""
    before = await app.call("GET", "/api/v1/status", token="watcher.token.x")
    await app.call("POST", ISSUE)
    await app.call("POST", "/api/v1/sweep", token="admin.token.x")
    await app.call("POST", "/api/v1/reconcile", token="admin.token.x")
    app.world.clock.jump(90)
    after = await app.call("GET", "/api/v1/status", token="watcher.token.x")
    assert before.json == {
        "leases": {"as_of": "2026-03-02T09:00:00.000Z", "by_state": {}, "by_role": {}},
        "sweep": {"last": None, "lag_seconds": None, "summary": {}},
        "pool": {},
        "events": NOTHING_PUBLISHED | dict.fromkeys(("poison", "unreadable", "delayed", "own"), 0),
        "reconciliation": {"last": None, "summary": {}},
        "stuck": [],
        "overdue": [],
        "outdated_roles": [],
        "scopes_gone": [],
        "warnings": [],
    }
    counts = {"by_state": {"active": 1}, "by_role": {"web": {"active": 1}}}
    assert after.json["leases"] == {"as_of": "2026-03-02T09:00:00.000Z"} | counts
    assert after.json["sweep"]["lag_seconds"] == pytest.approx(90, abs=1)
    assert after.json["sweep"]["last"] == "2026-03-02T09:00:00.000Z"


async def test_an_admin_sweeps_at_once(app: App) -> None:
    """What is due ends, and the act is audited."""
    await app.call("POST", ISSUE)
    app.world.clock.jump(901)
    answer = await app.call("POST", "/api/v1/sweep", token="admin.token.x")
    assert (answer.status, answer.json) == (200, {"ended": 1, "undone": 0, "stuck": 0, "remaining": 0})
    assert app.world.audit.told() == [("issue", "done"), ("end", "done"), ("sweep", "done")]


async def test_reads_the_audit_trail(app: App) -> None:
    """Denials and deeds, with who and why; the token by its fingerprint alone."""
    await app.call("POST", ISSUE, body={"reason": "nightly"}, headers={"x-request-id": "one"})
    await app.call("POST", "/api/v1/roles/nope/leases", headers={"x-request-id": "two"})
    app.world.clock.jump(1)
    answer = await app.call("GET", "/api/v1/audit", token="watcher.token.x")
    done, refused = answer.json["events"]
    caller = {
        "object_id": ALICE.object_id,
        "tenant_id": TENANT,
        "kind": "application",
        "app_id": ALICE.app_id,
        "name": "alice",
        "token_fingerprint": ALICE.token_fingerprint,
    }
    assert done == {
        "at": "2026-03-02T09:00:00.000Z",
        "operation": "issue",
        "outcome": "done",
        "request_id": Invocation.invocation_id,
        "client_request_id": "one",
        "reason": "nightly",
        "role": "web",
        "scopes": [*SCOPES[:2]],
        "decided_by": {"inline": "web"},
        "lease": done["lease"],
        "caller": caller,
    }
    assert (refused["outcome"], refused["code"], refused["reason"], refused["role"]) == (
        *("refused", "forbidden", "no such role; no policy gives issue on roles/nope/leases", "nope"),
    )
    assert answer.json["next"] is None


async def test_filters_the_audit_trail(app: App) -> None:
    """By time, caller, role and lease, in parts."""
    first = await app.call("POST", ISSUE)
    app.world.clock.jump(60)
    await app.call("POST", ISSUE, token="bob.token.x")
    app.world.clock.jump(60)

    async def found(**query: str) -> int:
        asked = {name.removeprefix("_"): value for name, value in query.items()}
        answer = await app.call("GET", "/api/v1/audit", token="admin.token.x", query=asked)
        assert answer.status == 200, answer.body
        return len(answer.json["events"])

    assert await found() == 2
    assert await found(limit="1") == 1
    assert await found(caller=ALICE.object_id) == 1
    assert await found(lease=first.json["lease"]["id"]) == 1
    assert await found(role="other") == 0
    assert await found(_from="2026-03-02T09:00:30Z") == 1
    assert await found(to="2026-03-02T10:00:30+01:00", _from="2026-03-02T08:00:00.5Z") == 1


async def test_the_trail_of_a_document_has_its_refusals_too(app: App) -> None:
    """Of a write, a read and a deletion, whether or not the document is there; and nothing of another document."""
    for method in ("PUT", "GET", "DELETE"):
        for path in ("policies/readers", "auth-roles/readers", "roles/readers", "policies/readers-2"):
            answer = await app.call(method, f"/api/v1/{path}", body={} if method == "PUT" else None)
            assert answer.status == 403
    app.world.clock.jump(1)
    for path in ("policies/readers", "auth-roles/readers", "roles/readers"):
        answer = await app.call("GET", "/api/v1/audit", token="watcher.token.x", query={"document": path})
        found = [(event["outcome"], event["document"]) for event in answer.json["events"]]
        assert [("refused", path)] * 3 == found


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"from": "2026-03-02"}, "from"),
        ({"from": "2026-03-02T09:00:00"}, "from"),
        ({"from": "2026-13-02T09:00:00Z"}, "from"),
        ({"to": "2026-03-02T09:00:00 01:00"}, "to"),
        ({"to": "yesterday"}, "to"),
        ({"from": "2026-03-03T09:00:00Z", "to": "2026-03-02T09:00:00Z"}, "from"),
        ({"caller": "alice"}, "caller"),
        ({"lease": "x"}, "lease"),
        ({"since": "2026-03-02T09:00:00Z"}, "since"),
        ({"limit": "-1"}, "limit"),
        ({"document": "policies/" + "x" * 120}, "document"),
    ],
)
async def test_refuses_an_audit_query_that_it_does_not_know(app: App, query: dict[str, str], path: str) -> None:
    """An auditor must not take a misread question's answer for the truth."""
    answer = await app.call("GET", "/api/v1/audit", token="admin.token.x", query=query)
    assert answer.status == 400
    assert [fault["path"] for fault in answer.json["errors"]] == [path]


@pytest.mark.parametrize("path", ["/api/v1/sweep", "/api/v1/roles/web/revoke"])
async def test_a_call_without_fields_takes_none(app: App, path: str) -> None:
    """``{}`` and nothing are the same; anything else is a mistake."""
    assert (await app.call("POST", path, token="admin.token.x", body={})).status in {200, 202}
    assert (await app.call("POST", path, token="admin.token.x", body={"force": True})).status == 400


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z", "more than 31 days"),
        ("from=2026-01-01T00:00:00Z", "more than 31 days"),
        ("from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00.001Z", "more than 31 days"),
        ("to=0001-01-01T00:00:00Z", "is not before to"),
        ("from=2026-03-02T00:00:00Z&to=2026-03-02T00:00:00Z", "is not before to"),
        ("to=0001-01-01T00:00:00%2B14:00", "expected a time"),
        ("to=9999-12-31T23:59:59-14:00", "expected a time"),
        ("from=0000-01-01T00:00:00Z", "expected a time"),
    ],
)
async def test_the_span_of_the_audit_trail_is_bounded(app: App, query: str, message: str) -> None:
    """400, never 500, and nothing is read."""
    answer = await app.call("GET", f"/api/v1/audit?{query}", token="watcher.token.x")
    assert (answer.status, answer.code) == (400, "malformed")
    assert message in answer.json["errors"][0]["message"]
    assert app.world.calls.named("audit.read") == []


@pytest.mark.parametrize(
    "query",
    [
        "to=0001-01-01T12:00:00Z",
        "from=0001-01-01T00:00:00Z&to=0001-02-01T00:00:00Z",
        "from=9999-12-31T00:00:00Z&to=9999-12-31T23:59:59.999999999Z",
        "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z",
    ],
)
async def test_the_audit_trail_can_be_read_at_any_time(app: App, query: str) -> None:
    """From the first day to the last; a month at once."""
    answer = await app.call("GET", f"/api/v1/audit?{query}", token="watcher.token.x")
    assert (answer.status, answer.json) == (200, {"events": [], "next": None})
