"""One role assignment of Azure's that a credential is to get, whatever kind of credential that is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.core.definition import Powers
from shared.core.names import ObjectId, Scope

MAX_AZURE_ROLES = 32


@dataclass(frozen=True, slots=True)
class AzureRole:
    """An assignment that a role's document asks for, by ``role_name`` or by ``role_id``.

    ``definition_id`` is the definition's full resource id, looked up when the role was written: issuing looks nothing up.
    """

    scope: Scope
    role_name: str | None = None
    role_id: str | None = None
    condition: str | None = None
    definition_id: str = ""
    powers: Powers | None = None
    """What the definition allowed when it was last read; ``None`` if an older version has stored the role without it."""
    gone: bool = False
    """Whether the definition was gone when it was last looked for."""
    read_at: Scope | None = None
    """Where the definition is read, if the scope has holes: the longest part of the scope above the first of them."""
    reaches_protected: bool = False
    """Whether the scope reached a protected one, by what management groups held when that was last looked at."""
    scope_gone: bool = False
    """Whether the part of the scope that the role itself names was gone when it was last looked for."""

    @property
    def place(self) -> Scope:
        """Where the definition is read: at the scope, or above its holes."""
        return self.read_at or self.scope


def common_subscription(scopes: Iterable[Scope]) -> ObjectId | None:
    """Returns the subscription of all scopes, or ``None`` if they lie in several subscriptions or in none."""
    found = {scope.subscription_id for scope in scopes}
    return found.pop() if len(found) == 1 else None
