"""The table of contents: every path below ``/v1.0`` and ``/beta`` that is answered, tried in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.graph import (
    app_roles,
    applications,
    directory,
    errors,
    federated,
    groups,
    memberships,
    recycle_bin,
    service_principals,
    users,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.cloud.graph.objects import DirectoryObject
    from local.cloud.graph.request import Handler, Request
    from local.cloud.wire import Reply

type Row = tuple[str, str, Handler]

_APPLICATION = ("/applications/{id}", "/applications(appId='{app_id}')", "/applications('{id}')")
_NAMED = "/applications(uniqueName='{unique_name}')"
_PRINCIPAL = ("/servicePrincipals/{id}", "/servicePrincipals(appId='{app_id}')", "/servicePrincipals('{id}')")
_GROUP = ("/groups/{id}", "/groups('{id}')")
_USER = ("/users/{id}", "/users('{id}')")
_OBJECT = ("/directoryObjects/{id}", "/directoryObjects('{id}')")
_FEDERATED = "/federatedIdentityCredentials"
_CREDENTIAL = (f"{_FEDERATED}/{{credential}}", f"{_FEDERATED}(name='{{credential}}')")


def _below(roots: Iterable[str], rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows below each way to address a resource."""
    return tuple((method, root + path, handler) for method, path, handler in rows for root in roots)


def _memberships(roots: tuple[str, ...], addressed: Callable[[Request], DirectoryObject]) -> tuple[Row, ...]:
    """What every kind of principal has."""

    def on(act: Callable[[Request, DirectoryObject], Reply]) -> Handler:
        return lambda request: act(request, addressed(request))

    def belonging(*, cast: bool, nested: bool) -> Handler:
        show = memberships.cast if cast else memberships.of
        return lambda request: show(request, addressed(request), nested=nested)

    rows: tuple[Row, ...] = (
        ("GET", "/memberOf", belonging(cast=False, nested=False)),
        ("GET", "/memberOf/{type}", belonging(cast=True, nested=False)),
        ("GET", "/transitiveMemberOf", belonging(cast=False, nested=True)),
        ("GET", "/transitiveMemberOf/{type}", belonging(cast=True, nested=True)),
        ("POST", "/getMemberGroups", on(memberships.group_ids)),
        ("POST", "/checkMemberGroups", on(memberships.checked)),
    )
    return _below(roots, rows)


def _functions(*paths: str) -> tuple[Row, ...]:
    """Functions that would otherwise be taken for ids."""

    def refuse(request: Request) -> Reply:
        raise errors.not_implemented(f"{request.call.method} {request.call.path}")

    return tuple(("GET", path, refuse) for path in paths)


_APPLICATIONS: tuple[Row, ...] = (
    ("GET", "/applications", applications.listed),
    ("POST", "/applications", applications.create),
    ("GET", "/applications/$count", applications.counted),
    ("PATCH", _NAMED, applications.upsert),
    *_below(_APPLICATION, [("PATCH", "", applications.update)]),
    *_below(
        (*_APPLICATION, _NAMED),
        [
            ("GET", "", applications.read),
            ("DELETE", "", applications.delete),
            ("POST", "/addPassword", applications.add_password),
            ("POST", "/removePassword", applications.remove_password),
            ("GET", "/owners", applications.list_owners),
            ("POST", "/owners/$ref", applications.add_owner),
            ("DELETE", "/owners/{owner}/$ref", applications.remove_owner),
            ("GET", _FEDERATED, federated.listed),
            ("POST", _FEDERATED, federated.create),
            *_below(
                _CREDENTIAL,
                [("GET", "", federated.read), ("PATCH", "", federated.update), ("DELETE", "", federated.delete)],
            ),
        ],
    ),
)

_SERVICE_PRINCIPALS: tuple[Row, ...] = (
    ("GET", "/servicePrincipals", service_principals.listed),
    ("POST", "/servicePrincipals", service_principals.create),
    ("GET", "/servicePrincipals/$count", service_principals.counted),
    ("PATCH", "/servicePrincipals(appId='{app_id}')", service_principals.upsert),
    *_below(
        _PRINCIPAL,
        [
            ("GET", "", service_principals.read),
            ("PATCH", "", service_principals.update),
            ("DELETE", "", service_principals.delete),
            ("POST", "/addPassword", service_principals.add_password),
            ("POST", "/removePassword", service_principals.remove_password),
            ("GET", "/owners", service_principals.list_owners),
            ("POST", "/owners/$ref", service_principals.add_owner),
            ("DELETE", "/owners/{owner}/$ref", service_principals.remove_owner),
            ("GET", "/ownedObjects", service_principals.owned_objects),
            ("GET", "/appRoleAssignments", app_roles.held),
            ("POST", "/appRoleAssignments", app_roles.hold),
            ("DELETE", "/appRoleAssignments/{assignment}", app_roles.release),
            ("GET", "/appRoleAssignedTo", app_roles.given),
            ("POST", "/appRoleAssignedTo", app_roles.give),
            ("DELETE", "/appRoleAssignedTo/{assignment}", app_roles.take),
        ],
    ),
    *_memberships(_PRINCIPAL, service_principals.addressed),
)

_GROUPS: tuple[Row, ...] = (
    ("GET", "/groups", groups.listed),
    ("POST", "/groups", groups.create),
    ("GET", "/groups/$count", groups.counted),
    *_below(
        _GROUP,
        [
            ("GET", "", groups.read),
            ("PATCH", "", groups.update),
            ("DELETE", "", groups.delete),
            ("GET", "/members", groups.list_members),
            ("GET", "/transitiveMembers", groups.list_transitive_members),
            ("POST", "/members/$ref", groups.add_member),
            ("DELETE", "/members/{member}/$ref", groups.remove_member),
            ("GET", "/owners", groups.list_owners),
            ("POST", "/owners/$ref", groups.add_owner),
            ("DELETE", "/owners/{owner}/$ref", groups.remove_owner),
        ],
    ),
    *_memberships(_GROUP, groups.addressed),
)

_USERS: tuple[Row, ...] = (
    ("GET", "/me", users.me),
    ("GET", "/users", users.listed),
    ("POST", "/users", users.create),
    ("GET", "/users/$count", users.counted),
    *_below(_USER, [("GET", "", users.read), ("PATCH", "", users.update), ("DELETE", "", users.delete)]),
    *_below(
        _USER,
        [
            ("GET", "/appRoleAssignments", app_roles.held_by_user),
            ("POST", "/appRoleAssignments", app_roles.hold_as_user),
            ("DELETE", "/appRoleAssignments/{assignment}", app_roles.release_from_user),
        ],
    ),
    *_memberships(_USER, users.addressed),
)

_DIRECTORY: tuple[Row, ...] = (
    ("POST", "/directoryObjects/getByIds", directory.by_ids),
    *_below(_OBJECT, [("GET", "", directory.read)]),
    *_memberships(_OBJECT, directory.addressed),
    ("GET", "/directory/deletedItems/microsoft.graph.{type}", recycle_bin.listed),
    ("GET", "/directory/deletedItems/graph.{type}", recycle_bin.listed),
    ("GET", "/directory/deletedItems/{id}", recycle_bin.read),
    ("DELETE", "/directory/deletedItems/{id}", recycle_bin.purge),
    ("POST", "/directory/deletedItems/{id}/restore", recycle_bin.restore),
    ("GET", "/organization", directory.organization),
)

TABLE: tuple[Row, ...] = (
    *_functions("/applications/delta", "/servicePrincipals/delta", "/groups/delta", "/users/delta"),
    *_APPLICATIONS,
    *_SERVICE_PRINCIPALS,
    *_GROUPS,
    *_USERS,
    *_DIRECTORY,
)
