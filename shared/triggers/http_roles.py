"""The calls that configure roles."""

from __future__ import annotations

from typing import Any

from shared.broker import configure, rules
from shared.core.errors import Fault, Malformed, NotFound
from shared.core.names import RoleName
from shared.core.role import Role
from shared.triggers import reading, wire
from shared.triggers.api import Api
from shared.triggers.conditions import conditions, tag_of
from shared.triggers.edge import Call
from shared.triggers.reply import Reply, of_json

api = Api()


@api.call("GET", "roles", operation="list_roles")
async def list_roles(call: Call) -> Reply:
    """Every role."""
    found = await configure.list_roles(call.outside, call.asker)
    return of_json(200, {"roles": [wire.role(role) for role in found]})


@api.call("GET", "roles/{role}", operation="get_role")
async def read_role(call: Call) -> Reply:
    """One role, with its entity tag."""
    role = await configure.get_role(call.outside, call.asker, reading.role_name(call.http))
    return of_json(200, wire.role(role), {"ETag": tag_of(role.version)})


@api.call("PUT", "roles/{role}", operation="put_role", query=("dry_run",))
async def write_role(call: Call) -> Reply:
    """A role, made or replaced; with ``dry_run`` only checked, against Azure as well."""
    name, dry_run = reading.role_name(call.http), reading.flag(call.http, "dry_run")
    wanted, former = conditions(call.http), await _former(call, name)
    expected = wanted.expected(former.version if former else None)
    document = _unnamed(name, reading.body(call.http))
    role = await configure.put_role(call.outside, call.asker, name, document, expected=expected, dry_run=dry_run)
    warnings = rules.cautions(call.outside, role)
    if dry_run:
        return of_json(200, wire.role(role, (*warnings, *rules.untried(role))))
    return of_json(200 if former else 201, wire.role(role, warnings), {"ETag": tag_of(role.version)})


@api.call("DELETE", "roles/{role}", operation="delete_role", query=("revoke",))
async def delete_role(call: Call) -> Reply:
    """A role's end; with ``revoke`` that of its leases as well."""
    name, revoking = reading.role_name(call.http), reading.flag(call.http, "revoke")
    wanted = conditions(call.http)
    # Only a condition needs a look: a role that is not there is then 404, as without one (RFC 9110, 13.2.1).
    former = await configure.get_role(call.outside, call.asker, name) if wanted.tags is not None else None
    expected = wanted.expected(former.version) if former else None
    begun = await configure.delete_role(call.outside, call.asker, name, expected=expected, revoking=revoking)
    return of_json(202, wire.revoking(begun)) if begun is not None else Reply(204)


async def _former(call: Call, name: RoleName) -> Role | None:
    try:
        return await configure.get_role(call.outside, call.asker, name)
    except NotFound:
        return None


def _unnamed(name: RoleName, document: Any) -> Any:
    """What was read may be written back: warnings are let pass, and a name in the document when it is the path's."""
    if not isinstance(document, dict):
        return document
    if document.get("name", name) != name:
        raise Malformed(Fault("name", "is not the name in the path"))
    return {field: value for field, value in document.items() if field not in {"name", "warnings"}}
