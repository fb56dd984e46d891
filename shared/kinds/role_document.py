"""Roles as JSON documents, as the API reads and writes them. ``shared.kinds.stored_role`` reads and writes stored roles.

A rule about one field stands where the field is read. A rule about the whole role stands in ``shared.kinds.role_rules`` or, if
it is about what one kind of credential mints, in that kind's schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from shared.core.access.bounds import FIELD_NAMES, read_bounds, write_bounds
from shared.core.delivery import FIELD as DELIVERY
from shared.core.delivery import read_delivery
from shared.core.errors import Fault
from shared.core.names import RoleName
from shared.core.parsing import Reader
from shared.core.role import DEFAULT_MAX_TTL, DEFAULT_TTL, MAX_LIVE, MAX_TTL, MIN_TTL, Role
from shared.kinds.delivering import is_deliverable
from shared.kinds.kind import Kind
from shared.kinds.registry import Kinds
from shared.kinds.role_rules import RULES


def read_role(kinds: Kinds, name: RoleName, document: Any, *, longest: int = MAX_TTL) -> Role:
    """Reads a role that a caller has written. It is not resolved yet. ``longest``: seconds that LEASEHOLD_MAX_TTL allows.

    Raises ``Malformed`` with the faults of all rules.
    """
    reader = Reader(document)
    kind = _kind(kinds, reader)
    target = kind.schema.read(reader)
    asked = _lifetime(reader, "ttl", longest)
    max_ttl = _lifetime(reader, "max_ttl", longest) or max(min(DEFAULT_MAX_TTL, longest), asked or 0)
    ttl = asked or min(DEFAULT_TTL, max_ttl)
    if ttl > max_ttl:
        reader.fault("ttl", f"is longer than max_ttl, which is {max_ttl} seconds")
    role = Role(
        name=name,
        target=target,
        bounds=read_bounds(reader),
        ttl=ttl,
        max_ttl=max_ttl,
        renewable=reader.flag("renewable", default=True),
        max_leases=reader.whole("max_leases", least=1, most=MAX_LIVE),
        max_leases_per_caller=reader.whole("max_leases_per_caller", least=1, most=MAX_LIVE),
        delivery=read_delivery(reader, name),
    )
    _follow_rules(reader, role, kind)
    reader.finish()
    return role


def _kind(kinds: Kinds, reader: Reader) -> Kind:
    if not reader.has("type"):
        reader.fault("type", "is required")
    first, *others = kinds
    named = reader.choice("type", (first.type, *(each.type for each in others)), default=first.type)
    return kinds.find(named) or first


def _lifetime(reader: Reader, field: str, longest: int) -> int | None:
    seconds = reader.duration(field, least=MIN_TTL, most=MAX_TTL)
    if seconds is not None and seconds > longest:
        reader.fault(field, f"is {seconds} seconds, and LEASEHOLD_MAX_TTL allows {longest}")
    return seconds


def _follow_rules(reader: Reader, role: Role, kind: Kind) -> None:
    """Adds the faults of the rules. A field that could not be read is not judged: the places of its parts would be wrong."""
    unread = {_field(fault) for fault in reader.faults}
    if unread & {*FIELD_NAMES}:
        # Bounds are judged together: a field that could not be read may be the one that another one lacks.
        unread |= {*FIELD_NAMES}
    broken = chain(*(rule(role) for rule in RULES), kind.schema.rules(role.name, role.target), _delivery_faults(role, kind))
    reader.faults += [fault for fault in broken if _field(fault) not in unread]


def _delivery_faults(role: Role, kind: Kind) -> Iterator[Fault]:
    if role.delivery is not None and not is_deliverable(kind.schema, role.target):
        yield Fault(DELIVERY, "this kind of credential is not put into a vault: only one that lasts as long as its lease is")


def _field(fault: Fault) -> str:
    return fault.path.partition(".")[0].partition("[")[0]


def write_role(kinds: Kinds, role: Role) -> dict[str, Any]:
    """Returns the public document, which ``read_role`` reads back."""
    document: dict[str, Any] = {
        "type": role.type,
        "ttl": role.ttl,
        "max_ttl": role.max_ttl,
        "renewable": role.renewable,
    }
    if role.max_leases is not None:
        document["max_leases"] = role.max_leases
    if role.max_leases_per_caller is not None:
        document["max_leases_per_caller"] = role.max_leases_per_caller
    if role.delivery is not None:
        document[DELIVERY] = role.delivery.document()
    kind = kinds.find(role.type)
    return document | write_bounds(role.bounds) | (kind.schema.write(role.target) if kind is not None else {})
