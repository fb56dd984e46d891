"""The table of contents: every path below ``/v1.0`` and ``/beta`` that is answered, tried in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
    queries,
    recycle_bin,
    service_principals,
    users,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.cloud.engine.http import Reply
    from local.cloud.graph.objects import DirectoryObject
    from local.cloud.graph.request import GraphRequest, Handler
    from local.cloud.tenant.directory import Application, Group, ServicePrincipal


class Row(NamedTuple):
    """A method, a path, who answers, and the query options that are read; every other option is refused."""

    method: str
    path: str
    handler: Handler
    options: frozenset[str] = frozenset()


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
    return tuple(row._replace(path=root + row.path) for row in rows for root in roots)


def _on[T](found: Callable[[GraphRequest], T], act: Callable[[GraphRequest, T], Reply]) -> Handler:
    """What is done to whatever the path names; ``found`` refuses those who may not."""
    return lambda request: act(request, found(request))


def _secrets[T: (Application, ServicePrincipal)](changeable: Callable[[GraphRequest], T]) -> tuple[Row, ...]:
    """What applications and service principals have."""
    return (
        Row("POST", "/addPassword", _on(changeable, passwords.add)),
        Row("POST", "/removePassword", _on(changeable, passwords.remove)),
    )


def _owners[T: (Application, Group, ServicePrincipal)](
    readable: Callable[[GraphRequest], T], changeable: Callable[[GraphRequest], T], add: Callable[[GraphRequest, T], Reply]
) -> tuple[Row, ...]:
    """What applications, groups and service principals have."""
    return (
        Row("GET", "/owners", _on(readable, owners.listed), queries.MIXED),
        Row("POST", "/owners/$ref", _on(changeable, add)),
        Row("DELETE", "/owners/{owner}/$ref", _on(changeable, owners.removed)),
    )


def _memberships(roots: tuple[str, ...], addressed: Callable[[GraphRequest], DirectoryObject]) -> tuple[Row, ...]:
    """What every kind of principal has."""

    def belonging(*, cast: bool, nested: bool) -> Handler:
        show = memberships.cast if cast else memberships.of
        return lambda request: show(request, addressed(request), nested=nested)

    rows: tuple[Row, ...] = (
        Row("GET", "/memberOf", belonging(cast=False, nested=False), queries.MIXED),
        Row("GET", "/memberOf/{type}", belonging(cast=True, nested=False), queries.LIST),
        Row("GET", "/transitiveMemberOf", belonging(cast=False, nested=True), queries.MIXED),
        Row("GET", "/transitiveMemberOf/{type}", belonging(cast=True, nested=True), queries.LIST),
        Row("POST", "/getMemberGroups", _on(addressed, memberships.group_ids)),
        Row("POST", "/checkMemberGroups", _on(addressed, memberships.checked)),
    )
    return _below(roots, rows)


def _functions(*paths: str) -> tuple[Row, ...]:
    """Functions that would otherwise be taken for ids."""

    def refuse(request: GraphRequest) -> Reply:
        raise errors.not_implemented(f"{request.call.method} {request.call.path}")

    return tuple(Row("GET", path, refuse, queries.ONE) for path in paths)


_APPLICATIONS: tuple[Row, ...] = (
    Row("GET", "/applications", applications.listed, queries.EXPANDED_LIST),
    Row("POST", "/applications", applications.create),
    Row("GET", "/applications/$count", applications.READS.counted, queries.COUNT),
    Row("PATCH", _NAMED, applications.upsert),
    *_below(_APPLICATION, [Row("PATCH", "", applications.update)]),
    *_below(
        (*_APPLICATION, _NAMED),
        [
            Row("GET", "", applications.read, queries.EXPANDED),
            Row("DELETE", "", applications.delete),
            *_secrets(applications.changeable),
            *_owners(applications.READS.readable, applications.changeable, owners.looked_up_and_added),
            Row("GET", _FEDERATED, federated.listed, queries.LIST),
            Row("POST", _FEDERATED, federated.create),
            *_below(
                _CREDENTIAL,
                [
                    Row("GET", "", federated.read, queries.ONE),
                    Row("PATCH", "", federated.update),
                    Row("DELETE", "", federated.delete),
                ],
            ),
        ],
    ),
)

_SERVICE_PRINCIPALS: tuple[Row, ...] = (
    Row("GET", "/servicePrincipals", service_principals.READS.listed, queries.LIST),
    Row("POST", "/servicePrincipals", service_principals.create),
    Row("GET", "/servicePrincipals/$count", service_principals.READS.counted, queries.COUNT),
    Row("PATCH", "/servicePrincipals(appId='{app_id}')", service_principals.upsert),
    *_below(
        _PRINCIPAL,
        [
            Row("GET", "", service_principals.READS.read, queries.ONE),
            Row("PATCH", "", service_principals.update),
            Row("DELETE", "", service_principals.delete),
            *_secrets(service_principals.changeable),
            *_owners(service_principals.READS.readable, service_principals.changeable, owners.looked_up_and_added),
            Row("GET", "/ownedObjects", service_principals.owned_objects, queries.MIXED),
            Row("GET", "/appRoleAssignments", app_roles.held, queries.LIST),
            Row("POST", "/appRoleAssignments", app_roles.hold),
            Row("DELETE", "/appRoleAssignments/{assignment}", app_roles.release),
            Row("GET", "/appRoleAssignedTo", app_roles.given, queries.LIST),
            Row("POST", "/appRoleAssignedTo", app_roles.give),
            Row("DELETE", "/appRoleAssignedTo/{assignment}", app_roles.take),
        ],
    ),
    *_memberships(_PRINCIPAL, service_principals.addressed),
)

_GROUPS: tuple[Row, ...] = (
    Row("GET", "/groups", groups.listed, queries.LIST),
    Row("POST", "/groups", groups.create),
    Row("GET", "/groups/$count", groups.counted, queries.COUNT),
    *_below(
        _GROUP,
        [
            Row("GET", "", groups.read, queries.ONE),
            Row("PATCH", "", groups.update),
            Row("DELETE", "", groups.delete),
            Row("GET", "/members", groups.list_members, queries.MIXED),
            Row("GET", "/transitiveMembers", groups.list_transitive_members, queries.MIXED),
            Row("POST", "/members/$ref", groups.add_member),
            Row("DELETE", "/members/{member}/$ref", groups.remove_member),
            *_owners(groups.readable, groups.changeable, owners.added),
        ],
    ),
    *_memberships(_GROUP, groups.addressed),
)

_USERS: tuple[Row, ...] = (
    Row("GET", "/me", users.me, queries.ONE),
    Row("GET", "/users", users.listed, queries.LIST),
    Row("POST", "/users", users.create),
    Row("GET", "/users/$count", users.counted, queries.COUNT),
    *_below(_USER, [Row("GET", "", users.read, queries.ONE), Row("PATCH", "", users.update), Row("DELETE", "", users.delete)]),
    *_below(
        _USER,
        [
            Row("GET", "/appRoleAssignments", app_roles.held_by_user, queries.LIST),
            Row("POST", "/appRoleAssignments", app_roles.hold_as_user),
            Row("DELETE", "/appRoleAssignments/{assignment}", app_roles.release_from_user),
        ],
    ),
    *_memberships(_USER, users.addressed),
)

_GRANTS: tuple[Row, ...] = (
    Row("GET", "/oauth2PermissionGrants", permission_grants.listed, queries.LIST),
    Row("POST", "/oauth2PermissionGrants", permission_grants.create),
    *_below(
        ("/oauth2PermissionGrants/{grant}", "/oauth2PermissionGrants('{grant}')"),
        [
            Row("GET", "", permission_grants.read, queries.ONE),
            Row("PATCH", "", permission_grants.update),
            Row("DELETE", "", permission_grants.delete),
        ],
    ),
)

_DIRECTORY: tuple[Row, ...] = (
    Row("POST", "/directoryObjects/getByIds", directory.by_ids),
    *_below(_OBJECT, [Row("GET", "", directory.read, queries.ONE)]),
    *_memberships(_OBJECT, directory.addressed),
    Row("GET", "/directory/deletedItems/microsoft.graph.{type}", recycle_bin.listed, queries.LIST),
    Row("GET", "/directory/deletedItems/graph.{type}", recycle_bin.listed, queries.LIST),
    Row("GET", "/directory/deletedItems/{id}", recycle_bin.read, queries.ONE),
    Row("DELETE", "/directory/deletedItems/{id}", recycle_bin.purge),
    Row("POST", "/directory/deletedItems/{id}/restore", recycle_bin.restore),
    Row("GET", "/organization", directory.organization, queries.ONE),
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
