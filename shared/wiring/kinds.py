"""The kinds of credential that the broker issues, a line each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shared.core.protection import Protected
from shared.issuers.application_secret.schema import ApplicationSecretSchema
from shared.issuers.key_vault_secret.footprint import VaultSecretSchema
from shared.issuers.role_grant.schema import RoleGrantSchema
from shared.issuers.service_principal.schema import ServicePrincipalSchema
from shared.kinds.kind import Issuer, Kind, Schema
from shared.kinds.part import LazyPart
from shared.kinds.registry import Kinds
from shared.kinds.sign_in import TokenExchange
from shared.wiring.azure import AzureParts
from shared.wiring.lazy import lazy
from shared.wiring.storage import StorageParts

# ruff: noqa: PLC0415 - see the package


def service_principals(azure: AzureParts, _storage: StorageParts) -> Issuer:
    """Makes service principals."""
    from shared.issuers.service_principal.graph_app_roles import GraphPermissions
    from shared.issuers.service_principal.issuer import ServicePrincipalIssuer
    from shared.issuers.service_principal.means import Federation
    from shared.issuers.service_principal.resources import TokenResources

    settings, inventory = azure.settings, lazy(lambda: azure.inventory)
    own = settings.azure
    tokens, never = settings.tokens, (*settings.callers.audiences, own.graph_endpoint)
    resources = TokenResources.of(tokens.hosts, tokens.resources, never=never, graph=tokens.graph)
    exchange = TokenExchange(own.token_issuer, own.token_exchange)
    signing_in, delegation = lazy(lambda: azure.lease_sign_in), lazy(lambda: azure.delegation_keys)
    federation = Federation(signing_in, exchange, own.client_id, resources, delegation)
    return ServicePrincipalIssuer(
        *(azure.graph, azure.arm, inventory, azure.probe, azure.retry, own.tenant_id, federation, settings.protection.scopes),
        settings.data_plane.hosts,
        access=lazy(lambda: azure.access_probe),
        graph_permissions=GraphPermissions(lazy(lambda: azure.app_roles), tokens.graph_app_roles),
    )


def application_secrets(azure: AzureParts, storage: StorageParts) -> Issuer:
    """Adds secrets to applications that exist."""
    from shared.cloud.storage.application_lock_table import TableApplicationLocks
    from shared.issuers.application_secret.issuer import ApplicationSecretIssuer
    from shared.issuers.application_secret.lock import ApplicationLock

    return ApplicationSecretIssuer(
        applications=azure.graph,
        locks=ApplicationLock(TableApplicationLocks(storage.tables, azure.ids), azure.clock, azure.ids),
        inventory=lazy(lambda: azure.inventory),
        probe=azure.probe,
        retry=azure.retry,
        tenant_id=azure.settings.azure.tenant_id,
        client_id=azure.settings.azure.client_id,
        protected=azure.settings.protection.identities,
    )


def role_grants(azure: AzureParts, _storage: StorageParts) -> Issuer:
    """Assigns roles to callers."""
    from shared.issuers.role_grant.issuer import RoleGrantIssuer

    settings = azure.settings
    protected = Protected(settings.protection.identities, settings.protection.scopes)
    inventory, to_users = lazy(lambda: azure.inventory), settings.azure.grant_to_users
    return RoleGrantIssuer(azure.arm, inventory, azure.retry, settings.azure.tenant_id, protected, to_users)


KINDS: tuple[tuple[Schema, Callable[[AzureParts, StorageParts], Issuer]], ...] = (
    (ServicePrincipalSchema(), service_principals),
    (ApplicationSecretSchema(), application_secrets),
    (RoleGrantSchema(), role_grants),
)


PARTS = (VaultSecretSchema(),)
"""What a lease may have beside its credential."""


def kinds(azure: AzureParts, storage: StorageParts) -> Kinds:
    """Returns all kinds, and what leases have beside their credentials. Each issuer is made when it is first needed."""
    parts = (LazyPart(each, lambda: azure.courier) for each in PARTS)
    return Kinds(*(Kind(schema, partial(make, azure, storage)) for schema, make in KINDS), parts=parts)
