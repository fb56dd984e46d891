"""Kinds of which leases can be made before anybody asks, for a role's pool. The broker asks for this with ``isinstance``.

``Any`` as in ``shared.kinds.kind``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

from shared.core.names import ObjectId
from shared.core.pool import NONE, Pool
from shared.core.role import Role
from shared.kinds.kind import Issuer, Kind, Order
from shared.kinds.registry import Kinds

FOREIGN = "foreign_credential"
VANISHED = "vanished"
ASSIGNMENT_MISSING = "assignment_missing"
"""What may have become of a lease that stands in a pool, as the audit trail says it."""
UNSEEN = "unseen"
"""Nobody knows what has become of it: Azure has not answered for this one."""


@runtime_checkable
class PoolSchema(Protocol):
    """A schema of which roles may have a pool."""

    def pool(self, target: Any) -> Pool:
        """Returns the role's pool. Its size is 0 if it has none."""
        ...

    def assigned_in_pool(self, target: Any) -> int:
        """Returns how many role assignments a lease of the pool has while nobody holds it."""
        ...

    def pooled(self, target: Any) -> Mapping[str, Any]:
        """Returns, as JSON, whatever decides how a lease of the pool is made and proven.

        An absent field is left out: a later version, which knows more fields, must return the same.
        """
        ...


@dataclass(frozen=True, slots=True)
class Trouble:
    """What has become of a pooled lease's objects: ``FOREIGN``, ``VANISHED``, ``ASSIGNMENT_MISSING`` or ``UNSEEN``.

    ``key_id``: of a credential that somebody else has added. ``what``: a few words for the log and the audit trail.
    ``is_by_list``: only a list has shown it, which may be behind.
    """

    code: str
    key_id: ObjectId | None = None
    what: str = ""
    is_by_list: bool = False


class MadeAtClaim(Enum):
    """What a claim writes in Azure. It decides which failed claims may give their lease back."""

    NOTHING = "nothing"
    CREDENTIAL = "credential"
    """The credential alone, in one call."""
    MORE = "more"


@runtime_checkable
class PoolIssuer(Protocol):
    """An issuer that makes leases for pools. Such an order is ``pooled``, and ``prepare`` makes what was planned for it."""

    def plan_pooled(self, order: Order) -> Any:
        """Names everything that is made before anybody asks. Makes no call."""
        ...

    def plan_claimed(self, order: Order, footprint: Any) -> Any:
        """Returns the footprint of a pooled lease that is claimed, with everything that is still to be made for the order.

        ``prepare`` makes that, and nothing that is there already. Makes no call. Raises as ``Issuer.plan``.
        """
        ...

    def made_at_claim(self, order: Order) -> MadeAtClaim:
        """Returns what is made in Azure for whoever claims a lease by that order."""
        ...

    async def look_at_pooled(self, leases: Sequence[tuple[Any, Any]]) -> Sequence[Trouble | None]:
        """Looks whether anybody has touched what stands in pools. ``leases`` are ten targets at most, with footprints.

        Makes one call, as long as nothing seems to be gone. Raises ``Upstream`` if nothing could be seen.
        """
        ...


@runtime_checkable
class PoolSurvey(Protocol):
    """A survey that knows what a pooled lease needs to be worth something to whoever claims it."""

    def lacks(self, footprint: Any) -> str:
        """Returns the name of a thing of the footprint's that was looked for and is not there; empty if there is none."""
        ...


def pool_of(kinds: Kinds, role: Role) -> Pool:
    """Returns the role's pool. Its size is 0 if the role has none, or if its kind has no pools."""
    kind = kinds.find(role.type)
    if kind is None or role.is_unreadable or not isinstance(kind.schema, PoolSchema):
        return NONE
    return kind.schema.pool(role.target)


def pool_issuer(kind: Kind) -> PoolIssuer:
    """Returns the issuer of a kind whose roles may have pools. Raises ``TypeError`` for any other kind."""
    issuer: Issuer = kind.issuer
    if not isinstance(issuer, PoolIssuer):
        raise TypeError(f"{kind.type}: no lease of this kind is made for a pool")
    return issuer


def assignments_in_pool(kinds: Kinds, role: Role) -> int:
    """Returns how many role assignments the role's pool has when it is full."""
    pool, kind = pool_of(kinds, role), kinds.find(role.type)
    if not pool.size or kind is None or not isinstance(kind.schema, PoolSchema):
        return 0
    return pool.size * kind.schema.assigned_in_pool(role.target)


def pool_digest(kinds: Kinds, role: Role) -> str:
    """Returns 64 hexadecimal digits of what the role's pooled leases are made for. A lease with another is of no use to it."""
    kind = kinds.find(role.type)
    if kind is None or role.is_unreadable or not isinstance(kind.schema, PoolSchema):
        return ""
    made_for = {"type": kind.type, **kind.schema.pooled(role.target)}
    return sha256(json.dumps(made_for, sort_keys=True).encode()).hexdigest()
