"""A role: what to mint, for whom, for how long."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from shared.core.access.bounds import Bounds
from shared.core.delivery import Delivery
from shared.core.errors import Conflict, Fault
from shared.core.names import RoleName
from shared.core.parameters.parameter import Parameter

MIN_TTL = 60
"""Seconds. A shorter lease would be of no use: Azure takes a while until a new object works everywhere."""
DEFAULT_TTL = 900
DEFAULT_MAX_TTL = 4 * 3600
MAX_TTL = 30 * 86400
MAX_LIVE = 1_000_000
"""The highest number that a role or a setting may name for live leases."""

type Ready = Literal["none", "token", "access"]
"""How a credential is proven before it is handed out: not at all; Entra ID takes it; it also works where its role says."""


class Target(Protocol):
    """What a role mints, in its kind's own class: frozen, and compared by value. Only the kind looks into it."""

    @property
    def type(self) -> str:
        """The name of the kind."""
        ...

    @property
    def ready(self) -> Ready:
        """Whether and how the credential is proven before it is handed out."""
        ...

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters whose values fill the target's holes. Without any, it has no holes."""
        ...


@dataclass(frozen=True, slots=True)
class UnknownTarget:
    """For a stored role from whose document this broker can mint nothing: it is from another version, or damaged."""

    type: ClassVar[str] = "unknown"
    ready: Ready = "none"
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """One credential role. Times are in seconds. ``version`` is the stored row's ETag; empty before it is stored.

    ``outdated`` has the faults that today's rules find in the stored document. While there are any, no lease is issued from it.
    """

    name: RoleName
    target: Target
    bounds: Bounds = field(default_factory=Bounds)
    ttl: int = DEFAULT_TTL
    max_ttl: int = DEFAULT_MAX_TTL
    renewable: bool = True
    max_leases: int | None = None
    max_leases_per_caller: int | None = None
    delivery: Delivery | None = None
    """Into which vaults the credentials of its leases are put. Without it, they are in the answers."""
    delivers_since: datetime | None = field(default=None, compare=False)
    """When ``delivery`` was last written: rights at a vault count some minutes after they were given."""
    version: str = ""
    outdated: tuple[Fault, ...] = ()

    @property
    def type(self) -> str:
        """The name of its kind of credential, in documents and leases."""
        return self.target.type

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What a caller fills the role's holes with."""
        return self.target.parameters

    @property
    def parameter_names(self) -> frozenset[str]:
        """Returns the names of its parameters."""
        return frozenset(each.name for each in self.parameters)

    @property
    def is_unreadable(self) -> bool:
        """Whether the stored document does not show what the role mints. ``outdated`` has the reason."""
        return isinstance(self.target, UnknownTarget)

    def cut_to(self, longest: int) -> Role:
        """Returns the role with no lifetime above ``longest`` seconds."""
        return replace(self, ttl=min(self.ttl, longest), max_ttl=min(self.max_ttl, longest))

    def with_target(self, target: Target) -> Role:
        """Returns the role with another target, or with the same target, resolved."""
        return replace(self, target=target)


def role_changed() -> Conflict:
    """Returns the error of a lease whose role grants something else now."""
    return Conflict("The role has changed since the lease was issued; ask for a new lease.", code="role_changed")
