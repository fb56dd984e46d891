"""The calls that configure roles."""

from __future__ import annotations

from typing import Any

from shared.broker import configure, rules
from shared.core.errors import Fault, Malformed, NotFound
from shared.core.names import RoleName
from shared.core.role import Role
from shared.triggers.http import requests, responses
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.preconditions import conditions, tag_of
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.routes import Api

api = Api()


@api.call("GET", "roles", needs=("roles", "list"), operation="list_roles")
async def list_roles(request: VerifiedRequest) -> Reply:
    """Every role."""
    found = await configure.list_roles(request.ports)
    return of_json(200, {"roles": [responses.role(role) for role in found]})


@api.call("GET", "roles/{role}", needs=("roles/{role}", "read"), operation="get_role")
async def read_role(request: VerifiedRequest) -> Reply:
    """One role, with its entity tag."""
    role = await configure.get_role(request.ports, requests.role_name(request.http))
    return of_json(200, responses.role(role), {"ETag": tag_of(role.version)})


@api.call("PUT", "roles/{role}", needs=("roles/{role}", "write"), operation="put_role", query=("dry_run",))
async def write_role(request: VerifiedRequest) -> Reply:
    """A role, made or replaced; with ``dry_run`` only checked, against Azure as well."""
    name, dry_run = requests.role_name(request.http), requests.flag(request.http, "dry_run")
    wanted, former = conditions(request.http), await _former(request, name)
    expected = wanted.expected(former.version if former else None)
    document = _unnamed(name, requests.body(request.http))
    role = await configure.put_role(request.ports, request.actor, name, document, expected=expected, dry_run=dry_run)
    warnings = rules.cautions(request.ports, role)
    if dry_run:
        return of_json(200, responses.role(role, (*warnings, *rules.untried(role))))
    return of_json(200 if former else 201, responses.role(role, warnings), {"ETag": tag_of(role.version)})


@api.call("DELETE", "roles/{role}", needs=("roles/{role}", "delete"), operation="delete_role", query=("revoke",))
async def delete_role(request: VerifiedRequest) -> Reply:
    """A role's end; with ``revoke`` that of its leases as well."""
    name, revoking = requests.role_name(request.http), requests.flag(request.http, "revoke")
    wanted = conditions(request.http)
    # Only a condition needs a look: a role that is not there is then 404, as without one (RFC 9110, 13.2.1).
    former = await configure.get_role(request.ports, name) if wanted.tags is not None else None
    expected = wanted.expected(former.version) if former else None
    begun = await configure.delete_role(request.ports, request.actor, name, expected=expected, revoking=revoking)
    return of_json(202, responses.revoking(begun)) if begun is not None else Reply(204)


async def _former(request: VerifiedRequest, name: RoleName) -> Role | None:
    try:
        return await configure.get_role(request.ports, name)
    except NotFound:
        return None


def _unnamed(name: RoleName, document: Any) -> Any:
    """What was read may be written back: warnings are let pass, and a name in the document when it is the path's."""
    if not isinstance(document, dict):
        return document
    if document.get("name", name) != name:
        raise Malformed(Fault("name", "is not the name in the path"))
    return {field: value for field, value in document.items() if field not in {"name", "warnings"}}
