"""The shapes of answers, whole: what is there, what is left out, and under which names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from shared.broker.ending.sweep import Summary
from shared.broker.inspect import CallerSummary
from shared.broker.issue.issue import Issued
from shared.broker.reconcile.reconcile import Finding, Reconciliation, Result
from shared.broker.revoke import Revoking
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Fault, Forbidden
from shared.core.lease import Holder, State
from shared.core.ports.page import Page
from shared.core.secret import Secret
from shared.kinds.client_secret import ClientSecretCredential
from shared.triggers.http import audit, leases, operator, responses, whoami
from shared.triggers.http.problem import FAULT
from shared.triggers.http.shape import time
from tests.contract.stores import lease as sample
from tests.fakes.clock import START
from tests.fakes.world import ADMINISTRATOR, ALICE, TENANT, WEB, guid, role

LEASE = replace(sample(), metadata={"run": "7"})
TOLD = {
    "id": LEASE.id,
    "role": "web",
    "type": "service_principal",
    "state": "planned",
    "holder": {"object_id": ALICE.object_id, "tenant_id": TENANT, "name": "it's \u00e9"},
    "issued_at": None,
    "expires_at": None,
    "max_expires_at": None,
    "renewable": True,
    "ttl": 900,
    "metadata": {"run": "7"},
    "ready": "pending",
}


def test_times_are_in_utc_to_the_millisecond() -> None:
    """RFC 3339."""
    assert "2030-01-31T12:00:00.000Z" == time(datetime(2030, 1, 31, 12, tzinfo=UTC))
    east = timezone(timedelta(hours=2))
    assert "2030-01-31T10:00:00.123Z" == time(datetime(2030, 1, 31, 12, microsecond=123_456, tzinfo=east))


def test_a_lease_tells_everything_but_its_footprint() -> None:
    """Attempts and the last error where there are any."""
    assert TOLD == responses.LEASE.write(LEASE)
    failed = replace(LEASE, state=State.STUCK, attempts=3, last_error="azure_refused: X", ready=True, renewable=False)
    assert TOLD | {
        "state": "stuck",
        "issued_at": time(START),
        "expires_at": time(START + timedelta(seconds=900)),
        "max_expires_at": time(START + timedelta(hours=4)),
        "attempts": 3,
        "last_error": "azure_refused: X",
        "ready": "ready",
        "renewable": False,
    } == responses.LEASE.write(failed)
    holder = Holder(ALICE.object_id, TENANT, guid(7), "")
    assert {"object_id": ALICE.object_id, "tenant_id": TENANT, "app_id": guid(7)} == responses.LEASE.write(
        replace(LEASE, holder=holder)
    )["holder"]


def test_a_listing_says_how_it_goes_on() -> None:
    """Or that it does not."""
    assert {"leases": [TOLD], "next": "c"} == leases.LEASES.write(leases.Listing(Page((LEASE,), "c")))
    assert {"leases": [], "next": None} == leases.LEASES.write(leases.Listing(Page((), None)))


def test_an_issue_hands_out_lease_and_credential() -> None:
    """The secret is written out; a subscription where there is one."""
    credential = ClientSecretCredential("service_principal", TENANT, guid(1), Secret("s"), guid(2), guid(3), None)
    result = {
        "type": "service_principal",
        "credential": "secret",
        "tenant_id": TENANT,
        "client_id": guid(1),
        "client_secret": "s",
        "object_id": guid(2),
        "secret_id": guid(3),
        "expires_at": time(LEASE.expires_at),
    }
    assert {"lease": TOLD, "credential": result} == responses.ISSUED.write(Issued(LEASE, credential))
    within = replace(credential, subscription_id=guid(4))
    assert result | {"subscription_id": guid(4)} == responses.ISSUED.write(Issued(LEASE, within))["credential"]


def test_whoami_tells_the_caller_and_its_roles() -> None:
    """What was not in the token is left out."""
    verified = {
        "object_id": ALICE.object_id,
        "tenant_id": TENANT,
        "kind": "application",
        "app_id": guid(0x401),
        "name": "alice",
        "app_roles": [],
    }
    terms = {"type": "service_principal", "ttl": 900, "max_ttl": 14_400}
    roles = [{"name": "web", **terms}]
    summary = CallerSummary((), (role(),))
    assert {"caller": verified, "auth_roles": [], "roles": roles} == whoami.STANDING.write((ALICE, summary))
    assert {"caller": verified, "role": "web", "may_issue": True, **terms} == whoami.ROLE_STANDING.write((ALICE, WEB, role()))
    refused = {"caller": verified, "role": "web", "may_issue": False, "detail": Forbidden.sentence}
    assert refused == whoami.ROLE_STANDING.write((ALICE, WEB, None))


def test_faults_are_told_with_paths_of_256_characters_at_most() -> None:
    """A caller may have sent any name."""
    assert [{"path": "p" * 256, "message": "m"}] == [FAULT.write(Fault("p" * 257, "m"))]


def test_an_event_tells_what_it_knows() -> None:
    """What is empty is left out."""
    bare = {"at": time(START), "operation": "sweep", "outcome": "done", "request_id": "r"}
    event = AuditEvent(START, "sweep", Outcome.DONE, "r")
    assert {"events": [bare], "next": None} == audit.EVENTS.write(Page((event,), None))
    full = AuditEvent(
        START,
        "issue",
        Outcome.REFUSED,
        "r",
        client_request_id="c",
        code="forbidden",
        reason="because",
        caller=ADMINISTRATOR,
        role=WEB,
        lease=LEASE.id,
    )
    caller = {
        "object_id": ADMINISTRATOR.object_id,
        "tenant_id": TENANT,
        "kind": "application",
        "token_fingerprint": ADMINISTRATOR.token_fingerprint,
    }
    result: dict[str, Any] = bare | {"operation": "issue", "outcome": "refused", "client_request_id": "c", "code": "forbidden"}
    result |= {"reason": "because", "caller": caller, "role": "web", "lease": LEASE.id}
    assert {"events": [result], "next": "x"} == audit.EVENTS.write(Page((full,), "x"))
    named = replace(full, caller=ALICE)
    assert (
        caller
        | {
            "object_id": ALICE.object_id,
            "app_id": guid(0x401),
            "name": "alice",
            "token_fingerprint": ALICE.token_fingerprint,
        }
        == audit.EVENTS.write(Page((named,), None))["events"][0]["caller"]
    )


def test_what_was_done_to_many_is_told_in_numbers() -> None:
    """A revocation, a sweep."""
    assert {"revoking": 3, "as_of": time(START)} == responses.REVOKING.write(Revoking(3, START))
    assert {"ended": 1, "undone": 2, "stuck": 3, "remaining": 4} == operator.SWEPT.write(Summary(1, 2, 3, 4, 5))


def test_a_reconciliation_tells_its_first_thousand_findings_and_how_many_there_are() -> None:
    """Each by what it is, whose, and what became of it."""
    found = Finding("assignment", LEASE.id, "n", Result.FAILED, "azure_refused")
    result = {"kind": "assignment", "lease": LEASE.id, "name": "n", "result": "failed", "error": "azure_refused"}
    done = operator.RECONCILED.write((Reconciliation((found,), ("somewhere",)), False))
    assert {"dry_run": False, "found": 1, "findings": [result], "unread": ["somewhere"]} == done
    many = operator.RECONCILED.write((Reconciliation((found,) * 1001, ()), True))
    assert (True, 1001, 1000, []) == (many["dry_run"], many["found"], len(many["findings"]), many["unread"])
