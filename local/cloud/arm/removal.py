"""What goes when a resource group or a resource goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.rbac.scopes import Scope

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure


def remove_tree(world: LocalAzure, scope: Scope) -> None:
    """Removes what is at this scope and below: resources, their identities, role assignments and locks."""
    tree = world.tree
    for key in [key for key, item in tree.resources.items() if scope.contains(Scope.of(item.id))]:
        del tree.resources[key]
    for name in [name for name, item in tree.role_assignments.items() if scope.contains(Scope.of(item.scope))]:
        del tree.role_assignments[name]
    for key in [key for key, item in tree.locks.items() if scope.contains(Scope.of(item.scope))]:
        del tree.locks[key]
    for principal in world.directory.service_principals.values():
        if principal.resource_id and principal.deleted is None and scope.contains(Scope.of(principal.resource_id)):
            principal.deleted = world.clock.now()
