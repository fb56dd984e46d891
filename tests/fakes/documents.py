"""Documents of one type in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.core.audit import AuditEvent
from shared.core.errors import PreconditionFailed
from shared.core.ports.documents import ABSENT, ANY, Deleted, Expect, Version
from shared.core.ports.page import Page
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions


class MemoryDocuments[T]:
    """Satisfies ``Documents``. Keeps what is stored, as the real store does, and not the objects."""

    def __init__(
        self,
        calls: Calls,
        service: str,
        *,
        name_of: Callable[[T], str],
        store: Callable[[T], Any],
        restore: Callable[[str, Any, str, int], T],
        changed: Callable[[], None] = lambda: None,
        version: Callable[[], str] = lambda: "",
    ) -> None:
        """``service``: the first part of the calls' names. ``changed`` is called with each write and each deletion.

        ``version`` is that of all documents together.
        """
        self._calls = calls
        self._service = service
        self._name_of, self._store, self._restore = name_of, store, restore
        self._changed, self._version = changed, version
        self._documents: dict[str, tuple[Any, str, int]] = {}
        self.pending: dict[str, AuditEvent] = {}
        """The pending events, by their ids."""
        self._versions = Versions()

    async def get(self, name: str) -> T | None:
        """See the port."""
        return await self._calls.through(f"{self._service}.get", lambda: self.kept(name), name)

    async def list(self) -> tuple[T, ...]:
        """See the port."""
        return await self._calls.through(f"{self._service}.list", self.everything)

    async def page(self, limit: int, after: str = "") -> Page[T]:
        """See the port."""
        return await self._calls.through(f"{self._service}.page", lambda: self._page(limit, after), limit, after)

    async def put(self, document: T, *, expected: Expect, event: AuditEvent | None = None, judged_at: str | None = None) -> T:
        """See the port."""

        def effect() -> T:
            self._require_version(judged_at)
            stored = self.keep(document, expected=expected)
            self._keep_event(event)
            return stored

        return await self._calls.through(f"{self._service}.put", effect, document)

    async def delete(
        self, name: str, *, expected: Expect, event: AuditEvent | None = None, judged_at: str | None = None
    ) -> Deleted | None:
        """See the port."""

        def effect() -> Deleted | None:
            if not self._delete(name, expected, judged_at):
                return None
            self._keep_event(event)
            return Deleted(self._version())

        return await self._calls.through(f"{self._service}.delete", effect, name)

    async def pending_events(self) -> tuple[AuditEvent, ...]:
        """See the port."""
        return await self._calls.through(f"{self._service}.pending_events", lambda: tuple(self.pending.values()))

    async def forget_event(self, event: AuditEvent) -> None:
        """See the port."""
        await self._calls.through(f"{self._service}.forget_event", lambda: self.pending.pop(event.id, None), event)

    def keep(self, document: T, *, expected: Expect = ANY) -> T:
        """Puts it without a call: how a test sets the scene."""
        name = self._name_of(document)
        self._require(name, expected)
        return self.keep_document(name, self._store(document))

    def keep_document(self, name: str, document: Any, form: int = 1) -> T:
        """Puts whatever may stand in storage, without a call. ``None`` stands for what is no JSON."""
        self._documents[name] = (document, self._versions.following(name), form)
        self._changed()
        return self._restored(name)

    def kept(self, name: str) -> T | None:
        """What stands there, without a call."""
        return self._restored(name) if name in self._documents else None

    def stored(self) -> dict[str, tuple[Any, str, int]]:
        """Document, version and form, by name, without a call."""
        return dict(sorted(self._documents.items()))

    def contents(self) -> str:
        """All that is kept, to be compared."""
        return repr((sorted(self._documents.items()), sorted(self.pending)))

    def _restored(self, name: str) -> T:
        return self._restore(name, *self._documents[name])

    def everything(self) -> tuple[T, ...]:
        """All documents, by name, without a call."""
        return tuple(map(self._restored, sorted(self._documents)))

    def _page(self, limit: int, after: str) -> Page[T]:
        names = [name for name in sorted(self._documents) if name > after]
        return Page(tuple(map(self._restored, names[:limit])), names[limit - 1] if len(names) > limit else None)

    def _delete(self, name: str, expected: Expect, judged_at: str | None = None) -> bool:
        if name not in self._documents:
            return False
        self._require(name, expected)
        self._require_version(judged_at)
        del self._documents[name]
        self._changed()
        return True

    def _keep_event(self, event: AuditEvent | None) -> None:
        if event is not None:
            self.pending[event.id] = event

    def _require_version(self, judged_at: str | None) -> None:
        if judged_at not in {None, self._version()}:
            raise PreconditionFailed

    def _require(self, name: str, expected: Expect) -> None:
        stands = Version(self._documents[name][1]) if name in self._documents else ABSENT
        if expected not in {ANY, stands}:
            raise PreconditionFailed
