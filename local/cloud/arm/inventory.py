"""What Azure Resource Manager holds, as the control API lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.tenant.resources import ResourceTree, RoleAssignment


def of(tree: ResourceTree) -> Json:
    """Role assignments and locks."""
    return {
        "role_assignments": [role_assignment(found) for found in tree.role_assignments.values()],
        "locks": [{"name": lock.name, "scope": lock.scope, "level": lock.level} for lock in tree.locks.values()],
    }


def role_assignment(found: RoleAssignment) -> Json:
    """One assignment."""
    return {
        "name": found.name,
        "scope": found.scope,
        "role_definition_id": found.role_definition_id,
        "principal_id": found.principal_id,
        "principal_type": found.principal_type,
        "condition": found.condition,
        "description": found.description,
    }
