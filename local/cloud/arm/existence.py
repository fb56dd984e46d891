"""Whether a scope exists, and the 404 that Azure answers when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.arm import errors

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure
    from local.cloud.rbac.scopes import Scope


def require(world: LocalAzure, scope: Scope) -> None:
    """Raises the 404 that Azure answers when this scope, or what holds it, does not exist."""
    subscription, group, management_group = scope.subscription, scope.group, scope.management_group
    if management_group is not None:
        _require_management_group(world, scope, management_group)
    if subscription is not None and not exists_subscription(world, subscription):
        raise errors.subscription_not_found(subscription)
    if group is not None and f"/subscriptions/{subscription}/resourcegroups/{group}".casefold() not in world.tree.resources:
        raise errors.group_not_found(group)
    _require_resource(world, scope)


def exists_subscription(world: LocalAzure, subscription: str) -> bool:
    """Whether this subscription is one of the local cloud's."""
    is_own = subscription.lower() == world.subscription_id.lower()
    return is_own or f"/subscriptions/{subscription}".lower() in world.tree.resources


def _require_management_group(world: LocalAzure, scope: Scope, name: str) -> None:
    if name.lower() != world.tenant_id.lower() and scope.key not in world.tree.resources:
        raise errors.gateway_refusal(404, "NotFound", f"'{scope.path}' not found")


def _require_resource(world: LocalAzure, scope: Scope) -> None:
    """Azure looks at the top resource only: what is nested in it is its provider's affair."""
    resource = scope.resource
    if resource is None or scope.key in world.tree.resources:
        return
    top = "/".join(scope.key.split("/")[: -resource.nesting]) if resource.nesting else scope.key
    if top not in world.tree.resources:
        raise errors.resource_not_found(resource.root, scope.group)
