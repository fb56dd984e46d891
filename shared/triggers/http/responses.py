"""The shapes of answers: leases, credentials, roles, standing, status and events as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.broker.ending.sweep import Summary
from shared.broker.inspect import Status
from shared.broker.issue.issue import Issued
from shared.broker.reconcile.reconcile import Finding, Reconciliation
from shared.broker.revoke import Revoking
from shared.core.audit import AuditEvent
from shared.core.caller import Caller
from shared.core.credential import Credential
from shared.core.errors import Caution, Fault, Forbidden
from shared.core.lease import Holder, LeaseView
from shared.core.names import RoleName
from shared.core.ports.page import Page
from shared.core.role import Role
from shared.core.role_document import write_role

ROOT = "/api/v1"


def time(instant: datetime) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def lease_path(lease: LeaseView) -> str:
    """Where a lease is found."""
    return f"{ROOT}/leases/{lease.id}"


def lease(lease: LeaseView) -> dict[str, Any]:
    """A lease, without its footprint."""
    document: dict[str, Any] = {
        "id": lease.id,
        "role": lease.id.role,
        "type": lease.type,
        "state": lease.state,
        "holder": _holder(lease.holder),
        "issued_at": time(lease.issued_at),
        "expires_at": time(lease.expires_at),
        "max_expires_at": time(lease.max_expires_at),
        "renewable": lease.renewable,
        "ttl": lease.ttl,
        "metadata": dict(lease.metadata),
        "ready": "ready" if lease.ready else "pending",
    }
    if lease.attempts:
        document["attempts"] = lease.attempts
    if lease.last_error:
        document["last_error"] = lease.last_error
    return document


def _holder(holder: Holder) -> dict[str, str]:
    return _present(
        object_id=holder.object_id,
        tenant_id=holder.tenant_id,
        app_id=holder.app_id,
        name=holder.name,
    )


def _present(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def issued(made: Issued) -> dict[str, Any]:
    """A lease and its credential. The one place where a secret is written out."""
    return {"lease": lease(made.lease), "credential": _credential(made.credential, made.lease.expires_at)}


def _credential(made: Credential, expires_at: datetime) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": made.type,
        "tenant_id": made.tenant_id,
        "client_id": made.client_id,
        "client_secret": made.client_secret.reveal(),
        "object_id": made.object_id,
        "secret_id": made.secret_id,
        "expires_at": time(expires_at),
    }
    if made.subscription_id is not None:
        document["subscription_id"] = made.subscription_id
    return document


def leases(page: Page[LeaseView]) -> dict[str, Any]:
    """A part of a listing."""
    return {"leases": [lease(each) for each in page.items], "next": page.cursor}


def role(found: Role, warnings: Iterable[Caution] = ()) -> dict[str, Any]:
    """A role, by its name; when it was written just now, with what its writer should know of it."""
    told = [{"path": each.path, "code": each.code, "message": each.message} for each in warnings]
    return {"name": found.name, **write_role(found), **({"warnings": told} if told else {})}


def whoami(caller: Caller, issuable: Iterable[Role]) -> dict[str, Any]:
    """The caller as verified, and what it may issue."""
    return {"caller": _verified(caller), "auth_roles": [], "roles": [{"name": role.name, **_terms(role)} for role in issuable]}


def whoami_of_role(caller: Caller, name: RoleName, role: Role | None) -> dict[str, Any]:
    """The caller as verified, and whether it may issue from this role: not from one that is not there, in the same words."""
    told: dict[str, Any] = {"caller": _verified(caller), "role": name, "may_issue": role is not None}
    return told | (_terms(role) if role is not None else {"detail": Forbidden.sentence})


def _verified(caller: Caller) -> dict[str, Any]:
    described = _present(
        object_id=caller.object_id,
        tenant_id=caller.tenant_id,
        kind=caller.kind,
        app_id=caller.app_id,
        name=caller.name,
    )
    return {**described, "app_roles": sorted(caller.app_roles)}


def _terms(role: Role) -> dict[str, Any]:
    return {"type": role.type, "ttl": role.ttl, "max_ttl": role.max_ttl}


def status(found: Status) -> dict[str, Any]:
    """How the broker is doing. ``identity`` is there while its own is refused, ``unreadable`` while something stored is."""
    document = {
        "leases": {
            "as_of": time(found.counted_at),
            "by_state": _counts(found.by_state),
            "by_role": {name: _counts(states) for name, states in found.by_role.items()},
        },
        "sweep": {
            "last": time(found.last_sweep) if found.last_sweep else None,
            "lag_seconds": found.sweep_lag,
            "summary": dict(found.last_summary),
        },
        "reconciliation": {
            "last": time(found.last_reconciliation) if found.last_reconciliation else None,
            "summary": dict(found.last_counts),
        },
        "stuck": [lease(each) for each in found.stuck],
        "overdue": [lease(each) for each in found.overdue],
        "outdated_roles": _faulty(found.outdated),
        "warnings": list(found.warnings),
    }
    if found.refused:
        document["identity"] = {"refused": [_refusal(scope, at) for scope, at in found.refused.items()]}
    if found.unreadable_roles or found.unreadable_leases:
        leases = list(found.unreadable_leases)
        document["unreadable"] = {"roles": _faulty(found.unreadable_roles), "leases": leases}
    return document


def _faulty(roles: Mapping[RoleName, Iterable[Fault]]) -> list[dict[str, Any]]:
    return [{"role": name, "errors": errors(faults)} for name, faults in roles.items()]


def _refusal(scope: str, at: datetime) -> dict[str, str]:
    return {"service": scope.removesuffix("/.default"), "since": time(at)}


def errors(faults: Iterable[Fault]) -> list[dict[str, str]]:
    """What is wrong with a document, by its paths."""
    return [{"path": fault.path[:256], "message": fault.message} for fault in faults]


def _counts[K: str](found: Mapping[K, int]) -> dict[str, int]:
    return {str(state): count for state, count in found.items()}


def events(page: Page[AuditEvent]) -> dict[str, Any]:
    """A part of the audit trail."""
    return {"events": [_event(each) for each in page.items], "next": page.cursor}


def _event(event: AuditEvent) -> dict[str, Any]:
    document: dict[str, Any] = {
        "at": time(event.at),
        "operation": event.operation,
        "outcome": event.outcome,
        "request_id": event.request_id,
        **_present(
            client_request_id=event.client_request_id,
            code=event.code,
            reason=event.reason,
            role=event.role,
            lease=event.lease,
        ),
    }
    if event.caller is not None:
        document["caller"] = {
            **_present(
                object_id=event.caller.object_id,
                tenant_id=event.caller.tenant_id,
                kind=event.caller.kind,
                app_id=event.caller.app_id,
                name=event.caller.name,
            ),
            "token_fingerprint": event.caller.token_fingerprint,
        }
    return document


def revoking(begun: Revoking) -> dict[str, Any]:
    """A role's leases that are to end."""
    return {"revoking": begun.count, "as_of": time(begun.as_of)}


def swept(summary: Summary) -> dict[str, int]:
    """What one sweep did."""
    return {
        "ended": summary.ended,
        "undone": summary.undone,
        "stuck": summary.stuck,
        "remaining": summary.remaining,
    }


_MOST_FINDINGS = 1000


def reconciled(done: Reconciliation, *, dry_run: bool) -> dict[str, Any]:
    """What one reconciliation did, or would do: the first thousand findings, and how many there are."""
    return {
        "dry_run": dry_run,
        "found": len(done.findings),
        "findings": [_finding(each) for each in done.findings[:_MOST_FINDINGS]],
        "unread": list(done.unread),
    }


def _finding(each: Finding) -> dict[str, str]:
    return _present(kind=each.kind, lease=each.lease, name=each.name, result=each.result, error=each.error)
