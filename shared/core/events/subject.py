"""Which events a rule speaks of, by where they come from: a source, and a pattern of subjects.

Both are compared segment by segment, and A to Z without regard to case, as Azure compares resource ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from shared.core.access.folding import fold
from shared.core.names import Unparsable
from shared.core.plain_text import UNSEEN, is_plain

_NO_NAMES = frozenset({"", ".", ".."})
_OF_GROUP = 4
"""Segments of a resource group's id."""
_LEAST = 4
"""Segments of the shortest chain that names a resource: ``providers``, namespace, type, name."""
FEEDING = frozenset({"microsoft.authorization", "microsoft.managedidentity", "microsoft.keyvault"})
"""The providers of what the broker itself writes for leases, and of what holds what it delivers."""
_NEVER = frozenset("%?#\\<>")
"""No resource id that Azure shows has these, and they would make another path of it on the wire."""


_IDENTITIES = ("providers", "microsoft.managedidentity", "userassignedidentities")
_OF_IDENTITY = 4
"""Segments of a user-assigned identity's id behind its group."""


class FeedsItself(Unparsable):
    """The broker's own work could make an event that the rule speaks of."""


def segments_of(text: str) -> tuple[str, ...]:
    """Returns the segments of an id or a pattern, folded. Raises ``Unparsable``."""
    if not text.startswith("/"):
        raise Unparsable("expected a path that begins with /")
    if not is_plain(text):
        raise Unparsable(f"expected a text without {UNSEEN}")
    if not _NEVER.isdisjoint(text):
        raise Unparsable("is written as Azure shows it, not percent-encoded, and has none of % ? # < > and the backslash")
    segments = tuple(fold(text[1:]).split("/"))
    if not _NO_NAMES.isdisjoint(segments):
        raise Unparsable("has no empty segment, no . and no .. between its slashes, and no slash at its end")
    return segments


@dataclass(frozen=True, slots=True)
class Source:
    """Where events come from. It covers itself, and whatever has it as its whole leading segments."""

    text: str
    segments: tuple[str, ...]
    """Folded. The first one of a path is empty."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``Unparsable``. A custom topic's publisher names a source as it likes: it need be no path."""
        if "*" in text:
            raise Unparsable("a source has no *: it covers whatever begins with all of its segments")
        if text.startswith("/"):
            return cls(text, ("", *segments_of(text)))
        if text.endswith("/") or text != text.strip():
            raise Unparsable("a source has no slash at its end, and no blanks around it")
        return cls(text, tuple(fold(text).split("/")))

    def covers(self, source: str) -> bool:
        """Returns whether an event of that source is one of these."""
        return tuple(fold(source).split("/"))[: len(self.segments)] == self.segments


@dataclass(frozen=True, slots=True)
class SubjectPattern:
    """A pattern of subjects. ``*`` is a whole segment, and stands for exactly one, the last one too."""

    text: str
    segments: tuple[str, ...]
    """Folded."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``Unparsable``."""
        segments = segments_of(text)
        if text.count("*") != segments.count("*"):
            raise Unparsable("* stands for whole segments: nothing may stand beside it")
        if segments.count("*") == len(segments):
            raise Unparsable("a pattern of wildcards alone would match everything")
        return cls(text, segments)

    @classmethod
    def of_resources(cls, text: str) -> Self:
        """As ``parse``, for a pattern of Azure resources in one resource group. ``*`` stands for a name of a resource alone.

        Raises ``Unparsable``, and ``FeedsItself`` if a resource of the pattern could be the broker's own work.
        """
        pattern = cls.parse(text)
        _require_group(pattern.segments)
        _require_resource([*pattern.segments[_OF_GROUP:]])
        return pattern

    @classmethod
    def of_holders(cls, text: str) -> Self:
        """As ``of_resources``, for resources whose identities hold leases: takes user-assigned identities as well.

        The broker never writes or deletes one, and that a lease ends does not either. What lies in one stays refused.
        """
        pattern = cls.parse(text)
        chain = pattern.segments[_OF_GROUP:]
        if len(chain) == _OF_IDENTITY and chain[: len(_IDENTITIES)] == _IDENTITIES:
            _require_group(pattern.segments)
            return pattern
        return cls.of_resources(text)

    def matches(self, subject: str) -> bool:
        """Returns whether the subject is one of these."""
        if not subject.startswith("/"):
            return False
        given = tuple(fold(subject[1:]).split("/"))
        return len(given) == len(self.segments) and all(
            name not in _NO_NAMES and wanted in ("*", name) for wanted, name in zip(self.segments, given, strict=True)
        )

    def at_or_above(self, resource: str) -> str:
        """Returns the one of these that the resource is, or lies in. Empty if there is none."""
        subject = "/".join(resource.split("/")[: len(self.segments) + 1])
        return subject if self.matches(subject) else ""

    @property
    def group(self) -> str:
        """The id of the resource group, as it is written. Only of a pattern of resources."""
        return "/" + "/".join(self.text[1:].split("/")[:_OF_GROUP])

    @property
    def resource_type(self) -> str:
        """The type of the resources, as the last provider of the pattern has it: ``Microsoft.Web/sites/slots``."""
        segments = self.text[1:].split("/")
        last = max(place for place in range(_OF_GROUP, len(segments), 2) if fold(segments[place]) == "providers")
        namespace, *rest = segments[last + 1 :]
        return "/".join((namespace, *rest[0::2]))


def lies_in(resource: str, subject: str) -> bool:
    """Returns whether the resource is the subject, or lies in it. Neither has a slash at its end."""
    mine, other = fold(resource), fold(subject)
    return mine == other or mine.startswith(f"{other}/")


def is_same(resource: str, subject: str) -> bool:
    """Returns whether both are one resource: Azure's names have no case."""
    return fold(resource) == fold(subject)


def _require_group(segments: tuple[str, ...]) -> None:
    """Raises ``Unparsable`` unless this is something in one resource group."""
    match segments:
        case ("subscriptions", subscription, "resourcegroups", group, *_) if "*" not in {subscription, group}:
            return
        case ("subscriptions", _, "resourcegroups", _, *_):
            raise Unparsable("* stands in no place of a subscription or a resource group")
        case _:
            raise Unparsable("expected the id of a resource in a group: /subscriptions/{id}/resourceGroups/{name}/...")


def _require_resource(chain: list[str]) -> None:
    """Raises ``Unparsable`` unless this is ``providers/{namespace}/{type}/{name}``, with further pairs, and providers."""
    if not chain:
        raise FeedsItself("names no provider: it would match whatever is written in the group, the broker's own work as well")
    place, since = 0, None
    while place < len(chain):
        if chain[place] == "providers":
            if since is not None and place - since < _LEAST:
                raise Unparsable("names no resource behind a provider")
            since = place
            _require_namespace(chain[place + 1 : place + 2])
        elif since is None:
            raise FeedsItself("names no provider: it would match whatever is written in the group")
        elif chain[place] == "*":
            raise Unparsable("* stands in no place of a type")
        place += 2
    if since is None or len(chain) % 2 or len(chain) - since < _LEAST:
        raise Unparsable("ends with a type, and names no resource")


def _require_namespace(named: list[str]) -> None:
    if not named or named == ["*"]:
        raise Unparsable("* stands in no place of a provider")
    if named[0] in FEEDING:
        raise FeedsItself(f"{named[0]}: what the broker writes for leases would make such events")
