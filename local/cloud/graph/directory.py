"""Directory objects whatever their type, and the organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.engine.http import Reply
from local.cloud.graph import access, errors, memberships, names, objects, queries
from local.cloud.graph.request import identifiers, texts
from local.cloud.tenant.directory import Application, Group, ServicePrincipal, User

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.graph.objects import DirectoryObject
    from local.cloud.graph.request import GraphRequest

_IDS = 1_000
"""https://learn.microsoft.com/graph/api/directoryobject-getbyids."""
_TYPES = {"user": User, "group": Group, "serviceprincipal": ServicePrincipal, "application": Application}
_NONE_HERE = {
    *("administrativeunit", "approleassignment", "contract", "device", "directoryobjectpartnerreference", "directoryrole"),
    *("directoryroletemplate", "endpoint", "extensionproperty", "organization", "orgcontact"),
    *("policybase", "resourcespecificpermissiongrant"),
}
"""Other types of directory objects, of which this directory has none that these ids could name."""
_ANY = (*access.READ_DIRECTORY, *access.READ_APPLICATIONS, *access.READ_GROUPS, *access.READ_USERS)


def addressed(request: GraphRequest) -> DirectoryObject:
    """The object that the path names, or 404."""
    return objects.referenced(request, request.guid("id"))


def read(request: GraphRequest) -> Reply:
    """``GET /directoryObjects/{id}``."""
    request.caller.require(_ANY)
    return queries.one_of_any(request, memberships.visible(request, addressed(request)))


def by_ids(request: GraphRequest) -> Reply:
    """``POST /directoryObjects/getByIds``: what does not exist is missing from the answer."""
    request.caller.require(_ANY)
    body = request.body()
    names.only("getByIds", {"ids", "types"}, body)
    kinds = _kinds(body)
    found = (objects.find(request, object_id) for object_id in identifiers(body, "ids", most=_IDS))
    shown = [memberships.visible(request, item) for item in found if item is not None and isinstance(item, kinds)]
    return request.result("directoryObjects", {"value": shown})


def _kinds(body: Json) -> tuple[type[DirectoryObject], ...]:
    """The classes of the types that are asked for; everything when none is, or all of them by their common name."""
    asked = {name.lower() for name in texts(body, "types", most=_IDS)} if body.get("types") is not None else set()
    if unknown := asked - _TYPES.keys() - _NONE_HERE - {"directoryobject"}:
        raise errors.bad_request(f"Invalid value specified for parameter 'types': '{min(unknown)}'.")
    if not asked or "directoryobject" in asked:
        return tuple(_TYPES.values())
    return tuple(_TYPES[name] for name in asked & _TYPES.keys())


def organization(request: GraphRequest) -> Reply:
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
    selected = queries.selection(request, "organization", tenant)
    shown = tenant if selected is None else {each: tenant[each] for each in selected}
    return Reply(200, request.context(queries.named("organization", selected)) | {"value": [shown]})
