"""The port to the records of what event rules have issued."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from shared.core.events.rule_lease import RuleLease


class RuleLeases(Protocol):
    """The records, by rule, subject and holder. Every method may raise ``Upstream``."""

    async def of_rule(self, rule: str) -> Sequence[RuleLease]:
        """Returns all records of a rule. One that cannot be read is left out."""
        ...

    def everything(self) -> AsyncIterator[RuleLease]:
        """Yields all records of all rules, also of rules that are gone."""
        ...

    async def put(self, record: RuleLease) -> RuleLease:
        """Stores a new record, or replaces its version. Raises ``LostRace`` if the store has another one."""
        ...

    async def remove(self, record: RuleLease) -> None:
        """Forgets that version of a record. That it is gone is no error. Raises ``LostRace`` if the store has another one."""
        ...

    async def denied_since(self, rule: str) -> datetime | None:
        """Returns since when the rights of the rule's writer do not suffice; ``None`` if they did at the last event."""
        ...

    async def note_denied(self, rule: str, since: datetime | None) -> None:
        """Replaces what ``denied_since`` returns."""
        ...
