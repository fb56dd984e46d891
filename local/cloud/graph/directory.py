"""Directory objects whatever their type, and the organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.graph import access, memberships, objects, queries
from local.cloud.graph.request import texts
from local.cloud.state import Application, Group, ServicePrincipal, User
from local.cloud.wire import Reply

if TYPE_CHECKING:
    from local.cloud.graph.objects import DirectoryObject
    from local.cloud.graph.request import Request

_IDS = 1_000
"""https://learn.microsoft.com/graph/api/directoryobject-getbyids."""
_TYPES = {"user": User, "group": Group, "serviceprincipal": ServicePrincipal, "application": Application}
_ANY = (*access.READ_DIRECTORY, *access.READ_APPLICATIONS, *access.READ_GROUPS, *access.READ_USERS)


def addressed(request: Request) -> DirectoryObject:
    """The object that the path names, or 404."""
    return objects.referenced(request, request.guid("id"))


def read(request: Request) -> Reply:
    """``GET /directoryObjects/{id}``."""
    request.caller.require(_ANY)
    return request.entity("directoryObjects/$entity", memberships.visible(request, addressed(request)))


def by_ids(request: Request) -> Reply:
    """``POST /directoryObjects/getByIds``: what does not exist is missing from the answer."""
    request.caller.require(_ANY)
    body = request.body()
    ids = texts(body, "ids", most=_IDS)
    kinds = tuple(_TYPES[name.lower()] for name in body.get("types") or _TYPES if name.lower() in _TYPES)
    found = (objects.find(request, object_id.lower()) for object_id in ids)
    shown = [memberships.visible(request, item) for item in found if item is not None and isinstance(item, kinds)]
    return request.result("directoryObjects", {"value": shown})


def organization(request: Request) -> Reply:
    """``GET /organization``: the tenant."""
    request.caller.require(access.READ_ORGANIZATION)
    domain = {
        "capabilities": "Email",
        "isDefault": True,
        "isInitial": True,
        "name": request.world.tenant_name,
        "type": "Managed",
    }
    tenant = {
        "id": request.world.tenant_id,
        "deletedDateTime": None,
        "businessPhones": [],
        "countryLetterCode": None,
        "createdDateTime": None,
        "displayName": "Leasehold",
        "tenantType": "AAD",
        "verifiedDomains": [domain],
    }
    queries.check_options(request, {"$select"})
    selected = queries.selection(request, "organization", tenant)
    shown = tenant if selected is None else {each: tenant[each] for each in selected}
    return Reply(200, request.context(queries.named("organization", selected)) | {"value": [shown]})
