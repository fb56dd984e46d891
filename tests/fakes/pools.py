"""The table of pools, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from shared.core.names import RoleName
from shared.core.pool import Filling, Hint
from tests.fakes.calls import Calls


class MemoryPools:
    """Satisfies ``Pools``."""

    def __init__(self, calls: Calls) -> None:
        self.rows: dict[tuple[object, ...], Hint] = {}
        self.filled: dict[RoleName, Filling] = {}
        self._calls = calls

    async def note(self, hint: Hint) -> None:
        """See the port."""
        await self._calls.through("pools.note", lambda: self.rows.update({_key(hint): hint}), hint.lease)

    async def forget(self, hint: Hint) -> None:
        """See the port."""
        await self._calls.through("pools.forget", lambda: self.rows.pop(_key(hint), None), hint.lease)

    async def oldest(self, role: RoleName, most: int) -> Sequence[Hint]:
        """See the port."""
        return await self._calls.through("pools.oldest", lambda: self._of(role)[:most], role)

    async def hints(self) -> Mapping[RoleName, Sequence[Hint]]:
        """See the port."""
        return await self._calls.through("pools.hints", lambda: {role: self._of(role) for role in self._roles()})

    async def fillings(self) -> Mapping[RoleName, Filling]:
        """See the port."""
        return await self._calls.through("pools.fillings", lambda: dict(self.filled))

    async def change_filling(self, role: RoleName, change: Callable[[Filling], Filling | None]) -> Filling | None:
        """See the port."""
        return await self._calls.through("pools.change_filling", lambda: self._change(role, change), role)

    def _change(self, role: RoleName, change: Callable[[Filling], Filling | None]) -> Filling | None:
        changed = change(self.filled.get(role, Filling()))
        if changed is not None:
            self.filled[role] = changed
        return changed

    async def forget_filling(self, role: RoleName) -> None:
        """See the port."""
        await self._calls.through("pools.forget_filling", lambda: self.filled.pop(role, None), role)

    def _of(self, role: RoleName) -> list[Hint]:
        return [hint for _, hint in sorted(self.rows.items()) if hint.lease.role == role]

    def _roles(self) -> set[RoleName]:
        return {hint.lease.role for hint in self.rows.values()}


def _key(hint: Hint) -> tuple[object, ...]:
    return hint.lease.role, hint.ready_at, hint.lease
