"""The calls on credentials and leases."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.errors import Unavailable
from shared.core.lease import State
from shared.core.names import LeaseId
from tests.fakes.world import ALICE, EXISTING_APP_ID, SCOPES, SUBSCRIPTION, TENANT, role, secret_target, world
from tests.triggers.app import Answer, App

NOBODYS = "web.01kjwr4b80zzzzzzzzzzzzzzzz"


async def issued(app: App, **more: Any) -> Answer:
    """One issue, which must succeed."""
    answer = await app.call("POST", "/api/v1/roles/web/leases", **more)
    assert answer.status == 201, answer.body
    return answer


async def test_issue_answers_with_lease_and_credential(app: App) -> None:
    """The contract's shape, field by field."""
    answer = await issued(app, body={"ttl": "10m", "reason": "nightly", "metadata": {"job": "7"}})
    lease, credential = answer.json["lease"], answer.json["credential"]
    assert answer.headers["location"] == f"/api/v1/leases/{lease['id']}"
    assert lease == {
        "id": lease["id"],
        "role": "web",
        "type": "service_principal",
        "state": "active",
        "holder": {"object_id": ALICE.object_id, "tenant_id": TENANT, "app_id": ALICE.app_id, "name": "alice"},
        "issued_at": "2026-03-02T09:00:00.000Z",
        "expires_at": "2026-03-02T09:10:00.000Z",
        "max_expires_at": "2026-03-02T13:00:00.000Z",
        "renewable": True,
        "ttl": 600,
        "metadata": {"job": "7"},
        "scopes": [*SCOPES[:2]],
        "ready": "unchecked",
    }
    assert set(credential) == {
        *(
            "type",
            "credential",
            "tenant_id",
            "client_id",
            "client_secret",
            "object_id",
            "secret_id",
            "subscription_id",
            "expires_at",
        )
    }
    assert credential["subscription_id"] == SUBSCRIPTION
    assert credential["expires_at"] == lease["expires_at"]
    assert credential["client_secret"] in {
        secret.text for made in app.world.cloud.applications.values() for secret in made.secrets.values()
    }


async def test_issue_of_a_secret_names_no_subscription() -> None:
    """An application secret's credential leaves the subscription out."""
    answer = await issued(App(world(role(secret_target()))))
    assert answer.json["credential"]["client_id"] == EXISTING_APP_ID
    assert "subscription_id" not in answer.json["credential"]


async def test_issue_needs_no_body(app: App) -> None:
    """Every field has its default."""
    assert (await issued(app)).json["lease"]["ttl"] == 900


@pytest.mark.parametrize("ttl", [600, "600s", "10m"])
async def test_issue_takes_durations_as_numbers_and_texts(app: App, ttl: object) -> None:
    """Both forms of the contract mean the same."""
    assert (await issued(app, body={"ttl": ttl})).json["lease"]["ttl"] == 600


@pytest.mark.parametrize("ttl", [59, 0, -5, 4 * 3600 + 1, "5h", "30s", 10**30])
async def test_refuses_a_ttl_outside_the_role(app: App, ttl: object) -> None:
    """Below the minimum and above the role's maximum alike, saying what is allowed."""
    answer = await app.call("POST", "/api/v1/roles/web/leases", body={"ttl": ttl})
    assert (answer.status, answer.code) == (400, "ttl_out_of_range")
    assert answer.json["errors"] == [{"path": "ttl", "message": "expected 60 to 14400 seconds"}]


@pytest.mark.parametrize("ttl", [None, True, 1.5, "soon", "1.5h", "-5m", [], {}])
async def test_refuses_a_ttl_that_is_no_duration(app: App, ttl: object) -> None:
    """Nothing is coerced."""
    answer = await app.call("POST", "/api/v1/roles/web/leases", body={"ttl": ttl})
    assert (answer.status, answer.code) == (400, "malformed")
    assert [fault["path"] for fault in answer.json["errors"]] == ["ttl"]


async def test_refuses_unknown_fields_naming_each(app: App) -> None:
    """And nothing is issued."""
    answer = await app.call("POST", "/api/v1/roles/web/leases", body={"tll": 60, "ttl": 60, "wat": 1})
    assert answer.status == 400
    assert answer.json["errors"] == [
        {"path": "tll", "message": "is not a known field"},
        {"path": "wat", "message": "is not a known field"},
    ]
    assert app.world.leases.rows == {}


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("delivery", "key_vault", "delivery"),
        ("reason", "", "reason"),
        ("reason", "x" * 513, "reason"),
        ("reason", "two\nlines", "reason"),
        ("metadata", [], "metadata"),
        ("metadata", {str(number): "" for number in range(17)}, "metadata"),
        ("metadata", {"k" * 65: ""}, "metadata"),
        ("metadata", {"": "x"}, "metadata"),
        ("metadata", {"k": "v" * 257}, "metadata.k"),
        ("metadata", {"k": 1}, "metadata.k"),
        ("metadata", {"k": "a\x00b"}, "metadata.k"),
    ],
)
async def test_refuses_what_does_not_fit_a_field(app: App, field: str, value: object, path: str) -> None:
    """Each field has its form and its limit."""
    answer = await app.call("POST", "/api/v1/roles/web/leases", body={field: value})
    assert answer.status == 400
    assert [fault["path"] for fault in answer.json["errors"]] == [path]


UNSEEN = [
    *("\x00", "\t", "\x7f", "\x80", "\x85", "\x9b", "\xad"),
    *("\u034f", "\u061c", "\u115f", "\u180e", "\u200b", "\u200d", "\u200e", "\u200f", "\u2028", "\u2029"),
    *("\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\u3164", "\ufe0f", "\ufeff", "\uffa0", "\ufff9", "\U000e0041"),
]


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
async def test_refuses_texts_that_are_not_what_they_look_like(app: App, unseen: str) -> None:
    """In whatever an issue takes: values and keys."""
    text = f"a{unseen}b"
    for body, path in (
        ({"reason": text}, "reason"),
        ({"metadata": {"k": text}}, "metadata.k"),
        ({"metadata": {text: "v"}}, "metadata"),
    ):
        answer = await app.call("POST", "/api/v1/roles/web/leases", body=body)
        assert (answer.status, [fault["path"] for fault in answer.json["errors"]]) == (400, [path])


async def test_takes_texts_of_every_language(app: App) -> None:
    """Whatever shows."""
    text = "für Zoë, 東京, عربي, עברית, हिन्दी, \u0600, \U0001f389, a\xa0b"
    answer = await app.call("POST", "/api/v1/roles/web/leases", body={"reason": text, "metadata": {text[:60]: text}})
    assert (answer.status, answer.json["lease"]["metadata"]) == (201, {text[:60]: text})


async def test_an_unknown_role_and_a_forbidden_one_read_alike() -> None:
    """Byte for byte, but for the request's id."""
    app = App(world(role(bounds=role().bounds.__class__(application_ids=frozenset({TENANT})))))
    forbidden = await app.call("POST", "/api/v1/roles/web/leases")
    unknown = await app.call("POST", "/api/v1/roles/nope/leases")
    assert (forbidden.status, unknown.status) == (403, 403)
    assert forbidden.without_request_id() == unknown.without_request_id()
    assert {**forbidden.headers, "x-request-id": ""} == {**unknown.headers, "x-request-id": ""}
    reasons = [event.reason.partition(";")[0] for event in app.world.audit.events]
    assert ["not matched: bound_application_ids", "no such role"] == reasons


@pytest.mark.parametrize(
    "sent",
    [
        {"body": {"ttl": "soon"}},
        {"body": b"{"},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"idempotency-key": ""}},
    ],
)
async def test_whoever_may_not_issue_learns_nothing_of_its_body(app: App, sent: dict[str, Any]) -> None:
    """403 before 400, of a role that is there and of one that is not; whoever may is told of every fault."""
    sent = {"body": {}} | sent
    assert {400, 415} >= {(await app.call("POST", "/api/v1/roles/web/leases", **sent)).status}
    for name in ("web", "nope"):
        refused = await app.call("POST", f"/api/v1/roles/{name}/leases", token="watcher.token.x", **sent)
        assert (403, "forbidden") == (refused.status, refused.code)


async def test_another_callers_lease_and_no_lease_read_alike(app: App) -> None:
    """For reading, renewing and revoking."""
    lease_id = (await issued(app)).json["lease"]["id"]
    for method, suffix in (("GET", ""), ("POST", "/renew"), ("DELETE", "")):
        theirs = await app.call(method, f"/api/v1/leases/{lease_id}{suffix}", token="bob.token.x")
        nobodys = await app.call(method, f"/api/v1/leases/{NOBODYS}{suffix}", token="bob.token.x")
        assert (theirs.status, nobodys.status) == (404, 404)
        assert theirs.without_request_id() == nobodys.without_request_id()


@pytest.mark.parametrize("lease_id", ["x", "web.", "web.01KJWR4B80ZZZZZZZZZZZZZZZZ", "WEB.01kjwr4b80zzzzzzzzzzzzzzzz", "a b.c"])
async def test_refuses_a_text_that_is_no_lease_id(app: App, lease_id: str) -> None:
    """It says what is expected."""
    answer = await app.call("GET", f"/api/v1/leases/{lease_id}")
    assert (answer.status, answer.code) == (400, "malformed")
    assert answer.json["errors"] == [{"path": "id", "message": "a lease id is a role name, a dot and 26 characters"}]


async def test_reads_a_lease_without_its_credential(app: App) -> None:
    """To its holder and to an auditor; the secret is nowhere."""
    made = (await issued(app)).json
    for token in ("alice.token.x", "watcher.token.x", "admin.token.x"):
        answer = await app.call("GET", f"/api/v1/leases/{made['lease']['id']}", token=token)
        assert (answer.status, answer.json) == (200, made["lease"])
        assert made["credential"]["client_secret"] not in answer.body.decode()


async def test_lists_own_leases_in_parts(app: App) -> None:
    """The cursor leads from one part to the next; others' leases are not among them."""
    mine = sorted([(await issued(app)).json["lease"]["id"] for _ in range(3)], reverse=True)
    await issued(app, token="bob.token.x")
    first = await app.call("GET", "/api/v1/leases", query={"limit": "2"})
    second = await app.call("GET", "/api/v1/leases", query={"limit": "2", "cursor": first.json["next"]})
    found = [lease["id"] for page in (first, second) for lease in page.json["leases"]]
    assert found == mine
    assert second.json["next"] is None


async def test_lists_what_has_not_ended_unless_told(app: App) -> None:
    """The README's own command finds a lease that lives, also when others have ended before."""
    over, living = [(await issued(app)).json["lease"]["id"] for _ in range(2)]
    app.world.clock.jump(300)
    await app.call("DELETE", f"/api/v1/leases/{over}")
    expected = {None: [living], "ended": [over], "active": [living], "all": sorted([over, living], reverse=True), "ending": []}
    for state, ids in expected.items():
        answer = await app.call("GET", "/api/v1/leases", query={"state": state} if state else {})
        assert [lease["id"] for lease in answer.json["leases"]] == ids, state


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "1²"}, "limit"),
        ({"state": "alive"}, "state"),
        ({"holder": "alice"}, "holder"),
        ({"role": "No Role"}, "role"),
        ({"cursor": "x'; drop"}, "cursor"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_refuses_a_query_that_it_does_not_know(app: App, query: dict[str, str], path: str) -> None:
    """A misspelt filter must not read as none."""
    answer = await app.call("GET", "/api/v1/leases", query=query)
    assert answer.status == 400
    assert [fault["path"] for fault in answer.json["errors"]] == [path]


async def test_renews_a_lease(app: App) -> None:
    """Counted from now."""
    lease_id = (await issued(app)).json["lease"]["id"]
    answer = await app.call("POST", f"/api/v1/leases/{lease_id}/renew", body={"increment": "1h"})
    assert (answer.status, answer.json["expires_at"]) == (200, "2026-03-02T10:00:00.000Z")


async def test_refuses_to_renew_what_has_ended(app: App) -> None:
    """409, with a code of its own."""
    lease_id = (await issued(app)).json["lease"]["id"]
    await app.call("DELETE", f"/api/v1/leases/{lease_id}")
    answer = await app.call("POST", f"/api/v1/leases/{lease_id}/renew")
    assert (answer.status, answer.code) == (409, "lease_not_active")


async def test_revokes_a_lease_and_may_be_asked_again(app: App) -> None:
    """Ended, and ended."""
    lease_id = (await issued(app)).json["lease"]["id"]
    app.world.clock.jump(600)
    for _ in range(2):
        answer = await app.call("DELETE", f"/api/v1/leases/{lease_id}")
        assert (answer.status, answer.json["state"]) == (200, "ended")
    assert app.world.leftovers() == []


async def test_revoking_answers_202_while_azure_is_slow(app: App) -> None:
    """The lease is ending, and the answer says where to look."""
    lease_id = (await issued(app)).json["lease"]["id"]
    app.world.calls.fail("directory.delete_application", Unavailable("down", status=500), times=1000)
    answer = await app.call("DELETE", f"/api/v1/leases/{lease_id}")
    assert (answer.status, answer.json["state"]) == (202, "ending")
    assert answer.headers["location"] == f"https://broker.example/api/v1/leases/{lease_id}?until=ended"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json["last_error"] == "azure_unavailable"


async def test_an_ending_is_followed_to_its_end(app: App) -> None:
    """As clients of long-running operations do: 202 at the same address until it is 200. A plain read is 200 throughout."""
    lease_id = (await issued(app)).json["lease"]["id"]
    app.world.calls.fail("directory.delete_application", Unavailable("down", status=500), times=1000)
    result = await app.call("DELETE", f"/api/v1/leases/{lease_id}")
    path = result.headers["location"].removeprefix("https://broker.example")
    waiting, plain = await app.call("GET", path), await app.call("GET", f"/api/v1/leases/{lease_id}")
    assert (waiting.status, waiting.headers["location"]) == (202, result.headers["location"])
    assert (waiting.json, int(waiting.headers["retry-after"]) > 0) == (plain.json, True)
    assert (plain.status, plain.json["state"]) == (200, "ending")
    app.world.calls.heal()
    app.world.clock.jump(3600)
    await app.call("DELETE", f"/api/v1/leases/{lease_id}")
    ended = await app.call("GET", path)
    assert (ended.status, ended.json["state"], "location" in ended.headers) == (200, "ended", False)


async def test_an_end_that_has_not_begun_can_be_waited_for(app: App) -> None:
    """Of a lease that is active; by its holder alone; and nothing else can be waited for."""
    path = f"/api/v1/leases/{(await issued(app)).json['lease']['id']}"
    waiting = await app.call("GET", f"{path}?until=ended")
    other = await app.call("GET", f"{path}?until=ended", token="bob.token.x")
    wrong = [await app.call("GET", f"{path}?until={what}") for what in ("active", "", "ended&until=ended")]
    assert (waiting.status, waiting.json["state"]) == (202, "active")
    assert (other.status, other.code) == (404, "lease_not_found")
    assert [(400, "malformed")] * 3 == [(each.status, each.code) for each in wrong]


async def test_an_address_is_never_taken_from_a_request(app: App) -> None:
    """What a sender says of the host would lead the caller, and its token, elsewhere."""
    lease_id = (await issued(app)).json["lease"]["id"]
    app.public_url = "https://gateway.example/leasehold"
    evil = dict.fromkeys(("host", "x-forwarded-host", "x-original-host", "disguised-host", "forwarded"), "evil.example")
    waiting = await app.call("GET", f"/api/v1/leases/{lease_id}?until=ended", headers=evil)
    refused = await app.call("GET", "/api/v1/leases/x", headers=evil)
    unknown = await app.call("GET", "/api/nope", headers=evil)
    assert waiting.headers["location"] == f"https://gateway.example/leasehold/api/v1/leases/{lease_id}?until=ended"
    assert refused.json["type"] == "https://gateway.example/leasehold/api/v1/problems#malformed"
    assert unknown.json["type"] == "https://gateway.example/leasehold/api/v1/problems#no_such_call"


async def test_without_an_address_there_is_nothing_to_follow(app: App) -> None:
    """What may be a 202 is the operator's to mend before anything has happened; a problem's type is a relative reference."""
    lease_id = (await issued(app)).json["lease"]["id"]
    app.public_url = ""
    for method, path, token in (
        ("GET", f"/api/v1/leases/{lease_id}?until=ended", "alice.token.x"),
        ("DELETE", f"/api/v1/leases/{lease_id}", "alice.token.x"),
        ("POST", f"/api/v1/leases/{lease_id}/revoke", "admin.token.x"),
    ):
        answer = await app.call(method, path, token=token)
        assert (answer.status, answer.code) == (500, "misconfigured")
        assert answer.json["type"] == "/api/v1/problems#misconfigured"
        assert app.world.leases.rows[LeaseId(lease_id)].state is State.ACTIVE
    assert (await app.call("GET", f"/api/v1/leases/{lease_id}")).status == 200


async def test_revokes_every_lease_of_a_role(app: App) -> None:
    """For admins; nobody may use them any more, and a message begins their ends."""
    lease_id = (await issued(app)).json["lease"]["id"]
    refused = await app.call("POST", "/api/v1/roles/web/revoke")
    answer = await app.call("POST", "/api/v1/roles/web/revoke", token="admin.token.x")
    assert (refused.status, refused.code) == (403, "forbidden")
    assert (answer.status, answer.json) == (202, {"revoking": 1, "as_of": "2026-03-02T09:00:00.020Z"})
    assert (await app.call("GET", f"/api/v1/leases/{lease_id}")).json["state"] == "ending"
    assert [each["state"] for each in (await app.call("GET", "/api/v1/leases")).json["leases"]] == ["ending"]
    assert (await app.call("POST", f"/api/v1/leases/{lease_id}/renew")).code == "lease_not_active"
    assert ["web"] == [message.role for message in app.world.revocations.recalls()]
