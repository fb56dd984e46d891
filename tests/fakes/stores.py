"""Roles, the audit trail and the run history in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.core.audit import AuditEvent
from shared.core.errors import Fault, LostRace, Malformed, PreconditionFailed
from shared.core.names import LeaseId, RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.documents import Admissions, Expect
from shared.core.ports.page import Page
from shared.core.ports.run_history import Count, Noted, Publishing, Run
from shared.core.role import Role
from shared.kinds.registry import Kinds
from shared.kinds.stored_role import restore_role, store_role
from tests.fakes.calls import Calls
from tests.fakes.documents import MemoryDocuments
from tests.support.kinds import SCHEMAS


class MemoryRoles(MemoryDocuments[Role]):
    """Satisfies ``Roles``."""

    def __init__(self, calls: Calls, kinds: Kinds = SCHEMAS) -> None:
        self.kinds = kinds
        super().__init__(
            calls,
            "roles",
            name_of=lambda role: role.name,
            store=lambda role: store_role(self.kinds, role),
            restore=self._role,
        )
        self._read: dict[tuple[Kinds, str, str], Role] = {}
        """Each version is read once: walks read the same one thousands of times."""
        self._admissions: dict[RoleName, Admissions] = {}
        self._shared = ""

    async def shared_version(self) -> str:
        """See the port."""
        return await self._calls.through("roles.shared_version", lambda: self._shared)

    async def put_sharing(
        self, document: Role, *, expected: Expect, judged_at: str, event: AuditEvent | None = None
    ) -> tuple[Role, str]:
        """See the port."""

        def effect() -> tuple[Role, str]:
            if judged_at != self._shared:
                raise PreconditionFailed
            stored = self.keep(document, expected=expected)
            self._keep_event(event)
            self._shared = self._versions.following(("shared",))
            return stored, self._shared

        return await self._calls.through("roles.put", effect, document)

    async def admissions(self, role: RoleName) -> Admissions:
        """See the port."""
        return await self._calls.through("roles.admissions", lambda: self._admissions.get(role, Admissions()), role)

    async def admit(self, role: RoleName, leases: frozenset[LeaseId], *, former: Admissions) -> None:
        """See the port."""
        await self._calls.through("roles.admit", lambda: self._admit(role, leases, former), role)

    def contents(self) -> str:
        """All that is kept, to be compared."""
        return repr((super().contents(), self._shared, sorted(self._admissions.items())))

    def _admit(self, role: RoleName, leases: frozenset[LeaseId], former: Admissions) -> None:
        if former.version != self._admissions.get(role, Admissions()).version:
            raise LostRace
        self._admissions[role] = Admissions(leases, self._versions.following(("admissions", role)))

    def _role(self, name: str, document: Any, version: str, form: int) -> Role:
        key = (self.kinds, name, version)
        if key not in self._read:
            self._read[key] = restore_role(self.kinds, RoleName(name), document, version, form=form)
        return self._read[key]


class MemoryAudit:
    """Satisfies ``Audit``."""

    def __init__(self, calls: Calls) -> None:
        self.events: list[AuditEvent] = []
        self._calls = calls

    async def record(self, event: AuditEvent) -> None:
        """See the port."""
        await self._calls.through("audit.record", lambda: self._record(event), event)

    async def read(self, query: AuditQuery) -> Page[AuditEvent]:
        """See the port."""
        return await self._calls.through("audit.read", lambda: self._read(query), query)

    def told(self) -> list[tuple[str, str]]:
        """Operation and outcome of each event."""
        return [(event.operation, event.outcome.value) for event in self.events]

    def _record(self, event: AuditEvent) -> None:
        if not event.id or all(each.id != event.id for each in self.events):
            self.events.append(event)

    def _read(self, query: AuditQuery) -> Page[AuditEvent]:
        found = [event for event in sorted(self.events, key=lambda event: event.at) if _matches(event, query)]
        first = _offset(query.cursor)
        last = first + query.limit
        return Page(tuple(found[first:last]), f"after-{last}" if len(found) > last else None)


def _offset(cursor: str | None) -> int:
    mark, _, number = (cursor or "after-0").partition("-")
    if mark != "after" or not number.isdecimal():
        raise Malformed(Fault("cursor", "is not a cursor of this listing"))
    return int(number)


def _matches(event: AuditEvent, query: AuditQuery) -> bool:
    wanted = (
        query.since <= event.at < query.until,
        query.caller in {None, event.caller.object_id if event.caller else ""},
        query.role in {None, event.role},
        query.lease in {None, event.lease},
        query.document in {None, event.document},
    )
    return all(wanted)


class MemoryRunHistory:
    """Satisfies ``RunHistory``."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._noted = Noted()

    async def noted(self) -> Noted:
        """See the port."""
        return await self._calls.through("run_history.noted", lambda: self._noted)

    async def swept(self, at: datetime, summary: Mapping[str, int], overdue: Sequence[LeaseId] = ()) -> None:
        """See the port."""
        await self._calls.through("run_history.swept", lambda: self._note(sweep=(at, dict(summary)), overdue=tuple(overdue)))

    async def last_sweep(self) -> Run | None:
        """See the port."""
        return await self._calls.through("run_history.last_sweep", lambda: self._noted.sweep)

    async def last_reconciliation(self) -> Run | None:
        """See the port."""
        return await self._calls.through("run_history.last_reconciliation", lambda: self._noted.reconciliation)

    async def reconciled(self, at: datetime, summary: Mapping[str, int]) -> None:
        """See the port."""
        await self._calls.through("run_history.reconciled", lambda: self._note(reconciliation=(at, dict(summary))))

    async def counted(self, count: Count) -> None:
        """See the port."""
        await self._calls.through("run_history.counted", lambda: self._note(count=replace(count, leases=dict(count.leases))))

    async def published(self, at: datetime, *, last_error: str, dropped: int) -> None:  # noqa: ARG002 - see the port
        """See the port."""
        total = self._noted.publishing.dropped + dropped
        noted = Publishing(last_error, total)
        if noted != self._noted.publishing:
            await self._calls.through("run_history.published", lambda: self._note(publishing=noted))

    async def last_count(self) -> Count | None:
        """See the port."""
        return await self._calls.through("run_history.last_count", lambda: self._noted.count)

    async def reachable(self) -> bool:
        """See the port."""
        return await self._calls.through("run_history.reachable", lambda: True)

    def contents(self) -> str:
        """All that is kept, to be compared."""
        return repr(self._noted)

    def _note(self, **fields: Any) -> None:
        self._noted = replace(self._noted, **fields)
