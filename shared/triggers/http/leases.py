"""The calls on leases."""

from __future__ import annotations

from typing import Any

import azure.functions as func

from shared.broker import inspect
from shared.broker.force import revoke_as_operator
from shared.broker.renew import renew
from shared.broker.revoke import revoke, revoke_role
from shared.core.lease import Lease, LeaseView, State
from shared.core.names import LEASE_ID, LeaseId, ObjectId, RoleName, Unparsable
from shared.core.parsing import Reader
from shared.core.ports.leases import LeaseQuery
from shared.core.ports.page import Page
from shared.triggers.http import requests
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import ENDING, LEASE, REVOKING, ROLE_NAMED, lease_path, part_of
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import DURATION, ID, Answer, Body, Entry, Record, flag, parsed

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
LEASES: Record[Page[LeaseView]] = part_of("leases", LEASE)


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
    )
    requests.finish(reader)
    return query


@api.call(
    "GET",
    "leases",
    needs=("leases/{id}", "list"),
    exception="holder",
    operation="list",
    query=(OF_ROLE, OF_HOLDER, STATE, requests.LIMIT, CURSOR),
    answers=(Answer(200, "A part of the list.", LEASES),),
)
async def list_leases(request: VerifiedRequest) -> Reply:
    """List leases.

    The caller's own; all of them to an auditor or admin. The newest first. Those that have ended are told when `state` asks for
    them. While leases begin and end, the pages neither miss nor repeat one that stays.
    """
    return of_json(200, LEASES.write(await inspect.list_leases(request.ports, request.actor, lease_query(request.http))))


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
