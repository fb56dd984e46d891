"""Stored roles: the public document, and in ``resolved`` what was looked up in Azure when the role was written.

A stored document is read leniently. It may be from another version of the broker, with other rules and other fields. A document
that cannot be read must not keep other roles from being listed, decided on or reconciled. So any document makes a role, and
``Role.outdated`` has the faults that today's rules find.

That lets no further caller in: if any bound of a role cannot be read, only administrators may use the role.

An older version reads these documents strictly. So a new public field is written only if it differs from its default. What is
looked up goes into ``resolved``, of which every version reads what it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.core.access.bounds import Bounds, restore_bounds
from shared.core.delivery import restore_delivery
from shared.core.errors import Fault, Malformed
from shared.core.forms import PROPERTY, ROLE
from shared.core.names import RoleName, Unparsable
from shared.core.role import DEFAULT_MAX_TTL, DEFAULT_TTL, Role, Target, UnknownTarget
from shared.core.typed import instant
from shared.kinds.lenient import mapping, parsed, whole
from shared.kinds.registry import Kinds
from shared.kinds.role_document import read_role, write_role

_DELIVERS_SINCE = "delivers_since"


def _instant(text: str) -> datetime:
    try:
        return instant(text)
    except ValueError as wrong:
        raise Unparsable from wrong


def store_role(kinds: Kinds, role: Role) -> dict[str, Any]:
    """Returns the document to store. Raises ``UnknownKind``: a role of an unknown type is read, and never written."""
    resolved = dict(kinds.of(role).schema.keep(role.target))
    if role.delivers_since is not None:
        resolved[_DELIVERS_SINCE] = role.delivers_since.isoformat()
    return write_role(kinds, role) | {"resolved": resolved}


def restore_role(kinds: Kinds, name: RoleName, stored: Any, version: str, *, form: int = ROLE.written) -> Role:
    """Returns the stored role. Raises nothing: ``stored`` may be any JSON value.

    If this version does not know the form, it believes nothing in the document, its bounds least of all.
    """
    if not ROLE.knows({PROPERTY: form}):
        return Role(name, UnknownTarget(), version=version, outdated=(ROLE.fault_of(form),))
    document = mapping(stored)
    public = {key: value for key, value in document.items() if key != "resolved"}
    faults: tuple[Fault, ...] = ()
    try:
        role = read_role(kinds, name, public)
    except Malformed as malformed:
        role, faults = _read_leniently(kinds, name, public), malformed.faults
    if (kind := kinds.find(role.type)) is not None:
        target = kind.schema.kept(role.target, mapping(document.get("resolved")))
        role, faults = role.with_target(target), (*faults, *kind.schema.unresolved(target))
    since = parsed(_instant, mapping(document.get("resolved")).get(_DELIVERS_SINCE))
    return replace(role, version=version, outdated=faults, delivers_since=since)


def _read_leniently(kinds: Kinds, name: RoleName, document: Mapping[str, Any]) -> Role:
    """Reads each field as it stands if it has the right shape. Otherwise the field has its default."""
    max_ttl = whole(document.get("max_ttl")) or DEFAULT_MAX_TTL
    return Role(
        name=name,
        target=_target(kinds, document),
        bounds=restore_bounds(document) or Bounds(),
        ttl=min(whole(document.get("ttl")) or DEFAULT_TTL, max_ttl),
        max_ttl=max_ttl,
        renewable=document.get("renewable", True) is True,
        max_leases=whole(document.get("max_leases")),
        max_leases_per_caller=whole(document.get("max_leases_per_caller")),
        delivery=restore_delivery(document),
    )


def _target(kinds: Kinds, document: Mapping[str, Any]) -> Target:
    kind = kinds.find(document.get("type"))
    target: Target | None = kind.schema.restore(document) if kind is not None else None
    return target if target is not None else UnknownTarget()
