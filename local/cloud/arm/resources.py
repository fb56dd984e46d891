"""Resource groups, and resources as far as they can be read, listed and authorized on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.arm import errors, locks, versions
from local.cloud.arm.existence import require
from local.cloud.arm.filters import compile_filter, paged
from local.cloud.arm.regions import check as check_region
from local.cloud.arm.removal import remove_tree
from local.cloud.arm.requests import only, query
from local.cloud.arm.resource_bodies import GROUP_TYPE, location_of, rendered, same_region, shown_to, tags_of
from local.cloud.engine.http import Refusal, Reply
from local.cloud.rbac.scopes import Scope
from local.cloud.tenant.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json

_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"
_PROVIDERS_READ = "Microsoft.Resources/subscriptions/providers/read"
_PROVIDERS = {
    "Microsoft.Authorization": ("roleAssignments", "roleDefinitions", "permissions", "locks"),
    "Microsoft.Resources": ("tenants", "subscriptions", "subscriptions/resourceGroups", "resources"),
    "Microsoft.ManagedIdentity": ("userAssignedIdentities", "userAssignedIdentities/federatedIdentityCredentials"),
    "Microsoft.KeyVault": ("vaults",),
    "Microsoft.Storage": ("storageAccounts",),
    "Microsoft.Compute": ("virtualMachines",),
    "Microsoft.Web": ("sites",),
}


def list_groups(request: ArmRequest) -> Reply:
    """The resource groups of a subscription that the caller may read."""
    root = Scope.of(f"/subscriptions/{request.call.params['subscription']}")
    require(request.world, root)
    groups = [item for item in request.world.tree.resources.values() if item.type.lower() == GROUP_TYPE.lower()]
    readable = [item for item in groups if root.contains(Scope.of(item.id)) and _may_read(request, item)]
    return paged(request, readable, shown_to(request))


def get_group(request: ArmRequest) -> Reply:
    """One resource group."""
    scope = _group(request)
    request.require(f"{_GROUPS}/read", scope)
    require(request.world, scope)
    return Reply(200, rendered(request, request.world.tree.resources[scope.key]))


def head_group(request: ArmRequest) -> Reply:
    """204 when it exists, 404 without a body when not."""
    scope = _group(request)
    request.require(f"{_GROUPS}/read", scope)
    return Reply(204 if scope.key in request.world.tree.resources else 404)


def put_group(request: ArmRequest) -> Reply:
    """Creates (201) or changes (200) a resource group."""
    scope = _group(request)
    request.require(f"{_GROUPS}/write", scope)
    require(request.world, Scope.of(f"/subscriptions/{scope.subscription}"))
    locks.check(request.world, scope, "write", scope.path)
    body = request.json()
    only(body, "id", "name", "type", "location", "tags", "properties")
    location = location_of(body)
    check_region(location)
    only(body.get("properties") or {}, "provisioningState")
    tags = tags_of(body)
    resources = request.world.tree.resources
    known = resources.get(scope.key)
    if known is not None and not same_region(known.location, location):
        raise errors.refusal(
            409,
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{location}'. The Resource group already exists in location '{known.location}'.",
        )
    resources[scope.key] = Resource(scope.path, GROUP_TYPE, location, tags)
    return Reply(200 if known else 201, rendered(request, resources[scope.key]))


def delete_group(request: ArmRequest) -> Reply:
    """Deletes the group and all in it: 202 and a ``Location`` to ask for the outcome, which is there at once."""
    scope = _group(request)
    request.require(f"{_GROUPS}/delete", scope)
    require(request.world, scope)
    locks.check_tree(request.world, scope)
    remove_tree(request.world, scope)
    version = request.call.query.get("api-version", "")
    poll = f"{request.call.origin}/subscriptions/{scope.subscription}/operationresults/{request.world.guid()}"
    return Reply(202, None, {"location": f"{poll}?api-version={version}", "retry-after": "0"})


def operation_result(request: ArmRequest) -> Reply:
    """Every deletion is complete by the time that it is asked about."""
    return Reply(200)


def get_resource(request: ArmRequest) -> Reply:
    """One resource, whatever its type: the caller needs ``<type>/read``."""
    scope = Scope.of(request.call.path)
    resource = scope.resource
    if resource is None:
        raise errors.not_implemented(f"{request.call.method} {request.call.path}")
    request.require(f"{resource.type}/read", scope)
    require(request.world, scope)
    known = request.world.tree.resources.get(scope.key)
    if known is None:
        raise errors.resource_not_found(f"{resource.type}/{resource.name}", scope.group)
    return Reply(200, rendered(request, known))


def list_resources(request: ArmRequest) -> Reply:
    """The resources in a subscription or group that the caller may read, by name and type if ``$filter`` names them."""
    narrows = _narrowing(query(request.call, "$filter"))
    scope = Scope.of(request.call.path.rsplit("/", 1)[0])
    require(request.world, scope)
    inside = (
        item
        for item in request.world.tree.resources.values()
        if scope.contains(Scope.of(item.id)) and Scope.of(item.id).resource is not None
    )
    wanted = [item for item in inside if narrows is None or narrows(item)]
    return paged(request, [item for item in wanted if _may_read(request, item)], shown_to(request))


def _narrowing(text: str) -> Callable[[Resource], bool] | None:
    """The test that a filter states; 501 for all of Azure's filters that are not here (``location``, ``tagName``, ``ne``)."""
    try:
        return compile_filter(text, {"name": _is_named, "resourcetype": _is_of_type})
    except Refusal as unknown:
        raise errors.not_implemented(f"the filter {text} here") from unknown


def _is_named(name: str) -> Callable[[Resource], bool]:
    """The name of a nested resource has several parts: ``one/child``."""

    def holds(item: Resource) -> bool:
        found = Scope.of(item.id).resource
        return found is not None and found.name.casefold() == name.casefold()

    return holds


def _is_of_type(kind: str) -> Callable[[Resource], bool]:
    return lambda item: item.type.casefold() == kind.casefold()


def list_providers(request: ArmRequest) -> Reply:
    """The resource providers that the local cloud knows, all registered."""
    subscription = request.call.params["subscription"]
    request.require(_PROVIDERS_READ, Scope.of(f"/subscriptions/{subscription}"))
    return paged(request, tuple(_PROVIDERS), lambda namespace: _provider(subscription, namespace))


def get_provider(request: ArmRequest) -> Reply:
    """One resource provider."""
    asked = request.call.params["namespace"]
    request.require(_PROVIDERS_READ, Scope.of(f"/subscriptions/{request.call.params['subscription']}"))
    namespace = next((name for name in _PROVIDERS if name.lower() == asked.lower()), None)
    if namespace is None:
        raise errors.gateway_refusal(404, "InvalidResourceNamespace", f"The resource namespace '{asked}' is invalid.")
    return Reply(200, _provider(request.call.params["subscription"], namespace))


def get_provider_of_tenant(request: ArmRequest) -> Reply:
    """One resource provider, for whoever has a token: it tells nothing of a subscription.

    https://learn.microsoft.com/rest/api/resources/providers/get-at-tenant-scope
    """
    asked = request.call.params["namespace"]
    namespace = next((name for name in _PROVIDERS if name.lower() == asked.lower()), None)
    if namespace is None:
        raise errors.gateway_refusal(404, "InvalidResourceNamespace", f"The resource namespace '{asked}' is invalid.")
    found = _provider("", namespace)
    shown = ("namespace", "resourceTypes")
    return Reply(200, {"id": f"/providers/{namespace}", **{name: found[name] for name in shown}})


def _provider(subscription: str, namespace: str) -> Json:
    kinds = [
        {"resourceType": kind, "locations": [], "apiVersions": versions.known(namespace, kind), "capabilities": "None"}
        for kind in _PROVIDERS[namespace]
    ]
    return {
        "id": f"/subscriptions/{subscription}/providers/{namespace}",
        "namespace": namespace,
        "resourceTypes": kinds,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationFree",
    }


def _group(request: ArmRequest) -> Scope:
    params = request.call.params
    return Scope.of(f"/subscriptions/{params['subscription']}/resourceGroups/{params['group']}")


def _may_read(request: ArmRequest, item: Resource) -> bool:
    scope = Scope.of(item.id)
    kind = scope.resource.type if scope.resource else _GROUPS
    return request.allows(f"{kind}/read", scope)
