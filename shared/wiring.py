"""The composition root: builds the broker at the first call, once a worker, each part when it is first needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from shared.broker.ports import Ports, Timing
from shared.cloud.limits import RateLimiters
from shared.cloud.system import SystemClock, SystemIds
from shared.core.caller import Caller
from shared.core.footprint import ApplicationSecretFootprint, Footprint, ServicePrincipalFootprint
from shared.core.message import Message
from shared.core.ports.inventory import AzureInventory
from shared.core.ports.queue import Revocations
from shared.core.ports.system import Clock, Ids
from shared.core.ports.verifier import Verifier
from shared.core.protection import Protected
from shared.core.role import ApplicationSecretTarget, ServicePrincipalTarget, Target
from shared.kinds.kind import Issuer
from shared.resilience.outages import Outages
from shared.resilience.retry import Retry
from shared.settings import Settings, load
from shared.triggers.broker import Broker

if TYPE_CHECKING:
    import httpx
    from azure.data.tables.aio import TableServiceClient

    from shared.broker.ending.resume import Resumption
    from shared.cloud.arm.authorization import Arm
    from shared.cloud.azure_connections import InTime
    from shared.cloud.entra.identity import HeldTokens
    from shared.cloud.entra.probe import TokenProbe
    from shared.cloud.graph.calls import GraphCalls
    from shared.cloud.graph.directory import Graph
    from shared.core.names import ObjectId

# Azure's libraries are imported within the functions below: a sweep that finds nothing due needs none but storage's, a read
# needs neither Graph's nor Resource Manager's, and together they cost a cold start more than a second.
# ruff: noqa: PLC0415


@dataclass(frozen=True, slots=True)
class LazyIssuers:
    """Satisfies ``Issuers``: each is made when something of its kind is first met."""

    makers: Mapping[type[Target | Footprint], Callable[[], Issuer]]

    def for_target(self, target: Target) -> Issuer:
        """By the target's type."""
        return self.makers[type(target)]()

    def for_footprint(self, footprint: Footprint) -> Issuer:
        """By the footprint's type."""
        return self.makers[type(footprint)]()


@dataclass(frozen=True, slots=True)
class LazyVerifier:
    """Satisfies ``Verifier``: made when there is a first token to verify."""

    maker: Callable[[], Verifier]

    async def verify(self, token: str) -> Caller:
        """See the port."""
        return await self.maker().verify(token)


@dataclass(frozen=True, slots=True)
class LazyRevocations:
    """Satisfies ``Revocations``: made when a sweep first finds more than it ends itself."""

    maker: Callable[[], Revocations]

    async def send(self, message: Message) -> None:
        """See the port."""
        await self.maker().send(message)


@dataclass(eq=False)
class Composition:
    """Every part of one worker's broker, each made at most once.

    Nothing here awaits: on a worker's one event loop no two can build at the same time, and what raised is tried again.
    """

    environment: Mapping[str, str]
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=SystemIds)
    identities: list[HeldTokens] = field(default_factory=list, init=False)
    """Those that have been needed so far: the broker's own, and storage's where it is another."""

    @cached_property
    def settings(self) -> Settings:
        """Raises ``Misconfigured``."""
        return load(self.environment)

    @cached_property
    def broker(self) -> Broker:
        """Raises ``Misconfigured``."""
        settings = self.settings
        return Broker(
            self.ports,
            LazyVerifier(lambda: self.verifier),
            challenge_of(settings),
            settings.callers.docs_url,
            settings.callers.public_url,
        )

    @cached_property
    def ports(self) -> Ports:
        """Raises ``Misconfigured``."""
        from shared.cloud.storage.audit_table import TableAudit, TableRunHistory
        from shared.cloud.storage.generation_table import TableGenerations
        from shared.cloud.storage.lease_table import TableLeases
        from shared.cloud.storage.leased_table import TableLeasedPrincipals
        from shared.cloud.storage.queued_marker_table import TableQueuedMarkers
        from shared.cloud.storage.role_table import TableRoles

        _quieten_libraries()
        settings, tables = self.settings, self.tables
        return Ports(
            clock=self.clock,
            ids=self.ids,
            leases=TableLeases(tables, self.ids),
            roles=TableRoles(tables, self.ids),
            audit=TableAudit(tables, self.ids, clock=self.clock),
            run_history=TableRunHistory(tables),
            issuers=self.issuers,
            revocations=LazyRevocations(lambda: self.revocations),
            queued_markers=TableQueuedMarkers(tables),
            timing=Timing(lease_lock=settings.leases.lock, settle=settings.leases.settle, retention=settings.leases.retention),
            protected=Protected(settings.protection.identities, settings.protection.scopes),
            warnings=settings.warnings,
            generations=TableGenerations(tables),
            tenants=frozenset(settings.callers.allowed_tenants),
            leased=TableLeasedPrincipals(tables),
            inventory=lambda: self.inventory,
            outages=self.outages,
            refused=lambda: {scope: at for each in self.identities for scope, at in each.refused.items()},
        )

    @cached_property
    def tables(self) -> TableServiceClient:
        """The connection to Table Storage."""
        from shared.cloud.storage.tables import connect

        storage = self.settings.storage
        if storage.connection_string is not None:
            return connect(storage.connection_string.reveal())
        return connect(endpoint=storage.table_endpoint, credential=self.storage_credential)

    @cached_property
    def revocations(self) -> Revocations:
        """The connection to the queue."""
        from shared.cloud.storage.queues import StorageRevocations, connect

        storage = self.settings.storage
        if storage.connection_string is not None:
            return StorageRevocations(connect(storage.connection_string.reveal(), transport=self.transport))
        credential = self.storage_credential
        return StorageRevocations(connect(endpoint=storage.queue_endpoint, credential=credential, transport=self.transport))

    @cached_property
    def storage_credential(self) -> HeldTokens:
        """The identity that storage is reached with: the broker's own, unless the host's settings name another."""
        client_id = self.settings.storage.client_id
        if client_id in {None, self.settings.azure.client_id}:
            return self.credential
        return self._identity(client_id)

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
    def issuers(self) -> LazyIssuers:
        """By the types of their targets and footprints."""
        return LazyIssuers(
            {
                ServicePrincipalTarget: lambda: self.service_principals,
                ServicePrincipalFootprint: lambda: self.service_principals,
                ApplicationSecretTarget: lambda: self.application_secrets,
                ApplicationSecretFootprint: lambda: self.application_secrets,
            }
        )

    @cached_property
    def service_principals(self) -> Issuer:
        """Mints service principals."""
        from shared.issuers.service_principal.issuer import ServicePrincipalIssuer

        return ServicePrincipalIssuer(
            *(self.graph, self.arm, self.probe, self.retry),
            self.settings.azure.tenant_id,
            self.settings.protection.scopes,
        )

    @cached_property
    def application_secrets(self) -> Issuer:
        """Mints secrets on applications that exist."""
        from shared.cloud.storage.application_lock_table import TableApplicationLocks
        from shared.issuers.application_secret.issuer import ApplicationSecretIssuer
        from shared.issuers.application_secret.lock import ApplicationLock

        locks = ApplicationLock(TableApplicationLocks(self.tables, self.ids), self.clock, self.ids)
        azure = self.settings.azure
        return ApplicationSecretIssuer(
            *(self.graph, locks, self.probe, self.retry),
            *(azure.tenant_id, azure.client_id, self.settings.protection.identities),
        )

    @cached_property
    def inventory(self) -> AzureInventory:
        """Reads what leases may have left."""
        from shared.cloud.inventory import AzureLists

        return AzureLists(self.graph_calls, self.arm, self.settings.azure.client_id, self.retry)

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
    def graph_calls(self) -> GraphCalls:
        """Calls to Microsoft Graph."""
        from shared.cloud.graph.calls import GraphCalls

        return GraphCalls(self.settings.azure.graph_endpoint, self.credential, self.client, self.ids, self.limiters)

    @cached_property
    def probe(self) -> TokenProbe:
        """Tries fresh secrets out, by asking for a token for Graph."""
        from shared.cloud.entra.probe import TokenProbe

        scope = f"{self.settings.azure.graph_endpoint}/.default"
        return TokenProbe(self.fresh_client, self.clock, self.settings.azure.authority, self.settings.azure.tenant_id, scope)

    @cached_property
    def limiters(self) -> RateLimiters:
        """How much the worker may ask of Graph and Resource Manager, for all its work together."""
        return RateLimiters(self.clock, self.outages)

    @cached_property
    def outages(self) -> Outages:
        """Which services do not answer; when one does again, what has waited for it is taken up."""
        return Outages(self._recovered)

    def _recovered(self) -> None:
        self.resumption()

    @cached_property
    def resumption(self) -> Resumption:
        """Takes up what has waited."""
        from shared.broker.ending.resume import Resumption

        return Resumption(self.ports)

    @cached_property
    def retry(self) -> Retry:
        """How calls to Azure are repeated."""
        return Retry(self.clock, self.ids)

    @cached_property
    def credential(self) -> HeldTokens:
        """The broker's own identity."""
        return self._identity(self.settings.azure.client_id)

    def _identity(self, client_id: ObjectId) -> HeldTokens:
        from shared.cloud.entra.identity import broker_credential

        made = broker_credential(client_id, transport=self.transport, clock=self.clock)
        self.identities.append(made)
        return made

    @cached_property
    def client(self) -> httpx.AsyncClient:
        """Connections to Graph and Entra ID."""
        from shared.cloud.connections import httpx_client

        return httpx_client()

    @cached_property
    def fresh_client(self) -> httpx.AsyncClient:
        """A connection of its own for each call to Entra ID."""
        from shared.cloud.connections import httpx_client

        return httpx_client(kept=0)

    @cached_property
    def transport(self) -> InTime:
        """Connections for Azure's own clients."""
        from shared.cloud.connections import azure_transport

        return azure_transport()


def _quieten_libraries() -> None:
    """The SDKs tell of every call at level INFO, headers and all: most of an issue's own time, and nothing that is missed."""
    for name in ("azure", "httpx", "httpcore", "msal"):
        logging.getLogger(name).setLevel(logging.WARNING)


def challenge_of(settings: Settings) -> str:
    """What a 401 says in ``WWW-Authenticate``: where to get a token, and for what, as Azure's own services say it."""
    sign_in = f"{settings.azure.authority}/{settings.azure.tenant_id}/oauth2/v2.0/authorize"
    return f'Bearer realm="leasehold", authorization_uri="{sign_in}", resource_id="{settings.callers.audiences[0]}"'


_parts = Composition(os.environ)  # noqa: TID251 - the one place where the environment is taken; it is read at the first call
clock = _parts.clock


async def broker() -> Broker:
    """The worker's broker. Raises ``Misconfigured``, and tries again at the next call."""
    return _parts.broker


async def ports() -> Ports:
    """The same for the sweep, which has no callers to verify. Raises ``Misconfigured``."""
    return _parts.ports
