"""Management groups: what lies below one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.arm.existence import require
from local.cloud.arm.filters import paged
from local.cloud.rbac.scopes import Scope, lineage
from local.cloud.tenant.resources import Resource

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json, Reply

_READ = "Microsoft.Management/managementGroups/descendants/read"
_GROUPS = "/providers/microsoft.management/managementgroups/"


def descendants(request: ArmRequest) -> Reply:
    """Every management group and subscription below it, directly or not.

    https://learn.microsoft.com/rest/api/managementgroups/management-groups/get-descendants
    """
    scope = Scope.of(f"{_GROUPS}{request.call.params['name']}")
    request.require(_READ, scope)
    require(request.world, scope)
    world = request.world
    own = Resource(f"/subscriptions/{world.subscription_id}", "Microsoft.Resources/subscriptions", "")
    known = {own.id.casefold(): own, **world.tree.resources}
    below = [item for key, item in known.items() if _is_container(key) and scope.key in _above(request, item)]
    return paged(request, below, _render)


def _is_container(key: str) -> bool:
    return key.startswith(_GROUPS) or key.count("/") == len(("", "subscriptions"))


def _above(request: ArmRequest, item: Resource) -> list[str]:
    return list(lineage(request.world, Scope.of(item.id)))[1:]


def _render(item: Resource) -> Json:
    kind = "Microsoft.Management/managementGroups" if item.id.casefold().startswith(_GROUPS) else "/subscriptions"
    return {"id": item.id, "type": kind, "name": item.id.rsplit("/", 1)[1], "properties": {}}
