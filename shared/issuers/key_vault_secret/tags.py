"""The tags of a delivered secret: they say whose it is, and what its bare value does not.

A vault's owner sees them, and an event of the vault does not have them. None of them is secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.core.credential import CredentialField
from shared.core.names import LeaseId, Unparsable

LEASE, ROLE, EXPIRES = "lease", "role", "expires"
_FIELDS = {
    "client-id": "client_id",
    "tenant-id": "tenant_id",
    "object-id": "object_id",
    "username": "username",
    "host": "host",
    "database": "database",
}
"""Tags that a credential's fields give, where it has them."""


def tags_of(lease_id: LeaseId, fields: Mapping[str, CredentialField]) -> tuple[tuple[str, str], ...]:
    """Returns the tags that do not change."""
    of_credential = ((tag, value) for tag, name in _FIELDS.items() if isinstance(value := fields.get(name), str))
    return ((LEASE, lease_id), (ROLE, lease_id.role), *of_credential)


def with_end(tags: tuple[tuple[str, str], ...], expires: datetime) -> dict[str, str]:
    """Returns the tags with the lease's end."""
    return {**dict(tags), EXPIRES: f"{expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}


def lease_tagged(tags: Mapping[str, str]) -> LeaseId | None:
    """Returns the lease of which the tags say that it has put the secret there; ``None`` if they say no such thing."""
    try:
        found = LeaseId.parse(tags.get(LEASE, ""))
    except Unparsable:
        return None
    return found if tags.get(ROLE) == found.role else None
