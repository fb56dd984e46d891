"""What callers may see of a lease, and its holder. ``shared.core.lease`` is the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from shared.core.life import BEFORE_ACTIVE, OPEN, WITH_HOLDER, Cause, State
from shared.core.names import LeaseId, ObjectId


@dataclass(frozen=True, slots=True)
class Holder:
    """The caller to whom the credential was issued."""

    object_id: ObjectId
    tenant_id: ObjectId
    app_id: ObjectId | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """The part of a lease that its index rows hold and that callers may see. Times are UTC.

    ``issued_at``, ``expires_at`` and ``max_expires_at`` are estimates until it is active, and final from activation.
    """

    id: LeaseId
    type: str
    state: State
    holder: Holder | None
    """``None`` for a lease that was never claimed: in a pool, being made for a pool, or ended there."""
    issued_at: datetime
    expires_at: datetime
    max_expires_at: datetime
    ttl: int
    renewable: bool
    ready: bool = False
    """Whether the credential has been seen to work."""
    unchecked: bool = False
    """Whether nobody has tried the credential, because its role asks for no proof."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    cause: Cause | None = None
    """Why the lease ends or has ended."""
    attempts: int = 0
    """The number of failed attempts to end the lease."""
    last_error: str = ""
    generation: int = 0
    """The role's generation when the lease was opened, or claimed from a pool. 0 for rows from before generations existed."""
    claim: str = ""
    """The ULID of its claim, if the lease was claimed from a pool; otherwise empty."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What has filled the holes of its role: what the caller has given, defaults, and facts about the caller."""
    is_unissued: bool = False
    """Whether its time has never begun: it was never active. False for rows of versions that did not know this."""
    within: str = ""
    """The scope to which the caller has narrowed the role; empty if it has not."""

    def __post_init__(self) -> None:
        """Raises ``TypeError`` if the lease has no holder in a state that needs one, or a holder while it is pooled."""
        if (self.holder is None) if self.state in WITH_HOLDER else (self.state is State.POOLED and self.holder is not None):
            raise TypeError(f"{self.id} is {self.state} {'without' if self.holder is None else 'with'} a holder")

    @property
    def place(self) -> LeaseId:
        """Its place in the order of leases by age: its id, or if it was claimed from a pool, an id made of its claim."""
        return LeaseId.of(self.id.role, self.claim) if self.claim else self.id

    @property
    def has_begun(self) -> bool:
        """Whether its time has begun."""
        return self.state not in BEFORE_ACTIVE and not self.is_unissued

    @property
    def known_holder(self) -> Holder:
        """Returns the holder. Raises ``TypeError`` if the lease has none."""
        if self.holder is None:
            raise TypeError(f"{self.id} has no holder")
        return self.holder

    def is_overtaken(self, generation: int) -> bool:
        """Whether the given generation of its role has revoked the lease, and nobody has begun to end it."""
        return self.generation < generation and self.state in OPEN

    def under(self, generation: int) -> Self:
        """Returns the lease as callers see it when its role has that generation. The result is not for storing."""
        return replace(self, state=State.ENDING, cause=Cause.REVOKED) if self.is_overtaken(generation) else self
