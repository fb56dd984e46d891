"""Security groups, their members and owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.graph import access, bodies, errors, memberships, objects, queries, schema
from local.cloud.graph.request import done, misfit, reference, referenced, text, texts
from local.cloud.tenant.directory import Group, ServicePrincipal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.cloud.engine.http import Json, Reply
    from local.cloud.graph.objects import DirectoryObject
    from local.cloud.graph.request import GraphRequest

_NAME = 256
_NICKNAME = 64
_BOUND = 20
"""Members that one request may bring: https://learn.microsoft.com/graph/api/group-post-members."""
_UNSEEN = "The source resource object or one of the objects being referenced do not exist."


def addressed(request: GraphRequest) -> Group:
    """The group that the path names, or 404."""
    object_id = request.guid("id")
    return objects.existing(request, request.directory.groups.get(object_id), object_id, Group)


def listed(request: GraphRequest) -> Reply:
    """``GET /groups``."""
    request.caller.require(access.READ_GROUPS)
    return queries.many(request, bodies.GROUP, objects.living(request, Group, request.directory.groups))


def counted(request: GraphRequest) -> Reply:
    """``GET /groups/$count``."""
    request.caller.require(access.READ_GROUPS)
    return queries.count(request, bodies.GROUP, objects.living(request, Group, request.directory.groups))


def read(request: GraphRequest) -> Reply:
    """``GET /groups/{id}``."""
    return queries.one(request, bodies.GROUP, readable(request))


def readable(request: GraphRequest) -> Group:
    """The group that the path names, if the caller may read it."""
    request.caller.require(access.READ_GROUPS)
    return addressed(request)


def create(request: GraphRequest) -> Reply:
    """``POST /groups``. A user owns the group that it makes, an application does not."""
    request.caller.require(access.CREATE_GROUPS)
    body = request.body()
    sent = _checked(body)
    request.limits.check_objects(request.world)
    item = Group(request.world.guid(), request.now, sent)
    item.owners = [owner.id for owner in _bound(request, body, "owners@odata.bind")]
    if request.caller.delegated and not item.owners:
        item.owners = [request.caller.object_id]
    members = _bound(request, body, "members@odata.bind")
    request.directory.groups[item.id] = item
    objects.wrote(request, item)
    _join(request, item, members)
    return request.created("groups", bodies.group(request, item), "Group")


def update(request: GraphRequest) -> Reply:
    """``PATCH /groups/{id}``; ``members@odata.bind`` adds up to 20 members, all or none."""
    request.caller.require(access.CHANGE_MEMBERS)
    item, body = addressed(request), request.body()
    members = _bound(request, body, "members@odata.bind")
    sent = objects.settable(body, schema.GROUP, schema.GROUP_FIXED, "Group", ("members",))
    if members:
        _require_membership_change(request, item, members)
        _check_absent(item, members)
    if sent or not members:
        _require_change(request, item, access.CHANGE_GROUPS)
    item.properties = objects.merged(item.properties, sent)
    _join(request, item, members)
    return done()


def delete(request: GraphRequest) -> Reply:
    """``DELETE /groups/{id}``; groups of the security kind can be restored like any other here."""
    objects.recycled(request, changeable(request))
    return done()


def list_members(request: GraphRequest) -> Reply:
    """``GET /groups/{id}/members``."""
    request.caller.require(access.READ_GROUPS)
    found = memberships.members(request, addressed(request))
    return queries.mixed(request, [memberships.visible(request, member) for member in found])


def list_transitive_members(request: GraphRequest) -> Reply:
    """``GET /groups/{id}/transitiveMembers``."""
    request.caller.require(access.READ_GROUPS)
    found = memberships.transitive_members(request, addressed(request))
    return queries.mixed(request, [memberships.visible(request, member) for member in found])


def add_member(request: GraphRequest) -> Reply:
    """``POST /groups/{id}/members/$ref``."""
    request.caller.require(access.CHANGE_MEMBERS)
    item = _joinable(request)
    member = objects.referenced(request, referenced(request.body()))
    _require_membership_change(request, item, [member])
    _check_absent(item, [member])
    _join(request, item, [member])
    return done()


def remove_member(request: GraphRequest) -> Reply:
    """``DELETE /groups/{id}/members/{member}/$ref``."""
    request.caller.require(access.CHANGE_MEMBERS)
    item = addressed(request)
    member_id = request.guid("member")
    _require_change(request, item, access.CHANGE_MEMBERS)
    sees = request.world.consistency.sees("graph", "member", item.id, member_id)
    if member_id not in item.members or not sees:
        raise errors.not_found(member_id)
    memberships.remove_member(request.world, item, member_id)
    return done()


def changeable(request: GraphRequest) -> Group:
    """The group that the path names, if the caller may change it."""
    request.caller.require(access.CHANGE_GROUPS)
    item = addressed(request)
    _require_change(request, item, access.CHANGE_GROUPS)
    return item


def _require_change(request: GraphRequest, item: Group, permissions: Sequence[str]) -> None:
    request.caller.require_group_change(item.owners, permissions)
    if item.properties.get("isAssignableToRole"):
        request.caller.require(access.CHANGE_ASSIGNABLE_GROUPS)


def _require_membership_change(request: GraphRequest, item: Group, members: Sequence[DirectoryObject]) -> None:
    """Adding a service principal takes the right to change it, beside the one to change members: group-post-members."""
    _require_change(request, item, access.CHANGE_MEMBERS)
    types = item.properties.get("groupTypes") or ()
    if "DynamicMembership" in types or item.properties.get("onPremisesSyncEnabled"):
        raise errors.denied()
    if item.properties.get("mailEnabled") and "Unified" not in types:
        raise errors.bad_request("Cannot Update a mail-enabled security groups and or distribution list.")
    for member in members:
        if isinstance(member, ServicePrincipal):
            if "Unified" in types:
                raise errors.bad_request("The members of a Microsoft 365 group are users.")
            request.caller.require_change(member.owners)


def _joinable(request: GraphRequest) -> Group:
    """The group that is to have a member: one that exists but has not been seen is refused with 400, as documented."""
    object_id = request.guid("id")
    item = request.directory.groups.get(object_id)
    if item is not None and item.deleted is None and not objects.seen(request, item):
        raise errors.bad_request(_UNSEEN)
    return objects.existing(request, item, object_id, Group)


def _check_absent(item: Group, members: Sequence[DirectoryObject]) -> None:
    if any(member.id in item.members for member in members):
        message = "One or more added object references already exist for the following modified properties: 'members'."
        raise errors.bad_request(message)


def _join(request: GraphRequest, item: Group, members: Sequence[DirectoryObject]) -> None:
    for member in members:
        item.members.append(member.id)
        request.world.consistency.wrote("member", item.id, member.id)


def _bound(request: GraphRequest, body: Json, name: str) -> list[DirectoryObject]:
    """The objects that ``members@odata.bind`` or ``owners@odata.bind`` names."""
    if name not in body:
        return []
    return [objects.referenced(request, reference(url)) for url in texts(body, name, most=_BOUND)]


def _checked(body: Json) -> Json:
    sent = objects.settable(body, schema.GROUP, schema.GROUP_FIXED, "Group", ("members", "owners"))
    text(sent, "displayName", "Group", most=_NAME)
    text(sent, "mailNickname", "Group", most=_NICKNAME)
    for name in ("mailEnabled", "securityEnabled"):
        if not isinstance(sent.get(name), bool):
            raise misfit(name, "Group")
    types = set(sent.get("groupTypes") or ())
    if types - {"Unified", "DynamicMembership"} or ("DynamicMembership" in types) is not bool(sent.get("membershipRule")):
        raise misfit("groupTypes", "Group")
    if "Unified" in types and not sent["mailEnabled"]:
        raise misfit("mailEnabled", "Group")
    if (sent["mailEnabled"] and "Unified" not in types) or not (sent["mailEnabled"] or sent["securityEnabled"]):
        raise errors.not_implemented("security groups with mail, and groups for mail alone")
    return sent
