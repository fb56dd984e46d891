"""Exports the whole configuration as one document. ``imports`` writes such a document back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shared.broker.ports import Ports
from shared.core.access.frame import AUTH_ROLES, EVENT_RULES, FORM, POLICIES, ROLES, SECTIONS, Documents
from shared.core.errors import Fault, Malformed
from shared.core.events.event_rule import write_event_rule
from shared.kinds.role_document import write_role
from shared.resilience.tasks import both

MOST_OCTETS = 900 * 1024
"""Of an exported page: less than what an import takes."""
MOST_OF_ONE = 64 * 1024
"""Octets of one document, as a PUT takes it."""
_FRAME = 1024
"""Octets of a page beside its documents."""


async def export(ports: Ports, cursor: str = "") -> dict[str, Any]:
    """Returns the configuration, or a page of it. ``cursor``: the ``next`` of the page before.

    A stored document that breaks a rule of today is in it as it stands: an import says what is wrong with it. Only the
    lifetimes of roles are those that are in force: an import takes none above LEASEHOLD_MAX_TTL. Raises
    ``Malformed`` if the cursor is none, ``Upstream``.
    """
    stored, (roles, rules) = await both(ports.access.load(), both(ports.roles.list(), ports.event_rules.list()))
    found: dict[str, Documents] = {
        POLICIES: {name: each.document() for name, each in stored.policies.items()},
        ROLES: {role.name: write_role(ports.kinds, role.cut_to(ports.limits.max_ttl)) for role in roles},
        EVENT_RULES: {rule.name: write_event_rule(rule) for rule in rules},
        AUTH_ROLES: {name: each.document() for name, each in stored.auth_roles.items()},
    }
    page: dict[str, dict[str, Any]] = {}
    last, room = "", MOST_OCTETS - _FRAME
    following = None
    for section, name, document in _after(cursor, found):
        size = len(json.dumps({name: document}, separators=(",", ":")))
        if size > room and page:
            following = last
            break
        room -= size
        page.setdefault(section, {})[name] = document
        last = f"{section}/{name}"
    if cursor or following is not None:
        return {"form": FORM, **page, "partial": True, "next": following}
    return {"form": FORM, **{section: page.get(section, {}) for section in sorted(SECTIONS)}, "next": None}


def _after(cursor: str, found: Mapping[str, Documents]) -> Iterator[tuple[str, str, Any]]:
    """Yields section, name and document of each that comes after the cursor, which is a section and a name."""
    section, _, name = cursor.partition("/")
    if cursor and section not in SECTIONS:
        raise Malformed(Fault("cursor", "is not a cursor of this listing"))
    for each in SECTIONS[SECTIONS.index(section) if cursor else 0 :]:
        for document in sorted(found[each]):
            if not cursor or each != section or document > name:
                yield each, document, found[each][document]
