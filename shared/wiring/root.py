"""The composition: the broker for callers, and its ports for timers and queues."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.broker.access_view import AccessView
from shared.broker.ports import Ports, Timing
from shared.broker.telling.telling import telling
from shared.cloud.system import SystemClock, SystemIds
from shared.core.events.door import Door
from shared.core.limits import Limits
from shared.core.ports.documents import EventRules
from shared.core.ports.leases import Leases
from shared.core.ports.outbox import Publisher
from shared.core.ports.system import Clock, Ids
from shared.core.protection import Protected
from shared.kinds.registry import Kinds
from shared.resilience.outages import Outages
from shared.settings import Settings, load
from shared.triggers.broker import Broker
from shared.wiring.azure import AzureParts
from shared.wiring.kinds import kinds
from shared.wiring.lazy import lazy
from shared.wiring.storage import StorageParts

if TYPE_CHECKING:
    from shared.broker.ending.resume import Resumption

# ruff: noqa: PLC0415 - see the package


@dataclass(eq=False)
class Composition:
    """Every part of one worker's broker. Each is made at most once."""

    environment: Mapping[str, str]
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=SystemIds)

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises ``Misconfigured``."""
        return load(self.environment)

    @cached_property
    def azure(self) -> AzureParts:
        """The parts that call Azure. Raises ``Misconfigured``."""
        return AzureParts(self.settings, self.clock, self.ids, self.outages)

    @cached_property
    def storage(self) -> StorageParts:
        """The parts that call storage. Raises ``Misconfigured``."""
        return StorageParts(self.settings, self.azure)

    @cached_property
    def outages(self) -> Outages:
        """The services that do not answer. When one answers again, the leases that have waited for it are taken up."""
        return Outages(lambda: self.resumption())  # noqa: PLW0108 - made when it is first called

    @cached_property
    def resumption(self) -> Resumption:
        """Takes up the leases that have waited for a service."""
        from shared.broker.ending.resume import Resumption

        return Resumption(self.ports)

    @cached_property
    def kinds(self) -> Kinds:
        """The kinds of credential. Raises ``Misconfigured``."""
        return kinds(self.azure, self.storage)

    @cached_property
    def publisher(self) -> Publisher | None:
        """Publishes events; ``None`` if the operator names no topic. Raises ``Misconfigured``."""
        return lazy(lambda: self.azure.publisher) if self.settings.events.topic else None

    @cached_property
    def _leases(self) -> Leases:
        """The leases, whose moves are told where events are published."""
        from shared.cloud.storage.lease_table import TableLeases

        stored = TableLeases(self.storage.tables, self.ids, self.kinds)
        return telling(stored, self.kinds, self.clock, self.ids) if self.publisher is not None else stored

    @cached_property
    def _event_rules(self) -> EventRules:
        from shared.cloud.storage.event_rule_table import TableEventRules

        return TableEventRules(self.storage.tables, self.ids)

    @cached_property
    def ports(self) -> Ports:
        """The ports. Raises ``Misconfigured``."""
        from shared.cloud.storage.access_table import TableAccess, TableAuthRoles, TablePolicies
        from shared.cloud.storage.audit_table import TableAudit, TableRunHistory
        from shared.cloud.storage.caller_table import TableCallerRecords
        from shared.cloud.storage.generation_table import TableGenerations
        from shared.cloud.storage.leased_table import TableLeasedPrincipals
        from shared.cloud.storage.pool_table import TablePools
        from shared.cloud.storage.queued_marker_table import TableQueuedMarkers
        from shared.cloud.storage.role_table import TableRoles

        _quieten_libraries()
        settings, azure, storage, tables = self.settings, self.azure, self.storage, self.storage.tables
        leases, protection, limits = settings.leases, settings.protection, settings.limits
        roles, access = TableRoles(tables, self.ids, self.kinds), TableAccess(tables)
        return Ports(
            clock=self.clock,
            ids=self.ids,
            leases=self._leases,
            roles=roles,
            auth_roles=TableAuthRoles(tables, self.ids),
            policies=TablePolicies(tables, self.ids),
            access=access,
            generations=TableGenerations(tables),
            leased=TableLeasedPrincipals(tables),
            caller_records=TableCallerRecords(tables, self.clock),
            audit=TableAudit(tables, self.ids, clock=self.clock),
            run_history=TableRunHistory(tables),
            queued_markers=TableQueuedMarkers(tables),
            revocations=lazy(lambda: storage.revocations),
            preparations=lazy(lambda: storage.preparations),
            fillings=lazy(lambda: storage.fillings),
            pools=TablePools(tables),
            kinds=self.kinds,
            inventory=lazy(lambda: azure.inventory),
            home=settings.azure.tenant_id,
            access_view=AccessView(access, roles, self._event_rules, self.clock),
            directory=lazy(lambda: azure.directory_facts),
            subjects=lazy(lambda: azure.subjects),
            lookups=lazy(lambda: azure.lookups),
            timing=Timing(
                lease_lock=leases.lock,
                settle=leases.settle,
                retention=leases.retention,
                collect=leases.collect,
                grace=leases.grace,
                prepare=leases.prepare,
            ),
            protected=Protected(protection.identities, protection.scopes),
            limits=Limits(**asdict(limits)),
            tenants=frozenset(settings.callers.allowed_tenants),
            own_app_id=settings.azure.client_id,
            region=settings.data_plane.region,
            warnings=settings.warnings,
            outages=self.outages,
            refused=azure.refused,
            **self._of_events(),
            **self._of_deliveries(),
        )

    def _of_deliveries(self) -> dict[str, Any]:
        """Returns the ports that only deliveries need."""
        from shared.cloud.storage.secret_name_table import TableSecretNames

        return {"courier": self.azure.courier, "secret_names": TableSecretNames(self.storage.tables)}

    def _of_events(self) -> dict[str, Any]:
        """Returns the ports that only events need, those that are published and those from outside."""
        from shared.cloud.storage.event_count_table import TableEventCounts
        from shared.cloud.storage.holder_resource_table import TableHolderResources
        from shared.cloud.storage.outbox_table import TableOutbox
        from shared.cloud.storage.rule_lease_table import TableRuleLeases

        azure, storage = self.azure, self.storage
        return {
            "outbox": TableOutbox(storage.tables),
            "publisher": self.publisher,
            "events": lazy(lambda: storage.events),
            "event_counts": TableEventCounts(storage.tables),
            "event_rules": self._event_rules,
            "rule_leases": TableRuleLeases(storage.tables),
            "holder_resources": TableHolderResources(storage.tables),
            "resources": lazy(lambda: azure.resources),
        }

    @cached_property
    def broker(self) -> Broker:
        """The broker. Raises ``Misconfigured``."""
        callers, azure, events = self.settings.callers, self.azure, self.settings.events
        return Broker(
            ports=self.ports,
            verifier=lazy(lambda: azure.verifier),
            challenge=challenge_of(self.settings),
            docs_url=callers.docs_url,
            public_url=callers.public_url,
            door=Door(events.webhook, events.event_grid, events.origins),
        )


def _quieten_libraries() -> None:
    """The SDKs log every call with its headers at level INFO, which took most of an issue's own time. Nobody needs that."""
    for name in ("azure", "httpx", "httpcore", "msal"):
        logging.getLogger(name).setLevel(logging.WARNING)


def challenge_of(settings: Settings) -> str:
    """Returns the ``WWW-Authenticate`` of a 401: where to get a token, and for what, in the form of Azure's own services."""
    sign_in = f"{settings.azure.authority}/{settings.azure.tenant_id}/oauth2/v2.0/authorize"
    return f'Bearer realm="leasehold", authorization_uri="{sign_in}", resource_id="{settings.callers.audiences[0]}"'


_parts = Composition(os.environ)  # noqa: TID251 - the one place where the environment is taken; it is read at the first call
clock = _parts.clock


async def broker() -> Broker:
    """Returns the worker's broker. Raises ``Misconfigured``, and tries again at the next call."""
    return _parts.broker


async def ports() -> Ports:
    """Returns the ports, for work without callers to verify. Raises ``Misconfigured``."""
    return _parts.ports
