"""What an issue would make: the role as its caller asks for it, the order to the issuer, and the lease as it is planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shared.broker.issue.ask_rate import AskRate
from shared.broker.issue.asking import AskedFor, Filled, filled_and_generation
from shared.broker.issue.deliver import require_deliverable, with_delivery
from shared.broker.ports import Actor, Ports
from shared.broker.reconcile.definitions import read_for_the_first_time, was_never_read
from shared.broker.rules import require_current
from shared.core.access.decide import Decision
from shared.core.caller import Caller
from shared.core.delivery import DeliveryAsk
from shared.core.errors import Fault, Malformed, RoleOutdated
from shared.core.events.event_rule import EventRule
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Holder, Lease, State
from shared.core.names import LeaseId, RoleName
from shared.core.role import MIN_TTL, Role
from shared.kinds.kind import Asking, Order
from shared.kinds.target_digest import target_digest

SECRET_SLACK = timedelta(minutes=10)
"""How much longer than its lease a secret may live by Entra's clock: what minting takes, and what clocks differ."""
LAST_CALL = timedelta(seconds=30)
"""How long a call to Azure that has begun in time may still take."""


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """What the caller asks for. ``ttl`` in seconds, ``None`` for the role's."""

    role: RoleName
    ttl: int | None = None
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    ask: AskedFor = field(default_factory=AskedFor)
    delivery: DeliveryAsk | None = None
    """Whether and where the caller wants the credential delivered; ``None`` if it does not say."""
    holder: Caller | None = None
    """Who is to hold the lease, if that is not the caller: the caller only lends its right."""
    by_rule: EventRule | None = None
    """The event rule that asks, and that must still be as it is when the lease stands; ``None`` if a caller asks."""
    rotates: bool = False
    """Whether that rule issues its successor before it ends."""
    succeeds: LeaseId | None = None
    """The lease whose successor it is to be."""


async def role_asked_for(ports: Ports, actor: Actor, wanted: IssueRequest, rate: AskRate) -> tuple[Filled, int, Decision]:
    """Returns the role as it is asked for, its generation, and what has decided. Raises as ``issue``."""
    found = await rate.beside(filled_and_generation(ports, actor.caller, wanted.role, wanted.ask, wanted.holder))
    if was_never_read(ports, found[0].template):
        await read_for_the_first_time(ports, actor.id, found[0].template)
        found = await filled_and_generation(ports, actor.caller, wanted.role, wanted.ask, wanted.holder)
    require_current(ports, actor.caller, found[0].template)
    if was_never_read(ports, found[0].template):
        raise RoleOutdated(audit_reason="azure_roles: what the definitions allow cannot be read")
    return found


def plan(
    ports: Ports, actor: Actor, wanted: IssueRequest, filled: Filled, key: IdempotencyKey | None = None
) -> tuple[Order, Lease]:
    """Returns what to mint, and the lease as it is before anything is made.

    Raises ``Malformed`` (ttl, fields about the credential), and ``Conflict`` or ``Forbidden`` if the caller cannot be given
    what the role mints.
    """
    now, caller, role = ports.now(), wanted.holder or actor.caller, filled.role
    vault = require_deliverable(role, wanted.delivery)
    ttl = lifetime_of(role, wanted)
    longest = timedelta(seconds=role.max_ttl if role.renewable else ttl)
    lease_id = key.lease_id if key else LeaseId.of(role.name, ports.ids.ulid(now))
    holder = Holder(caller.object_id, caller.tenant_id, caller.app_id, caller.name)
    kind, until = ports.kinds.of(role), now + longest
    # Nobody may wait for the lease: then its time begins when it is collected.
    last_end = until + timedelta(seconds=ports.timing.prepare + ports.timing.collect)
    order = Order(
        lease_id,
        holder,
        role.target,
        until + SECRET_SLACK,
        ports.within(ports.timing.mint),
        holder_type=caller.kind,
        asked=kind.schema.asked(role.target, Asking(wanted.ask.credential, filled.asker, now, last_end)),
        last_end=last_end + SECRET_SLACK,
    )
    footprint = kind.issuer.plan(order)
    lease = Lease(
        id=lease_id,
        type=role.type,
        state=State.PLANNED,
        holder=holder,
        parts=(footprint,),
        parameters=filled.values,
        within=filled.within or "",
        planned_at=now,
        issued_at=now,
        expires_at=now + timedelta(seconds=ttl),
        max_expires_at=now + longest,
        due_at=now + timedelta(seconds=ports.timing.lease_lock),
        made_by=now + timedelta(seconds=ports.timing.mint) + LAST_CALL,
        ttl=ttl,
        max_ttl=role.max_ttl,
        renewable=role.renewable,
        metadata=wanted.metadata,
        reason=wanted.reason,
        key_digest=key.digest if key else "",
        target_digest=target_digest(ports.kinds, role.target),
        asked=wanted.ask.credential,
        rotating_rule=wanted.by_rule.name if wanted.by_rule is not None and wanted.rotates else "",
        succeeds=wanted.succeeds,
        is_unissued=True,
    )
    return order, with_delivery(ports, role, ports.kinds.with_derived(lease), vault)


def lifetime_of(role: Role, wanted: IssueRequest) -> int:
    """Returns the seconds that the lease lasts. Raises ``Malformed``."""
    ttl = role.ttl if wanted.ttl is None else wanted.ttl
    if not MIN_TTL <= ttl <= role.max_ttl:
        message = f"expected {MIN_TTL} to {role.max_ttl} seconds"
        raise Malformed(Fault("ttl", message), code="ttl_out_of_range")
    return ttl
