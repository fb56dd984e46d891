"""The calls on credentials and leases."""

from __future__ import annotations

from shared.broker import inspect
from shared.broker.force import revoke_as_operator
from shared.broker.issue import issue
from shared.broker.renew import renew
from shared.broker.repeat import issue_once
from shared.broker.revoke import revoke, revoke_role
from shared.core.lease import Lease, State
from shared.triggers import reading, wire
from shared.triggers.api import Api
from shared.triggers.edge import Call
from shared.triggers.reply import Reply, of_json

api = Api()
_LOOK_AGAIN = 15
"""Seconds after which a lease that is ending is worth another look."""


@api.call("POST", "roles/{role}/leases", operation="issue", reads_first=True)
async def issue_lease(call: Call) -> Reply:
    """A new credential under a new lease, or, when it is asked for again under the same key, under the same lease."""
    role, key = reading.role_name(call.http), reading.idempotency_key(call.http)
    ask = reading.ask(role, reading.body(call.http))
    made = await (issue(call.outside, call.asker, ask) if key is None else issue_once(call.outside, call.asker, ask, key))
    return of_json(201, wire.issued(made), {"Location": wire.lease_path(made.lease)})


@api.call("GET", "leases/{id}", operation="read", query=("until",))
async def read_lease(call: Call) -> Reply:
    """One lease, to its holder or an auditor; for whoever waits for its end, 202 until then."""
    lease_id, waiting = reading.lease_id(call.http), reading.until_ended(call.http)
    lease = await inspect.read_lease(call.outside, call.asker, lease_id)
    return _ending(call, lease) if waiting else of_json(200, wire.lease(lease))


@api.call("GET", "leases", operation="list", query=("role", "holder", "state", "limit", "cursor"))
async def list_leases(call: Call) -> Reply:
    """The caller's own leases; all of them to an auditor."""
    return of_json(200, wire.leases(await inspect.list_leases(call.outside, call.asker, reading.lease_query(call.http))))


@api.call("POST", "leases/{id}/renew", operation="renew", reads_first=True)
async def renew_lease(call: Call) -> Reply:
    """A later end."""
    lease_id, increment = reading.lease_id(call.http), reading.increment(reading.body(call.http))
    return of_json(200, wire.lease(await renew(call.outside, call.asker, lease_id, increment)))


@api.call("DELETE", "leases/{id}", operation="revoke", reads_first=True)
async def revoke_lease(call: Call) -> Reply:
    """The end of one lease: at once, or soon when Azure is slow."""
    lease_id = reading.lease_id(call.http)
    _require_address(call)
    return _ending(call, await revoke(call.outside, call.asker, lease_id))


@api.call("POST", "leases/{id}/revoke", operation="revoke", query=("force",))
async def force_lease(call: Call) -> Reply:
    """The same for operators, who may let go of a lease that cannot be ended."""
    lease_id, force = reading.lease_id(call.http), reading.flag(call.http, "force")
    reading.nothing(call.http)
    _require_address(call)
    return _ending(call, await revoke_as_operator(call.outside, call.asker, lease_id, force=force))


def _require_address(call: Call) -> None:
    """Raises ``Misconfigured`` while nothing has happened yet: an end that takes its time is answered with an address."""
    call.broker.address("")


def _ending(call: Call, lease: Lease) -> Reply:
    """202 with an address that answers alike until the lease has ended: what clients of long-running operations follow."""
    if lease.state is State.ENDED:
        return of_json(200, wire.lease(lease))
    again = call.broker.address(f"{wire.lease_path(lease)}?until=ended")
    return of_json(202, wire.lease(lease), {"Location": again, "Retry-After": str(_LOOK_AGAIN)})


@api.call("POST", "roles/{role}/revoke", operation="revoke_role")
async def revoke_role_leases(call: Call) -> Reply:
    """The end of every lease of a role: in force with the answer, carried out behind it."""
    role = reading.role_name(call.http)
    reading.nothing(call.http)
    return of_json(202, wire.revoking(await revoke_role(call.outside, call.asker, role)))
