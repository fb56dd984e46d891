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
    owners,
    passwords,
    permission_grants,
    recycle_bin,
    service_principals,
    users,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.cloud.graph.objects import DirectoryObject
    from local.cloud.graph.request import Handler, Request
    from local.cloud.state import Application, Group, ServicePrincipal
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


def _on[T](found: Callable[[Request], T], act: Callable[[Request, T], Reply]) -> Handler:
    """What is done to whatever the path names; ``found`` refuses those who may not."""
    return lambda request: act(request, found(request))


def _secrets[T: (Application, ServicePrincipal)](changeable: Callable[[Request], T]) -> tuple[Row, ...]:
    """What applications and service principals have."""
    return (
        ("POST", "/addPassword", _on(changeable, passwords.add)),
        ("POST", "/removePassword", _on(changeable, passwords.remove)),
    )


def _owners[T: (Application, Group, ServicePrincipal)](
    readable: Callable[[Request], T], changeable: Callable[[Request], T], add: Callable[[Request, T], Reply]
) -> tuple[Row, ...]:
    """What applications, groups and service principals have."""
    return (
        ("GET", "/owners", _on(readable, owners.listed)),
        ("POST", "/owners/$ref", _on(changeable, add)),
        ("DELETE", "/owners/{owner}/$ref", _on(changeable, owners.removed)),
    )


def _memberships(roots: tuple[str, ...], addressed: Callable[[Request], DirectoryObject]) -> tuple[Row, ...]:
    """What every kind of principal has."""

    def belonging(*, cast: bool, nested: bool) -> Handler:
        show = memberships.cast if cast else memberships.of
        return lambda request: show(request, addressed(request), nested=nested)

    rows: tuple[Row, ...] = (
        ("GET", "/memberOf", belonging(cast=False, nested=False)),
        ("GET", "/memberOf/{type}", belonging(cast=True, nested=False)),
        ("GET", "/transitiveMemberOf", belonging(cast=False, nested=True)),
        ("GET", "/transitiveMemberOf/{type}", belonging(cast=True, nested=True)),
        ("POST", "/getMemberGroups", _on(addressed, memberships.group_ids)),
        ("POST", "/checkMemberGroups", _on(addressed, memberships.checked)),
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
            *_secrets(applications.changeable),
            *_owners(applications.readable, applications.changeable, owners.looked_up_and_added),
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
            *_secrets(service_principals.changeable),
            *_owners(service_principals.readable, service_principals.changeable, owners.looked_up_and_added),
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
            *_owners(groups.readable, groups.changeable, owners.added),
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

_GRANTS: tuple[Row, ...] = (
    ("GET", "/oauth2PermissionGrants", permission_grants.listed),
    ("POST", "/oauth2PermissionGrants", permission_grants.create),
    *_below(
        ("/oauth2PermissionGrants/{grant}", "/oauth2PermissionGrants('{grant}')"),
        [
            ("GET", "", permission_grants.read),
            ("PATCH", "", permission_grants.update),
            ("DELETE", "", permission_grants.delete),
        ],
    ),
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
    *_functions(
        "/applications/delta", "/servicePrincipals/delta", "/groups/delta", "/users/delta", "/oauth2PermissionGrants/delta"
    ),
    *_APPLICATIONS,
    *_SERVICE_PRINCIPALS,
    *_GROUPS,
    *_USERS,
    *_GRANTS,
    *_DIRECTORY,
)
