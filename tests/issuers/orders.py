"""Orders for the issuers, and what they note while they work."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from shared.broker.issue.mint import Minting
from shared.broker.ports import Ports
from shared.core.credential import Credential
from shared.core.footprint import Footprint
from shared.core.lease import Holder
from shared.core.names import LeaseId
from shared.core.role import Target
from shared.kinds.kind import Asker, Asking, Issuer, Kind, Order
from tests.fakes.calls import Calls
from tests.fakes.world import ALICE, WEB, World, principal_target, world
from tests.support.every_kind import ask_for


class Around(Protocol):
    """A broker and the cloud around it: on fakes, or on the local Azure."""

    @property
    def ports(self) -> Ports:
        """Of one worker."""
        ...

    @property
    def calls(self) -> Calls:
        """Those to the outside."""
        ...

    def leftovers(self) -> Sequence[Hashable]:
        """What is in Azure beside what was there at first."""
        ...

    def names_of(self, leftover: Any) -> frozenset[str]:
        """By which a footprint may know it."""
        ...


def order(world: Around, target: Target, *, seconds: float = 180.0) -> Order:
    """For a new lease of that target, with so much time."""
    now = world.ports.now()
    lease_id = LeaseId.of(WEB, world.ports.ids.ulid(now))
    holder = Holder(ALICE.object_id, ALICE.tenant_id, ALICE.app_id, ALICE.name)
    asking = Asking(ask_for(target), Asker(ALICE.object_id, is_user_assigned=True), now, now + timedelta(minutes=50))
    asked = world.ports.kinds.of(target).schema.asked(target, asking)
    return Order(lease_id, holder, target, now + timedelta(hours=1), world.ports.within(seconds), asked=asked)


@dataclass(slots=True)
class Job[W: Around = World]:
    """One order, carried out by hand."""

    world: W
    target: Target
    seconds: float = 180.0
    noted: list[Footprint] = field(default_factory=list)
    order: Order = field(init=False)
    footprint: Footprint = field(init=False)

    def __post_init__(self) -> None:
        self.order = order(self.world, self.target, seconds=self.seconds)
        self.footprint = self.issuer.plan(self.order)

    @property
    def kind(self) -> Kind:
        """By the target's type."""
        return self.world.ports.kinds.of(self.target)

    @property
    def issuer(self) -> Issuer:
        """The kind's."""
        return self.kind.issuer

    async def mint(self) -> Credential:
        """As the broker does. Keeps the footprint at its best."""
        return await Minting(self.kind, self.order, self.footprint, self._note).run()

    async def undo(self, *, fresh: bool = False, seconds: float = 60.0, maybe_more: bool = False, again: bool = False) -> bool:
        """Locates what is not known, then undoes; keeps what is noted."""
        deadline = self.world.ports.within(seconds)
        self.footprint = await self.issuer.locate(self.footprint, fresh=fresh, deadline=deadline)
        return await self.issuer.undo(
            self.footprint, fresh=fresh, deadline=deadline, maybe_more=maybe_more, again=again, note=self._note
        )

    def _note(self, footprint: Footprint) -> None:
        self.noted.append(footprint)
        self.footprint = footprint


def principal_job(roles: int = 2, groups: int = 1, *, lag: float = 0.0, latency: float = 0.0, **more: object) -> Job:
    """One order in a world of its own."""
    return Job(world(lag=lag, latency=latency), principal_target(roles, groups, **more))
