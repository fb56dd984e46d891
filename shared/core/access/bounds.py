"""Bounds: which callers a document speaks of. An auth role has them, and a role may have bounds of its own.

Each kind of constraint that is present must match, and any value within a kind may. Texts are compared without regard to case,
for A to Z alone: no other letter is folded, and nothing is trimmed, decoded or normalised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.core.access.folding import fold
from shared.core.access.resource_id import Pattern
from shared.core.errors import Caution, Fault
from shared.core.names import ObjectId, Unparsable
from shared.core.parsing import Reader, parsed_item, text_item

MAX_VALUES = 256
_LONGEST_PATTERN = 1024
_PLAIN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]{1,90}")
_PLAIN_PATTERN = re.compile(r"/subscriptions/([0-9A-Za-z-]{1,36}|[*])(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,89}){1,10}(/\*)?")
"""Values without faults. Not every value without faults is one of these."""


class Constraint(StrEnum):
    """The kinds of constraint on callers, by their names in documents, in the order in which a document is written."""

    TENANT_IDS = "bound_tenant_ids"
    """The caller's tenant. If none is named, the caller must be of the broker's own."""
    SERVICE_PRINCIPAL_IDS = "bound_service_principal_ids"
    """The caller's object id."""
    APPLICATION_IDS = "bound_application_ids"
    """The client id of a caller that is an application. A user who has signed in through that application does not match."""
    GROUP_IDS = "bound_group_ids"
    APP_ROLES = "bound_app_roles"
    SUBSCRIPTION_IDS = "bound_subscription_ids"
    """From here on: of the Azure resource whose managed identity the caller is."""
    RESOURCE_GROUPS = "bound_resource_groups"
    SCALE_SETS = "bound_scale_sets"
    LOCATIONS = "bound_locations"
    RESOURCE_IDS = "bound_resource_ids"
    """Patterns: ``*`` stands for one segment and, at the end, for one or more."""
    NOBODY = "no_bounds"
    """No kind that a document names: the document says of nobody that it speaks of him."""


OF_THE_TOKEN = (
    *(Constraint.TENANT_IDS, Constraint.SERVICE_PRINCIPAL_IDS, Constraint.APPLICATION_IDS),
    *(Constraint.GROUP_IDS, Constraint.APP_ROLES),
)
"""Kinds that a token decides. Only if a caller is in too many groups for its token, the directory decides about groups."""
OF_THE_RESOURCE = (
    *(Constraint.SUBSCRIPTION_IDS, Constraint.RESOURCE_GROUPS, Constraint.SCALE_SETS),
    *(Constraint.LOCATIONS, Constraint.RESOURCE_IDS),
)
"""Kinds that the directory decides: they are about the resource whose managed identity the caller is."""
NAMED = (*OF_THE_TOKEN, *OF_THE_RESOURCE)
"""Kinds that a document may have."""
_IDS = {
    *(Constraint.TENANT_IDS, Constraint.SERVICE_PRINCIPAL_IDS, Constraint.APPLICATION_IDS),
    *(Constraint.GROUP_IDS, Constraint.SUBSCRIPTION_IDS),
}
_ONE_NAME = {Constraint.RESOURCE_GROUPS, Constraint.SCALE_SETS, Constraint.LOCATIONS}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values of each kind, as they were written. An empty kind is absent. Ids are ``ObjectId``s.

    ``tenant_ids`` names the callers' tenants, and no caller. Without it, callers must be of the broker's own tenant.
    """

    service_principal_ids: frozenset[str] = frozenset()
    application_ids: frozenset[str] = frozenset()
    app_roles: frozenset[str] = frozenset()
    tenant_ids: frozenset[str] = frozenset()
    group_ids: frozenset[str] = frozenset()
    subscription_ids: frozenset[str] = frozenset()
    resource_groups: frozenset[str] = frozenset()
    scale_sets: frozenset[str] = frozenset()
    locations: frozenset[str] = frozenset()
    resource_ids: frozenset[str] = frozenset()

    @property
    def name_somebody(self) -> bool:
        """Whether any kind names a caller. A tenant alone names none."""
        return any(self.of(kind) for kind in NAMED if kind is not Constraint.TENANT_IDS)

    def of(self, kind: Constraint) -> frozenset[str]:
        """Returns the values of a kind."""
        values: frozenset[str] = getattr(self, _FIELDS[kind])
        return values

    @property
    def kinds(self) -> tuple[Constraint, ...]:
        """The kinds that are present, in the order of documents."""
        return tuple(kind for kind in NAMED if self.of(kind))

    @property
    def about_a_resource(self) -> bool:
        """Whether a kind is about the resource whose managed identity the caller is."""
        return any(self.of(kind) for kind in OF_THE_RESOURCE)


_FIELDS = {kind: kind.value.removeprefix("bound_") for kind in NAMED}
FIELD_NAMES = tuple(kind.value for kind in NAMED)
"""The fields of a document that are bounds."""


def read_bounds(reader: Reader) -> Bounds:
    """Reads the bounds of a document, strictly. Notes each fault of a value in the reader; see ``faults_of`` for the whole."""
    return Bounds(**{_FIELDS[kind]: frozenset(_values(reader, kind)) for kind in NAMED})


def write_bounds(bounds: Bounds) -> dict[str, Any]:
    """Returns the fields of the document."""
    return {kind.value: sorted(bounds.of(kind)) for kind in bounds.kinds}


def restore_bounds(document: Mapping[str, Any]) -> Bounds | None:
    """Reads stored bounds leniently. Returns ``None`` if any of them cannot be read: each takes callers away, so none may be
    left out.
    """
    if any(field.startswith("bound_") and field not in FIELD_NAMES for field in document):
        return None
    found: dict[str, frozenset[str]] = {}
    for kind in NAMED:
        if kind.value not in document:
            continue
        values = document[kind.value]
        if not isinstance(values, list) or not values or not all(isinstance(each, str) for each in values):
            return None
        found[_FIELDS[kind]] = frozenset(map(fold, values)) if kind in _IDS else frozenset(values)
    return Bounds(**found)


def readable_bounds(document: Mapping[str, Any]) -> Bounds:
    """Returns the kinds of a damaged document that have no fault: whom they exclude, the document does not speak of.

    If the tenants cannot be read, it may speak of anybody, and no kind is returned: without tenants, bounds are about callers
    of the broker's own.
    """
    found = {kind: readable_values(kind, document[kind.value]) for kind in NAMED if kind.value in document}
    if found.get(Constraint.TENANT_IDS, ()) is None:
        return Bounds()
    return Bounds(**{_FIELDS[kind]: frozenset(values) for kind, values in found.items() if values is not None})


def readable_values(kind: Constraint, stored: Any) -> tuple[str, ...] | None:
    """Returns the values of a kind as they are stored; ``None`` if any of them has a fault.

    Most values are plain. To see that is much faster than to look for every fault, and thousands of documents are read at once.
    """
    plain = _PLAIN_ID if kind in _IDS else _PLAIN_PATTERN if kind is Constraint.RESOURCE_IDS else _PLAIN_NAME
    if isinstance(stored, list) and 0 < len(stored) <= MAX_VALUES:
        for each in stored:
            if not isinstance(each, str) or plain.fullmatch(each) is None:
                break
        else:
            return tuple(stored)
    reader = Reader({kind.value: stored})
    values = tuple(_values(reader, kind))
    return None if reader.faults else values


def faults_of(bounds: Bounds) -> Iterator[Fault]:
    """Yields the faults of bounds as a whole, which any document with bounds must not have."""
    if bounds.tenant_ids and not bounds.name_somebody:
        yield Fault(Constraint.TENANT_IDS, "names a tenant, and no caller of it: another bound_ field must stand beside it")


def foreign_faults(bounds: Bounds, home: str, allowed: Iterable[str]) -> Iterator[Fault]:
    """Yields a fault for each tenant that the broker does not admit, and for kinds that no caller of the named tenants has."""
    admitted = {home, *allowed}
    for each in sorted(bounds.tenant_ids - admitted):
        yield Fault(Constraint.TENANT_IDS, f"{each} is not among LEASEHOLD_ALLOWED_TENANTS")
    if bounds.tenant_ids and home not in bounds.tenant_ids:
        for kind in OF_THE_RESOURCE:
            if bounds.of(kind):
                yield Fault(kind, "is read from the broker's own directory, and never matches a caller of another tenant")


def bounds_cautions(bounds: Bounds) -> Iterator[Caution]:
    """Yields a warning for each kind whose names mean little alone: anybody may use the same name in another subscription."""
    placed = bounds.subscription_ids or bounds.resource_ids
    if bounds.resource_groups and not placed:
        yield _unplaced(Constraint.RESOURCE_GROUPS, "subscription")
    for kind in (Constraint.SCALE_SETS, Constraint.LOCATIONS):
        if bounds.of(kind) and not (placed or bounds.resource_groups):
            yield _unplaced(kind, "subscription or resource group")


def _unplaced(kind: Constraint, missing: str) -> Caution:
    return Caution(kind, "unplaced", f"matches that name anywhere in the tenant: no {missing} stands beside it")


def _values(reader: Reader, kind: Constraint) -> Iterator[str]:
    """Yields the values of a kind. If two differ in case alone, the first is kept."""
    read: Callable[[Any, str, list[Fault]], str | None]
    match kind:
        case Constraint.APP_ROLES:
            read = _app_role
        case Constraint.RESOURCE_IDS:
            read = _pattern
        case _ if kind in _ONE_NAME:
            read = _one_name
        case _:
            read = parsed_item(ObjectId.parse)
    seen: set[str] = set()
    for value in reader.items(kind.value, read, most=MAX_VALUES):
        if (folded := fold(value)) not in seen:
            seen.add(folded)
            yield value


def _app_role(value: Any, path: str, faults: list[Fault]) -> str | None:
    return _without_star(text_item(value, path, faults), path, faults)


def _one_name(value: Any, path: str, faults: list[Fault]) -> str | None:
    text = _without_star(text_item(value, path, faults), path, faults)
    if text is not None and "/" in text:
        faults.append(Fault(path, "expected one name, without /"))
        return None
    return text


def _without_star(text: str | None, path: str, faults: list[Fault]) -> str | None:
    if text is not None and "*" in text:
        faults.append(Fault(path, "expected a whole name: * is no wildcard in this field"))
        return None
    return text


def _pattern(value: Any, path: str, faults: list[Fault]) -> str | None:
    text = text_item(value, path, faults, longest=_LONGEST_PATTERN)
    if text is None:
        return None
    try:
        return Pattern.parse(text).text
    except Unparsable as wrong:
        faults.append(Fault(path, str(wrong)))
        return None
