"""The kinds of credential that the broker issues, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.core.footprint import ApplicationSecretFootprint, Footprint, ServicePrincipalFootprint
from shared.core.role import ApplicationSecretTarget, ServicePrincipalTarget, Target
from shared.kinds.kind import Issuer
from shared.wiring.azure import AzureParts
from shared.wiring.lazy import lazy
from shared.wiring.storage import StorageParts

# ruff: noqa: PLC0415 - see the package


@dataclass(frozen=True, slots=True)
class IssuersByType:
    """Satisfies ``Issuers``."""

    by_type: Mapping[type[Target | Footprint], Issuer]

    def for_target(self, target: Target) -> Issuer:
        """See the protocol."""
        return self.by_type[type(target)]

    def for_footprint(self, footprint: Footprint) -> Issuer:
        """See the protocol."""
        return self.by_type[type(footprint)]


def issuers(azure: AzureParts, storage: StorageParts) -> IssuersByType:
    """Of every kind. Each issuer is made when something of its kind is first met."""
    kinds: tuple[tuple[type[Target], type[Footprint], Issuer], ...] = (
        (ServicePrincipalTarget, ServicePrincipalFootprint, lazy(lambda: service_principals(azure))),
        (ApplicationSecretTarget, ApplicationSecretFootprint, lazy(lambda: application_secrets(azure, storage))),
    )
    return IssuersByType({each: issuer for target, footprint, issuer in kinds for each in (target, footprint)})


def service_principals(azure: AzureParts) -> Issuer:
    """Makes service principals."""
    from shared.issuers.service_principal.issuer import ServicePrincipalIssuer

    tenant, protected = azure.settings.azure.tenant_id, azure.settings.protection.scopes
    return ServicePrincipalIssuer(azure.graph, azure.arm, azure.probe, azure.retry, tenant, protected)


def application_secrets(azure: AzureParts, storage: StorageParts) -> Issuer:
    """Adds secrets to applications that exist."""
    from shared.cloud.storage.application_lock_table import TableApplicationLocks
    from shared.issuers.application_secret.issuer import ApplicationSecretIssuer
    from shared.issuers.application_secret.lock import ApplicationLock

    locks = ApplicationLock(TableApplicationLocks(storage.tables, azure.ids), azure.clock, azure.ids)
    tenant, own, protected = (
        azure.settings.azure.tenant_id,
        azure.settings.azure.client_id,
        azure.settings.protection.identities,
    )
    return ApplicationSecretIssuer(azure.graph, locks, azure.probe, azure.retry, tenant, own, protected)
