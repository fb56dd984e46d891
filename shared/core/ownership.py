"""The marks of the objects that a lease makes in Azure. Marks never change: existing objects carry them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid5

from shared.core.azure_role import MAX_AZURE_ROLES
from shared.core.names import LeaseId, ObjectId, Unparsable

TAG = "leasehold"
"""The tag of every application that is made for a lease."""
_GRANT = f"{TAG} grant"
NO_SECRET = "leasehold-no-secret"  # noqa: S105 - a tag
"""A second tag, of each application that is made for a lease whose credential is no secret."""
_KEY_IDS = UUID("0c9d9a4e-7c43-4d0e-8d58-3d1d4f6f7b21")
_ASSIGNMENT_NAMES = UUID("5f0c8c1c-54f1-4f5e-9d1b-6b1f1c2a7e55")
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 10
"""Characters of a ULID's 26 that are milliseconds since 1970 (https://github.com/ulid/spec)."""


def unique_name(lease_id: LeaseId) -> str:
    """Returns the unique name of a lease's application, which is its display name as well."""
    return f"{TAG}-{lease_id}"


def lease_named(text: str) -> LeaseId | None:
    """Returns the lease whose application has this name."""
    return lease_in(text.removeprefix(f"{TAG}-")) if text.startswith(f"{TAG}-") else None


def is_marked(unique_name: str, display_name: str, tags: Iterable[str]) -> bool:
    """Returns whether an application has any part of the mark of a lease's application, this broker's or another's."""
    return lease_named(unique_name) is not None or lease_named(display_name) is not None or TAG in tags


def lease_in(text: str) -> LeaseId | None:
    """Returns the lease whose id this is. A secret on an existing application has it as its name."""
    try:
        return LeaseId.parse(text)
    except Unparsable:
        return None


def assignment_name(lease_id: LeaseId, index: int) -> str:
    """Returns the name, a GUID, of a lease's role assignment at this place."""
    return str(uuid5(_ASSIGNMENT_NAMES, f"{lease_id}/{index}"))


def key_id(lease_id: LeaseId) -> ObjectId:
    """Returns the id of what a lease's application takes in place of a secret: of a certificate, its key id."""
    return ObjectId(str(uuid5(_KEY_IDS, lease_id)))


def is_assignment_of(lease_id: LeaseId, name: str) -> bool:
    """Returns whether this name comes from the lease's id, at any place."""
    return any(assignment_name(lease_id, index) == name.lower() for index in range(MAX_AZURE_ROLES))


def assignment_description(lease_id: LeaseId) -> str:
    """Returns the description of a lease's role assignment."""
    return f"{TAG} {lease_id}"


def lease_described(text: str) -> LeaseId | None:
    """Returns the lease whose role assignment has this description."""
    return lease_in(text.removeprefix(f"{TAG} ")) if text.startswith(f"{TAG} ") else None


def grant_description(lease_id: LeaseId) -> str:
    """Returns the description of a role assignment that a lease gives to its holder.

    It differs from that of an assignment to a principal of the lease's own: so each kind finds what is its own.
    """
    return f"{_GRANT} {lease_id}"


def lease_granting(text: str) -> LeaseId | None:
    """Returns the lease that gives its holder the role assignment with this description."""
    return lease_in(text.removeprefix(f"{_GRANT} ")) if text.startswith(f"{_GRANT} ") else None


def opened_at(lease_id: LeaseId) -> datetime:
    """Returns the instant in the lease's id, at which it was opened, in UTC."""
    return instant_of(lease_id.ulid)


def instant_of(ulid: str) -> datetime:
    """Returns the instant in a ULID, in UTC."""
    milliseconds = 0
    for digit in ulid[:_TIME_DIGITS]:
        milliseconds = milliseconds * len(_CROCKFORD) + _CROCKFORD.index(digit)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
