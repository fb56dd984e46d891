"""What the caller and the audit trail are told of an application without room."""

from __future__ import annotations

from tests.fakes.world import ALICE, EXISTING, role, secret_target, world
from tests.triggers.app import App


async def test_a_full_application_is_a_conflict_that_is_audited() -> None:
    """409, in words for the caller; the trail says who was refused, where and why."""
    made = world(role(secret_target()))
    made.cloud.applications[EXISTING].certificates = 600
    answer = await App(made).call("POST", "/api/v1/roles/web/leases", body={})
    assert (answer.status, answer.code) == (409, "application_full")
    assert answer.json["detail"] == "The role's application holds as many credentials as it may."
    (event,) = made.audit.events
    assert ("issue", "refused", "application_full", "web", ALICE) == (
        event.operation,
        event.outcome.value,
        event.code,
        event.role,
        event.caller,
    )
