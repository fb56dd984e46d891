"""All that the verbs need from outside, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.broker.access_view import AccessView
from shared.broker.leased_callers import nobody_asks
from shared.core.access.decide import Decision, as_document
from shared.core.audit import AuditEvent, Outcome
from shared.core.caller import Caller
from shared.core.limits import Limits
from shared.core.names import LeaseId, ObjectId
from shared.core.pool import Hint
from shared.core.ports.access import AccessStore, AuthRoles, DirectoryFacts, DirectoryLookups, Policies, Subjects
from shared.core.ports.audit import Audit
from shared.core.ports.callers import CallerRecords
from shared.core.ports.documents import EventRules, Generations, Roles
from shared.core.ports.event_counts import EventCounts
from shared.core.ports.holder_resources import HolderResources
from shared.core.ports.inventory import AzureInventory
from shared.core.ports.leased import LeasedPrincipals
from shared.core.ports.leases import Leases
from shared.core.ports.outbox import Outbox, Publisher
from shared.core.ports.pool import Pools
from shared.core.ports.queue import EventsQueue, Fillings, Preparations, QueuedMarkers, Revocations
from shared.core.ports.resources import Resources
from shared.core.ports.rule_leases import RuleLeases
from shared.core.ports.run_history import RunHistory
from shared.core.ports.secret_names import SecretNames
from shared.core.ports.system import Clock, Ids
from shared.core.protection import Protected
from shared.kinds.delivering import Courier
from shared.kinds.registry import Kinds
from shared.resilience.following import Following
from shared.resilience.outages import Outages
from shared.resilience.pace import Pace
from shared.resilience.recent import Recent


@dataclass(frozen=True, slots=True)
class Timing:
    """How long operations may take, in seconds unless said otherwise. Settings may change the last six."""

    mint: float = 180.0
    """No call of an issue begins later. The platform ends an HTTP request after 230 s."""
    throttled: float = 60.0
    """A caller waits so long at most for Azure's limits. Then the answer says when to come back."""
    inline_undo: float = 20.0
    """A caller waits so long at most for the clean-up of a failed issue, or for a revocation."""
    sweep_undo: float = 60.0
    """A sweep, for which no caller waits, works on one lease for so long at most."""
    sweep: float = 110.0
    """A sweep takes up no further lease later. Even if Azure lets each call for the last lease wait for 30 s, which makes three
    minutes, the sweep ends before the 5 minutes that a function has on every plan."""
    events: float = 10.0
    """A sweep publishes events for so long at most, beside its leases."""
    asked_sweep: float = 100.0
    """As ``sweep``, if a caller waits for the sweep. With ``sweep_undo``, it is less than the 230 s of an HTTP request."""
    rotation: float = 60.0
    """Within it, a fresh secret for a lease is made or given up. None of its calls begins after the first half."""
    repeat: float = 190.0
    """A repeated request waits so long for another that works on its lease: as long as a mint, and ten seconds more."""
    message: float = 60.0
    """A lease waits so long for the worker that takes its message. Then the sweep sends the message again."""
    proving: float = 100.0
    """The credential of a prepared lease is proven for so long at most while its holder waits for it."""
    turn: float = 20.0
    """A worker proves a lease for which nobody waits for so long. Then it is the next one's turn."""
    lease_lock: float = 20.0
    """A lease is locked for so long. A worker at work renews its lock again and again."""
    settle: float = 180.0
    """The age from which absence is believed. The longest replication in recorded exchanges took 121 s."""
    retention: timedelta = field(default=timedelta(days=7))
    """Ended leases are stored for so long."""
    collect: float = 900.0
    """A prepared lease waits so long for its holder to collect it."""
    grace: float = 600.0
    """For so long after a credential was handed out, its holder may collect it once more: an answer may have been lost."""
    prepare: float = 900.0
    """A lease for which nobody waits is prepared and proven within that time, counted from the ask, or undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The stores, the kinds, the clock and the random ids."""

    clock: Clock
    ids: Ids
    leases: Leases
    outbox: Outbox
    roles: Roles
    auth_roles: AuthRoles
    policies: Policies
    event_rules: EventRules
    access: AccessStore
    generations: Generations
    leased: LeasedPrincipals
    caller_records: CallerRecords
    audit: Audit
    run_history: RunHistory
    queued_markers: QueuedMarkers
    revocations: Revocations
    preparations: Preparations
    fillings: Fillings
    events: EventsQueue
    event_counts: EventCounts
    rule_leases: RuleLeases
    holder_resources: HolderResources
    pools: Pools
    courier: Courier
    secret_names: SecretNames
    kinds: Kinds
    inventory: AzureInventory
    home: ObjectId
    """The broker's own tenant."""
    access_view: AccessView
    directory: DirectoryFacts
    subjects: Subjects
    lookups: DirectoryLookups
    resources: Resources
    publisher: Publisher | None = None
    """Publishes events; ``None`` if events are off. Then ``leases`` tells of nothing (``shared.broker.telling``)."""
    timing: Timing = field(default_factory=Timing)
    protected: Protected = field(default_factory=Protected)
    limits: Limits = field(default_factory=Limits)
    tenants: frozenset[ObjectId] = frozenset()
    """The tenants whose callers are admitted, the broker's own among them: ``bound_tenant_ids`` may name no others."""
    own_app_id: ObjectId | None = None
    """The client id of the broker's own identity."""
    region: str = ""
    """Azure's name of the region that the broker runs in; empty outside Azure."""
    warnings: tuple[str, ...] = ()
    """What an operator should mend in the settings, although the broker runs with it."""
    outages: Outages = field(default_factory=Outages)
    refused: Callable[[], Mapping[str, datetime]] = field(default=dict)
    """Returns the services that refuse the broker's own identity to this worker, each with the instant since which it does."""
    pace: Pace = field(default_factory=Pace)
    """How long this worker's last preparations took."""
    tried: Recent[LeaseId] = field(default_factory=Recent)
    """Leases of pools that this worker's requests have tried to take."""
    hints: Following[Sequence[Hint]] = field(default_factory=Following)
    """Reads of the hints at what stands in pools, by role: claims at once share them."""
    refills: Following[None] = field(default_factory=Following)
    """Messages that a role's pool is to be filled, by role."""
    admitted: Callable[[], Awaitable[None]] = field(default=nobody_asks)
    """Returns when the caller is admitted. A verb waits for it beside its first read for the caller."""

    def now(self) -> datetime:
        """Returns the wall clock's instant."""
        return self.clock.now()

    def within(self, seconds: float) -> float:
        """Returns the instant that many seconds ahead, on the monotonic clock."""
        return self.clock.monotonic() + seconds


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller, and the id of its request. ``client_id`` is the caller's own id for the request; empty if there is none.

    ``decision`` is the gate's, where the gate alone lets the caller in.
    """

    caller: Caller
    id: str
    client_id: str = ""
    decision: Decision | None = None

    def done(
        self,
        ports: Ports,
        operation: str,
        *,
        role: str = "",
        lease: str = "",
        reason: str = "",
        decision: Decision | None = None,
        document: str = "",
        changes: Sequence[Mapping[str, Any]] = (),
    ) -> AuditEvent:
        """Returns the audit event of an operation that this request has completed."""
        decision = decision or self.decision
        return AuditEvent(
            at=ports.now(),
            operation=operation,
            outcome=Outcome.DONE,
            request_id=self.id,
            client_request_id=self.client_id,
            caller=self.caller,
            role=role,
            lease=lease,
            reason=reason,
            decided_by=as_document(decision.by) if decision is not None else None,
            overrode_deny=as_document(decision.overrode) if decision is not None else None,
            document=document,
            changes=changes,
        )
