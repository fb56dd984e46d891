"""What a request leaves behind under whose name: its id beside the caller's own, and nothing that a stranger chose."""

from __future__ import annotations

import pytest

from shared.core.errors import Unavailable
from tests.triggers.app import App, Invocation

ISSUE = "/api/v1/roles/web/leases"


@pytest.mark.parametrize("given", ["abc-123", "A.b_c", "x" * 64])
async def test_keeps_the_callers_own_id_beside_its_own(app: App, given: str) -> None:
    """The request's id is the host's: a stranger must not write another's into the audit trail."""
    answer = await app.call("POST", "/api/v1/roles/nope/leases", headers={"X-Request-Id": given})
    (event,) = app.world.audit.events
    assert answer.headers["x-request-id"] == answer.json["request_id"] == event.request_id == Invocation.invocation_id
    assert answer.headers["x-client-request-id"] == event.client_request_id == given


async def test_a_success_keeps_the_callers_id_as_well(app: App) -> None:
    """In its event and its answer."""
    answer = await app.call("POST", ISSUE, headers={"x-request-id": "nightly-7"})
    (event,) = app.world.audit.events
    assert (event.request_id, event.client_request_id) == (Invocation.invocation_id, "nightly-7")
    assert answer.headers["x-client-request-id"] == "nightly-7"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\r\nSet-Cookie: b", "é"])
async def test_drops_any_other_id_of_the_callers(app: App, given: str) -> None:
    """Nothing from outside gets into headers and logs unlooked at."""
    answer = await app.call("POST", "/api/v1/roles/nope/leases", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == Invocation.invocation_id
    assert "x-client-request-id" not in answer.headers
    assert app.world.audit.events[0].client_request_id == ""


@pytest.mark.parametrize("token", [None, "garbage"])
@pytest.mark.parametrize("trouble", [None, Unavailable("sign-in is down", status=500), ValueError("a defect")])
async def test_nothing_before_authentication_names_a_role_or_a_lease(
    app: App, token: str | None, trouble: Exception | None
) -> None:
    """A stranger may write anybody's into the path."""
    lease_id = (await app.call("POST", ISSUE)).json["lease"]["id"]
    app.verifier.trouble = trouble
    before = len(app.world.audit.events)
    for method, path in (("DELETE", f"leases/{lease_id}"), ("GET", f"leases/{lease_id}"), ("POST", "roles/web/leases")):
        await app.call(method, f"/api/v1/{path}", token=token)
    result = app.world.audit.events[before:]
    assert [("", "", None)] * 3 == [(event.role, event.lease, event.caller) for event in result]
