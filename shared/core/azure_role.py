"""One role assignment of Azure's that a credential is to get, whatever kind of credential that is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.core.definition import Powers
from shared.core.names import ObjectId, Scope

MAX_AZURE_ROLES = 32


@dataclass(frozen=True, slots=True)
class AzureRole:
    """An assignment as a role's document asks for it.

    It was written with a ``role_name`` or a ``role_id``; ``definition_id`` is the full resource id that it came down to when
    the role was written, so that issuing looks nothing up.
    """

    scope: Scope
    role_name: str | None = None
    role_id: str | None = None
    condition: str | None = None
    definition_id: str = ""
    powers: Powers | None = None
    """What the definition allowed when it was last read; ``None`` in roles that were stored before that was kept."""
    gone: bool = False
    """Whether the definition was not there any more when it was last looked for."""
    reaches_protected: bool = False
    """Whether the scope reached what is protected by what management groups held when that was last looked at."""


def common_subscription(scopes: Iterable[Scope]) -> ObjectId | None:
    """The subscription in which all of them lie; ``None`` when they lie in several or in none."""
    found = {scope.subscription_id for scope in scopes}
    return found.pop() if len(found) == 1 else None
