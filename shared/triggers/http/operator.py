"""The calls for operators and probes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from shared.broker import inspect
from shared.broker.ending.sweep import Summary, sweep
from shared.broker.event_status import EventStatus, Incoming, Outgoing
from shared.broker.inspect import Status
from shared.broker.reconcile.reconcile import Finding, Reconciliation, Result, reconcile
from shared.core.errors import LeaseholdError
from shared.triggers import safe_log
from shared.triggers.http import requests
from shared.triggers.http.edge import Edge, UnverifiedRequest, VerifiedRequest, log
from shared.triggers.http.problem import FAULT
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import FOUND, LEASE
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import (
    COUNTS,
    INSTANT,
    TEXT,
    TRUTH,
    WHOLE,
    Answer,
    Field,
    Items,
    Record,
    Value,
    flag,
    maybe,
    time,
    word,
)

api = Api("operators")


def _health(status: str) -> Record[str]:
    return Record("", "", Field("status", Value({"const": status}), lambda it: it))


WELL, UNWELL = _health("ok"), _health("unavailable")


@api.open("GET", "health", answers=(Answer(200, "It works.", WELL), Answer(503, "It does not.", UNWELL)))
async def health(edge: Edge, unverified: UnverifiedRequest) -> Reply:
    """Is the broker up?

    For anybody, and without detail: whether it can reach its storage.
    """
    try:
        well = await inspect.health((await edge.get_broker()).ports)
    except LeaseholdError as error:
        log.error("request %s: %s", unverified.request_id, safe_log.of(error))
        well = False
    return of_json(200, WELL.write("ok")) if well else of_json(503, UNWELL.write("unavailable"))


_REFUSED = Record[tuple[str, datetime]](
    "",
    "",
    Field("service", TEXT, lambda it: it[0].removesuffix("/.default"), "What the tokens are for."),
    Field("since", INSTANT, lambda it: it[1]),
)
_BROKEN_ROLES = Items(
    Record[tuple[str, Any]](
        "",
        "",
        Field("role", TEXT, lambda it: it[0]),
        Field("errors", Items(FAULT), lambda it: it[1], "What is wrong; told to administrators alone."),
    )
)
_POOLS = Value(
    {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {
                "ready": {"type": "integer", "description": "Leases that stand ready."},
                "filling": {"type": "integer", "description": "Leases that are being made for it."},
                "wanted": {"type": "integer", "description": "The size that the role names."},
                "oldest": {
                    "type": ["string", "null"],
                    "format": "date-time",
                    "description": "Since when the lease has stood that has stood longest.",
                },
                "failing": {"type": "string", "description": "The code of the last failure to make one; empty if it works."},
            },
            "required": ["ready", "filling", "wanted", "oldest", "failing"],
        },
    },
    lambda pools: {name: asdict(it) | {"oldest": time(it.oldest) if it.oldest else None} for name, it in pools.items()},
)


def _of_outgoing[T](of: Callable[[Outgoing], T]) -> Callable[[EventStatus], T | None]:
    return lambda it: of(it.outgoing) if it.outgoing is not None else None


def _of_incoming[T](of: Callable[[Incoming], T]) -> Callable[[EventStatus], T | None]:
    return lambda it: of(it.incoming) if it.incoming is not None else None


_EVENTS = Record[EventStatus](
    "",
    "Null is what is not known: the first four while no events are published, the others while the queue cannot be asked.",
    Field("waiting", maybe(WHOLE), _of_outgoing(lambda it: it.waiting.count), "Events that wait now to be published."),
    Field("oldest", maybe(INSTANT), _of_outgoing(lambda it: it.waiting.oldest), "When the oldest of them was written."),
    Field("last_error", maybe(TEXT), _of_outgoing(lambda it: it.last_error), "Why they could not be published last, if so."),
    Field("dropped", maybe(WHOLE), _of_outgoing(lambda it: it.dropped), "Events that were never published, in all."),
    Field("poison", maybe(WHOLE), _of_incoming(lambda it: it.poison), "Events from outside that were given up, about."),
    Field("unreadable", maybe(WHOLE), _of_incoming(lambda it: it.unreadable), "How many nobody could read, in all."),
    Field("delayed", maybe(WHOLE), _of_incoming(lambda it: it.delayed), "How often one was not yet in its time, in all."),
    Field(
        "own", maybe(WHOLE), _of_incoming(lambda it: it.own), "How many the broker or a leased principal has caused, in all."
    ),
)
STATUS = Record[Status](
    "Status",
    "How the broker is doing.",
    Field(
        "leases",
        Record[Status](
            "",
            "How many there were at `as_of`.",
            Field("as_of", INSTANT, lambda it: it.counted_at, "When they were counted: once an hour, by the reconciliation."),
            Field("by_state", COUNTS, lambda it: _counts(it.by_state)),
            Field(
                "by_role",
                Value({"type": "object", "additionalProperties": COUNTS.schema}),
                lambda it: {name: _counts(states) for name, states in it.by_role.items()},
            ),
        ),
        lambda it: it,
    ),
    Field(
        "sweep",
        Record[Status](
            "",
            "",
            Field("last", maybe(INSTANT), lambda it: it.last_sweep),
            Field("lag_seconds", maybe(Value({"type": "number"})), lambda it: it.sweep_lag),
            Field("summary", COUNTS, lambda it: it.last_summary),
        ),
        lambda it: it,
    ),
    Field(
        "reconciliation",
        Record[Status](
            "",
            "",
            Field("last", maybe(INSTANT), lambda it: it.last_reconciliation),
            Field("summary", COUNTS, lambda it: it.last_counts),
        ),
        lambda it: it,
    ),
    Field("stuck", Items(LEASE), lambda it: it.stuck, "A hundred at most, as they are now."),
    Field(
        "overdue",
        Items(LEASE),
        lambda it: it.overdue,
        "Leases that have been due for five minutes and more now: a hundred at most. While sweeps come each minute, of those "
        "that the last one has left.",
    ),
    Field(
        "outdated_roles",
        _BROKEN_ROLES,
        lambda it: it.outdated.items(),
        "Roles that break a rule of today. Issuing from them is 409 `role_outdated` until they are written again.",
    ),
    Field(
        "scopes_gone",
        _BROKEN_ROLES,
        lambda it: it.scopes_gone.items(),
        "Roles that name a scope that was not there when an issue from them failed; the hourly reconciliation looks again. "
        "They are 409 `azure_refused` or `azure_not_found` until the scope is there, or the role is written with another.",
    ),
    Field(
        "pool",
        _POOLS,
        lambda it: it.pools,
        "The roles that have a pool, by name.",
    ),
    Field(
        "events",
        _EVENTS,
        lambda it: it.events,
        "Events that are published, and events from outside (docs/events.md).",
        optional=True,
    ),
    Field(
        "warnings",
        Items(TEXT),
        lambda it: it.warnings,
        "What to mend in the settings though the broker runs with it, a sentence each.",
    ),
    Field(
        "unreadable",
        Record[Status](
            "",
            "There while something that is stored cannot be read by this version: it is damaged, or a later version's. "
            "It stays as it is.",
            Field(
                "roles",
                _BROKEN_ROLES,
                lambda it: it.unreadable_roles.items(),
                "Issuing from them is 500 `misconfigured` until they are written again, or deleted.",
            ),
            Field(
                "leases",
                Items(TEXT),
                lambda it: it.unreadable_leases,
                "Lease ids, a few hundred at most. A version that can read them ends them; the last reconciliation and the "
                "last sweep have found them.",
            ),
        ),
        lambda it: it if it.unreadable_roles or it.unreadable_leases else None,
        optional=True,
    ),
    Field(
        "identity",
        Record[Mapping[str, datetime]](
            "",
            "There while services refuse the broker's own identity, as the worker that answers has met it.",
            Field(
                "refused",
                Items(_REFUSED),
                lambda it: it.items(),
                "The services that answer 401 to a fresh token: until they take one, calls are 503 `azure_identity_refused`.",
            ),
        ),
        lambda it: it.refused,
        optional=True,
    ),
)


def _counts[K: str](found: Mapping[K, int]) -> dict[str, int]:
    return {str(state): count for state, count in found.items()}


@api.call(
    "GET",
    "status",
    needs=("status", "read"),
    operation="status",
    answers=(Answer(200, "Counts, the sweep's lag, what is stuck.", STATUS),),
)
async def status(request: VerifiedRequest) -> Reply:
    """How is the broker doing?

    For auditors and admins. Leases are told as the last reconciliation has counted them.
    """
    return of_json(200, STATUS.write(await inspect.status(request.ports, request.actor)))


SWEPT = Record[Summary](
    "Sweep",
    "What one sweep did.",
    Field("ended", WHOLE, lambda it: it.ended, "Leases that ended."),
    Field("undone", WHOLE, lambda it: it.undone, "Of unfinished or failed issues."),
    Field("stuck", WHOLE, lambda it: it.stuck, "Not ended in too many attempts."),
    Field("remaining", WHOLE, lambda it: it.remaining, "Due and not ended now: left to the queue, or due again later."),
)


@api.call(
    "POST",
    "sweep",
    needs=("sweep", "write"),
    operation="sweep",
    body=requests.NOTHING,
    answers=(Answer(200, "What it did.", SWEPT),),
)
async def run_sweep(request: VerifiedRequest) -> Reply:
    """Sweep now.

    For admins. Ends what is due for up to two and a half minutes, and leaves the rest to the queue. The timer ends a few leases
    itself and leaves more to the queue.
    """
    requests.nothing(request.http)
    summary = await sweep(request.ports, request.actor.id)
    counts = ", ".join(f"{name} {count}" for name, count in asdict(summary).items())
    await request.ports.audit.record(request.actor.done(request.ports, "sweep", reason=counts))
    return of_json(200, SWEPT.write(summary))


_MOST_FINDINGS = 1000
FINDING = Record[Finding](
    "",
    "One thing that was found.",
    Field(
        "kind",
        FOUND,
        lambda it: it.type,
        "What it is; `recycled` is something in the recycle bin, `lease` a lease whose objects are gone.",
    ),
    Field("lease", TEXT, lambda it: it.lease, "The lease that it was made for."),
    Field("name", TEXT, lambda it: it.name, "What it is, in Azure's own ids."),
    Field("result", word(*Result), lambda it: it.result, "What became of it; `left` for the next run."),
    Field("error", TEXT, lambda it: it.error, "Why it failed.", optional=True),
)
RECONCILED = Record[tuple[Reconciliation, bool]](
    "Reconciliation",
    "What one reconciliation did, or would do.",
    Field("dry_run", TRUTH, lambda it: it[1], "Whether it only looked."),
    Field("found", WHOLE, lambda it: len(it[0].findings), "How many findings there are."),
    Field("findings", Items(FINDING), lambda it: it[0].findings[:_MOST_FINDINGS], "The first thousand."),
    Field("unread", Items(TEXT), lambda it: it[0].unread, "Places that could not be read this time."),
)
DRY_RUN = flag("dry_run", "Only say what would be done.")


@api.call(
    "POST",
    "reconcile",
    needs=("reconcile", "write"),
    operation="reconcile",
    query=(DRY_RUN,),
    body=requests.NOTHING,
    answers=(Answer(200, "What it did, or would do.", RECONCILED),),
    fails=(502,),
)
async def run_reconciliation(request: VerifiedRequest) -> Reply:
    """Reconcile Azure with the leases now.

    For admins. The timer does the same. Removes what the broker has made and no live lease needs; ends leases whose objects
    somebody else deleted.
    """
    dry_run = requests.asked(request.http, DRY_RUN)
    requests.nothing(request.http)
    done = await reconcile(request.ports, request.actor.id, actor=request.actor, dry_run=dry_run)
    return of_json(200, RECONCILED.write((done, dry_run)))
