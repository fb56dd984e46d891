"""The call that reads the audit trail."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import azure.functions as func

from shared.broker import inspect
from shared.core.audit import AuditEvent, Outcome
from shared.core.caller import Caller
from shared.core.names import LeaseId, ObjectId, RoleName, Unparsable
from shared.core.parsing import Reader
from shared.core.ports.audit import AuditQuery
from shared.core.ports.page import Page
from shared.triggers.http import requests
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import CALLER_FIELDS, GROUND, LEASE_NAMED, ROLE_NAMED, part_of
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import ID, INSTANT, TEXT, Answer, Field, Items, Record, Value, parsed, text, word

api = Api("operators")
_CODE = (
    "The problem's code. Of an `end` or a `reconcile` that is done, why a vault keeps the deleted secret: `purge_protected`, or"
    " `secret_deleted` if somebody else has deleted a shared one."
)
_AUDIT_SPAN = timedelta(days=1)
_LONGEST_SPAN = timedelta(days=31)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def instant(written: str) -> datetime:
    """A time as RFC 3339 writes it, in UTC. Raises ``Unparsable``, also where UTC has no such year."""
    expected = "expected a time such as 2030-01-31T12:00:00Z; a + in a query is written %2B"
    if _INSTANT.fullmatch(written) is None:
        raise Unparsable(expected)
    try:
        return datetime.fromisoformat(written.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unparsable(expected) from None


FROM = parsed(
    *("from", INSTANT.schema, instant), "The first instant; a day before `to` unless given, and at most 31 days before it."
)
TO = parsed("to", INSTANT.schema, instant, "The instant after the last; now unless given.")
CALLER = parsed("caller", ID.schema, ObjectId.parse, "By this object id only.")
ROLE = parsed("role", ROLE_NAMED.schema, RoleName.parse, "About this role only.")
LEASE = parsed("lease", LEASE_NAMED.schema, LeaseId.parse, "About this lease only.")
DOCUMENT = text("document", "About this document of the configuration only, as a path: `policies/readers`.", longest=128)


def audit_query(request: func.HttpRequest, now: datetime) -> AuditQuery:
    """Which events to read: those of the last day unless ``from`` or ``to`` say otherwise."""
    reader = Reader(dict(request.params))
    until = TO.of(reader) or now
    since = FROM.of(reader) or max(until, _EARLIEST + _AUDIT_SPAN) - _AUDIT_SPAN
    if since >= until:
        reader.fault("from", "is not before to")
    elif until - since > _LONGEST_SPAN:
        reader.fault("from", f"is more than {_LONGEST_SPAN.days} days before to, which is now unless given")
    query = AuditQuery(
        since=since,
        until=until,
        caller=CALLER.of(reader),
        role=ROLE.of(reader),
        lease=LEASE.of(reader),
        document=DOCUMENT.of(reader),
        limit=requests.LIMIT.of(reader),
        cursor=requests.CURSOR.of(reader),
    )
    requests.finish(reader)
    return query


CHANGE = Value(
    {
        "type": "object",
        "description": "A field, its former value and its new one; null where there is none. `left_out`: they had no room.",
        "properties": {"path": {"type": "string"}, "from": {}, "to": {}, "left_out": {"const": True}},
    }
)
ASKED_FOR = Value({"type": "object", "additionalProperties": {"type": "string"}})
EVENT = Record[AuditEvent](
    "Event",
    "One event of the audit trail.",
    Field("at", INSTANT, lambda it: it.at, "When."),
    Field("operation", TEXT, lambda it: it.operation, "What."),
    Field("outcome", word(*Outcome), lambda it: it.outcome, "How it went."),
    Field("request_id", TEXT, lambda it: it.request_id, "By which request."),
    Field(
        *("client_request_id", TEXT, lambda it: it.client_request_id),
        "What the caller called the request, in `x-request-id`.",
        optional=True,
    ),
    Field("code", TEXT, lambda it: it.code, _CODE, optional=True),
    Field("reason", TEXT, lambda it: it.reason, "Why.", optional=True),
    Field("role", TEXT, lambda it: it.role, "The role.", optional=True),
    Field("lease", TEXT, lambda it: it.lease, "The lease.", optional=True),
    Field(
        "document",
        TEXT,
        lambda it: it.document,
        "The document that was changed or, where it was refused, asked for: as a path.",
        optional=True,
    ),
    Field("event", TEXT, lambda it: it.event, "The id of the event from outside that it is about.", optional=True),
    Field("rule", TEXT, lambda it: it.rule, "The event rule by which it was done.", optional=True),
    Field("subject", TEXT, lambda it: it.subject, "The subject of that event.", optional=True),
    Field("changes", Items(CHANGE), lambda it: it.changes, "The fields that were changed.", optional=True),
    Field("parameters", ASKED_FOR, lambda it: (it.granted or {}).get("parameters"), "What has filled the role.", optional=True),
    Field("within", TEXT, lambda it: (it.granted or {}).get("within"), "The scope it was narrowed to.", optional=True),
    Field("scopes", Items(TEXT), lambda it: (it.granted or {}).get("scopes"), "Where roles were granted.", optional=True),
    Field(
        "graph_app_roles",
        Items(TEXT),
        lambda it: (it.granted or {}).get("graph_app_roles"),
        "Permissions of Microsoft Graph that were given.",
        optional=True,
    ),
    Field("decided_by", GROUND, lambda it: it.decided_by, "What let the caller in.", optional=True),
    Field("overrode_deny", GROUND, lambda it: it.overrode_deny, "The rule that denies it to others.", optional=True),
    Field(
        "caller",
        Record[Caller]("", "Who.", *CALLER_FIELDS, Field("token_fingerprint", TEXT, lambda it: it.token_fingerprint)),
        lambda it: it.caller,
        optional=True,
    ),
)
EVENTS: Record[Page[AuditEvent]] = part_of("events", EVENT)


@api.call(
    "GET",
    "audit",
    needs=("audit", "read"),
    operation="audit",
    query=(FROM, TO, CALLER, ROLE, LEASE, DOCUMENT, requests.LIMIT, requests.CURSOR),
    answers=(Answer(200, "A part of it, in the order of time.", EVENTS),),
)
async def read_audit(request: VerifiedRequest) -> Reply:
    """Read the audit trail.

    For auditors and admins. The last day unless `from` or `to` says otherwise; at most 31 days. One request looks at 31 days of
    the trail, and for ten seconds, at most: a page may be short or empty and have a `next` all the same.
    """
    query = audit_query(request.http, request.ports.now())
    return of_json(200, EVENTS.write(await inspect.read_audit(request.ports, query)))
