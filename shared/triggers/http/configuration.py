"""The calls that configure roles."""

from __future__ import annotations

from typing import Any

from shared.broker import configure, rules
from shared.core.errors import Fault, Malformed
from shared.core.names import RoleName
from shared.core.ports.documents import ANY
from shared.kinds.role_document import read_role as read_document
from shared.triggers.http import requests, responses
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.preconditions import IF_NONE_MATCH, conditions, if_match, tag_of
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import REVOKING, ROLE
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import TEXT, Answer, Body, Field, Items, Record, Value, flag

api = Api("roles")
KEPT = Value({"oneOf": [ROLE.schema, {"$ref": "#/components/schemas/UnreadableRole"}]})
"""A role that is in the store: it may be one that this broker cannot read."""
ROLES = Record[list[Any]]("", "", Field("roles", Items(KEPT), lambda it: it))
_VERSION = {"ETag": {"description": "Its version.", "schema": TEXT.schema}}


@api.call("GET", "roles", needs=("roles", "list"), operation="list_roles", answers=(Answer(200, "Every role.", ROLES),))
async def list_roles(request: VerifiedRequest) -> Reply:
    """List roles.

    For admins.
    """
    found = await configure.list_roles(request.ports)
    return of_json(200, ROLES.write([responses.role(request.ports.kinds, role) for role in found]))


@api.call(
    "GET",
    "roles/{role}",
    needs=("roles/{role}", "read"),
    operation="get_role",
    answers=(Answer(200, "The role.", KEPT, _VERSION),),
    fails=(404,),
)
async def read_role(request: VerifiedRequest) -> Reply:
    """Read a role.

    For admins.
    """
    role = await configure.get_role(request.ports, requests.role_name(request.http))
    return of_json(200, responses.role(request.ports.kinds, role), {"ETag": tag_of(role.version)})


DRY_RUN = flag("dry_run", "Check, against Azure as well, and change nothing.")


@api.call(
    "PUT",
    "roles/{role}",
    needs=("roles/{role}", "write"),
    operation="put_role",
    query=(DRY_RUN,),
    headers=(if_match("Replace only this version, or with `*` only what exists."), IF_NONE_MATCH),
    body=Body("Role", "", schema=ROLE.schema, required=True),
    answers=(
        Answer(
            200,
            "The role as replaced, or with `dry_run` as it would be.",
            ROLE,
            {"ETag": {"description": "Its version, unless nothing was stored.", "schema": TEXT.schema}},
        ),
        Answer(201, "The role as made.", ROLE, _VERSION),
    ),
    fails=(409, 412, 502),
)
async def write_role(request: VerifiedRequest) -> Reply:
    """Make or replace a role.

    For admins. Reports every fault at once; looks up in Azure what the role names.
    """
    name, dry_run = requests.role_name(request.http), requests.asked(request.http, DRY_RUN)
    wanted, former = conditions(request.http), await configure.find_role(request.ports, name)
    expected = wanted.expected(former.version if former else None)
    role = read_document(request.ports.kinds, name, _unnamed(name, requests.body(request.http)))
    role = await configure.put_role(request.ports, request.actor, role, expected=expected, dry_run=dry_run)
    warnings = rules.cautions(request.ports, role)
    if dry_run:
        return of_json(200, responses.role(request.ports.kinds, role, (*warnings, *rules.untried(request.ports, role))))
    return of_json(200 if former else 201, responses.role(request.ports.kinds, role, warnings), {"ETag": tag_of(role.version)})


REVOKE = flag("revoke", "End the role's live leases as well.")


@api.call(
    "DELETE",
    "roles/{role}",
    needs=("roles/{role}", "delete"),
    operation="delete_role",
    query=(REVOKE,),
    headers=(if_match("Delete only this version, or with `*` any."),),
    answers=(Answer(202, "With `revoke`: how many leases are ending.", REVOKING), Answer(204, "The role is gone.")),
    fails=(404, 409, 412),
)
async def delete_role(request: VerifiedRequest) -> Reply:
    """Delete a role.

    For admins.
    """
    name, revoking = requests.role_name(request.http), requests.asked(request.http, REVOKE)
    wanted = conditions(request.http)
    # Only a condition needs a look: a role that is not there is then 404, as without one (RFC 9110, 13.2.1).
    former = await configure.get_role(request.ports, name) if wanted.tags is not None else None
    expected = wanted.expected(former.version) if former else ANY
    begun = await configure.delete_role(request.ports, request.actor, name, expected=expected, revoking=revoking)
    return of_json(202, REVOKING.write(begun)) if begun is not None else Reply(204)


def _unnamed(name: RoleName, document: Any) -> Any:
    """What was read may be written back: warnings are let pass, and a name in the document when it is the path's."""
    if not isinstance(document, dict):
        return document
    if document.get("name", name) != name:
        raise Malformed(Fault("name", "is not the name in the path"))
    return {field: value for field, value in document.items() if field not in {"name", "warnings"}}
