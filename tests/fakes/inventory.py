"""The census of an Azure in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from shared.core.definition import Definition
from shared.core.errors import Absent
from shared.core.names import ObjectId, Scope
from shared.core.ports.inventory import (
    DirectoryObject,
    FoundApplication,
    FoundAssignment,
    FoundPrincipal,
    FoundSecret,
    ScopeState,
)
from tests.fakes.calls import Calls
from tests.fakes.cloud_state import Application, CloudState, Principal

STRANGER = ObjectId("eeeeeeee-0000-4000-8000-000000000000")
"""Whoever has made what the broker has not."""


@dataclass(slots=True)
class FakeInventory:
    """Satisfies ``AzureInventory``. ``strange``: objects and assignments that somebody else has made."""

    calls: Calls
    state: CloudState
    broker: ObjectId
    strange: set[object] = field(default_factory=set)
    ageless: set[object] = field(default_factory=set)
    """What Azure tells no time of."""
    missing: dict[Scope, ScopeState] = field(default_factory=dict)
    """What Azure says of scopes, and of what lies below them. Every other scope is there."""

    async def identity(self) -> ObjectId:
        """See the port."""
        return await self.calls.through("inventory.identity", lambda: self.broker)

    async def owned(self) -> AsyncIterator[DirectoryObject]:
        """See the port."""
        for item in await self.calls.through("inventory.owned", self._owned):
            yield item

    async def recycled(self) -> AsyncIterator[DirectoryObject]:
        """See the port."""
        for item in await self.calls.through("inventory.recycled", self._recycled):
            yield item

    async def secrets_on(self, application: ObjectId) -> tuple[FoundSecret, ...]:
        """See the port."""
        return await self.calls.through("inventory.secrets_on", lambda: self._secrets(application), application)

    async def assignments_at(self, scope: Scope) -> tuple[FoundAssignment, ...]:
        """See the port."""
        return await self.calls.through("inventory.assignments_at", lambda: self._assignments(scope), scope)

    async def scope_state(self, scope: Scope, name: str) -> ScopeState:
        """See the port. Nothing is remembered."""
        return await self.calls.through("inventory.scope_state", lambda: self._state_of(scope), scope, name)

    async def resource_state(self, resource: Scope, name: str) -> ScopeState:
        """See the port. Nothing is remembered."""
        return await self.calls.through("inventory.resource_state", lambda: self._state_of(resource), resource, name)

    def _state_of(self, scope: Scope) -> ScopeState:
        return next((state for above, state in self.missing.items() if scope.within(above)), ScopeState.THERE)

    async def descendants(self, scope: Scope) -> frozenset[str]:
        """See the port."""
        return await self.calls.through("inventory.descendants", lambda: self.state.descendants(scope), scope)

    async def groups_of(self, principal: ObjectId, among: tuple[ObjectId, ...]) -> tuple[ObjectId, ...]:
        """See the port."""
        found = lambda: tuple(group for group in among if self.state.shows_member(group, principal))  # noqa: E731
        return await self.calls.through("inventory.groups_of", found, principal)

    async def stands(self, application: ObjectId | None, principal: ObjectId | None, *, secret: bool = True) -> bool:
        """See the port."""
        return await self.calls.through("inventory.stands", lambda: self._stands(application, principal, secret=secret))

    def _owned(self) -> list[DirectoryObject]:
        everything: list[Application | Principal] = [*self.state.shown_applications(), *self.state.shown_principals()]
        return [self._found(item, item.object_id) for item in everything if self._is_own(item)]

    def _is_own(self, item: Application | Principal) -> bool:
        # The fixtures are somebody else's; unique names are empty there.
        return bool(item.unique_name) and item.object_id not in self.strange

    def _recycled(self) -> list[DirectoryObject]:
        items = [self._found(item, ("bin", item.object_id)) for item in self.state.shown_in_bin()]
        return sorted(items, key=lambda item: isinstance(item, FoundPrincipal))

    async def definition(self, definition_id: str) -> Definition:
        """See the port."""
        return await self.calls.through("inventory.definition", lambda: self.state.definition(definition_id), definition_id)

    def _found(self, item: Application | Principal, key: object) -> DirectoryObject:
        since = None if item.object_id in self.ageless else self.state.made_at(key)
        if isinstance(item, Principal):
            return FoundPrincipal(item.object_id, item.app_id, item.unique_name, since)
        wanted = item.wanted
        name, tags = (wanted.display_name, wanted.tags) if wanted else ("", ())
        return FoundApplication(item.object_id, item.app_id, item.unique_name, name, tags, since, has_secret=bool(item.secrets))

    def _secrets(self, application: ObjectId) -> tuple[FoundSecret, ...]:
        try:
            held = self.state.shown_secrets(self.state.shown_application(application))
        except Absent:
            return ()
        return tuple(FoundSecret(key_id, stored.display_name, self.state.made_at(key_id)) for key_id, stored in held.items())

    def _assignments(self, scope: Scope) -> tuple[FoundAssignment, ...]:
        return tuple(
            FoundAssignment(
                found,
                granted.principal,
                granted.description,
                STRANGER if found in self.strange else self.broker,
                self.state.made_at(found),
                granted.definition_id,
            )
            for found, granted in self.state.assignments.items()
            if found.scope == scope and self.state.sees(found)
        )

    def _stands(self, application: ObjectId | None, principal: ObjectId | None, *, secret: bool) -> bool:
        try:
            found = self.state.shown_application(application or ObjectId(""))
        except Absent:
            return False
        principals = {each.object_id for each in self.state.shown_principals()}
        return (not secret or bool(self.state.shown_secrets(found))) and principal in principals
