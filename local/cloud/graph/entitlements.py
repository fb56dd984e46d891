"""App roles and delegated scopes of an application: what Graph refuses of them, besides values of the wrong type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.cloud.graph import errors

if TYPE_CHECKING:
    from local.cloud.engine.http import Json

_AUTHORIZED = "api.preAuthorizedApplications.delegatedPermissionIds"


def check(held: Json, wanted: Json) -> None:
    """Refuses the properties ``wanted``, all of them as they would be after the change, for an application with ``held``.

    https://github.com/microsoftgraph/microsoft-graph-docs/issues/21667 (an ``id`` or a ``value`` twice),
    https://github.com/MicrosoftDocs/azure-docs/issues/81899 (a role and a scope with one ``value`` but two ids),
    https://learn.microsoft.com/graph/api/resources/approle and ``permissionscope`` (``isEnabled``, before one is removed).
    """
    roles, scopes = _roles(wanted), _scopes(wanted)
    _check_duplicates(roles, "appRoles")
    _check_duplicates(scopes, "api.oauth2PermissionScopes")
    _check_duplicates([*roles, *(each for each in scopes if _id(each) not in _ids(roles))], "appRoles")
    _check_removed(_roles(held), roles)
    _check_removed(_scopes(held), scopes)
    _check_authorized(wanted, offering=held or wanted)


def _check_authorized(wanted: Json, offering: Json) -> None:
    """A client is authorized in advance for what the application offered before the change; a new one, for what comes with it.

    https://github.com/microsoftgraph/microsoft-graph-docs/issues/12675 and, for a scope of the same request, 20177 there.
    """
    offered = _ids(_roles(offering)) | _ids(_scopes(offering))
    for client in _api(wanted).get("preAuthorizedApplications") or ():
        if not {each.lower() for each in client.get("delegatedPermissionIds") or ()} <= offered:
            message = f"Property {_AUTHORIZED} has a Permission Id that cannot be found in the AppPermissions sets."
            raise errors.coded("InvalidValue", message, _AUTHORIZED)


def _check_duplicates(entries: list[Json], name: str) -> None:
    ids = [_id(each) for each in entries if each.get("id")]
    values = [each["value"] for each in entries if each.get("value")]
    if len(set(ids)) < len(ids) or len(set(values)) < len(values):
        raise errors.coded("DuplicateValue", "Request contains a property with duplicate values.", name)


def _check_removed(held: list[Json], wanted: list[Json]) -> None:
    """One that an earlier change has disabled may go; to disable it and to remove it takes two changes."""
    if _ids([each for each in held if each.get("isEnabled", True)]) - _ids(wanted):
        message = "Permission (scope or role) cannot be deleted or updated unless disabled first."
        raise errors.bad_request(message, "CannotDeleteOrUpdateEnabledEntitlement")


def _roles(properties: Json) -> list[Json]:
    return list(properties.get("appRoles") or ())


def _scopes(properties: Json) -> list[Json]:
    return list(_api(properties).get("oauth2PermissionScopes") or ())


def _api(properties: Json) -> dict[str, Any]:
    return properties.get("api") or {}


def _ids(entries: list[Json]) -> set[str]:
    return {_id(each) for each in entries if each.get("id")}


def _id(entry: Json) -> str:
    return str(entry.get("id")).lower()
