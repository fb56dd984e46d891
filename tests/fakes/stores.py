"""Roles, the audit trail and the sweep's journal in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.core.audit import AuditEvent
from shared.core.errors import Fault, LostRace, Malformed, PreconditionFailed
from shared.core.forms import ROLE
from shared.core.names import LeaseId, RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.documents import ABSENT, ANY, Admissions, Expect, Version
from shared.core.ports.page import Page
from shared.core.ports.run_history import Count, Noted, Run
from shared.core.role import Role
from shared.kinds.registry import Kinds
from shared.kinds.stored_role import restore_role, store_role
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions
from tests.support.kinds import SCHEMAS


class MemoryRoles:
    """Satisfies ``Roles``. Keeps documents, as the real store does."""

    def __init__(self, calls: Calls, kinds: Kinds = SCHEMAS) -> None:
        self.kinds = kinds
        self._calls = calls
        self._documents: dict[RoleName, tuple[object, str, int]] = {}
        self._read: dict[tuple[Kinds, RoleName, str], Role] = {}
        """Each version is read once: walks read the same one thousands of times."""
        self._admissions: dict[RoleName, Admissions] = {}
        self._versions = Versions()

    async def get(self, name: str) -> Role | None:
        """See the port."""
        return await self._calls.through("roles.get", lambda: self._get(RoleName(name)), name)

    async def list(self) -> tuple[Role, ...]:
        """See the port."""
        return await self._calls.through("roles.list", self._list)

    async def put(self, role: Role, *, expected: Expect) -> Role:
        """See the port."""
        return await self._calls.through("roles.put", lambda: self.keep(role, expected=expected), role)

    async def delete(self, name: str, *, expected: Expect) -> bool:
        """See the port."""
        return await self._calls.through("roles.delete", lambda: self._delete(RoleName(name), expected), name)

    async def admissions(self, role: RoleName) -> Admissions:
        """See the port."""
        return await self._calls.through("roles.admissions", lambda: self._admissions.get(role, Admissions()), role)

    async def admit(self, role: RoleName, leases: frozenset[LeaseId], *, former: Admissions) -> None:
        """See the port."""
        await self._calls.through("roles.admit", lambda: self._admit(role, leases, former), role)

    def _admit(self, role: RoleName, leases: frozenset[LeaseId], former: Admissions) -> None:
        if former.version != self._admissions.get(role, Admissions()).version:
            raise LostRace
        self._admissions[role] = Admissions(leases, self._versions.following(("admissions", role)))

    def keep(self, role: Role, *, expected: Expect = ANY) -> Role:
        """Puts it without a call: how a test sets the scene."""
        self._require(role.name, expected)
        return self.keep_document(role.name, store_role(self.kinds, role))

    def keep_document(self, name: RoleName, document: object, form: int = ROLE.written) -> Role:
        """Puts whatever may stand in storage, without a call."""
        self._documents[name] = (document, self._versions.following(name), form)
        return self._restored(name)

    def kept(self, name: RoleName) -> Role | None:
        """What stands there, without a call."""
        return self._get(name)

    def contents(self) -> str:
        """All that is kept, to be compared."""
        return repr((sorted(self._documents.items()), sorted(self._admissions.items())))

    def _get(self, name: RoleName) -> Role | None:
        return self._restored(name) if name in self._documents else None

    def _restored(self, name: RoleName) -> Role:
        document, version, form = self._documents[name]
        key = (self.kinds, name, version)
        if key not in self._read:
            self._read[key] = restore_role(self.kinds, name, document, version, form=form)
        return self._read[key]

    def _list(self) -> tuple[Role, ...]:
        return tuple(map(self._restored, sorted(self._documents)))

    def _delete(self, name: RoleName, expected: Expect) -> bool:
        if name not in self._documents:
            return False
        self._require(name, expected)
        del self._documents[name]
        return True

    def _require(self, name: RoleName, expected: Expect) -> None:
        stands = Version(self._documents[name][1]) if name in self._documents else ABSENT
        if expected not in {ANY, stands}:
            raise PreconditionFailed


class MemoryAudit:
    """Satisfies ``Audit``."""

    def __init__(self, calls: Calls) -> None:
        self.events: list[AuditEvent] = []
        self._calls = calls

    async def record(self, event: AuditEvent) -> None:
        """See the port."""
        await self._calls.through("audit.record", lambda: self.events.append(event), event)

    async def read(self, query: AuditQuery) -> Page[AuditEvent]:
        """See the port."""
        return await self._calls.through("audit.read", lambda: self._read(query), query)

    def told(self) -> list[tuple[str, str]]:
        """Operation and outcome of each event."""
        return [(event.operation, event.outcome.value) for event in self.events]

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
