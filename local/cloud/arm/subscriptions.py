"""Tenants and subscriptions: only what the caller has a role in is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.arm import errors
from local.cloud.arm.existence import exists_subscription
from local.cloud.engine.http import Reply
from local.cloud.rbac.access import assigned_to
from local.cloud.rbac.scopes import Scope, lineage

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json

_READ = "Microsoft.Resources/subscriptions/read"


def tenants(request: ArmRequest) -> Reply:
    """The one tenant, to whoever has signed in."""
    tenant = request.world.tenant_id
    domain = "local.onmicrosoft.com"
    body = {
        "id": f"/tenants/{tenant}",
        "tenantId": tenant,
        "countryCode": "US",
        "displayName": request.settings.display_name,
        "domains": [domain],
        "tenantCategory": "Home",
        "defaultDomain": domain,
        "tenantType": "AAD",
    }
    return Reply(200, {"value": [body]})


def listing(request: ArmRequest) -> Reply:
    """The subscriptions in which the caller has a role, at whatever scope, or above which."""
    world, holder = request.world, request.caller.object_id
    held = [
        Scope.of(item.scope) for item in assigned_to(world, holder) if world.consistency.sees("arm", "assignment", item.name)
    ]
    found = [_render(request, name) for name in _names(request) if any(_touches(request, one, name) for one in held)]
    return Reply(200, {"value": found, "count": {"type": "Total", "value": len(found)}})


def get(request: ArmRequest) -> Reply:
    """One subscription."""
    name = request.call.params["subscription"]
    scope = Scope.of(f"/subscriptions/{name}")
    if not exists_subscription(request.world, name):
        raise errors.subscription_not_found(name)
    request.require(_READ, scope)
    return Reply(200, _render(request, name))


def locations(request: ArmRequest) -> Reply:
    """The regions that there are: the local cloud has one."""
    name = request.call.params["subscription"]
    request.require(f"{_READ.removesuffix('/read')}/locations/read", Scope.of(f"/subscriptions/{name}"))
    region = {"id": f"/subscriptions/{name}/locations/westeurope", "name": "westeurope", "type": "Region"}
    shown = {"displayName": "West Europe", "regionalDisplayName": "(Europe) West Europe"}
    return Reply(200, {"value": [{**region, **shown}]})


def _names(request: ArmRequest) -> list[str]:
    resources = request.world.tree.resources.values()
    others = [item.id.split("/")[2] for item in resources if item.id.lower().startswith("/subscriptions/")]
    return list(dict.fromkeys(name.lower() for name in (request.world.subscription_id, *others)))


def _touches(request: ArmRequest, held: Scope, name: str) -> bool:
    subscription = Scope.of(f"/subscriptions/{name}")
    return subscription.contains(held) or held.key in set(lineage(request.world, subscription))


def _render(request: ArmRequest, name: str) -> Json:
    known = request.world.tree.resources.get(f"/subscriptions/{name}".casefold())
    shown = (known.properties if known else {}).get("displayName", request.settings.display_name)
    return {
        "id": f"/subscriptions/{name}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": name,
        "tenantId": request.world.tenant_id,
        "displayName": shown,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }
