"""Ids of Azure resources, as the directory shows them for managed identities, and patterns that such an id may match.

https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from shared.core.access.folding import fold
from shared.core.names import Unparsable

_NO_NAMES = frozenset({"", ".", ".."})
_SCALE_SETS = ("microsoft.compute", "virtualmachinescalesets")


@dataclass(frozen=True, slots=True)
class ResourceId:
    """The id of one resource, in segments, folded. A resource may lie in no subscription, and in no resource group."""

    segments: tuple[str, ...]
    subscription_id: str | None
    resource_group: str | None
    scale_set: str | None
    """The uniform scale set that it is, or that it is an instance of. An instance of a flexible scale set shows none: it is a
    virtual machine, which anybody may name as if it belonged to one."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Returns ``None`` if the text names no resource, has an empty or dot segment, or ends with a type without a name."""
        if not text.startswith("/"):
            return None
        segments = tuple(fold(text[1:]).split("/"))
        if not _NO_NAMES.isdisjoint(segments):
            return None
        subscription, rest = (segments[1], segments[2:]) if _named(segments, "subscriptions") else (None, segments)
        group, rest = (rest[1], rest[2:]) if subscription and _named(rest, "resourcegroups") else (None, rest)
        if not _is_resource(rest):
            return None
        is_set = rest[1:3] == _SCALE_SETS and subscription is not None and group is not None
        return cls(segments, subscription, group, rest[3] if is_set else None)


def _named(segments: tuple[str, ...], word: str) -> bool:
    return len(segments) > 1 and segments[0] == word


def _is_resource(segments: tuple[str, ...]) -> bool:
    """Whether these are one or more of ``providers/{namespace}/{type}/{name}``, each with further pairs of type and name."""
    if not segments or segments[0] != "providers":
        return False
    place = 0
    while place < len(segments):
        if segments[place] == "providers":
            place += 2
            if place + 1 >= len(segments):
                return False
        if place + 1 >= len(segments):
            return False
        place += 2
    return True


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of resource ids: ``*`` as a segment stands for one segment, and as the last one for one or more."""

    text: str
    segments: tuple[str, ...]
    """Folded."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``Unparsable``."""
        if not text.startswith("/"):
            raise Unparsable("a pattern of resource ids begins with /")
        segments = tuple(fold(text[1:]).split("/"))
        if not _NO_NAMES.isdisjoint(segments):
            raise Unparsable("a pattern has no empty segment, no . and no .. between its slashes, and no slash at its end")
        if text.count("*") != segments.count("*"):
            raise Unparsable("* stands for whole segments: nothing may stand beside it")
        if segments.count("*") == len(segments):
            raise Unparsable("a pattern of wildcards alone would match every resource")
        return cls(text, segments)

    def matches(self, resource: ResourceId) -> bool:
        """Returns whether the id is one of these."""
        given = resource.segments
        if self.segments[-1] != "*":
            return len(given) == len(self.segments) and self._begins(given, self.segments)
        return len(given) >= len(self.segments) and self._begins(given, self.segments[:-1])

    @staticmethod
    def _begins(given: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
        return all(expected in ("*", found) for expected, found in zip(wanted, given, strict=False))

    @property
    def subscription(self) -> str | None:
        """The subscription that it names, folded; ``None`` if a star, or nothing, stands there."""
        match self.segments:
            case ("subscriptions", subscription, *_) if subscription != "*":
                return subscription
            case _:
                return None

    @property
    def place(self) -> tuple[str, str] | None:
        """The subscription, which may be ``*``, and the resource group that it names, folded; ``None`` if it names no group."""
        match self.segments:
            case ("subscriptions", subscription, "resourcegroups", group, *_) if group != "*":
                return subscription, group
            case _:
                return None
