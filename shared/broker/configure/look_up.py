"""Looks up in Azure what the bounds of a document name. Only a dry run does so: a document may come before its machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.broker.ports import Ports
from shared.core.access.bounds import NAMED, Bounds, Constraint
from shared.core.access.resource_id import Pattern, ResourceId
from shared.core.errors import Caution
from shared.core.ports.access import ManagedIdentities
from shared.resilience.priority import limit_deadline
from shared.resilience.tasks import all_of, both

_IN_DIRECTORY = {Constraint.SERVICE_PRINCIPAL_IDS, Constraint.APPLICATION_IDS, Constraint.GROUP_IDS}
_LOOKED_UP = {
    *(*_IN_DIRECTORY, Constraint.TENANT_IDS, Constraint.SUBSCRIPTION_IDS),
    *(Constraint.RESOURCE_GROUPS, Constraint.SCALE_SETS),
}
_AT_ONCE = 20
_PAGES = 20
_EXAMPLES = 10
_MOST_COUNTED = 1000
"""If not all identities were read, a larger number of matches is not said exactly."""


@dataclass(frozen=True, slots=True)
class Existing:
    """Whether Azure has what a value names. ``exists`` is ``None`` if the broker may not read it."""

    path: str
    exists: bool | None
    name: str = ""
    is_flexible: bool = False


@dataclass(frozen=True, slots=True)
class Matching:
    """How many managed identities a pattern matches now: ``1000+`` if not all were read. ``None`` if none may be read."""

    path: str
    matches: int | str | None
    examples: tuple[str, ...] = ()


type Found = Existing | Matching


async def look_up(ports: Ports, bounds: Bounds) -> tuple[Found, ...]:
    """Returns what Azure has of the bounds, by the paths of the document as it is answered. Raises ``Upstream``."""
    with limit_deadline(ports.within(ports.timing.throttled)):
        existing, matching = await both(_existing(ports, bounds), _matching(ports, bounds))
    return (*existing, *matching)


def cautions_of(found: tuple[Found, ...]) -> Iterator[Caution]:
    """Yields what the author should know of what was found."""
    for each in found:
        if isinstance(each, Existing) and each.is_flexible:
            message = (
                "is a flexible scale set: its machines take user-assigned identities alone, and these are their own resource. "
                "Bind them with bound_resource_ids"
            )
            yield Caution(each.path, "flexible_scale_set", message)


async def _existing(ports: Ports, bounds: Bounds) -> list[Existing]:
    asked = [(kind, *each) for kind in NAMED if kind in _LOOKED_UP for each in enumerate(sorted(bounds.of(kind)))]
    found: list[Existing] = []
    for first in range(0, len(asked), _AT_ONCE):
        found += await all_of(*(_one(ports, bounds, *each) for each in asked[first : first + _AT_ONCE]))
    return found


async def _one(ports: Ports, bounds: Bounds, kind: Constraint, place: int, value: str) -> Existing:
    found = await ports.lookups.find(kind, value, bounds)
    exists = found.exists
    if exists is False and kind in _IN_DIRECTORY and bounds.tenant_ids - {ports.home}:
        # It may be in the directory of another tenant, which the broker cannot ask.
        exists = None
    return Existing(f"{kind}[{place}]", exists, found.name, found.is_flexible)


async def _matching(ports: Ports, bounds: Bounds) -> list[Matching]:
    if not bounds.resource_ids:
        return []
    identities = await ports.lookups.managed_identities(_PAGES)
    paths = (f"{Constraint.RESOURCE_IDS}[{place}]" for place in range(len(bounds.resource_ids)))
    return [
        _matches(path, Pattern.parse(text), identities) for path, text in zip(paths, sorted(bounds.resource_ids), strict=True)
    ]


def _matches(path: str, pattern: Pattern, identities: ManagedIdentities | None) -> Matching:
    if identities is None:
        return Matching(path, None)
    parsed = ((each, ResourceId.parse(each)) for each in identities.resource_ids)
    found = sorted(text for text, resource in parsed if resource is not None and pattern.matches(resource))
    count = len(found)
    return Matching(path, count if identities.is_complete else f"{min(count, _MOST_COUNTED)}+", tuple(found[:_EXAMPLES]))
