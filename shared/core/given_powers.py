"""What a role hands on by the definitions that it assigns, as they were when they were last read. Pure.

Nobody leases the right to give roles, and nothing is leased by a definition that was deleted: who makes one anew under its name
would else change what is leased.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.core.azure_role import AzureRole
from shared.core.definition import Powers
from shared.core.errors import Caution, Fault


def gives_roles(azure_roles: Iterable[AzureRole]) -> tuple[Fault, ...]:
    """The definitions that let their holder give roles to anybody, as they were when they were last read."""
    return tuple(
        Fault(path, f"the definition allows {', '.join(powers.gives_roles)}: whoever leases it could give roles to anybody")
        for path, powers in _powers(azure_roles)
        if powers.gives_roles
    )


def gone(azure_roles: Iterable[AzureRole]) -> tuple[Fault, ...]:
    """The definitions that were deleted. The role has to be written again, whatever has their names by now."""
    message = "the role definition is gone from Azure: write the role again to assign what has this name or id by now"
    return tuple(Fault(path, message) for path, role in _paths(azure_roles) if role.gone)


def assigns_identities(azure_roles: Iterable[AzureRole]) -> tuple[Caution, ...]:
    """Those that let their holder run as any identity that lies in reach."""
    message = "whoever leases it can put on a resource any user-assigned identity in its scope, and act as that"
    return tuple(
        Caution(path, "assigns_identities", message) for path, powers in _powers(azure_roles) if powers.assigns_identities
    )


def _powers(azure_roles: Iterable[AzureRole]) -> Iterator[tuple[str, Powers]]:
    return ((path, role.powers) for path, role in _paths(azure_roles) if role.powers is not None)


def _paths(azure_roles: Iterable[AzureRole]) -> Iterator[tuple[str, AzureRole]]:
    return ((f"azure_roles[{index}].{_named_by(role)}", role) for index, role in enumerate(azure_roles))


def _named_by(role: AzureRole) -> str:
    return "role_name" if role.role_id is None else "role_id"
