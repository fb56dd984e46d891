"""The kinds of credential that a broker mints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from shared.core.footprint import Footprint
from shared.kinds.kind import Kind


class Typed(Protocol):
    """A role, a lease, a target or a footprint."""

    @property
    def type(self) -> str:
        """The name of its kind."""
        ...


class UnknownKind(LookupError):
    """The kind is another version's: this version of the broker has none of that name."""


class Kinds:
    """A dictionary of kinds, by their names."""

    def __init__(self, *kinds: Kind) -> None:
        self._kinds = {kind.type: kind for kind in kinds}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def find(self, name: object) -> Kind | None:
        """Returns the kind of that name, or ``None`` if there is none."""
        return self._kinds.get(name) if isinstance(name, str) else None

    def of(self, thing: Typed) -> Kind:
        """Returns the kind of a role, a lease, a target or a footprint. Raises ``UnknownKind``."""
        try:
            return self._kinds[thing.type]
        except KeyError:
            raise UnknownKind(f"no kind {thing.type!r}: it is from another version of the broker") from None

    def write_footprint(self, footprint: Footprint) -> dict[str, Any]:
        """Returns the footprint as JSON, with its ``type``. Raises ``UnknownKind``."""
        return {"type": footprint.type, **self.of(footprint).schema.write_footprint(footprint)}

    def read_footprint(self, stored: Mapping[str, Any]) -> Footprint:
        """Reads what ``write_footprint`` has written. Raises ``UnknownKind``."""
        kind = self.find(stored["type"])
        if kind is None:
            raise UnknownKind(f"a footprint of type {stored['type']!r} is from a later version of the broker")
        footprint: Footprint = kind.schema.read_footprint(stored)
        return footprint

    def combined(self, one: Footprint, other: Footprint) -> Footprint:
        """Returns what either of two footprints of one lease knows. If both know a field, the first counts."""
        known = {key: value for key, value in self.write_footprint(one).items() if value not in (None, [])}
        return self.read_footprint(self.write_footprint(other) | known)
