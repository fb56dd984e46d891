"""The calls on leases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import azure.functions as func

from shared.broker import inspect
from shared.broker.force import revoke_as_operator
from shared.broker.renew import renew
from shared.broker.revoke import revoke, revoke_role
from shared.broker.revoke_reaching import revoke_reaching
from shared.core.errors import Caution, Malformed
from shared.core.lease import Lease, LeaseView, State
from shared.core.names import LEASE_ID, LeaseId, ObjectId, RoleName, Scope, Unparsable
from shared.core.parsing import Reader, parsed_item
from shared.core.ports.leases import LeaseQuery
from shared.core.ports.page import Page
from shared.core.reach import Reach
from shared.triggers.http import requests
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import CAUTION, ENDING, LEASE, REVOKING, REVOKING_REACHING, ROLE_NAMED, lease_path
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import (
    DURATION,
    ID,
    TEXT,
    Answer,
    Body,
    Entry,
    Field,
    Items,
    JsonSchema,
    Record,
    flag,
    maybe,
    parsed,
)

api = Api("leases")
_LOOK_AGAIN = 15
"""Seconds after which a lease that is ending is worth another look."""


def _until(reader: Reader, field: str) -> bool:
    value = reader.take(field)
    if value not in {None, "ended"}:
        reader.fault(field, "expected ended")
    return value is not None


UNTIL = Entry("until", {"type": "string", "enum": ["ended"]}, _until, "Answer 202 until the lease has ended, then 200.")
STILL_ENDING = Answer(202, "The lease, ending: Azure is slow, and the sweep goes on.", LEASE, ENDING)


@api.call(
    "GET",
    "leases/{id}",
    needs=("leases/{id}", "read"),
    exception="holder",
    operation="read",
    query=(UNTIL,),
    answers=(Answer(200, "The lease.", LEASE), Answer(202, "With `until=ended`: the lease has not ended.", LEASE, ENDING)),
    fails=(404,),
)
async def read_lease(request: VerifiedRequest) -> Reply:
    """Read a lease.

    Its holder, an auditor or an admin may. With `until=ended` for those who wait for its end: what a 202 of a revocation leads
    to.
    """
    lease_id, waiting = requests.lease_id(request.http), requests.asked(request.http, UNTIL)
    lease = await inspect.read_lease(request.ports, request.actor, lease_id)
    return _ending(request, lease) if waiting else of_json(200, LEASE.write(lease))


_ALL = "all"


def _state(written: str) -> State | None:
    if written not in {*State, _ALL}:
        raise Unparsable(f"expected one of {', '.join(State)}, {_ALL}")
    return State(written) if written != _ALL else None


def _lease_cursor(written: str) -> LeaseId:
    try:
        return LeaseId.parse(written)
    except Unparsable:
        raise Unparsable("is not a cursor of this listing") from None


OF_ROLE = parsed("role", ROLE_NAMED.schema, RoleName.parse, "Of this role only.")
OF_HOLDER = parsed("holder", ID.schema, ObjectId.parse, "Of this caller only, by object id.")
STATE = parsed(
    *("state", {"type": "string", "enum": [*State, _ALL]}, _state),
    "In this state only; `all` in any. Without it those that have not ended, but for pooled ones.",
)
CURSOR = parsed("cursor", {"type": "string", "pattern": f"^({LEASE_ID})?$"}, _lease_cursor, "`next` of the part before.")
SCOPE: JsonSchema = {
    "type": "string",
    "pattern": "^/([Ss]ubscriptions|[Pp]roviders)/",
    "maxLength": Scope.MAX_LENGTH,
}
WITHIN = parsed(
    *("within", SCOPE, Scope.parse),
    "Only leases that were granted something at this scope or below it, and have not ended.",
)
REACHING = parsed(
    *("reaching", SCOPE, Scope.parse),
    "Only leases that were granted something at this scope, below it or above it, and have not ended. All that were granted"
    " something at a management group are among them.",
)


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of a list of leases, and what the list does not show."""

    page: Page[LeaseView]
    warnings: tuple[Caution, ...] = ()


LEASES = Record[Listing](
    "",
    "",
    Field("leases", Items(LEASE), lambda it: it.page.items),
    Field("next", maybe(TEXT), lambda it: it.page.cursor, "The `cursor` of the next part; null at the end."),
    Field(
        "warnings",
        Items(CAUTION),
        lambda it: it.warnings,
        "With `within` or `reaching`: what the list does not show.",
        optional=True,
    ),
)


def lease_query(request: func.HttpRequest) -> LeaseQuery:
    """Which leases to list."""
    reader = Reader(dict(request.params))
    query = LeaseQuery(
        role=OF_ROLE.of(reader),
        holder=OF_HOLDER.of(reader),
        state=STATE.of(reader),
        live=STATE.name not in request.params,
        limit=requests.LIMIT.of(reader),
        cursor=CURSOR.of(reader),
        reach=_reach(reader),
    )
    if query.reach is not None and request.params.get(STATE.name) in {State.ENDED, _ALL}:
        reader.fault(STATE.name, "leases that have ended are not found by scope: name another state, or leave it out")
    requests.finish(reader)
    return query


def _reach(reader: Reader) -> Reach | None:
    within, reaching = WITHIN.of(reader), REACHING.of(reader)
    if reader.has(WITHIN.name) and reader.has(REACHING.name):
        reader.fault(REACHING.name, "expected either within or reaching")
    if within is not None:
        return Reach(within)
    return Reach(reaching, above=True) if reaching is not None else None


@api.call(
    "GET",
    "leases",
    needs=("leases/{id}", "list"),
    exception="holder",
    operation="list",
    query=(OF_ROLE, OF_HOLDER, STATE, WITHIN, REACHING, requests.LIMIT, CURSOR),
    answers=(Answer(200, "A part of the list.", LEASES),),
)
async def list_leases(request: VerifiedRequest) -> Reply:
    """List leases.

    The caller's own; all of them to an auditor or admin. The newest first. Those that have ended are told when `state` asks for
    them. While leases begin and end, the pages neither miss nor repeat one that stays. With `within` or `reaching`, leases are
    found by the scopes of their role assignments. What they reach through groups or Graph app roles is not seen, and `warnings`
    says so.
    """
    query = lease_query(request.http)
    page = await inspect.list_leases(request.ports, request.actor, query)
    warnings = query.reach.cautions((REACHING if query.reach.above else WITHIN).name) if query.reach is not None else ()
    return of_json(200, LEASES.write(Listing(page, tuple(warnings))))


INCREMENT = Entry(
    *("increment", DURATION, requests.seconds), "Counted from now; at least 60 seconds. Left out: the lease's `ttl`."
)


def increment(document: Any) -> int | None:
    """By how much a lease is to be renewed, in seconds."""
    reader = Reader(document)
    seconds = INCREMENT.of(reader)
    reader.finish()
    return seconds


@api.call(
    "POST",
    "leases/{id}/renew",
    needs=("leases/{id}", "renew"),
    exception="holder",
    operation="renew",
    reads_first=True,
    body=Body("", "", INCREMENT),
    answers=(Answer(200, "The lease with its new end.", LEASE),),
    fails=(404, 409),
)
async def renew_lease(request: VerifiedRequest) -> Reply:
    """Renew a lease.

    Decided anew by the role as it is now, and refused (`role_changed`) when that grants something else than when the lease was
    issued. Never past `max_expires_at`, never shorter than before.
    """
    lease_id, seconds = requests.lease_id(request.http), increment(requests.body(request.http))
    return of_json(200, LEASE.write(await renew(request.ports, request.actor, lease_id, seconds)))


@api.call(
    "DELETE",
    "leases/{id}",
    needs=("leases/{id}", "revoke"),
    exception="holder",
    operation="revoke",
    reads_first=True,
    answers=(Answer(200, "The lease, ended: nothing of it is left.", LEASE), STILL_ENDING),
    fails=(404,),
)
async def revoke_lease(request: VerifiedRequest) -> Reply:
    """Revoke a lease.

    Its holder or an admin may. Repeating it is harmless.
    """
    lease_id = requests.lease_id(request.http)
    _require_address(request)
    return _ending(request, await revoke(request.ports, request.actor, lease_id))


FORCE = flag("force", "Let go of what cannot be undone.")


@api.call(
    "POST",
    "leases/{id}/revoke",
    needs=("leases/{id}", "write"),
    exception="holder",
    operation="revoke",
    query=(FORCE,),
    answers=(
        Answer(200, "The lease, ended. Of one that was let go, `last_error` says why it could not be ended.", LEASE),
        STILL_ENDING,
    ),
    fails=(404, 409),
)
async def force_lease(request: VerifiedRequest) -> Reply:
    """Revoke a lease as an operator.

    For admins. As `DELETE`; with `force=true` a lease that has failed to end before is undone once more, and what cannot be
    undone is let go. The audit trail then names all that may be left behind (`force_revoke`). While Azure is known not to
    answer, only a stuck lease is let go; another one is 202 `ending`, and is ended when Azure answers again.
    """
    lease_id, force = requests.lease_id(request.http), requests.asked(request.http, FORCE)
    requests.nothing(request.http)
    _require_address(request)
    return _ending(request, await revoke_as_operator(request.ports, request.actor, lease_id, force=force))


def _require_address(request: VerifiedRequest) -> None:
    """Raises ``Misconfigured`` while nothing has happened yet: an end that takes its time is answered with an address."""
    request.broker.address("")


def _ending(request: VerifiedRequest, lease: Lease) -> Reply:
    """202 with an address that answers alike until the lease has ended: what clients of long-running operations follow."""
    if lease.state is State.ENDED:
        return of_json(200, LEASE.write(lease))
    again = request.broker.address(f"{lease_path(lease)}?until=ended")
    return of_json(202, LEASE.write(lease), {"Location": again, "Retry-After": str(_LOOK_AGAIN)})


@api.call(
    "POST",
    "roles/{role}/revoke",
    needs=("roles/{role}/leases", "revoke"),
    operation="revoke_role",
    body=requests.NOTHING,
    answers=(Answer(202, "How many leases are ending.", REVOKING),),
)
async def revoke_role_leases(request: VerifiedRequest) -> Reply:
    """Revoke every lease of a role.

    For admins. In force with the answer: every lease of the role that was opened before is `ending` from then on, and is not
    activated, renewed or repeated. What is out in Azure works until it is taken back, which begins at once.
    """
    role = requests.role_name(request.http)
    requests.nothing(request.http)
    return of_json(202, REVOKING.write(await revoke_role(request.ports, request.actor, role)))


MOST_ROLES = 100
OF_SCOPE = Entry(
    *("reaching", SCOPE, lambda reader, field: reader.parsed(field, Scope.parse, required=True)),
    "Leases that were granted something at this scope, below it or above it. All that were granted something at a management"
    " group are among them.",
)


OF_ROLES = Entry(
    "roles",
    {"type": "array", "items": ROLE_NAMED.schema, "minItems": 1, "maxItems": MOST_ROLES},
    lambda reader, field: frozenset(reader.items(field, parsed_item(RoleName.parse), most=MOST_ROLES)),
    "Leases of these roles only.",
)


def reaching_of(document: Any) -> tuple[Scope, frozenset[RoleName]]:
    """Which leases to revoke: by scope, and of which roles, none for all."""
    reader = Reader(document)
    scope, roles = OF_SCOPE.of(reader), OF_ROLES.of(reader)
    reader.finish()
    if scope is None:
        raise Malformed(*reader.faults)
    return scope, roles


@api.call(
    "POST",
    "leases/revoke",
    needs=("leases/{id}", "revoke"),
    exception="each",
    operation="revoke_reaching",
    body=Body("RevokeReaching", "", OF_SCOPE, OF_ROLES, required=True, must=(OF_SCOPE,)),
    answers=(Answer(202, "How many leases are ending, and of which roles.", REVOKING_REACHING),),
)
async def revoke_leases_reaching(request: VerifiedRequest) -> Reply:
    """Revoke every lease that reaches a scope.

    Those on which the caller holds `revoke` by a policy or as an admin; a holder's own right does not count. Each is `ending`
    when the answer comes, and its credential works until it is taken back, which begins at once. Repeating the request is
    harmless, and ends what an interrupted one has left. Leases that are issued meanwhile, or afterwards, are not ended: deny
    first, or revoke the `roles` of the answer.
    """
    scope, roles = reaching_of(requests.body(request.http))
    return of_json(202, REVOKING_REACHING.write(await revoke_reaching(request.ports, request.actor, scope, roles)))
