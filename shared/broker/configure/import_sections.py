"""What an import changes: its steps, and the documents of each type as they are stored, wanted and proposed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from shared.broker.configure.changes import fields_between
from shared.core.access.auth_role import AuthRole
from shared.core.access.policy import Policy
from shared.core.errors import Caution
from shared.core.events.event_rule import EventRule
from shared.core.role import Role

type Change = Literal["created", "changed", "deleted"]


@dataclass(frozen=True, slots=True)
class Step:
    """One document that an import writes or deletes. ``path``: ``policies.readers``. ``fields``: those that differ."""

    change: Change
    path: str
    fields: tuple[str, ...]
    write: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has changed, or would change."""

    steps: tuple[Step, ...]
    unchanged: int
    warnings: tuple[Caution, ...]

    def of(self, change: Change) -> tuple[Step, ...]:
        """Returns the steps that do this."""
        return tuple(step for step in self.steps if step.change == change)


@dataclass(frozen=True, slots=True)
class Stored:
    """All documents of a configuration, by name."""

    policies: Mapping[str, Policy]
    roles: Mapping[str, Role]
    event_rules: Mapping[str, EventRule]
    auth_roles: Mapping[str, AuthRole]


@dataclass(frozen=True, slots=True)
class Section[T: (Policy, Role, EventRule, AuthRole)]:
    """The documents of one type, by name: those that are stored, that the import brings, and that there are after it."""

    name: str
    stored: Mapping[str, T]
    wanted: Mapping[str, T]
    proposed: Mapping[str, T]
    document_of: Callable[[T], Mapping[str, Any]]
    differs: Callable[[T, T], bool]
    """Whether the first would be stored in place of the second."""
    store: Callable[[T, T | None], Awaitable[object]]
    """Stores the first in place of the second."""
    delete: Callable[[T], Awaitable[object]]

    def writes(self) -> Iterator[Step]:
        """Yields a step for each document that is new or differs from the stored one."""
        for name, document in sorted(self.wanted.items()):
            former = self.stored.get(name)
            if former is None:
                change: Change = "created"
            elif self.differs(document, former):
                change = "changed"
            else:
                continue
            before = self.document_of(former) if former is not None else None
            fields = fields_between(before, self.document_of(document))
            yield Step(change, f"{self.name}.{name}", fields, partial(self.store, document, former))

    def deletions(self) -> Iterator[Step]:
        """Yields a step for each document that goes."""
        for name in sorted({*self.stored} - {*self.proposed}):
            document = self.stored[name]
            fields = fields_between(self.document_of(document), None)
            yield Step("deleted", f"{self.name}.{name}", fields, partial(self.delete, document))
