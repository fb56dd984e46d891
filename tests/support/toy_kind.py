"""A kind of credential that tests bring: a badge, by which the lease's holder is let in at a door. Nothing of it is secret.

The whole of a kind in one file: a schema, an issuer and a survey, here with the service that they call, in memory. No suite
knows it by name: ``tests.support.every_kind`` has one line for it.
"""

# ruff: noqa: ARG002 - the arguments are the protocols'

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from shared.core import ownership
from shared.core.azure_role import AzureRole
from shared.core.errors import Absent, Caution, Fault, Malformed
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.parameters.parameter import Parameter
from shared.core.parsing import Reader
from shared.core.protection import Protected
from shared.core.role import Ready, Role
from shared.core.secret import Secret
from shared.kinds.fragment import Fragment
from shared.kinds.kind import Kind, Minted, NothingAsked, Order, Watched, WithoutScopes
from shared.kinds.lenient import ready, text
from shared.kinds.part import Places, unheard
from shared.kinds.proof import Proof
from shared.kinds.survey import Candidate, Reading
from shared.resilience.outages import Service
from shared.resilience.retry import SAFE_TO_REPEAT, Retry
from tests.fakes.calls import Calls
from tests.fakes.cloud_state import CloudState, Thing

DOORS = ("north", "south")


@dataclass(frozen=True, slots=True)
class BadgeTarget:
    """A badge a lease."""

    type: ClassVar[str] = "badge"
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    door: str
    ready: Ready = "none"


@dataclass(frozen=True, slots=True)
class BadgeFootprint:
    """``number`` is ``None`` until the service has told it; ``name`` finds the badge."""

    type: ClassVar[str] = "badge"
    name: str
    door: str
    number: str | None = None


@dataclass(frozen=True, slots=True)
class BadgeCredential:
    """What the holder shows at the door, together with who it is."""

    type: ClassVar[str] = "badge"
    ends_at: ClassVar[None] = None
    door: str
    number: str

    def fields(self) -> Mapping[str, str | Secret | None]:
        """Both may be read by anybody."""
        return {"door": self.door, "number": self.number}


@dataclass(frozen=True, slots=True)
class Badge:
    """As the service keeps it."""

    number: str
    holder: ObjectId
    since: datetime


@dataclass(frozen=True, slots=True)
class Doors:
    """The service. It shows at once what it has done."""

    calls: Calls
    cloud: CloudState

    async def find(self, door: str) -> None:
        """Raises ``Absent``."""
        await self.calls.through("doors.find", lambda: _require(door in DOORS))

    async def let_in(self, name: str, door: str, holder: ObjectId) -> str:
        """The number of the badge of that name, made or found."""
        return await self.calls.through("doors.let_in", lambda: self._let_in(Thing("badge", name, door), holder), name)

    async def keep_out(self, name: str, door: str) -> None:
        """Raises ``Absent``."""
        await self.calls.through("doors.keep_out", lambda: self._keep_out(Thing("badge", name, door)), name)

    async def badges(self, door: str) -> dict[str, Badge]:
        """All of them, by their names."""
        stored = self.cloud.elsewhere
        return await self.calls.through(
            "doors.badges", lambda: {thing.owner: badge for thing, badge in stored.items() if thing.where == door}
        )

    def _let_in(self, thing: Thing, holder: ObjectId) -> str:
        if thing not in self.cloud.elsewhere:
            self.cloud.elsewhere[thing] = Badge(self.cloud.ids.guid(), holder, self.cloud.clock.truth())
        number: str = self.cloud.elsewhere[thing].number
        return number

    def _keep_out(self, thing: Thing) -> None:
        _require(thing in self.cloud.elsewhere)
        del self.cloud.elsewhere[thing]


def _require(found: bool) -> None:  # noqa: FBT001 - whether it is there
    if not found:
        raise Absent("no such thing", status=404)


class BadgeSchema(WithoutScopes, NothingAsked):
    """Satisfies ``Schema``."""

    type = BadgeTarget.type
    fragment = Fragment(
        type=BadgeTarget.type,
        name="BadgeRole",
        description="A badge for every lease.",
        properties={"door": {"type": "string", "description": "Where it lets its holder in."}},
        required=("door",),
        found=("badge",),
        credential={
            "description": "What the holder shows at the door.",
            "properties": {"door": {"type": "string"}, "number": {"type": "string"}},
            "required": ["door", "number"],
        },
    )

    def read(self, reader: Reader) -> BadgeTarget:
        """See the protocol, as for the other methods."""
        wanted = reader.choice("ready", ("none", "token"), default="token")
        return BadgeTarget(reader.text("door", required=True) or "", "token" if wanted == "token" else "none")

    def write(self, target: BadgeTarget) -> dict[str, Any]:
        """Both fields."""
        return {"door": target.door, "ready": target.ready}

    def rules(self, name: RoleName, target: BadgeTarget) -> Iterator[Fault]:
        """None."""
        yield from ()

    def keep(self, target: BadgeTarget) -> dict[str, Any]:
        """Nothing."""
        return {}

    def kept(self, target: BadgeTarget, stored: Mapping[str, Any]) -> BadgeTarget:
        """Nothing."""
        return target

    def restore(self, document: Mapping[str, Any]) -> BadgeTarget | None:
        """``None`` without a door."""
        door = text(document.get("door"))
        return BadgeTarget(door, ready(document)) if door else None

    def unresolved(self, target: BadgeTarget) -> Iterator[Fault]:
        """Nothing."""
        yield from ()

    def granted(self, target: BadgeTarget) -> Mapping[str, Any]:
        """The door."""
        return {"door": target.door}

    def azure_roles(self, target: BadgeTarget) -> tuple[AzureRole, ...]:
        """None."""
        return ()

    def with_azure_roles(self, target: BadgeTarget, azure_roles: tuple[AzureRole, ...]) -> BadgeTarget:
        """As it is."""
        return target

    def faults(self, target: BadgeTarget, protected: Protected) -> tuple[Fault, ...]:
        """None: no door is the broker's own."""
        return ()

    def closed(self, target: BadgeTarget) -> Malformed | None:
        """Never."""
        return None

    def watched(self, target: BadgeTarget) -> Watched | None:
        """Nothing."""
        return None

    def warnings(self, target: BadgeTarget, protected: Protected) -> tuple[Caution, ...]:
        """None."""
        return ()

    def places(self, target: BadgeTarget) -> Places:
        """The door."""
        return Places(others=(target.door,))

    def places_of(self, footprint: BadgeFootprint) -> Places:
        """The door."""
        return Places(others=(footprint.door,))

    def write_footprint(self, footprint: BadgeFootprint) -> dict[str, Any]:
        """Every field by its name."""
        return {"name": footprint.name, "door": footprint.door, "number": footprint.number}

    def read_footprint(self, stored: Mapping[str, Any]) -> BadgeFootprint:
        """The same."""
        return BadgeFootprint(stored["name"], stored["door"], stored["number"])

    def can_hold_credential(self, footprint: BadgeFootprint) -> bool:
        """Once there is a badge."""
        return footprint.number is not None

    def with_credential(self, footprint: BadgeFootprint, credential_id: ObjectId) -> BadgeFootprint:
        """Its credential has no id."""
        raise TypeError(f"a badge's credential is removed with the badge: {credential_id}")

    def complete(self, credential: BadgeCredential, footprint: BadgeFootprint) -> BadgeCredential:
        """As it is."""
        return credential

    def principals(self, footprint: BadgeFootprint) -> frozenset[ObjectId]:
        """None: the holder was there before."""
        return frozenset()

    def remains(self, footprint: BadgeFootprint) -> tuple[str, ...]:
        """The badge."""
        return (f"badge {footprint.name} at the {footprint.door} door",)

    def services(self, footprint: BadgeFootprint) -> frozenset[Service]:
        """None of Azure's."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class BadgeIssuer:
    """Satisfies ``Issuer``."""

    doors: Doors
    retry: Retry

    async def resolve(self, target: BadgeTarget) -> BadgeTarget:
        """There must be such a door."""
        try:
            await self.doors.find(target.door)
        except Absent as absent:
            raise Malformed(Fault("door", "there is no such door"), code="unresolvable") from absent
        return target

    def plan(self, order: Order) -> BadgeFootprint:
        """By the lease's id."""
        assert isinstance(order.target, BadgeTarget)
        return BadgeFootprint(ownership.unique_name(order.lease_id), order.target.door)

    async def prepare(self, order: Order, footprint: BadgeFootprint, note: Callable[[BadgeFootprint], None]) -> BadgeFootprint:
        """One call."""
        number = await self.retry.call(
            lambda: self.doors.let_in(footprint.name, footprint.door, order.holder.object_id),
            on=SAFE_TO_REPEAT,
            deadline=order.deadline,
            in_time=True,
        )
        made = replace(footprint, number=number)
        note(made)
        return made

    async def credential(self, order: Order, footprint: BadgeFootprint, note: Callable[[ObjectId], None]) -> Minted:
        """No call: there is nothing to add to a badge."""
        assert footprint.number is not None
        return Minted(BadgeCredential(footprint.door, footprint.number))

    async def prove(self, order: Order, credential: BadgeCredential, *, deadline: float) -> Proof:
        """By looking for its number at the door."""
        badges = await self.retry.call(lambda: self.doors.badges(credential.door), on=SAFE_TO_REPEAT, deadline=deadline)
        found, names = credential.number in {each.number for each in badges.values()}, (f"door:{credential.door}",)
        return Proof(found, names if found else (), () if found else names)

    async def prove_prepared(self, order: Order, footprint: BadgeFootprint, *, deadline: float, again: bool = False) -> Proof:
        """As above: the badge is made before anybody has it."""
        badges = await self.retry.call(lambda: self.doors.badges(footprint.door), on=SAFE_TO_REPEAT, deadline=deadline)
        found, names = footprint.name in badges, (f"door:{footprint.door}",)
        return Proof(found, names if found else (), () if found else names)

    def can_hand_out_again(self, target: BadgeTarget) -> bool:
        """There is one badge, and it stays."""
        return True

    async def remove_former(
        self, order: Order, footprint: BadgeFootprint, *, maybe_more: bool, keeping: ObjectId | None = None
    ) -> bool:
        """There is never another."""
        return True

    async def locate(self, footprint: BadgeFootprint, *, fresh: bool, deadline: float) -> BadgeFootprint:
        """The name leads to it for as long as it exists."""
        return footprint

    async def undo(
        self,
        footprint: BadgeFootprint,
        *,
        fresh: bool,
        deadline: float,
        maybe_more: bool = False,
        again: bool = False,
        note: Callable[[BadgeFootprint], None] = unheard,
    ) -> bool:
        """One call."""
        try:
            await self.retry.call(
                lambda: self.doors.keep_out(footprint.name, footprint.door), on=SAFE_TO_REPEAT, deadline=deadline
            )
        except Absent:
            return False
        return True

    async def stands(self, footprint: BadgeFootprint) -> bool:
        """One call."""
        return footprint.name in await self.doors.badges(footprint.door)

    def survey(self, places: Places) -> BadgeSurvey:
        """The badges at every door."""
        return BadgeSurvey(self.doors, places)


@dataclass(slots=True)
class BadgeSurvey:
    """Satisfies ``Survey``."""

    doors: Doors
    places: Places
    reading: Reading = field(default_factory=Reading)
    found: list[FoundBadge] = field(default_factory=list)

    async def run(self) -> Mapping[str, Sequence[Candidate]]:
        """A call a door."""
        for door in self.places.others:
            await self.reading.try_to(f"the {door} door", self._look_at(door))
        return {"badges": self.found}

    async def _look_at(self, door: str) -> None:
        for name, badge in (await self.doors.badges(door)).items():
            if (lease_id := ownership.lease_named(name)) is not None:
                self.found.append(FoundBadge(lease_id, name, door, badge.since))

    def shows(self, lease_id: LeaseId, *, with_credential: bool) -> bool:
        """Its badge, which is all there is of its credential."""
        return lease_id in {each.lease for each in self.found}


@dataclass(frozen=True, slots=True)
class FoundBadge:
    """Satisfies ``Candidate``. Nobody but the broker has badges made."""

    type: ClassVar[str] = "badge"
    is_proof: ClassVar[bool] = True
    is_whole: ClassVar[bool] = True
    goes_with: ClassVar[str] = ""
    lease: LeaseId
    name: str
    door: str
    since: datetime | None

    async def footprint(self, lease: Lease | None, role: Role | None) -> BadgeFootprint:
        """The badge."""
        return BadgeFootprint(self.name, self.door)


def badge(calls: Calls, cloud: CloudState) -> Kind:
    """The kind, for a world with these."""
    return Kind(BadgeSchema(), lambda: BadgeIssuer(Doors(calls, cloud), Retry(cloud.clock, cloud.ids)))
