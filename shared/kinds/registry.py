"""The kinds of credential that a broker mints, and what else a lease may leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, Protocol

from shared.core.azure_role import AzureRole
from shared.core.federated_identity import FederatedIdentity
from shared.core.footprint import Footprint
from shared.core.lease import Lease
from shared.core.names import ObjectId, Scope
from shared.core.role import Role
from shared.kinds.kind import Kind
from shared.kinds.part import Part
from shared.resilience.outages import Service


class Typed(Protocol):
    """A role, a lease, a target or a footprint."""

    @property
    def type(self) -> str:
        """The name of its kind."""
        ...


class UnknownKind(LookupError):
    """The kind is another version's: this version of the broker has none of that name."""


class Kinds:
    """A dictionary of kinds by their names, and one of what answers for a part of a lease by the type of the part."""

    def __init__(self, *kinds: Kind, parts: Iterable[Part] = ()) -> None:
        """``parts``: what is no kind of credential, and a lease may have beside its credential."""
        self._kinds = {kind.type: kind for kind in kinds}
        self._parts: dict[str, Part] = {each.type: each for each in (*kinds, *parts)}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    @property
    def parts(self) -> Iterable[Part]:
        """Everything of which a lease may have a part. The kinds come first."""
        return self._parts.values()

    def find(self, name: object) -> Kind | None:
        """Returns the kind of that name, or ``None`` if there is none."""
        return self._kinds.get(name) if isinstance(name, str) else None

    def of(self, thing: Typed) -> Kind:
        """Returns the kind of a role, a lease, a target or a footprint. Raises ``UnknownKind``."""
        try:
            return self._kinds[thing.type]
        except KeyError:
            raise UnknownKind(f"no kind {thing.type!r}: it is from another version of the broker") from None

    def azure_roles(self, role: Role) -> tuple[AzureRole, ...]:
        """Returns the role assignments of the role's credentials: none if the role is of an unknown kind."""
        kind = self.find(role.type)
        return kind.schema.azure_roles(role.target) if kind is not None else ()

    def part_of(self, footprint: Footprint) -> Part:
        """Returns what answers for that part of a lease. Raises ``UnknownKind``."""
        return self._part(footprint.type)

    def principals(self, lease: Lease) -> frozenset[ObjectId]:
        """Returns the known ids of principals that the lease has made, in all of its parts."""
        return frozenset(chain.from_iterable(self.part_of(each).schema.principals(each) for each in lease.parts))

    def scopes_of(self, footprint: Footprint) -> tuple[Scope, ...]:
        """Returns the scopes at which that part of a lease was granted something, each once. Raises ``UnknownKind``."""
        granted = self.part_of(footprint).schema.places_of(footprint).scopes
        return tuple({each.key: each for each in granted}.values())

    def graph_app_roles_of(self, footprint: Footprint) -> tuple[str, ...]:
        """Returns the permissions of Microsoft Graph that come with that part of a lease. Raises ``UnknownKind``."""
        return self.part_of(footprint).schema.places_of(footprint).graph_app_roles

    def graph_app_roles(self, role: Role) -> tuple[str, ...]:
        """Returns the permissions of Microsoft Graph that leases of the role get: none if the role is of an unknown kind."""
        kind = self.find(role.type)
        return kind.schema.places(role.target).graph_app_roles if kind is not None else ()

    def used_by(self, footprint: Footprint) -> FederatedIdentity | None:
        """Returns whose tokens stand for the credential of a lease with that footprint. Raises ``UnknownKind``."""
        found: FederatedIdentity | None = self.of(footprint).schema.used_by(footprint)
        return found

    def with_derived(self, lease: Lease) -> Lease:
        """Returns the lease with what is read from its footprint, and not stored again. Raises ``UnknownKind``."""
        footprint = lease.footprint
        return replace(
            lease,
            scopes=self.scopes_of(footprint),
            used_by=self.used_by(footprint),
            graph_app_roles=self.graph_app_roles_of(footprint),
        )

    def services(self, lease: Lease) -> list[frozenset[Service]]:
        """Returns for each part that is left of the lease the services that undoing it calls."""
        return [self.part_of(each).schema.services(each) for each in lease.left.values()]

    def remains(self, lease: Lease) -> tuple[str, ...]:
        """Returns what an operator looks for if the parts that are left of the lease cannot be undone."""
        return tuple(chain.from_iterable(self.part_of(each).schema.remains(each) for each in lease.left.values()))

    def write_footprint(self, footprint: Footprint) -> dict[str, Any]:
        """Returns the footprint as JSON, with its ``type``. Raises ``UnknownKind``."""
        return {"type": footprint.type, **self.part_of(footprint).schema.write_footprint(footprint)}

    def read_footprint(self, stored: Mapping[str, Any]) -> Footprint:
        """Reads what ``write_footprint`` has written. Raises ``UnknownKind``."""
        footprint: Footprint = self._part(stored["type"]).schema.read_footprint(stored)
        return footprint

    def combined(self, one: Footprint, other: Footprint) -> Footprint:
        """Returns what either of two footprints of one lease knows. If both know a field, the first counts."""
        known = {key: value for key, value in self.write_footprint(one).items() if value not in (None, [])}
        return self.read_footprint(self.write_footprint(other) | known)

    def _part(self, name: str) -> Part:
        if name not in self._parts:
            raise UnknownKind(f"a footprint of type {name!r} is from a later version of the broker")
        return self._parts[name]
