"""What a role hands on by the definitions that it assigns: nobody leases the right to give roles. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shared.core.definition import Powers
from shared.core.errors import Caution, Fault
from shared.core.role import AzureRole, ServicePrincipalTarget, Target


def gives_roles(target: Target) -> tuple[Fault, ...]:
    """The definitions that let their holder give roles to anybody, as they were when they were last read."""
    return tuple(
        Fault(path, f"the definition allows {', '.join(powers.gives_roles)}: whoever leases it could give roles to anybody")
        for path, powers in _powers(target)
        if powers.gives_roles
    )


def assigns_identities(target: Target) -> tuple[Caution, ...]:
    """Those that let their holder run as any identity that lies in reach."""
    message = "whoever leases it can put on a resource any user-assigned identity in its scope, and act as that"
    return tuple(Caution(path, "assigns_identities", message) for path, powers in _powers(target) if powers.assigns_identities)


def _powers(target: Target) -> Iterator[tuple[str, Powers]]:
    roles = target.azure_roles if isinstance(target, ServicePrincipalTarget) else ()
    for index, role in enumerate(roles):
        if role.powers is not None:
            yield f"azure_roles[{index}].{_named_by(role)}", role.powers


def _named_by(role: AzureRole) -> str:
    return "role_name" if role.role_id is None else "role_id"
