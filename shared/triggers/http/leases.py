"""The calls on credentials and leases."""

from __future__ import annotations

from shared.broker import inspect
from shared.broker.force import revoke_as_operator
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import issue
from shared.broker.renew import renew
from shared.broker.revoke import revoke, revoke_role
from shared.core.lease import Lease, State
from shared.triggers.http import requests, responses
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.routes import Api

api = Api()
_LOOK_AGAIN = 15
"""Seconds after which a lease that is ending is worth another look."""


@api.call(
    "POST",
    "roles/{role}/leases",
    needs=("roles/{role}/leases", "issue"),
    exception="bounds",
    operation="issue",
    reads_first=True,
)
async def issue_lease(request: VerifiedRequest) -> Reply:
    """A new credential under a new lease, or, when it is asked for again under the same key, under the same lease."""
    role, key = requests.role_name(request.http), requests.idempotency_key(request.http)
    issue_request = requests.issue_request(role, requests.body(request.http))
    made = await (
        issue(request.ports, request.actor, issue_request)
        if key is None
        else issue_once(request.ports, request.actor, issue_request, key)
    )
    return of_json(201, responses.issued(made), {"Location": responses.lease_path(made.lease)})


@api.call("GET", "leases/{id}", needs=("leases/{id}", "read"), exception="holder", operation="read", query=("until",))
async def read_lease(request: VerifiedRequest) -> Reply:
    """One lease, to its holder or an auditor; for whoever waits for its end, 202 until then."""
    lease_id, waiting = requests.lease_id(request.http), requests.until_ended(request.http)
    lease = await inspect.read_lease(request.ports, request.actor, lease_id)
    return _ending(request, lease) if waiting else of_json(200, responses.lease(lease))


@api.call(
    "GET",
    "leases",
    needs=("leases", "list"),
    exception="holder",
    operation="list",
    query=("role", "holder", "state", "limit", "cursor"),
)
async def list_leases(request: VerifiedRequest) -> Reply:
    """The caller's own leases; all of them to an auditor."""
    return of_json(
        200, responses.leases(await inspect.list_leases(request.ports, request.actor, requests.lease_query(request.http)))
    )


@api.call("POST", "leases/{id}/renew", needs=("leases/{id}", "renew"), exception="holder", operation="renew", reads_first=True)
async def renew_lease(request: VerifiedRequest) -> Reply:
    """A later end."""
    lease_id, increment = requests.lease_id(request.http), requests.increment(requests.body(request.http))
    return of_json(200, responses.lease(await renew(request.ports, request.actor, lease_id, increment)))


@api.call("DELETE", "leases/{id}", needs=("leases/{id}", "revoke"), exception="holder", operation="revoke", reads_first=True)
async def revoke_lease(request: VerifiedRequest) -> Reply:
    """The end of one lease: at once, or soon when Azure is slow."""
    lease_id = requests.lease_id(request.http)
    _require_address(request)
    return _ending(request, await revoke(request.ports, request.actor, lease_id))


@api.call(
    "POST", "leases/{id}/revoke", needs=("leases/{id}", "write"), exception="holder", operation="revoke", query=("force",)
)
async def force_lease(request: VerifiedRequest) -> Reply:
    """The same for operators, who may let go of a lease that cannot be ended."""
    lease_id, force = requests.lease_id(request.http), requests.flag(request.http, "force")
    requests.nothing(request.http)
    _require_address(request)
    return _ending(request, await revoke_as_operator(request.ports, request.actor, lease_id, force=force))


def _require_address(request: VerifiedRequest) -> None:
    """Raises ``Misconfigured`` while nothing has happened yet: an end that takes its time is answered with an address."""
    request.broker.address("")


def _ending(request: VerifiedRequest, lease: Lease) -> Reply:
    """202 with an address that answers alike until the lease has ended: what clients of long-running operations follow."""
    if lease.state is State.ENDED:
        return of_json(200, responses.lease(lease))
    again = request.broker.address(f"{responses.lease_path(lease)}?until=ended")
    return of_json(202, responses.lease(lease), {"Location": again, "Retry-After": str(_LOOK_AGAIN)})


@api.call("POST", "roles/{role}/revoke", needs=("roles/{role}/leases", "revoke"), operation="revoke_role")
async def revoke_role_leases(request: VerifiedRequest) -> Reply:
    """The end of every lease of a role: in force with the answer, carried out behind it."""
    role = requests.role_name(request.http)
    requests.nothing(request.http)
    return of_json(202, responses.revoking(await revoke_role(request.ports, request.actor, role)))
