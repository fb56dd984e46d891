"""``/directory/deletedItems``: what was deleted, for 30 days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.cloud.graph import access, bodies, errors, memberships, names, objects, permission_grants, queries
from local.cloud.graph.request import done
from local.cloud.graph.service_principals import in_use
from local.cloud.tenant.directory import Application, Group, ServicePrincipal, User

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local.cloud.engine.http import Reply
    from local.cloud.graph.objects import DirectoryObject
    from local.cloud.graph.request import GraphRequest

KEPT = 30 * 86_400.0
"""Seconds until what was deleted is gone: https://learn.microsoft.com/graph/api/resources/directory."""


def listed(request: GraphRequest) -> Reply:
    """``GET /directory/deletedItems/microsoft.graph.{type}``."""
    directory = request.directory
    # Deleted users and groups may be told of by those who may read such objects: directory-deleteditems-list.
    kinds: Mapping[str, tuple[queries.ResourceType[Any], type[Any], Mapping[str, Any], tuple[str, ...]]] = {
        "application": (bodies.APPLICATION, Application, directory.applications, access.READ_DELETED_APPLICATIONS),
        "serviceprincipal": (
            bodies.SERVICE_PRINCIPAL,
            ServicePrincipal,
            directory.service_principals,
            access.READ_DELETED_APPLICATIONS,
        ),
        "group": (bodies.GROUP, Group, directory.groups, access.READ_GROUPS),
        "user": (bodies.USER, User, directory.users, access.READ_USERS),
    }
    name = request.param("type").lower()
    if name not in kinds:
        raise errors.not_implemented(f"deleted items of the type {request.param('type')}")
    kind, of, stored, permissions = kinds[name]
    request.caller.require(permissions)
    expire(request)
    purged = (item for item in request.world.ghosts.of("binned") if isinstance(item, of))
    return queries.many(request, kind, [item for item in (*stored.values(), *purged) if _shown(request, item)])


def _shown(request: GraphRequest, item: DirectoryObject) -> bool:
    """Whether the object lies in the bin, as far as the replica that answers knows."""
    binned = item.deleted is not None or request.world.ghosts.holds("binned", item.id)
    return binned and request.world.consistency.sees("graph", "binned", item.id)


def read(request: GraphRequest) -> Reply:
    """``GET /directory/deletedItems/{id}``."""
    item = _addressed(request, access.READ_APPLICATIONS, access.READ_GROUPS, access.READ_USERS)
    return queries.one_of_any(request, bodies.typed(request, item))


def purge(request: GraphRequest) -> Reply:
    """``DELETE /directory/deletedItems/{id}``: for good.

    An application's service principal stays in the bin: https://learn.microsoft.com/entra/identity-platform/howto-restore-app.
    """
    item = _changeable(request)
    _forget(request, item)
    request.world.consistency.ended("binned", item.id, shown=item)
    return done()


def restore(request: GraphRequest) -> Reply:
    """``POST /directory/deletedItems/{id}/restore``; an application's service principal is restored on its own."""
    item = _changeable(request)
    names.only("restore", (), request.body())
    _check_restorable(request, item)
    item.deleted = None
    request.world.consistency.ended("binned", item.id, shown=item)
    objects.wrote(request, item)
    return request.result("directoryObjects/$entity", bodies.typed(request, item))


def expire(request: GraphRequest) -> None:
    """Forgets what has been in the bin for too long."""
    gone = [
        item
        for stored in objects.collections(request.directory)
        for item in stored.values()
        if item.deleted is not None and request.now - item.deleted >= KEPT
    ]
    for item in gone:
        _forget(request, item)


def _addressed(
    request: GraphRequest, applications: tuple[str, ...], groups: tuple[str, ...], users: tuple[str, ...]
) -> DirectoryObject:
    """The deleted object that the path names, if the caller holds one of the permissions for its type; or 404."""
    request.caller.require((*applications, *groups, *users))
    object_id = request.guid("id")
    item = _kept(request, object_id)
    if item is None or item.deleted is None or request.now - item.deleted >= KEPT or not _shown(request, item):
        raise errors.not_found(object_id)
    needed = {Group: groups, User: users}.get(type(item), applications)
    request.caller.require(needed)
    return item


def _kept(request: GraphRequest, object_id: str) -> DirectoryObject | None:
    """What has this id; to a reader, what was purged as well."""
    purged = request.world.ghosts.of("binned") if request.call.method == "GET" else ()
    known: Iterable[DirectoryObject] = (
        *(stored[object_id] for stored in objects.collections(request.directory) if object_id in stored),
        *(item for item in purged if item.id == object_id),
    )
    return next(iter(known), None)


def _changeable(request: GraphRequest) -> DirectoryObject:
    """The deleted object, if the caller may change such objects: directory-deleteditems-delete."""
    users = ("User.DeleteRestore.All", *access.CHANGE_USERS)
    item = _addressed(request, access.CHANGE_APPLICATIONS, access.CHANGE_GROUPS, users)
    match item:
        case Application() | ServicePrincipal():
            request.caller.require_change(item.owners)
        case Group():
            request.caller.require_group_change(item.owners, access.CHANGE_GROUPS)
        case User():
            request.caller.require_administration(users)
    return item


def _check_restorable(request: GraphRequest, item: DirectoryObject) -> None:
    if isinstance(item, ServicePrincipal):
        if request.directory.principal_of(item.app_id) is not None:
            raise in_use(item.app_id)
        if item.kind == "Application" and request.directory.application_of(item.app_id) is None:
            message = f"The appId '{item.app_id}' of the service principal does not reference a valid application object."
            raise errors.invalid(message, "NoBackingApplicationObject", "appId")


def _forget(request: GraphRequest, item: DirectoryObject) -> None:
    if isinstance(item, Application):
        _keep_name(request, item)
    for stored in objects.collections(request.directory):
        stored.pop(item.id, None)
    permission_grants.forget(request, item.id)
    for group in request.directory.groups.values():
        if item.id in group.members:
            memberships.remove_member(request.world, group, item.id)
        if item.id in group.owners:
            group.owners.remove(item.id)


def _keep_name(request: GraphRequest, application: Application) -> None:
    """A service principal has its own copy of the name, which outlives the application."""
    for principal in request.directory.service_principals.values():
        if principal.app_id == application.app_id:
            principal.properties.setdefault("displayName", application.properties.get("displayName"))
