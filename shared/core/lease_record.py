"""All that is stored of a lease, and what can be read from it. ``shared.core.lease`` has the events of its life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.core.delivery import DeliveryView, delivery_of
from shared.core.federated_identity import FederatedIdentity
from shared.core.footprint import Footprint
from shared.core.forms import LEASE
from shared.core.lease_view import LeaseView
from shared.core.names import LeaseId, Scope
from shared.core.readiness.record import Readiness

FORM = LEASE.written
"""Leases of this form or a later one have their index rows under the keys where this version looks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord(LeaseView):
    """One lease as it is stored. ``version`` is the stored row's ETag, empty before it is stored."""

    parts: tuple[Footprint, ...]
    """What the end of the lease must delete. The first part is the kind's, each other one its own issuer's."""
    planned_at: datetime
    due_at: datetime
    made_by: datetime
    """After this instant nothing more is made in Azure for the lease. While the lease is planned, its worker has given up by
    then, or its message is dropped by then. Absence is believed some minutes later."""
    max_ttl: int
    reason: str = ""
    """Why the caller wants the lease, in the caller's words."""
    ended_at: datetime | None = None
    key_digest: str = ""
    """The digest of its issue's idempotency key, if there was one. A key of another digest does not stand for the lease."""
    handed_out: bool = False
    """Whether the lease was ever active, so that the credential may have reached the caller."""
    ending_held: bool = False
    """Whether a worker has the lock until ``due_at`` to end the lease. False while the lease waits for its next attempt."""
    maybe_more_secrets: bool = False
    """Whether secrets of the lease may exist that its footprint does not name."""
    rotations: int = 0
    """The number of rotations begun. Only the worker that began the latest one may store its secret."""
    rotating_until: datetime | None = None
    """While a fresh secret is made: the instant by which the worker has given up."""
    pool_digest: str = ""
    """The digest of what the lease was made for, if it was made for a pool (``shared.kinds.pooling``)."""
    target_digest: str = ""
    """The digest of what the role granted at the issue. Empty for leases from before this was stored."""
    undone_by: datetime | None = None
    """After this instant everything that the attempts to end the lease have deleted is visible in the recycle bin."""
    scopes: tuple[Scope, ...] = field(default=(), compare=False)
    """The scopes at which it was granted something, each once. They are read from its footprint, and not stored again."""
    used_by: FederatedIdentity | None = field(default=None, compare=False)
    """Whose tokens stand for the credential. Read from its footprint, and not stored again."""
    graph_app_roles: tuple[str, ...] = field(default=(), compare=False)
    """The application permissions of Microsoft Graph that it was given. Read from its footprint, and not stored again."""
    tokens_until: datetime | None = None
    """The latest end of the access tokens that were handed out: they stay good as signatures, whatever happens to the lease."""
    ready_at: datetime | None = None
    """When the credential was seen to work. In a pool: when the principal that gets the credential was."""
    readiness: Readiness | None = None
    """What was seen of the credential that was handed out last. ``None`` if nobody has tried it."""
    undone: frozenset[int] = frozenset()
    """The places of the parts that are undone already. Empty once the lease has ended."""
    told: bool = False
    """Whether an event has told that it was issued (``shared.core.outgoing``)."""
    tell_at: datetime | None = None
    """When an event is to tell that its end is near; ``None`` if nobody is told, or has been told of this end."""
    rotating_rule: str = ""
    """The event rule that issues its successor; empty if it is to have none."""
    successor_at: datetime | None = None
    """When a sweep next sees to its successor; ``None`` before it is active, and once that is settled."""
    succeeds: LeaseId | None = None
    """The lease whose successor it is."""
    role_revoked: bool = False
    """Whether it ends because its role was revoked, and not the lease alone."""
    form: int = field(default=FORM, compare=False)
    """The form of its rows when they were read. The next write changes rows of an older form into today's."""
    prepare_by: datetime | None = None
    """If the caller does not wait for the lease: the instant by which a worker must have prepared it. ``None`` for a lease that
    was never left to the queue of preparations."""
    is_untouched: bool = False
    """Whether nothing was made for it: it waits for its first worker, or has ended while it did."""
    is_made: bool = False
    """Whether everything but the credential was made while nobody waited, and only its proof is left."""
    failed_with: str = ""
    """The code of the error for which the lease ended before it was ever handed out, if whoever collects it is to know it."""
    repeat_by: datetime | None = None
    """Until when an active lease may be collected once more, because a repeat of its ask has run out of time. Its holder may
    in any case collect it within ``Timing.grace`` after it was handed out."""
    collect_wait: int | None = None
    """The seconds that the ask has named in ``Prefer: wait``: so long waits a request that collects and names none."""
    lenient: bool = False
    """Whether the ask takes a credential that is not proven. Whoever collects the lease takes it as well."""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """The fields of the ask that are about the credential, as the caller has written them: whoever prepares or collects the
    lease reads them again. None of them is secret."""
    by_scope: tuple[str, ...] | None = field(default=None, compare=False)
    """The indexes of scopes in which the lease has a row, as stored. ``None`` if an older version has written the lease: such a
    lease may have rows there all the same."""
    version: str = ""

    @property
    def footprint(self) -> Footprint:
        """The part that belongs to the lease's kind."""
        return self.parts[0]

    @property
    def delivery(self) -> DeliveryView | None:
        """Where its credential lies, or will lie; ``None`` if the lease is not delivered."""
        return delivery_of(self.parts, self.undone, self.state)

    @property
    def residual_until(self) -> datetime | None:
        """Until when a token that was handed out may outlive the lease; ``None`` as long as nobody has begun to end it."""
        return None if self.state.is_open else self.tokens_until

    @property
    def longest(self) -> timedelta:
        """How long it can last from its activation, renewals included."""
        return timedelta(seconds=self.max_ttl if self.renewable else self.ttl)

    @property
    def left(self) -> dict[int, Footprint]:
        """Returns the parts that are not undone yet, by their places."""
        return {place: part for place, part in enumerate(self.parts) if place not in self.undone}
