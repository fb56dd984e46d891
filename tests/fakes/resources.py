"""Resources in Azure, as far as the broker looks at them."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.core.events.subject import SubjectPattern
from shared.core.names import ObjectId, Scope
from shared.core.ports.resources import FoundResources, Look, ResourceState
from tests.fakes.calls import Calls


@dataclass(slots=True)
class FakeResources:
    """Satisfies ``Resources``. A test puts in what there is: nothing else exists. It remembers nothing."""

    calls: Calls
    looks: dict[str, Look] = field(default_factory=dict)
    """By the keys of the resources."""
    ids: dict[str, str] = field(default_factory=dict)
    readable: bool = True
    a_page: int = 1000

    def put(self, resource_id: str, system: ObjectId | None = None, *assigned: ObjectId) -> Scope:
        """Makes a resource, or changes its identities."""
        scope = Scope.parse(resource_id)
        self.looks[scope.key], self.ids[scope.key] = Look(ResourceState.THERE, system, assigned), scope
        return scope

    def refuse(self, resource_id: str) -> None:
        """Forbids the broker to read it."""
        self.looks[Scope.parse(resource_id).key] = Look(ResourceState.REFUSED)

    def delete(self, resource_id: str) -> None:
        """Deletes it."""
        key = Scope.parse(resource_id).key
        del self.looks[key]
        del self.ids[key]

    async def see(self, resource: Scope) -> Look:
        """See the port."""
        gone = Look(ResourceState.GONE)
        return await self.calls.through("resources.see", lambda: self.looks.get(resource.key, gone), resource)

    async def may_read(self, pattern: SubjectPattern) -> bool:
        """See the port."""
        return await self.calls.through("resources.may_read", lambda: self.readable, pattern)

    async def matching(self, pattern: SubjectPattern, most_pages: int) -> FoundResources:
        """See the port."""
        return await self.calls.through("resources.matching", lambda: self._matching(pattern, most_pages), pattern)

    def _matching(self, pattern: SubjectPattern, most_pages: int) -> FoundResources:
        found = sorted(each for each in self.ids.values() if pattern.matches(each))
        most = most_pages * self.a_page
        return FoundResources(tuple(found[:most]), len(found) <= most)
