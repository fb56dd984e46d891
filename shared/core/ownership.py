"""How what a lease makes in Azure is marked, and how a mark is read. Marks stay as they are: objects carry them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid5

from shared.core.azure_role import MAX_AZURE_ROLES
from shared.core.names import LeaseId, Unparsable

TAG = "leasehold"
"""On every application that is made for a lease."""
_ASSIGNMENT_NAMES = UUID("5f0c8c1c-54f1-4f5e-9d1b-6b1f1c2a7e55")
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 10
"""Of a ULID's 26: milliseconds since 1970 (https://github.com/ulid/spec)."""


def unique_name(lease_id: LeaseId) -> str:
    """The unique and display name of a lease's application."""
    return f"{TAG}-{lease_id}"


def lease_named(text: str) -> LeaseId | None:
    """The lease whose application has this name."""
    return lease_in(text.removeprefix(f"{TAG}-")) if text.startswith(f"{TAG}-") else None


def is_marked(unique_name: str, display_name: str, tags: Iterable[str]) -> bool:
    """Whether an application carries any part of the mark of a lease's, this broker's or another's."""
    return lease_named(unique_name) is not None or lease_named(display_name) is not None or TAG in tags


def lease_in(text: str) -> LeaseId | None:
    """The lease whose id this is: so a secret on an existing application is called."""
    try:
        return LeaseId.parse(text)
    except Unparsable:
        return None


def assignment_name(lease_id: LeaseId, index: int) -> str:
    """The name, a GUID, of a lease's role assignment at this place."""
    return str(uuid5(_ASSIGNMENT_NAMES, f"{lease_id}/{index}"))


def is_assignment_of(lease_id: LeaseId, name: str) -> bool:
    """Whether the lease's id determines this name, at whichever place."""
    return any(assignment_name(lease_id, index) == name.lower() for index in range(MAX_AZURE_ROLES))


def assignment_description(lease_id: LeaseId) -> str:
    """What a lease's role assignment says of itself."""
    return f"{TAG} {lease_id}"


def lease_described(text: str) -> LeaseId | None:
    """The lease whose role assignment has this description."""
    return lease_in(text.removeprefix(f"{TAG} ")) if text.startswith(f"{TAG} ") else None


def opened_at(lease_id: LeaseId) -> datetime:
    """When the lease was opened, by its id, in UTC."""
    milliseconds = 0
    for digit in lease_id.ulid[:_TIME_DIGITS]:
        milliseconds = milliseconds * len(_CROCKFORD) + _CROCKFORD.index(digit)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
