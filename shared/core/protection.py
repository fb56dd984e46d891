"""What no role may target: the broker's own identity, application and resources."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.errors import Fault
from shared.core.names import ObjectId, Scope
from shared.core.role import ApplicationSecretTarget, ServicePrincipalTarget, Target, UnknownTarget


@dataclass(frozen=True, slots=True)
class Protected:
    """``identities`` are object ids and client ids; ``scopes`` are resources, protected with all below them."""

    identities: frozenset[ObjectId] = frozenset()
    scopes: tuple[Scope, ...] = ()

    def faults(self, target: Target) -> tuple[Fault, ...]:
        """What is wrong with a role that would mint this."""
        match target:
            case ServicePrincipalTarget():
                return tuple(
                    Fault(f"azure_roles[{index}].scope", "a role may not reach the broker's own resources")
                    for index, role in enumerate(target.azure_roles)
                    if any(role.scope.within(scope) for scope in self.scopes)
                )
            case ApplicationSecretTarget():
                found = {target.application_object_id, target.app_id, target.principal_id}
                message = "a role may not target the broker's own application or identity"
                return (Fault("application_object_id", message),) if found & self.identities else ()
            case UnknownTarget():
                return ()
