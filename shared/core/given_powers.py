"""What the role definitions that a role assigns allow, and what is gone in Azure, when it was last looked at. Pure.

No lease may give its holder the right to give roles. Nothing is leased by a definition that was deleted: otherwise a new
definition under the same name would change what is leased.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.core.azure_role import AzureRole
from shared.core.definition import Powers
from shared.core.errors import Caution, Fault
from shared.core.parameters.known import constant_part


def gives_roles(azure_roles: Iterable[AzureRole]) -> tuple[Fault, ...]:
    """Returns a fault for each definition that lets its holder give roles to anybody, as it was when it was last read."""
    return tuple(
        Fault(path, f"the definition allows {', '.join(powers.gives_roles)}: whoever leases it could give roles to anybody")
        for path, powers in _powers(azure_roles)
        if powers.gives_roles
    )


def gone(azure_roles: Iterable[AzureRole]) -> tuple[Fault, ...]:
    """Returns a fault for each definition that was deleted. The role must be written again, also if a new one has the name."""
    message = "the role definition was deleted in Azure: write the role again, and it assigns the definition of this name or id"
    return tuple(Fault(path, message) for path, role in _paths(azure_roles) if role.gone)


def gone_scopes(azure_roles: Iterable[AzureRole]) -> tuple[Fault, ...]:
    """Returns a fault for each scope of which the part that the role itself names was deleted."""
    message = "is not there in Azure: make it again, or write the role with another scope"
    lost = ((index, constant_part(role.scope)) for index, role in enumerate(azure_roles) if role.scope_gone)
    return tuple(Fault(f"azure_roles[{index}].scope", f"{scope} {message}") for index, scope in lost)


def assigns_identities(azure_roles: Iterable[AzureRole]) -> tuple[Caution, ...]:
    """Returns a caution for each definition that lets its holder act as any identity in its scope."""
    message = "whoever leases it can put on a resource any user-assigned identity in its scope, and act as that"
    return tuple(
        Caution(path, "assigns_identities", message) for path, powers in _powers(azure_roles) if powers.assigns_identities
    )


def _powers(azure_roles: Iterable[AzureRole]) -> Iterator[tuple[str, Powers]]:
    return ((path, role.powers) for path, role in _paths(azure_roles) if role.powers is not None)


def _paths(azure_roles: Iterable[AzureRole]) -> Iterator[tuple[str, AzureRole]]:
    for index, role in enumerate(azure_roles):
        yield f"azure_roles[{index}].{'role_name' if role.role_id is None else 'role_id'}", role
