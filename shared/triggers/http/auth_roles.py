"""The calls that configure auth roles: who is who."""

from __future__ import annotations

from functools import partial
from typing import Any

from shared.broker.configure import auth_roles
from shared.core.access.auth_role import AuthRole
from shared.core.access.auth_role import read_auth_role as read_document
from shared.core.access.auth_role import write_auth_role as write_document
from shared.triggers.http import documents, requests
from shared.triggers.http.documents import DRY_RUN
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import Answer, Body, named

api = Api("auth roles")
AUTH_ROLE = named("AuthRole")


@api.call(
    "GET",
    "auth-roles",
    needs=("auth-roles", "list"),
    operation="list_auth_roles",
    query=documents.LISTED,
    answers=(documents.list_answer("auth_roles", "Some of the auth roles, by name.", AUTH_ROLE),),
)
async def list_auth_roles(request: VerifiedRequest) -> Reply:
    """List auth roles.

    For whoever may list `auth-roles`.
    """
    page = await request.ports.auth_roles.page(*documents.page_asked(request.http))
    return documents.listed("auth_roles", page, _document)


@api.call(
    "GET",
    "auth-roles/{name}",
    needs=("auth-roles/{name}", "read"),
    operation="get_auth_role",
    headers=documents.READ_HEADERS,
    answers=documents.read_answers("The auth role.", AUTH_ROLE),
    fails=(404,),
)
async def read_auth_role(request: VerifiedRequest) -> Reply:
    """Read an auth role.

    For whoever may read it.
    """
    auth_role = await auth_roles.get_auth_role(request.ports, requests.document_name(request.http))
    return documents.shown(request.http, _document(auth_role), auth_role.version)


@api.call(
    "PUT",
    "auth-roles/{name}",
    needs=("auth-roles/{name}", "write"),
    operation="put_auth_role",
    query=(DRY_RUN,),
    headers=documents.WRITE_HEADERS,
    body=Body("AuthRole", "", schema=AUTH_ROLE.schema, required=True),
    answers=documents.write_answers("The auth role", AUTH_ROLE),
    fails=(412, 502),
)
async def write_auth_role(request: VerifiedRequest) -> Reply:
    """Make or replace an auth role.

    For whoever may write it. Reports every fault at once. Asks Azure only with `dry_run`: an auth role may be written before
    the machine that it is for. Names only policies that give no more than the caller has (403 `escalation`).
    """
    name, ports = requests.document_name(request.http), request.ports
    dry_run = requests.asked(request.http, DRY_RUN)
    expected = await documents.expected_of(request.http, lambda: ports.auth_roles.get(name))
    document = documents.unnamed(name, requests.body(request.http), partial(read_document, name))
    written = await auth_roles.put_auth_role(ports, request.actor, name, document, expected=expected, dry_run=dry_run)
    return documents.stored(request.http, written, write_document(written.document))


@api.call(
    "DELETE",
    "auth-roles/{name}",
    needs=("auth-roles/{name}", "delete"),
    operation="delete_auth_role",
    headers=documents.DELETE_HEADERS,
    answers=(Answer(204, "The auth role is gone."),),
    fails=(404, 412),
)
async def delete_auth_role(request: VerifiedRequest) -> Reply:
    """Delete an auth role.

    For whoever may delete it. At once nothing is issued by it any more.
    """
    name, ports = requests.document_name(request.http), request.ports
    expected = await documents.expected_of(request.http, lambda: auth_roles.get_auth_role(ports, name))
    await auth_roles.delete_auth_role(ports, request.actor, name, expected=expected)
    return Reply(204)


def _document(auth_role: AuthRole) -> dict[str, Any]:
    return {"name": auth_role.name, **write_document(auth_role), **documents.outdated(auth_role.faults)}
