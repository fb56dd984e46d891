"""Assignments that come to be the same one: Azure knows one of a principal, a definition and a scope.

https://learn.microsoft.com/azure/role-based-access-control/troubleshooting (``RoleAssignmentExists``)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shared.core.access.folding import fold
from shared.core.azure_role import AzureRole
from shared.core.errors import Fault
from shared.core.parameters.errors import Ambiguous


def assigned(role: AzureRole) -> tuple[str, str]:
    """Returns what Azure knows one assignment of: the definition and the scope, folded.

    A definition's GUID is its name, whatever scope its id begins with. Before it is looked up, its id or name is what was
    written.
    """
    written = role.definition_id or role.role_id or role.role_name or ""
    return fold(written.rpartition("/")[2] if role.definition_id or role.role_id else written), fold(role.scope)


def merged(azure_roles: Iterable[AzureRole], path: str) -> tuple[AzureRole, ...]:
    """Returns each assignment once, in their order.

    Raises ``Ambiguous``, with a fault at ``path``, if two of them differ in their conditions alone.
    """
    found: dict[tuple[str, str], AzureRole] = {}
    for role in azure_roles:
        first = found.setdefault(assigned(role), role)
        if first.condition != role.condition:
            raise Ambiguous(Fault(path, f"two conditions for one assignment at {role.scope}"))
        if first is not role:
            gone, reaching = first.gone or role.gone, first.reaches_protected or role.reaches_protected
            found[assigned(role)] = replace(first, gone=gone, reaches_protected=reaching)
    return tuple(found.values())
