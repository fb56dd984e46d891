"""A second part of a lease that tests bring: a parcel, which is left in a locker beside the credential.

The whole of a part in one file: its footprint, the two halves of whoever answers for it, a survey, and the service that they
call, in memory. ``delivering`` gives a lease such a part.
"""

# ruff: noqa: ARG002 - the arguments are the protocols'

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from shared.core import ownership
from shared.core.errors import Absent
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId
from shared.core.role import Role, Target
from shared.kinds.part import Places, unheard
from shared.kinds.survey import Candidate, Reading
from shared.resilience.outages import Service
from shared.resilience.retry import SAFE_TO_REPEAT, Retry
from tests.fakes.calls import Calls
from tests.fakes.cloud_state import CloudState, Thing
from tests.fakes.world import World, role, world
from tests.support.every_kind import kinds_for
from tests.support.operations import LASTS, issuing, only

TAKES_BACK = "lockers.take_out"
"""The call that undoes a parcel."""
_LASTS = timedelta(seconds=30)
"""How long a delivery may take."""


@dataclass(frozen=True, slots=True)
class ParcelFootprint:
    """``number`` is ``None`` until the service has given it; ``name`` finds the parcel."""

    type: ClassVar[str] = "parcel"
    name: str
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Lockers:
    """The service. It shows at once what it has done."""

    calls: Calls
    cloud: CloudState

    async def put_in(self, name: str) -> str:
        """The number of the parcel of that name, made or found."""
        return await self.calls.through("lockers.put_in", lambda: self._put_in(Thing("parcel", name)), name)

    async def find(self, name: str) -> str:
        """Its number. Raises ``Absent``."""
        return await self.calls.through("lockers.find", lambda: self._find(Thing("parcel", name))[0], name)

    async def take_out(self, name: str) -> None:
        """Raises ``Absent``."""
        await self.calls.through(TAKES_BACK, lambda: self._take_out(Thing("parcel", name)), name)

    async def parcels(self) -> dict[str, datetime]:
        """The names of all, and since when they are there."""
        stored = self.cloud.elsewhere
        return await self.calls.through(
            "lockers.parcels", lambda: {each.owner: stored[each][1] for each in stored if each.kind == "parcel"}
        )

    def _put_in(self, parcel: Thing) -> str:
        self.cloud.elsewhere.setdefault(parcel, (self.cloud.ids.guid(), self.cloud.clock.truth()))
        return self._find(parcel)[0]

    def _find(self, parcel: Thing) -> tuple[str, datetime]:
        if parcel not in self.cloud.elsewhere:
            raise Absent("no such parcel", status=404)
        number, since = self.cloud.elsewhere[parcel]
        return number, since

    def _take_out(self, parcel: Thing) -> None:
        self._find(parcel)
        del self.cloud.elsewhere[parcel]


class ParcelSchema:
    """Satisfies ``PartSchema``."""

    type = ParcelFootprint.type

    def places_of(self, footprint: ParcelFootprint) -> Places:
        """See the protocol, as for the other methods. There is one place."""
        return Places()

    def write_footprint(self, footprint: ParcelFootprint) -> dict[str, Any]:
        """Both fields by their names."""
        return {"name": footprint.name, "number": footprint.number}

    def read_footprint(self, stored: Mapping[str, Any]) -> ParcelFootprint:
        """The same."""
        return ParcelFootprint(stored["name"], stored["number"])

    def principals(self, footprint: ParcelFootprint) -> frozenset[ObjectId]:
        """None."""
        return frozenset()

    def remains(self, footprint: ParcelFootprint) -> tuple[str, ...]:
        """The parcel."""
        return (f"parcel {footprint.name}",)

    def services(self, footprint: ParcelFootprint) -> frozenset[Service]:
        """None of Azure's."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class ParcelIssuer:
    """Satisfies ``PartIssuer``."""

    lockers: Lockers
    retry: Retry

    async def locate(self, footprint: ParcelFootprint, *, fresh: bool, deadline: float) -> ParcelFootprint:
        """One call, unless the number is known."""
        if footprint.number is not None:
            return footprint
        try:
            number = await self._call(lambda: self.lockers.find(footprint.name), deadline)
        except Absent:
            return footprint
        return replace(footprint, number=number)

    async def undo(
        self,
        footprint: ParcelFootprint,
        *,
        fresh: bool,
        deadline: float,
        maybe_more: bool = False,
        again: bool = False,
        note: Callable[[ParcelFootprint], None] = unheard,
    ) -> bool:
        """One call."""
        try:
            await self._call(lambda: self.lockers.take_out(footprint.name), deadline)
        except Absent:
            return False
        return True

    async def stands(self, footprint: ParcelFootprint) -> bool:
        """One call."""
        return footprint.name in await self.lockers.parcels()

    def survey(self, places: Places) -> ParcelSurvey:
        """Every locker."""
        return ParcelSurvey(self.lockers)

    async def _call[T](self, call: Callable[[], Any], deadline: float) -> Any:
        return await self.retry.call(call, on=SAFE_TO_REPEAT, deadline=deadline)


@dataclass(slots=True)
class ParcelSurvey:
    """Satisfies ``Survey``."""

    lockers: Lockers
    reading: Reading = field(default_factory=Reading)
    found: list[FoundParcel] = field(default_factory=list)

    async def run(self) -> Mapping[str, Sequence[Candidate]]:
        """One call."""
        await self.reading.try_to("the lockers", self._list_lockers())
        return {"parcels": self.found}

    async def _list_lockers(self) -> None:
        for name, since in (await self.lockers.parcels()).items():
            if (lease_id := ownership.lease_named(name)) is not None:
                self.found.append(FoundParcel(lease_id, name, since))

    def shows(self, lease_id: LeaseId, *, with_credential: bool) -> bool:
        """Its parcel."""
        return lease_id in {each.lease for each in self.found}


@dataclass(frozen=True, slots=True)
class FoundParcel:
    """Satisfies ``Candidate``. Nobody but the broker leaves parcels."""

    type: ClassVar[str] = "parcel"
    is_proof: ClassVar[bool] = True
    is_whole: ClassVar[bool] = True
    goes_with: ClassVar[str] = ""
    lease: LeaseId
    name: str
    since: datetime | None

    async def footprint(self, lease: Lease | None, role: Role | None) -> ParcelFootprint:
        """The parcel."""
        return ParcelFootprint(self.name)


@dataclass(frozen=True, slots=True)
class Parcels:
    """Satisfies ``Part``."""

    type: ClassVar[str] = ParcelFootprint.type
    issuer: ParcelIssuer
    schema: ParcelSchema = field(default_factory=ParcelSchema)


def parcels(calls: Calls, cloud: CloudState) -> Parcels:
    """For a world with these."""
    return Parcels(ParcelIssuer(Lockers(calls, cloud), Retry(cloud.clock, cloud.ids)))


def with_lockers(target: Target) -> World:
    """A role and nothing else; leases may have a parcel beside their credential."""
    return world(role(target, ttl=LASTS, max_ttl=2 * LASTS), kinds=kinds_for(target), parts=(parcels,))


def delivered(target: Target, *, age: float = 0.0) -> World:
    """One active lease with a parcel, which was left so many seconds ago."""
    made = with_lockers(target)
    made.run(lambda: delivering(made))
    made.clock.jump(age)
    return made


async def delivering(world: World) -> Lease:
    """Alice issues, and a parcel is left for her: the lease names the parcel before it is there."""
    lease = (await issuing(world)).lease
    parcel = ParcelFootprint(ownership.unique_name(lease.id))
    planned = replace(lease, parts=(*lease.parts, parcel), made_by=world.ports.now() + _LASTS)
    stored = await world.ports.leases.swap(planned, former=lease)
    number = await Lockers(world.calls, world.cloud).put_in(parcel.name)
    made = replace(stored.knowing(replace(parcel, number=number), 1), made_by=world.ports.now())
    return await world.ports.leases.swap(made, former=stored)


def parcel_is_there(world: World) -> bool:
    """Whether the one lease's parcel is in its locker."""
    return Thing("parcel", ownership.unique_name(only(world))) in world.cloud.elsewhere
