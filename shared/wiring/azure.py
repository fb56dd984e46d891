"""The parts for Graph, Resource Manager and Entra ID: connections, identity, rate limiters, retry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from shared.cloud.limits import RateLimiters
from shared.core.names import ObjectId
from shared.core.ports.access import DirectoryLookups
from shared.core.ports.inventory import AzureInventory
from shared.core.ports.resources import Resources
from shared.core.ports.system import Clock, Ids
from shared.core.ports.verifier import Verifier
from shared.resilience.outages import Outages
from shared.resilience.rate_limit import RateLimiter
from shared.resilience.retry import Retry
from shared.settings import Settings
from shared.settings.callers import client_ids
from shared.wiring.lazy import lazy

if TYPE_CHECKING:
    import httpx

    from shared.cloud.access_probe import AccessProbe
    from shared.cloud.arm.authorization import Arm
    from shared.cloud.azure_connections import InTime
    from shared.cloud.delegation_keys import StorageDelegationKeys
    from shared.cloud.directory_facts import AzureFacts
    from shared.cloud.entra.identity import HeldTokens
    from shared.cloud.entra.lease_sign_in import AssertionSignIn
    from shared.cloud.entra.probe import TokenProbe
    from shared.cloud.event_grid.publisher import EventGridPublisher
    from shared.cloud.graph.app_roles import AppRolesInGraph
    from shared.cloud.graph.calls import GraphCalls
    from shared.cloud.graph.directory import Graph
    from shared.cloud.graph.subjects import GraphSubjects
    from shared.cloud.key_vault.vaults import KeyVault
    from shared.issuers.key_vault_secret.courier import KeyVaultCourier

# ruff: noqa: PLC0415 - see the package


@dataclass(eq=False)
class AzureParts:
    """Every part that calls Azure's own services. Each is made at most once."""

    settings: Settings
    clock: Clock
    ids: Ids
    outages: Outages
    identities: list[HeldTokens] = field(default_factory=list, init=False)
    """The identities that were needed so far: the broker's own, and storage's if that is another."""

    def refused(self) -> Mapping[str, datetime]:
        """Returns the services that refuse the broker's identities to this worker, each with the time of the first refusal."""
        return {scope: at for each in self.identities for scope, at in each.refused.items()}

    @cached_property
    def verifier(self) -> Verifier:
        """Verifies callers' tokens."""
        from shared.cloud.entra.verifier import EntraVerifier

        return EntraVerifier(
            authority=self.settings.azure.authority,
            tenants=self.settings.callers.allowed_tenants,
            audiences=self.settings.callers.audiences,
            client=self.client,
            clock=self.clock,
        )

    @cached_property
    def inventory(self) -> AzureInventory:
        """Lists what leases may have left."""
        from shared.cloud.inventory import AzureLists

        own, life = self.settings.azure.client_id, self.settings.callers.directory_cache
        return AzureLists(self.graph_calls, self.arm, own, self.retry, facts_life=life)

    @cached_property
    def directory_facts(self) -> AzureFacts:
        """What Graph and Resource Manager say of callers."""
        from shared.cloud.directory_facts import AzureFacts
        from shared.cloud.graph.callers import CallersInGraph

        return AzureFacts(CallersInGraph(self.graph_calls), self._locate, self.retry, self.settings.callers.directory_cache)

    @cached_property
    def subjects(self) -> GraphSubjects:
        """Looks up who a caller would be."""
        from shared.cloud.graph.subjects import GraphSubjects

        return GraphSubjects(self.graph_calls, client_ids(self.settings.callers.audiences), self.retry)

    async def _locate(self, resource_id: str) -> str | None:
        """Resource Manager's client is imported when a location is first asked for."""
        from shared.cloud.arm.locations import location_of

        return await location_of(self.arm, resource_id)

    @cached_property
    def lookups(self) -> DirectoryLookups:
        """Looks up what bounds name."""
        from shared.cloud.lookups import AzureLookups

        return AzureLookups(self.graph_calls, self.arm, self.client, self.settings.azure.authority, self.retry)

    @cached_property
    def resources(self) -> Resources:
        """Looks at the subjects of events."""
        from shared.cloud.arm.resources import AzureResources

        return AzureResources(self.arm, self.retry)

    @cached_property
    def arm(self) -> Arm:
        """Azure Resource Manager."""
        from shared.cloud.arm.authorization import Arm

        return Arm(self.settings.azure.arm_endpoint, self.credential, self.transport, self.limiters)

    @cached_property
    def graph(self) -> Graph:
        """Microsoft Graph."""
        from shared.cloud.graph.directory import Graph

        return Graph(self.graph_calls)

    @cached_property
    def app_roles(self) -> AppRolesInGraph:
        """Application permissions of Microsoft Graph."""
        from shared.cloud.graph.app_roles import AppRolesInGraph

        return AppRolesInGraph(self.graph_calls)

    @cached_property
    def graph_calls(self) -> GraphCalls:
        """Calls to Microsoft Graph."""
        from shared.cloud.graph.calls import GraphCalls

        return GraphCalls(self.settings.azure.graph_endpoint, self.credential, self.client, self.ids, self.limiters)

    @cached_property
    def publisher(self) -> EventGridPublisher:
        """Publishes events."""
        from shared.cloud.event_grid.publisher import LIMIT, EventGridPublisher

        events, schema = self.settings.events, f"{self.settings.callers.public_url}/api/v1/events/schema"
        limiter = RateLimiter("the topic of events", LIMIT, self.clock)
        through = self._by_own_names if self.settings.data_plane.gateway else self.transport
        return EventGridPublisher(events.topic, events.source, schema, self.credential, through, limiter, self.retry)

    @cached_property
    def probe(self) -> TokenProbe:
        """Proves fresh secrets: it asks for a token for Graph."""
        from shared.cloud.entra.probe import TokenProbe

        azure = self.settings.azure
        scope = f"{azure.graph_endpoint}/.default"
        return TokenProbe(self.fresh_client, self.clock, azure.authority, azure.tenant_id, scope)

    @cached_property
    def access_probe(self) -> AccessProbe:
        """Looks whether fresh credentials work where their roles say."""
        from shared.cloud.access_probe import AccessProbe

        arm, data, own = self.settings.azure.arm_endpoint, self.settings.data_plane, self.lease_sign_in
        return AccessProbe(self.fresh_client, own, self.clock, self.limiters, arm, data.hosts, data.gateway)

    @cached_property
    def lease_sign_in(self) -> AssertionSignIn:
        """Signs in as leases' applications: to prove one, it asks for a token for Graph."""
        from shared.cloud.entra.lease_sign_in import AssertionSignIn
        from shared.cloud.entra.sign_in import TokenEndpoint

        azure = self.settings.azure
        entra = TokenEndpoint(self.fresh_client, azure.authority, azure.tenant_id)
        scope = f"{azure.graph_endpoint}/.default"
        return AssertionSignIn(entra, self.credential, self.clock, azure.token_exchange, scope)

    @cached_property
    def delegation_keys(self) -> StorageDelegationKeys:
        """Asks Azure Storage for what signs shared access signatures."""
        from shared.cloud.delegation_keys import StorageDelegationKeys

        data = self.settings.data_plane
        return StorageDelegationKeys(self.fresh_client, self.lease_sign_in, self.clock, data.hosts, data.gateway)

    @cached_property
    def limiters(self) -> RateLimiters:
        """The rate limiters of Graph and Resource Manager, for all work of this worker."""
        return RateLimiters(self.clock, self.outages)

    @cached_property
    def retry(self) -> Retry:
        """Repeats calls to Azure."""
        return Retry(self.clock, self.ids)

    @cached_property
    def credential(self) -> HeldTokens:
        """The broker's own identity."""
        return self.identity(self.settings.azure.client_id)

    def identity(self, client_id: ObjectId) -> HeldTokens:
        """Returns the managed identity with that client id."""
        from shared.cloud.entra.identity import broker_credential

        accepted = self.outages.recovered
        made = broker_credential(client_id, transport=self.transport, clock=self.clock, accepted=accepted)
        self.identities.append(made)
        return made

    @cached_property
    def courier(self) -> KeyVaultCourier:
        """Puts credentials into vaults. azure-keyvault-secrets is imported when the first vault is called."""
        from shared.issuers.key_vault_secret.courier import KeyVaultCourier

        return KeyVaultCourier(lazy(lambda: self._vaults), self.retry, self.settings.data_plane.hosts.vault_suffix)

    @cached_property
    def _vaults(self) -> KeyVault:
        from shared.cloud.key_vault.vaults import KeyVault

        suffix = self.settings.data_plane.hosts.vault_suffix
        return KeyVault(self.credential, self._by_own_names, suffix, self.settings.azure.tenant_id)

    @cached_property
    def _by_own_names(self) -> InTime:
        """Connections to services that have names of their own: through the gateway, if there is one.

        Nothing is sent twice: another ``PUT`` is another version of a secret.
        """
        from shared.cloud.connections import azure_transport

        return azure_transport(gateway=self.settings.data_plane.gateway, repeats=False)

    @cached_property
    def client(self) -> httpx.AsyncClient:
        """Connections to Graph and Entra ID."""
        from shared.cloud.connections import httpx_client

        return httpx_client()

    @cached_property
    def fresh_client(self) -> httpx.AsyncClient:
        """Opens a connection for each call to Entra ID."""
        from shared.cloud.connections import httpx_client

        return httpx_client(pooled=0)

    @cached_property
    def transport(self) -> InTime:
        """Connections for Azure's own clients."""
        from shared.cloud.connections import azure_transport

        return azure_transport()
