"""Who belongs to which groups: directly, and through groups within groups."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from local.cloud.graph import access, bodies, errors, names, objects, queries
from local.cloud.graph.request import identifiers
from local.cloud.tenant.directory import Group, User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.cloud.engine.http import Reply
    from local.cloud.graph.objects import DirectoryObject
    from local.cloud.graph.request import GraphRequest
    from local.cloud.local_azure import LocalAzure

_CHECKED = 20
"""Groups that ``checkMemberGroups`` takes: https://learn.microsoft.com/graph/api/directoryobject-checkmembergroups."""


_DIRECTORY_ROLE: queries.ResourceType[Group] = queries.ResourceType(
    "directoryRole",
    "directoryRoles",
    bodies.group,
    dict.fromkeys(("id", "deletedDateTime", "description", "displayName", "roleTemplateId")),
)
"""Nobody has one here."""


def direct(request: GraphRequest, object_id: str) -> list[Group]:
    """The groups that list this object as a member, as far as the answering replica has seen."""
    sees = request.world.consistency.sees
    groups = objects.living(request, Group, request.directory.groups)
    holds = request.world.ghosts.holds
    return [
        item
        for item in groups
        if (object_id in item.members or holds("member", item.id, object_id)) and sees("graph", "member", item.id, object_id)
    ]


def remove_member(world: LocalAzure, item: Group, member_id: str) -> None:
    """Takes a member out; others hear of it later."""
    item.members.remove(member_id)
    world.consistency.ended("member", item.id, member_id, shown=(item.id, member_id))


def transitive(request: GraphRequest, object_id: str) -> list[Group]:
    """The groups that this object belongs to directly or through others, nearest first."""
    found: dict[str, Group] = {}
    waiting = deque([object_id])
    while waiting:
        for item in direct(request, waiting.popleft()):
            if item.id not in found:
                found[item.id] = item
                waiting.append(item.id)
    return list(found.values())


def members(request: GraphRequest, item: Group) -> Iterator[DirectoryObject]:
    """The members that the answering replica has seen."""
    sees = request.world.consistency.sees
    left = (member_id for group_id, member_id in request.world.ghosts.of("member") if group_id == item.id)
    for member_id in dict.fromkeys((*item.members, *left)):
        member = objects.find(request, member_id)
        if member is not None and sees("graph", "member", item.id, member_id):
            yield member


def transitive_members(request: GraphRequest, item: Group) -> list[DirectoryObject]:
    """Members, and members of groups among them, once each."""
    found: dict[str, DirectoryObject] = {}
    waiting = deque([item])
    while waiting:
        for member in members(request, waiting.popleft()):
            if member.id not in found:
                found[member.id] = member
                if isinstance(member, Group):
                    waiting.append(member)
    return list(found.values())


def require_reading(request: GraphRequest, item: DirectoryObject) -> None:
    """Refuses to tell an object's memberships unless the caller may read that type of object, or memberships at all."""
    kind = access.READ_USERS if isinstance(item, User) else access.READ_APPLICATIONS
    request.caller.require(access.READ_GROUPS if isinstance(item, Group) else (*kind, *access.READ_GROUPS))


def _require_listing(request: GraphRequest, item: DirectoryObject) -> None:
    """Refuses to list the groups of an object unless the caller may read it and, of a person, memberships as well.

    https://learn.microsoft.com/graph/api/directoryobject-getmembergroups has a table for each type of object.
    """
    if isinstance(item, User):
        request.caller.require(access.READ_USERS_BASICALLY)
        request.caller.require(access.READ_GROUPS)
    elif isinstance(item, Group):
        request.caller.require(access.READ_GROUPS)
    else:
        request.caller.require(access.READ_EVERY_APPLICATION)


def of(request: GraphRequest, item: DirectoryObject, *, nested: bool) -> Reply:
    """``memberOf`` and ``transitiveMemberOf``."""
    require_reading(request, item)
    groups = transitive(request, item.id) if nested else direct(request, item.id)
    return queries.mixed(request, [visible(request, group) for group in groups])


def cast(request: GraphRequest, item: DirectoryObject, *, nested: bool) -> Reply:
    """The same, for one type only: ``memberOf/microsoft.graph.group``."""
    require_reading(request, item)
    kind = request.param("type").lower()
    if kind == "microsoft.graph.directoryrole":
        return queries.many(request, _DIRECTORY_ROLE, [])
    if kind != "microsoft.graph.group":
        raise errors.not_implemented(f"the cast to {request.param('type')}")
    groups = transitive(request, item.id) if nested else direct(request, item.id)
    return queries.many(request, bodies.GROUP, groups)


def group_ids(request: GraphRequest, item: DirectoryObject) -> Reply:
    """``getMemberGroups``."""
    _require_listing(request, item)
    body = request.body()
    names.only("getMemberGroups", {"securityEnabledOnly"}, body)
    only_security = body.get("securityEnabledOnly")
    if not isinstance(only_security, bool):
        raise errors.bad_request("Invalid value specified for parameter 'securityEnabledOnly'.")
    groups = transitive(request, item.id)
    stored = [group.id for group in groups if not only_security or group.properties.get("securityEnabled", True)]
    return request.result("Collection(Edm.String)", {"value": stored})


def checked(request: GraphRequest, item: DirectoryObject) -> Reply:
    """``checkMemberGroups``: those of the groups named that the object belongs to."""
    require_reading(request, item)
    body = request.body()
    names.only("checkMemberGroups", {"groupIds"}, body)
    asked = identifiers(body, "groupIds", most=_CHECKED)
    belongs = {group.id for group in transitive(request, item.id)}
    return request.result("Collection(Edm.String)", {"value": [item for item in asked if item in belongs]})


def visible(request: GraphRequest, item: DirectoryObject) -> dict[str, object]:
    """An object in a relation; without the right to read its type, its id and type alone.

    https://learn.microsoft.com/graph/permissions-overview, limited information for inaccessible member objects.
    """
    body = bodies.typed(request, item)
    needed = {User: access.READ_USERS, Group: access.READ_GROUPS}.get(type(item), access.READ_APPLICATIONS)
    if request.caller.holds(needed):
        return body
    return {name: value if name in {"@odata.type", "id"} else None for name, value in body.items()}
