"""Everything the verbs need from outside, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.broker.leased_callers import nobody_asks
from shared.core.audit import AuditEvent, Outcome
from shared.core.caller import Caller
from shared.core.names import ObjectId
from shared.core.ports.audit import Audit
from shared.core.ports.documents import Generations, Roles
from shared.core.ports.inventory import AzureInventory
from shared.core.ports.leased import LeasedPrincipals
from shared.core.ports.leases import Leases
from shared.core.ports.queue import QueuedMarkers, Revocations
from shared.core.ports.run_history import RunHistory
from shared.core.ports.system import Clock, Ids
from shared.core.protection import Protected
from shared.kinds.registry import Kinds
from shared.resilience.outages import Outages


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take, in seconds unless said otherwise. Settings may change the last three."""

    mint: float = 180.0
    """After that no call of an issue begins. The platform ends an HTTP request after 230 s."""
    throttled: float = 60.0
    """After that a caller does not wait for Azure's limits any more, but is told when to come back."""
    inline_undo: float = 20.0
    """How long a caller waits while a failed issue is cleaned up, or a revocation is carried out."""
    sweep_undo: float = 60.0
    """The same within a sweep, where nobody waits."""
    sweep: float = 110.0
    """After that a sweep takes up no further lease. Even if Azure lets each of the last one's calls wait for 30 s, which makes
    three minutes, it ends before the 5 minutes that a function has on every plan."""
    asked_sweep: float = 100.0
    """The same for a sweep that a caller waits for: with ``sweep_undo``, less than the 230 s of an HTTP request."""
    rotation: float = 60.0
    """Within that a fresh secret for a lease is made or given up; no call of it begins after the first half."""
    repeat: float = 190.0
    """How long a repeated request waits for another that is at work on its lease: as long as a mint, and ten seconds more."""
    lease_lock: float = 20.0
    """For how long a lease is held; a worker at work keeps renewing its hold."""
    settle: float = 180.0
    """Age from which absence is believed. The longest replication seen in recorded exchanges took 121 s."""
    retention: timedelta = field(default=timedelta(days=7))
    """For how long ended leases are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The stores, the issuers, time and chance."""

    clock: Clock
    ids: Ids
    leases: Leases
    roles: Roles
    generations: Generations
    leased: LeasedPrincipals
    audit: Audit
    run_history: RunHistory
    queued_markers: QueuedMarkers
    revocations: Revocations
    kinds: Kinds
    inventory: AzureInventory
    timing: Timing = field(default_factory=Timing)
    protected: Protected = field(default_factory=Protected)
    tenants: frozenset[ObjectId] = frozenset()
    """Those whose callers are let in: what ``bound_tenant_ids`` may name."""
    warnings: tuple[str, ...] = ()
    """What an operator should mend in the settings though the broker runs with it."""
    outages: Outages = field(default_factory=Outages)
    refused: Callable[[], Mapping[str, datetime]] = field(default=dict)
    """Gives the services that refuse the broker's own identity to this worker, and since when."""
    admitted: Callable[[], Awaitable[None]] = field(default=nobody_asks)
    """Returns when it is known that the caller may come in: waited for beside the first read that is made for the caller."""

    def now(self) -> datetime:
        """The wall clock."""
        return self.clock.now()

    def within(self, seconds: float) -> float:
        """A point that many seconds ahead, on the monotonic clock."""
        return self.clock.monotonic() + seconds


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, under which id; ``client_id`` is what the caller calls the request, empty when it does not say."""

    caller: Caller
    id: str
    client_id: str = ""

    def done(self, ports: Ports, operation: str, *, role: str = "", lease: str = "", reason: str = "") -> AuditEvent:
        """The event of an operation that this request has carried through."""
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
        )
