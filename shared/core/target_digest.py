"""What a role grants, as a digest: by it a lease knows whether its role still grants what the lease was issued for."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from shared.core.role import ApplicationSecretTarget, AzureRole, ServicePrincipalTarget, Target, UnknownTarget


def target_digest(target: Target) -> str:
    """64 hexadecimal digits: of definitions as they were resolved, scopes, conditions, groups, audience, application.

    How a definition or a scope was written and in which order does not count, nor what changes nothing in what the credential
    may do: tags, ``ready``, ``permanently_delete``. A field joins only where it is there, so that a later version, which knows
    more fields, computes the same.
    """
    return sha256(json.dumps(_granted(target), sort_keys=True).encode()).hexdigest()


def _granted(target: Target) -> dict[str, Any]:
    match target:
        case ServicePrincipalTarget():
            granted: dict[str, Any] = {"type": "service_principal", "sign_in_audience": target.sign_in_audience}
            if target.azure_roles:
                granted["azure_roles"] = sorted(map(_assigned, target.azure_roles))
            if target.azure_groups:
                granted["azure_groups"] = sorted(target.azure_groups)
            return granted
        case ApplicationSecretTarget():
            return {"type": "application_secret", "application_object_id": target.application_object_id}
        case UnknownTarget():
            return {}


def _assigned(role: AzureRole) -> list[str]:
    """A definition is the same below whichever scope it is named; its GUID is its name."""
    definition = role.definition_id.rpartition("/")[2].lower()
    return [definition, role.scope.lower(), *([role.condition] if role.condition is not None else [])]
