"""A call with its verified caller and what it names: what every operation on secrets gets."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.cloud.engine.http import HttpRequest, Json, Reply
from local.cloud.key_vault import errors
from local.cloud.key_vault.store import Phase, Store
from local.cloud.key_vault.vaults import TYPE
from local.cloud.rbac.access import judged
from local.cloud.rbac.condition_evaluation import Circumstances
from local.cloud.rbac.scopes import Scope

if TYPE_CHECKING:
    from local.cloud.key_vault.authentication import Caller
    from local.cloud.key_vault.store import Secret, Version
    from local.cloud.key_vault.vaults import Vault
    from local.cloud.local_azure import LocalAzure

_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
"""https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#objects-identifiers-and-versioning"""
_FIXED = {"resourcegroups", "providers", "microsoft.keyvault", "vaults", "subscriptions", "secrets"}


@dataclass(slots=True)
class SecretRequest:
    """One authenticated call to a vault."""

    world: LocalAzure
    call: HttpRequest
    caller: Caller
    vault: Vault
    name: str = ""
    version: str = ""
    let_in_by: str | None = None
    """The name of the role assignment that ``require`` has found."""

    @property
    def api_version(self) -> str:
        """As the query says it."""
        return self.call.query["api-version"]

    @property
    def now(self) -> float:
        """The local cloud's time."""
        return self.world.clock.now()

    @property
    def store(self) -> Store:
        """Where all secrets are."""
        return self.world.of(Store)

    @property
    def held(self) -> dict[str, Secret]:
        """What the vault holds, by name in upper case."""
        return self.store.held(self.world, self.vault.resource)

    def named(self) -> Secret | None:
        """The secret that is named, wherever in its life it is."""
        return self.store.find(self.world, self.vault.resource, self.name)

    def body(self) -> Json:
        """What was sent; raises 400."""
        try:
            return self.call.json()
        except ValueError as fault:
            raise errors.bad_parameter("The request body is not a JSON object.") from fault

    def require(self, verb: str) -> None:
        """Raises 403 unless a role assignment at the secret or above it gives this: ``getSecret/action``, ``delete``.

        Conditions see no attribute, so those that need one give nothing. Another tenant's vault knows none of our roles.
        """
        action = f"{TYPE}/secrets/{verb}"
        place = f"{self.vault.resource.id}/secrets/{self.name}" if self.name else self.vault.resource.id
        asked = Circumstances(action, known=frozenset())
        found = None
        if self.vault.tenant_id == self.world.tenant_id:
            found = judged(self.world, self.caller.object_id, Scope.of(place), asked, data=True, observer="key_vault")[1]
        if found is None:
            raise errors.forbidden(self.caller.text, action, _spoken(place), self.vault.place)
        self.let_in_by = found.name

    def check_name(self) -> None:
        """Raises 400 for a name that no secret can have."""
        if not _NAME.fullmatch(self.name):
            raise errors.bad_parameter(f"The request URI contains an invalid name: {self.name}")

    def found(self) -> Secret:
        """The secret that is named and live; raises 404."""
        secret = self.named()
        if secret is None or secret.phase is not Phase.LIVE:
            raise errors.not_found("/".join(filter(None, (self.name, self.version))))
        return secret

    def found_version(self) -> tuple[Secret, Version]:
        """The version that is named, or else the newest; raises 404."""
        secret = self.found()
        version = secret.versions.get(self.version.lower()) if self.version else secret.current
        if version is None:
            raise errors.not_found(f"{self.name}/{self.version}")
        return secret, version


type Operation = Callable[[SecretRequest], Reply]


def _spoken(resource_id: str) -> str:
    """The id as Key Vault writes it: lower case but for the names."""
    return "/".join(part.lower() if part.lower() in _FIXED else part for part in resource_id.split("/"))
