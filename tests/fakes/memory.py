"""All that one broker keeps, in memory, and the ports of a broker over it. A new port is told here and in the wiring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.broker.ports import Ports
from shared.broker.telling.telling import telling
from shared.core.audit import AuditEvent
from shared.core.events.event_rule import EventRule, restore_event_rule, store_event_rule
from shared.core.ports.inventory import AzureInventory
from shared.kinds.registry import Kinds
from tests.fakes.access import MemoryAccess, WarmView
from tests.fakes.application_locks import MemoryApplicationLocks
from tests.fakes.caller_records import MemoryCallerRecords
from tests.fakes.callers import FakeCallers, FakeSubjects
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.documents import MemoryDocuments
from tests.fakes.events import MemoryEventCounts, MemoryEvents
from tests.fakes.generations import MemoryGenerations
from tests.fakes.holder_resources import MemoryHolderResources
from tests.fakes.leased import MemoryLeasedPrincipals
from tests.fakes.leases import MemoryLeases
from tests.fakes.lookups import FakeLookups
from tests.fakes.outbox import FakeTopic, MemoryOutbox
from tests.fakes.pools import MemoryPools
from tests.fakes.queue import MemoryFillings, MemoryPreparations, MemoryQueuedMarkers, MemoryRevocations
from tests.fakes.resources import FakeResources
from tests.fakes.rule_leases import MemoryRuleLeases
from tests.fakes.secret_names import MemorySecretNames
from tests.fakes.stores import MemoryAudit, MemoryRoles, MemoryRunHistory


def memory_event_rules(calls: Calls) -> MemoryDocuments[EventRule]:
    """Satisfies ``EventRules``."""
    return MemoryDocuments[EventRule](
        calls, "event_rules", name_of=lambda rule: rule.name, store=store_event_rule, restore=restore_event_rule
    )


@dataclass
class MemoryBroker:
    """Its stores, time and chance. All calls to the outside go through ``calls``."""

    clock: FakeClock
    ids: FixedIds
    calls: Calls

    def __post_init__(self) -> None:
        """Keeps nothing yet."""
        self.leases = MemoryLeases(self.calls)
        self.outbox = MemoryOutbox(self.calls, self.leases.outbox)
        self.topic = FakeTopic(self.calls)
        """Where a broker publishes that tells of what it does."""
        self.roles = MemoryRoles(self.calls)
        self.access = MemoryAccess(self.calls)
        self.event_rules = memory_event_rules(self.calls)
        self.audit = MemoryAudit(self.calls)
        self.run_history = MemoryRunHistory(self.calls)
        self.locks = MemoryApplicationLocks(self.calls)
        self.revocations = MemoryRevocations(self.calls)
        self.preparations = MemoryPreparations(self.calls)
        self.fillings = MemoryFillings(self.calls)
        self.pools = MemoryPools(self.calls)
        self.events = MemoryEvents(self.calls)
        self.event_counts = MemoryEventCounts(self.calls)
        self.rule_leases = MemoryRuleLeases(self.calls)
        self.holder_resources = MemoryHolderResources(self.calls)
        self.queued_markers = MemoryQueuedMarkers(self.calls)
        self.generations = MemoryGenerations(self.calls)
        self.secret_names = MemorySecretNames(self.calls)
        self.leased = MemoryLeasedPrincipals(self.calls)
        self.caller_records = MemoryCallerRecords(self.calls)
        self.callers = FakeCallers(self.calls)
        """What Azure says of callers. A test says who they are, and what keeps Azure from saying it."""
        self.lookups = FakeLookups(self.calls)
        self.resources = FakeResources(self.calls)

    def pending_events(self) -> list[AuditEvent]:
        """Those that the audit trail does not have."""
        recorded = {event.id for event in self.audit.events}
        stores = (self.roles, self.access.auth_roles, self.access.policies, self.event_rules)
        return [event for store in stores for event in store.pending.values() if event.id not in recorded]

    def ports_with(self, kinds: Kinds, inventory: AzureInventory, *, publishing: bool = False, **more: Any) -> Ports:
        """Those of a worker with these kinds of credential, and with more of ``Ports`` than its defaults.

        ``publishing``: it tells of what it does, and publishes that to ``topic``.
        """
        return Ports(
            clock=self.clock,
            ids=self.ids,
            leases=telling(self.leases, kinds, self.clock, self.ids) if publishing else self.leases,
            outbox=self.outbox,
            publisher=self.topic if publishing else None,
            roles=self.roles,
            auth_roles=self.access.auth_roles,
            policies=self.access.policies,
            event_rules=self.event_rules,
            access=self.access,
            audit=self.audit,
            run_history=self.run_history,
            revocations=self.revocations,
            preparations=self.preparations,
            fillings=self.fillings,
            pools=self.pools,
            events=self.events,
            event_counts=self.event_counts,
            rule_leases=self.rule_leases,
            holder_resources=self.holder_resources,
            queued_markers=self.queued_markers,
            generations=self.generations,
            leased=self.leased,
            secret_names=self.secret_names,
            access_view=WarmView(self.access, self.roles, self.event_rules, self.clock),
            directory=self.callers.facts(),
            subjects=FakeSubjects(self.callers),
            caller_records=self.caller_records,
            lookups=self.lookups,
            resources=self.resources,
            kinds=kinds,
            inventory=inventory,
            **more,
        )
