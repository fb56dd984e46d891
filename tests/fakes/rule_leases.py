"""The records of what event rules have issued, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

from shared.core.access.folding import fold
from shared.core.errors import LostRace
from shared.core.events.rule_lease import RuleLease
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions

type _Key = tuple[str, str, str]


class MemoryRuleLeases:
    """Satisfies ``RuleLeases``."""

    def __init__(self, calls: Calls) -> None:
        self.rows: dict[_Key, RuleLease] = {}
        self.denied: dict[str, datetime] = {}
        self._calls, self._versions = calls, Versions()

    async def of_rule(self, rule: str) -> Sequence[RuleLease]:
        """See the port."""
        return await self._calls.through("rule_leases.of_rule", lambda: self._of(rule), rule)

    async def everything(self) -> AsyncIterator[RuleLease]:
        """See the port."""
        for each in await self._calls.through("rule_leases.everything", lambda: [*self.rows.values()]):
            yield each

    async def put(self, record: RuleLease) -> RuleLease:
        """See the port."""
        return await self._calls.through("rule_leases.put", lambda: self._put(record), record)

    async def remove(self, record: RuleLease) -> None:
        """See the port."""
        await self._calls.through("rule_leases.remove", lambda: self._remove(record), record)

    async def denied_since(self, rule: str) -> datetime | None:
        """See the port."""
        return await self._calls.through("rule_leases.denied_since", lambda: self.denied.get(rule), rule)

    async def note_denied(self, rule: str, since: datetime | None) -> None:
        """See the port."""

        def note() -> None:
            self.denied.pop(rule, None)
            if since is not None:
                self.denied[rule] = since

        await self._calls.through("rule_leases.note_denied", note, rule)

    def _of(self, rule: str) -> Sequence[RuleLease]:
        return tuple(each for (name, *_), each in sorted(self.rows.items()) if name == rule)

    def _put(self, record: RuleLease) -> RuleLease:
        key = _key(record)
        stored = self.rows.get(key)
        if (stored.version if stored is not None else "") != record.version:
            raise LostRace
        self.rows[key] = replace(record, version=self._versions.following(key))
        return self.rows[key]

    def _remove(self, record: RuleLease) -> None:
        stored = self.rows.get(_key(record))
        if stored is not None and stored.version != record.version:
            raise LostRace
        self.rows.pop(_key(record), None)


def _key(record: RuleLease) -> _Key:
    return record.rule, fold(record.subject), record.holder
