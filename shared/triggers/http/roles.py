"""The calls that configure roles."""

from __future__ import annotations

from functools import partial
from typing import Any

from shared.broker.configure import roles
from shared.core.role import Role
from shared.kinds.registry import Kinds
from shared.kinds.role_document import write_role as write_document
from shared.triggers.http import documents, requests
from shared.triggers.http.documents import DRY_RUN
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import REVOKING, ROLE
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import Answer, Body, Value, flag

api = Api("roles")
KEPT = Value({"oneOf": [ROLE.schema, {"$ref": "#/components/schemas/UnreadableRole"}]})
"""A role that is in the store: it may be one that this broker cannot read."""


@api.call(
    "GET",
    "roles",
    needs=("roles", "list"),
    operation="list_roles",
    query=documents.LISTED,
    answers=(documents.list_answer("roles", "Some of the roles, by name.", KEPT),),
)
async def list_roles(request: VerifiedRequest) -> Reply:
    """List roles.

    For whoever may list `roles`.
    """
    page = await request.ports.roles.page(*documents.page_asked(request.http))
    return documents.listed("roles", page, lambda role: _document(request.ports.kinds, role))


@api.call(
    "GET",
    "roles/{role}",
    needs=("roles/{role}", "read"),
    operation="get_role",
    headers=documents.READ_HEADERS,
    answers=documents.read_answers("The role.", KEPT),
    fails=(404,),
)
async def read_role(request: VerifiedRequest) -> Reply:
    """Read a role.

    For whoever may read it.
    """
    role = await roles.get_role(request.ports, requests.role_name(request.http))
    return documents.shown(request.http, _document(request.ports.kinds, role), role.version)


UNVERIFIED = flag("unverified", "Take vaults that do not answer, unseen. For `Leasehold.Admin`; others' is ignored.")


@api.call(
    "PUT",
    "roles/{role}",
    needs=("roles/{role}", "write"),
    operation="put_role",
    query=(DRY_RUN, UNVERIFIED),
    headers=documents.WRITE_HEADERS,
    body=Body("Role", "", schema=ROLE.schema, required=True),
    answers=documents.write_answers("The role", ROLE),
    fails=(409, 412, 502),
)
async def write_role(request: VerifiedRequest) -> Reply:
    """Make or replace a role.

    For whoever may write it. Reports every fault at once; looks up in Azure what the role names. A role that is stored already,
    as it is, keeps its version. Only who may issue from the role changes its bounds (403 `escalation`).
    """
    name, ports = requests.role_name(request.http), request.ports
    dry_run, untried = requests.asked(request.http, DRY_RUN), requests.asked(request.http, UNVERIFIED)
    expected = await documents.expected_of(request.http, lambda: ports.roles.get(name))
    read = partial(roles.read, ports, name)
    role = read(documents.unnamed(name, requests.body(request.http), read))
    written = await roles.put_role(ports, request.actor, role, expected=expected, dry_run=dry_run, is_untried=untried)
    return documents.stored(request.http, written, write_document(ports.kinds, written.document))


REVOKE = flag("revoke", "End the role's live leases as well.")


@api.call(
    "DELETE",
    "roles/{role}",
    needs=("roles/{role}", "delete"),
    operation="delete_role",
    query=(REVOKE,),
    headers=documents.DELETE_HEADERS,
    answers=(Answer(202, "With `revoke`: how many leases are ending.", REVOKING), Answer(204, "The role is gone.")),
    fails=(404, 409, 412),
)
async def delete_role(request: VerifiedRequest) -> Reply:
    """Delete a role.

    For whoever may delete it. At once nothing is issued from it any more.
    """
    name, revoking = requests.role_name(request.http), requests.asked(request.http, REVOKE)
    # A role that is not there is 404 under a condition, too: RFC 9110, 13.2.1.
    expected = await documents.expected_of(request.http, lambda: roles.get_role(request.ports, name))
    begun = await roles.delete_role(request.ports, request.actor, name, expected=expected, revoking=revoking)
    return of_json(202, REVOKING.write(begun)) if begun is not None else Reply(204)


def _document(kinds: Kinds, role: Role) -> dict[str, Any]:
    return {"name": role.name, **write_document(kinds, role)}
