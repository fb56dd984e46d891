"""A vault's settings, as they stand in its Azure resource: tenant, soft deletion, purge protection, firewall.

https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/get
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.cloud.key_vault import errors

if TYPE_CHECKING:
    from local.cloud.engine.http import HttpRequest
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.resources import Resource

DOMAIN = ".vault.azure.net"
TYPE = "Microsoft.KeyVault/vaults"
DAYS = 90
"""How long deleted secrets are kept, unless the vault says otherwise: 7 to 90 days."""


@dataclass(frozen=True, slots=True)
class Vault:
    """What the data plane goes by."""

    resource: Resource
    tenant_id: str
    days: int
    soft_delete: bool
    purge_protection: bool
    closed: bool
    """Whether its firewall lets nobody in."""

    @classmethod
    def of(cls, world: LocalAzure, resource: Resource) -> Vault:
        """The vault that this resource is. A setting that is not there has Azure's default."""
        given = resource.properties
        return cls(
            resource,
            tenant_id=str(given.get("tenantId") or world.tenant_id),
            days=int(given.get("softDeleteRetentionInDays") or DAYS),
            soft_delete=given.get("enableSoftDelete") is not False,
            purge_protection=bool(given.get("enablePurgeProtection")),
            closed=(given.get("networkAcls") or {}).get("defaultAction") == "Deny",
        )

    @property
    def name(self) -> str:
        """As it was written."""
        return self.resource.id.rsplit("/", 1)[-1]

    @property
    def uri(self) -> str:
        """The address that ids of secrets begin with."""
        return uri_of(self.name)

    @property
    def place(self) -> str:
        """As refusals name it."""
        return f"{self.name};location={self.resource.location}"

    @property
    def recovery_level(self) -> str:
        """What can become of a deleted secret: https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret."""
        if not self.soft_delete:
            return "Purgeable"
        customized = "Customized" if self.days < DAYS else ""
        return f"{customized}Recoverable{'' if self.purge_protection else '+Purgeable'}"


def uri_of(name: str) -> str:
    """The address of the vault of this name."""
    return f"https://{name.lower()}{DOMAIN}"


def addressed(call: HttpRequest) -> tuple[str, str]:
    """The vault's name and the path in it: by the host, or else by the path's first segment."""
    host, path = call.host, call.path.strip("/")
    if host.endswith(DOMAIN):
        return host.removesuffix(DOMAIN), path
    name, _, rest = path.partition("/")
    return name.lower(), rest


def named(world: LocalAzure, name: str) -> Resource | None:
    """The resource of the vault of this name, in whatever group: all Azure has one."""
    ending = f"/providers/{TYPE}/{name}".casefold()
    return next((found for key, found in world.tree.resources.items() if key.endswith(ending)), None)


def find(world: LocalAzure, name: str) -> Vault:
    """The vault of this name; raises 404."""
    resource = named(world, name)
    if resource is None:
        raise errors.vault_not_found(name)
    return Vault.of(world, resource)
