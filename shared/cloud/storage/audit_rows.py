"""One audit event as a row of Table Storage, and back."""

from __future__ import annotations

import json
from typing import Any

from shared.cloud.lenient import readable
from shared.cloud.storage.audit_place import partition
from shared.cloud.storage.lease_rows import instant_key, instant_of
from shared.cloud.storage.table_operations import Row
from shared.cloud.storage.tables import chunked, joined
from shared.core.audit import AuditEvent, Outcome
from shared.core.caller import Caller, CallerType
from shared.core.errors import Unreadable
from shared.core.forms import AUDIT_EVENT
from shared.core.names import ObjectId
from shared.core.typed import instant, named, typed

_UNREADABLE = "unreadable_event"


def audit_row(event: AuditEvent, key: str) -> dict[str, Any]:
    """Returns the row of an event. ``key`` ends the row's key: of two events with one key and one instant, one is kept."""
    caller = event.caller
    row: dict[str, Any] = {
        "PartitionKey": partition(event.at),
        "RowKey": f"{instant_key(event.at)}_{key}",
        **AUDIT_EVENT.stamp,
        "At": event.at.isoformat(),
        "Operation": event.operation,
        "Outcome": event.outcome.value,
        "Code": event.code,
        "Reason": event.reason[:1024],
        **_details(event),
        **(chunked("Granted", json.dumps(dict(event.granted), ensure_ascii=False)) if event.granted else {}),
        "Request": event.request_id,
        "ClientRequest": event.client_request_id,
        "Role": event.role,
        "Lease": event.lease,
    }
    if caller is not None:
        row |= {
            "Caller": caller.object_id,
            "Tenant": caller.tenant_id,
            "Client": caller.app_id or "",
            "Name": caller.name or "",
            "Kind": caller.kind.value,
            "AppRoles": json.dumps(sorted(caller.app_roles)),
            "Token": caller.token_fingerprint,
        }
    return row


def _details(event: AuditEvent) -> dict[str, str]:
    """Returns the properties that few events have."""
    found = {
        "DecidedBy": json.dumps(event.decided_by) if event.decided_by else "",
        "OverrodeDeny": json.dumps(event.overrode_deny) if event.overrode_deny else "",
        "Document": event.document,
        "Changes": json.dumps([*event.changes], ensure_ascii=False) if event.changes else "",
        "Event": event.event,
        "Rule": event.rule,
        "Subject": event.subject,
    }
    return {name: text for name, text in found.items() if text}


def _json(row: Row, name: str) -> Any:
    return json.loads(row[name]) if row.get(name) else None


def audit_event(row: Row) -> AuditEvent:
    """Returns the event in a row. If it cannot be read, returns an event that says so: the trail hides no gap."""
    return readable(readable_event, row) or AuditEvent(
        at=instant_of(str(row["RowKey"])),
        operation=_UNREADABLE,
        outcome=Outcome.FAILED,
        request_id="",
        code=Unreadable.code,
        reason=f"the event {row['RowKey']} of {row['PartitionKey']} cannot be read by this version of the broker",
    )


def readable_event(row: Row) -> AuditEvent:
    """As ``audit_event``. Raises ``Unreadable``."""
    with AUDIT_EVENT.reading(row):
        return typed(
            AuditEvent(
                at=instant(row["At"]),
                operation=row["Operation"],
                outcome=Outcome(row["Outcome"]),
                request_id=row.get("Request", ""),
                code=row.get("Code", ""),
                reason=row.get("Reason", ""),
                caller=_caller(row) if "Caller" in row else None,
                role=row.get("Role", ""),
                decided_by=_json(row, "DecidedBy"),
                overrode_deny=_json(row, "OverrodeDeny"),
                document=row.get("Document", ""),
                changes=tuple(_json(row, "Changes") or ()),
                lease=row.get("Lease", ""),
                event=row.get("Event", ""),
                rule=row.get("Rule", ""),
                subject=row.get("Subject", ""),
                granted=json.loads(found) if (found := joined("Granted", row)) else None,
                client_request_id=row.get("ClientRequest", ""),
            )
        )


def _caller(row: Row) -> Caller:
    return Caller(
        object_id=named(ObjectId, row["Caller"]),
        tenant_id=named(ObjectId, row["Tenant"]),
        kind=CallerType(row["Kind"]),
        token_fingerprint=row.get("Token", ""),
        app_id=named(ObjectId, row["Client"]) if row.get("Client") else None,
        name=row.get("Name") or None,
        app_roles=frozenset(json.loads(row.get("AppRoles", "[]"))),
    )
