"""Resources as Resource Manager shows them. Satisfies ``shared.core.ports.resources.Resources``.

``GET {resource}`` takes an api-version that the type of the resource has. Which these are, the type's provider says to
everybody: https://learn.microsoft.com/rest/api/resources/providers/get-at-tenant-scope.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from shared.cloud.arm.authorization import Arm
from shared.core.access.folding import fold
from shared.core.definition import allows
from shared.core.errors import Absent, OutOfReach, Refused, Unavailable
from shared.core.events.subject import SubjectPattern
from shared.core.names import ObjectId, Scope, Unparsable, on_the_wire
from shared.core.ports.resources import FoundResources, Look, ResourceState
from shared.resilience.remembered import Limits, Remembered
from shared.resilience.retry import SAFE_TO_REPEAT, Retry

_PATIENCE: Final = 20.0
"""Seconds for which one call is repeated."""
_LOOK: Final = Limits(5, 10_000)
_VERSIONS: Final = Limits(3600, 1000)
_RESOURCES, _PROVIDERS = "2021-04-01", "2021-04-01"
"""The api-versions: https://learn.microsoft.com/rest/api/resources."""
_FORBIDDEN: Final = 403
_TYPE_OF_IDENTITIES: Final = "/providers/microsoft.managedidentity/userassignedidentities/"
_STABLE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE: Final = 10
"""Characters of an api-version without what marks a preview."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """A resource, by its name as Azure compares names: no letters but A to Z have two cases."""

    key: str
    scope: Scope = field(compare=False)


class AzureResources:
    """See the module."""

    def __init__(self, arm: Arm, retry: Retry) -> None:
        self._arm, self._retry = arm, retry
        self._looks = Remembered(self._seen_now, lambda _: 1, _LOOK, retry.clock, "looking at an event's subject")
        self._versions = Remembered(self._read_versions, len, _VERSIONS, retry.clock, "reading a provider's versions")

    async def see(self, resource: Scope) -> Look:
        """Makes one call, and another for the first resource of a provider within an hour."""
        return await self._looks.answer(_Looked(fold(resource), resource))

    async def may_read(self, pattern: SubjectPattern) -> bool:
        """Makes one call, a page of permissions each."""
        group = Scope(pattern.group)
        try:
            permissions = await self._repeat(lambda: self._arm.permissions_at(group))
        except (Absent, OutOfReach):
            return False
        except Refused as refused:
            if refused.status != _FORBIDDEN:
                raise
            return False
        return allows(permissions, f"{pattern.resource_type}/read".casefold())

    async def matching(self, pattern: SubjectPattern, most_pages: int) -> FoundResources:
        """Makes a call a page. https://learn.microsoft.com/rest/api/resources/resources/list-by-resource-group."""
        condition = quote(f"resourceType eq '{pattern.resource_type}'", safe="")
        path = f"/{on_the_wire(pattern.group)}/resources?$filter={condition}&api-version={_RESOURCES}"
        found: list[str] = []
        seen = 0
        async for each in self._arm.listed(path):
            seen += 1
            if seen > most_pages * 1000:
                return FoundResources(tuple(found), is_complete=False)
            resource_id = each.get("id")
            if isinstance(resource_id, str) and pattern.matches(resource_id):
                found.append(resource_id)
        return FoundResources(tuple(sorted(found)))

    async def _seen_now(self, looked: _Looked) -> Look:
        try:
            version = await self._version_of(looked.scope)
            path = f"/{on_the_wire(looked.scope)}?api-version={version}"
            return _seen(looked.scope, await self._repeat(lambda: self._arm.read(path)))
        except Absent:
            return Look(ResourceState.GONE)
        except Refused as refused:
            if refused.status != _FORBIDDEN:
                raise
            return Look(ResourceState.REFUSED)

    async def _version_of(self, resource: Scope) -> str:
        segments = fold(resource.removeprefix("/")).split("/")
        last = max((place for place, each in enumerate(segments) if each == "providers" and place % 2 == 0), default=None)
        if last is None or len(segments) - last < 4:  # noqa: PLR2004 - providers, namespace, type, name
            raise OutOfReach("it is no resource of a provider")
        namespace, *rest = segments[last + 1 :]
        version = (await self._versions.answer(namespace)).get("/".join(rest[0::2]))
        if version is None:
            raise OutOfReach("its provider knows no such type")
        return version

    async def _read_versions(self, namespace: str) -> Mapping[str, str]:
        """Returns the latest version of each type of the provider, folded: a stable one if there is any."""
        try:
            path = f"/providers/{on_the_wire(namespace)}?api-version={_PROVIDERS}"
            document = await self._repeat(lambda: self._arm.read(path))
        except Absent as absent:
            # It says that there is no such provider, and nothing of a resource.
            raise OutOfReach(absent.cause, status=absent.status, azure_code=absent.azure_code) from absent
        types = document.get("resourceTypes")
        if not isinstance(types, list):
            raise Unavailable("the answer lists no types of resources")
        return {
            fold(each["resourceType"]): _latest(each["apiVersions"])
            for each in types
            if isinstance(each, dict) and isinstance(each.get("resourceType"), str) and each.get("apiVersions")
        }

    async def _repeat[T](self, ask: Any) -> Any:
        deadline = self._retry.clock.monotonic() + _PATIENCE
        return await self._retry.call(ask, on=SAFE_TO_REPEAT, deadline=deadline)


def _latest(versions: list[Any]) -> str:
    texts = [each for each in versions if isinstance(each, str)]
    stable = [each for each in texts if _STABLE.fullmatch(each)]
    return max(stable or texts, key=lambda each: each[:_DATE], default="")


def _seen(resource: Scope, document: Mapping[str, Any]) -> Look:
    if _TYPE_OF_IDENTITIES in resource.key and isinstance(properties := document.get("properties"), dict):
        # A user-assigned identity has its principal in another place, and no identity of its own.
        # https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities/get
        return Look(ResourceState.THERE, _id(properties.get("principalId")))
    identity = document.get("identity")
    if not isinstance(identity, dict):
        return Look(ResourceState.THERE)
    assigned = identity.get("userAssignedIdentities")
    listed = assigned.values() if isinstance(assigned, dict) else ()
    principals = [_id(each.get("principalId")) for each in listed if isinstance(each, dict)]
    return Look(
        ResourceState.THERE, _id(identity.get("principalId")), tuple(sorted(each for each in principals if each is not None))
    )


def _id(value: Any) -> ObjectId | None:
    try:
        return ObjectId.parse(value) if isinstance(value, str) else None
    except Unparsable:
        return None
