"""Lists what leases may have left in Azure, from Microsoft Graph and Azure Resource Manager.

One run makes these calls to Graph: one for the broker's own object id; one for each page of objects that the broker owns, of
applications in the recycle bin, and of service principals there; one for each existing application that a role names. A page
has 999 objects. To Resource Manager, a run makes one call for each page of assignments at or above each scope that a role
names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from shared.cloud.arm.authorization import Arm
from shared.cloud.graph.calls import GraphCalls, document_of, listed_in, object_id_in
from shared.core.definition import Definition
from shared.core.errors import Absent, Unavailable
from shared.core.names import ObjectId, Scope
from shared.core.ports.inventory import (
    DirectoryObject,
    FoundApplication,
    FoundAssignment,
    FoundPrincipal,
    FoundSecret,
    ScopeState,
)
from shared.resilience.remembered import Limits, Remembered
from shared.resilience.retry import SAFE_TO_REPEAT, Retry

_PAGE: Final = 999
"""The largest page of Graph's: https://learn.microsoft.com/graph/paging."""
_GROUPS_AT_ONCE: Final = 20
"""https://learn.microsoft.com/graph/api/directoryobject-checkmembergroups"""
_PATIENCE: Final = 60.0
"""Seconds for which one read is repeated. No caller waits for it."""
_OWNED: Final = "id,appId,displayName,uniqueName,tags,createdDateTime,passwordCredentials"
_BINNED: Final = {
    "application": "id,appId,displayName,uniqueName,tags,deletedDateTime",
    "servicePrincipal": "id,appId,displayName,deletedDateTime",
}


@dataclass(frozen=True, slots=True)
class _Looked:
    """A scope, by its key, and how to look for it."""

    key: str
    scope: Scope = field(compare=False)
    name: str = field(compare=False)


def _is_there(state: ScopeState) -> int:
    """Returns the weight of an answer: only that a scope is there is remembered."""
    return int(state is ScopeState.THERE)


class AzureLists:
    """Satisfies ``AzureInventory``. ``client_id`` is that of the broker's own identity. A read that may succeed is repeated.

    ``facts_life``: for so many seconds, facts about callers are remembered.
    """

    def __init__(self, calls: GraphCalls, arm: Arm, client_id: ObjectId, retry: Retry, *, facts_life: float = 300.0) -> None:
        self._calls = calls
        self._arm = arm
        self._own = f"/servicePrincipals(appId='{client_id}')"
        self._retry = retry
        self._scopes = Remembered(self._read_scope, _is_there, Limits(60, 10_000), retry.clock, "looking for a scope")
        own = Limits(facts_life, 10_000)
        self._resources = Remembered(self._read_scope, _is_there, own, retry.clock, "looking for a caller's own resource")

    async def identity(self) -> ObjectId:
        """Makes one call."""
        return object_id_in(await self._get(f"{self._own}?$select=id"), "id")

    async def owned(self) -> AsyncIterator[DirectoryObject]:
        """Makes a call a page. https://learn.microsoft.com/graph/api/serviceprincipal-list-ownedobjects."""
        async for item in self._pages(f"{self._own}/ownedObjects?$select={_OWNED}&$top={_PAGE}"):
            kind = str(item.get("@odata.type", "")).rpartition(".")[2]
            if kind in _BINNED:
                yield _object(kind, item, "createdDateTime")

    async def recycled(self) -> AsyncIterator[DirectoryObject]:
        """Makes a call a page, for each of the two kinds. https://learn.microsoft.com/graph/api/directory-deleteditems-list.

        By its documents, Graph may refuse without the permission ``Application.Read.All``.
        """
        for kind, names in _BINNED.items():
            path = f"/directory/deletedItems/microsoft.graph.{kind}?$select={names}&$top={_PAGE}"
            async for item in self._pages(path):
                yield _object(kind, item, "deletedDateTime")

    async def secrets_on(self, application: ObjectId) -> tuple[FoundSecret, ...]:
        """Makes one call."""
        try:
            held = listed_in(await self._get(f"/applications/{application}?$select=passwordCredentials"), "passwordCredentials")
        except Absent:
            return ()
        return tuple(
            FoundSecret(object_id_in(each, "keyId"), _text(each, "displayName"), _instant(each.get("startDateTime")))
            for each in held
        )

    async def assignments_at(self, scope: Scope) -> tuple[FoundAssignment, ...]:
        """Makes a call a page."""
        try:
            return await self._retry.call(lambda: self._arm.assigned_at(scope), on=SAFE_TO_REPEAT, deadline=self._soon())
        except Absent:
            return ()

    async def definition(self, definition_id: str) -> Definition:
        """Makes one call."""
        return await self._retry.call(lambda: self._arm.definition(definition_id), on=SAFE_TO_REPEAT, deadline=self._soon())

    async def scope_state(self, scope: Scope, name: str) -> ScopeState:
        """Makes one call, and none if the scope was there within the last minute."""
        return await self._scopes.answer(_Looked(scope.key, scope, name))

    async def resource_state(self, resource: Scope, name: str) -> ScopeState:
        """Makes one call, and none if the resource was there so lately that facts are still remembered."""
        return await self._resources.answer(_Looked(resource.key, resource, name))

    async def _read_scope(self, looked: _Looked) -> ScopeState:
        return await self._arm.scope_state(looked.scope, looked.name)

    async def descendants(self, scope: Scope) -> frozenset[str]:
        """A call a page."""
        return await self._retry.call(lambda: self._arm.descendants(scope), on=SAFE_TO_REPEAT, deadline=self._soon())

    async def groups_of(self, principal: ObjectId, among: tuple[ObjectId, ...]) -> tuple[ObjectId, ...]:
        """Makes a call for each 20 groups. Returns no groups if the principal is not there."""
        found: list[str] = []
        path = f"/servicePrincipals/{principal}/checkMemberGroups"
        for first in range(0, len(among), _GROUPS_AT_ONCE):
            asked = {"groupIds": list(among[first : first + _GROUPS_AT_ONCE])}
            try:
                answer = await self._send("POST", path, asked)
            except Absent:
                return ()
            found += [str(each).lower() for each in _held(answer, "value")]
        return tuple(group for group in among if group in found)

    async def stands(self, application: ObjectId | None, principal: ObjectId | None, *, secret: bool = True) -> bool:
        """Makes two calls."""
        try:
            found = await self._get(f"/applications/{application}?$select=passwordCredentials")
            secrets = listed_in(found, "passwordCredentials")
            await self._get(f"/servicePrincipals/{principal}?$select=id")
        except Absent:
            return False
        return bool(secrets) or not secret

    async def _pages(self, path: str) -> AsyncIterator[Mapping[str, Any]]:
        following: str | None = path
        while following is not None:
            document = await self._get(following)
            for item in listed_in(document, "value"):
                yield item
            following = self._calls.following(document)

    async def _get(self, path: str) -> dict[str, Any]:
        return await self._send("GET", path)

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = await self._retry.call(lambda: self._calls.send(method, path, body), on=SAFE_TO_REPEAT, deadline=self._soon())
        return document_of(answer)

    def _soon(self) -> float:
        return self._retry.clock.monotonic() + _PATIENCE


def _object(kind: str, item: Mapping[str, Any], instant: str) -> DirectoryObject:
    object_id, app_id, name = object_id_in(item, "id"), object_id_in(item, "appId"), _text(item, "displayName")
    if kind != "application":
        return FoundPrincipal(object_id, app_id, name, _instant(item.get("deletedDateTime")))
    tags = tuple(str(tag) for tag in item.get("tags") or ())
    has_secret = bool(item.get("passwordCredentials", True))
    return FoundApplication(
        object_id, app_id, _text(item, "uniqueName"), name, tags, _instant(item.get(instant)), has_secret=has_secret
    )


def _held(document: Mapping[str, Any], field: str) -> list[Any]:
    """Returns a list in an answer. Raises ``Unavailable`` if there is none: then nobody knows what there is."""
    found = document.get(field)
    if not isinstance(found, list):
        raise Unavailable(f"the answer lists no {field}")
    return found


def _text(document: Mapping[str, Any], field: str) -> str:
    value = document.get(field)
    return value if isinstance(value, str) else ""


def _instant(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None
