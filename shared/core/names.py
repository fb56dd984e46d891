"""Names, parsed once and then trusted. Each is a ``str`` that could only have come from its ``parse``."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import quote
from zlib import crc32

SHARDS = 16
"""Leases are spread over so many partitions. A change would make stored leases unfindable."""

ROLE_NAME = r"[a-z0-9][a-z0-9-]{0,62}"
_ROLE = re.compile(ROLE_NAME)
ULID = r"[0-7][0-9a-hjkmnp-tv-z]{25}"
_ULID = re.compile(ULID)
LEASE_ID = rf"{ROLE_NAME}\.{ULID}"
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_INVERTED = str.maketrans(_DIGITS, _DIGITS[::-1])
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME = re.compile(r"[^ /%?<>\\]|[^ /%?<>\\][^/%?<>\\]*[^ /%?<>\\]")


class Unparsable(ValueError):
    """The text is not such a name. The message says what is expected, and may be shown to the caller."""


class RoleName(str):
    """The name of a role: ``[a-z0-9][a-z0-9-]{0,62}``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``Unparsable``."""
        if _ROLE.fullmatch(text) is None:
            raise Unparsable("a role name is 1 to 63 characters of a-z, 0-9 and '-', beginning with a letter or digit")
        return cls(text)


class LeaseId(str):
    """``<role>.<ulid>``: names the lease's role, sorts by time within the role, and cannot be guessed."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``Unparsable``."""
        role, dot, ulid = text.partition(".")
        if not dot or _ROLE.fullmatch(role) is None or _ULID.fullmatch(ulid) is None:
            raise Unparsable("a lease id is a role name, a dot and 26 characters")
        return cls(text)

    @classmethod
    def of(cls, role: RoleName, ulid: str) -> Self:
        """Returns the id of a new lease."""
        return cls.parse(f"{role}.{ulid}")

    @property
    def role(self) -> RoleName:
        """The role that the lease was issued from."""
        return RoleName(self.partition(".")[0])

    @property
    def ulid(self) -> str:
        """The unique part: 26 characters."""
        return self.partition(".")[2]

    @property
    def age(self) -> str:
        """Sorts the newest first, whatever their roles: ``ulid`` with every digit inverted. 26 characters."""
        return self.ulid.translate(_INVERTED)

    @property
    def shard(self) -> str:
        """The partition that holds it: two digits, ``00`` to ``15``."""
        return shard_of(self.ulid)


def shard_of(text: str) -> str:
    """Returns the partition for a unique text: two digits, ``00`` to ``15``."""
    return f"{crc32(text.encode()) % SHARDS:02d}"


class ObjectId(str):
    """A GUID in lower case with dashes: a directory object, a tenant, a subscription, an application's client id."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``Unparsable``. Any case is taken."""
        lowered = text.lower()
        if _GUID.fullmatch(lowered) is None:
            raise Unparsable("expected a GUID, such as 11111111-2222-3333-4444-555555555555")
        return cls(lowered)


class Scope(str):
    """The scope of a role assignment: a resource id, stored as written. ``key`` is compared, without case, as Azure does."""

    __slots__ = ()
    MAX_LENGTH = 1024

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``Unparsable``. Takes subscriptions, resource groups, resources and management groups.

        What a name may hold is for its resource provider to say. Here is refused what no provider takes
        (https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules), and what would make
        another path of it on the wire.
        """
        segments = text.removeprefix("/").removesuffix("/").split("/")
        if len(text) > cls.MAX_LENGTH:
            raise Unparsable(f"a scope is at most {cls.MAX_LENGTH} characters long")
        if _is_the_tenants(text):
            raise Unparsable(
                "a scope is in a subscription or is a management group: the broker takes neither the whole tenant (/) nor what "
                "lies in none of its subscriptions (/providers/Microsoft.Capacity, billing)"
            )
        if not all(_NAME.fullmatch(segment) and segment.isprintable() and segment not in {".", ".."} for segment in segments):
            raise Unparsable(
                "a scope is written as Azure shows it, not percent-encoded: its names are not empty, do not begin or end "
                "with a blank, and hold no control characters and none of % ? < > and the backslash"
            )
        if not (text.startswith("/") and len(segments) % 2 == 0 and _rooted(segments)):
            raise Unparsable(
                "a scope is a resource id of the form /subscriptions/{id}, followed by a group (without blanks), a "
                "resource or both, or /providers/Microsoft.Management/managementGroups/{name}"
            )
        return cls("/" + "/".join(segments))

    @property
    def key(self) -> str:
        """The same text for all ways to write the same scope."""
        return self.casefold()

    @property
    def subscription_id(self) -> ObjectId | None:
        """The subscription of the scope; ``None`` for a management group."""
        segments = self.split("/")
        return ObjectId(segments[2].lower()) if segments[1].lower() == "subscriptions" else None

    @property
    def is_management_group(self) -> bool:
        """Whether it is one: all other scopes lie in a subscription."""
        return self.subscription_id is None

    def within(self, other: Scope) -> bool:
        """Returns whether it is the other scope or lies below it, by their ids alone: not by a management group's content."""
        return self.key == other.key or self.key.startswith(other.key + "/")


def on_the_wire(resource_id: str) -> str:
    """Returns a resource id as the path of a request: percent-encoded, and without its first slash."""
    return quote(resource_id.removeprefix("/"), safe="/")


def _is_the_tenants(text: str) -> bool:
    match text.casefold().removesuffix("/").split("/"):
        case [""] | ["", ""]:
            return text.startswith("/")
        case ["", "providers", namespace, *_]:
            return namespace != "microsoft.management"
        case _:
            return False


def _rooted(segments: list[str]) -> bool:
    match [segment.lower() for segment in segments]:
        case ["subscriptions", subscription, *rest]:
            return _GUID.fullmatch(subscription) is not None and (
                not rest or (rest[0] in {"resourcegroups", "providers"} and _providers(rest))
            )
        case ["providers", "microsoft.management", "managementgroups", _]:
            return True
        case _:
            return False


def _providers(rest: list[str]) -> bool:
    if rest[0] == "resourcegroups":
        if " " in rest[1]:  # alone among Azure's own names, a group's holds none
            return False
        rest = rest[2:]
    return not rest or (rest[0] == "providers" and len(rest) >= 4)  # noqa: PLR2004 - provider, namespace, type, name
