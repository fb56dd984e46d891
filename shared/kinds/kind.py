"""What an issuer is to the broker, and what it is asked for. ``shared.issuers`` satisfies the protocol; tests bring fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.credential import Credential
from shared.core.footprint import Footprint
from shared.core.names import LeaseId
from shared.core.role import Target


@dataclass(frozen=True, slots=True)
class Minted:
    """What an issuer has made: the credential, and a footprint that now knows every id."""

    credential: Credential
    footprint: Footprint
    ready: bool = False
    """Whether the credential has been seen to work."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to mint: for which lease, and until when a secret may work at the very latest."""

    lease_id: LeaseId
    target: Target
    secret_end: datetime
    deadline: float
    """On the monotonic clock: no call to Azure begins later than this."""


@dataclass(frozen=True, slots=True)
class SecretOrder:
    """A fresh secret for a lease that has one: until when it may work at the very latest.

    ``young``: what the footprint names may be too fresh for all of Azure's replicas to know. ``deadline`` as in ``Order``.
    """

    lease_id: LeaseId
    secret_end: datetime
    young: bool
    deadline: float


def unheard(_footprint: Footprint) -> None:
    """For ``undo`` where no lease stands that could keep what it notes."""


class Issuer(Protocol):
    """Mints one kind of credential and takes it back. Any method may be called again after it died half-way."""

    def plan(self, order: Order) -> Footprint:
        """Names everything that ``mint`` will make. Touches nothing."""
        ...

    async def mint(self, order: Order, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Makes it. Calls ``note`` with a footprint that says more whenever Azure has told an id.

        Raises ``Upstream`` when it cannot be done; nothing is then under way any more. Raises ``Rejected`` only when nothing
        at all was begun.
        """
        ...

    async def locate(self, footprint: Footprint, *, young: bool, deadline: float) -> Footprint:
        """The footprint with the ids of what its names lead to, to be stored before anything is deleted.

        Makes no call when it knows them all. ``young`` as for ``undo``: what may be hidden is then made, so as to learn its id,
        where its name leads whoever comes after a death to it.
        """
        ...

    async def undo(
        self,
        footprint: Footprint,
        *,
        young: bool,
        deadline: float,
        again: bool = False,
        note: Callable[[Footprint], None] = unheard,
    ) -> bool:
        """Deletes all of it. Says whether it met everything that the footprint names.

        Absence is success. A ``young`` object may be absent only because Azure's replicas have not heard of it: what is absent
        is then asked for again for some seconds. ``again``: an earlier attempt may have deleted some of it just now, so that
        the recycle bin, too, may not have heard of it. Calls ``note`` with a footprint that says what is gone for good, so that
        the next attempt need not look for it. Tries every part, then raises the first ``Upstream`` met.
        """
        ...

    async def credential(self, order: SecretOrder, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Adds a secret beside those that there are, untried. Calls ``note`` as soon as its id is known.

        An answer that is lost is not asked for again: that would make one more. Raises ``Upstream``; ``RoleOutdated`` and
        ``Conflict``, with nothing made, where no secret may be added.
        """
        ...

    async def prove(self, credential: Credential, *, deadline: float) -> bool:
        """Whether the credential is seen to work dependably before ``deadline``, on the monotonic clock. Changes nothing."""
        ...

    async def remove_former(self, order: SecretOrder, footprint: Footprint, *, keeping: Footprint | None = None) -> bool:
        """Removes the secret that the footprint names and, where there may be several, the lease's others; not the one to keep.

        Says whether it is sure that no other is left. Tries all of them, then raises the first ``Upstream`` met.
        """
        ...

    async def resolve(self, target: Target) -> Target:
        """The target with what its names mean in Azure today. Raises ``Malformed`` with each that means nothing."""
        ...


class Issuers(Protocol):
    """The issuer for each kind of target and footprint."""

    def for_target(self, target: Target) -> Issuer:
        """By the target's type."""
        ...

    def for_footprint(self, footprint: Footprint) -> Issuer:
        """By the footprint's type."""
        ...
