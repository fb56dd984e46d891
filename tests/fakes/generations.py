"""Roles' generations, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared.core.generation import Generation
from shared.core.names import RoleName
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions


class MemoryGenerations:
    """Satisfies ``Generations``. Raising one is a read and a write, as in the real store."""

    def __init__(self, calls: Calls) -> None:
        self.rows: dict[RoleName, Generation] = {}
        self._calls = calls
        self._versions = Versions()

    async def get(self, role: RoleName) -> Generation:
        """See the port."""
        return await self._calls.through("generations.get", lambda: self._get(role), role)

    async def all(self) -> Mapping[RoleName, Generation]:
        """See the port."""
        return await self._calls.through("generations.all", lambda: dict(self.rows))

    async def advance(self, role: RoleName) -> Generation:
        """See the port."""
        former = await self.get(role)
        return await self._calls.through("generations.advance", lambda: self._advance(former), role)

    async def finish(self, generation: Generation) -> None:
        """See the port."""
        await self._calls.through("generations.finish", lambda: self._finish(generation), generation)

    def _get(self, role: RoleName) -> Generation:
        return self.rows.get(role, Generation(role))

    def _advance(self, former: Generation) -> Generation:
        stored = self._get(former.role)
        return stored if stored.number > former.number else self._keep(replace(stored, number=stored.number + 1))

    def _finish(self, generation: Generation) -> None:
        if self._get(generation.role).version == generation.version:
            self._keep(replace(generation, finished=generation.number))

    def _keep(self, generation: Generation) -> Generation:
        self.rows[generation.role] = replace(generation, version=self._versions.following(generation.role))
        return self.rows[generation.role]
