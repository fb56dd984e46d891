"""Looks up in Azure what the bounds of a document name. Satisfies ``shared.core.ports.access.DirectoryLookups``.

Microsoft Graph knows groups, service principals and applications, and lists the managed identities. Resource Manager knows
subscriptions, resource groups and scale sets, as far as the broker's identity may read them. Entra ID publishes for every
tenant where its tokens come from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import httpx

from shared.cloud.arm.authorization import Arm
from shared.cloud.graph.calls import GraphCalls, document_of
from shared.core.access.bounds import Bounds, Constraint
from shared.core.access.facts import MANAGED_IDENTITY, Principal
from shared.core.errors import Absent, OutOfReach, Refused, Unavailable, Unreachable
from shared.core.names import on_the_wire
from shared.core.ports.access import Existence, ManagedIdentities
from shared.resilience.retry import SAFE_TO_REPEAT, Retry

_PATIENCE: Final = 20.0
"""Seconds for which one call is repeated. A caller waits for it."""
_PAGE: Final = 999
_PLACES: Final = 50
"""A resource group or a scale set is looked for in so many places at most."""
_FORBIDDEN, _BAD_REQUEST, _NOT_FOUND = 403, 400, 404
_TIMEOUT: Final = 10.0
_SUBSCRIPTIONS, _GROUPS, _SETS, _RESOURCES = "2022-12-01", "2021-04-01", "2024-07-01", "2021-04-01"
"""The api-versions: https://learn.microsoft.com/rest/api/resources, https://learn.microsoft.com/rest/api/compute."""
_SCALE_SETS: Final = "Microsoft.Compute/virtualMachineScaleSets"
_UNREADABLE: Final = Existence(exists=None)
_MISSING: Final = Existence(exists=False)
_IN_GRAPH: Final[Mapping[Constraint, str]] = {
    Constraint.GROUP_IDS: "/groups/{}",
    Constraint.SERVICE_PRINCIPAL_IDS: "/servicePrincipals/{}",
    Constraint.APPLICATION_IDS: "/servicePrincipals(appId='{}')",
}


class AzureLookups:
    """``authority`` is Entra ID's address, without a tenant. ``client`` calls it."""

    def __init__(self, calls: GraphCalls, arm: Arm, client: httpx.AsyncClient, authority: str, retry: Retry) -> None:
        self._calls, self._arm, self._client, self._retry = calls, arm, client, retry
        self._authority = authority.rstrip("/")

    async def find(self, kind: Constraint, value: str, bounds: Bounds) -> Existence:
        """Makes one call; for a resource group or a scale set, one for each place, and those that list the places."""
        match kind:
            case Constraint.TENANT_IDS:
                return await self._repeat(lambda: self._tenant(value))
            case Constraint.SUBSCRIPTION_IDS:
                path = f"/subscriptions/{value}?api-version={_SUBSCRIPTIONS}"
                return await self._found(lambda: self._arm.read(path), "displayName")
            case Constraint.RESOURCE_GROUPS:
                return await self._group(value, bounds)
            case Constraint.SCALE_SETS:
                return await self._scale_set(value, bounds)
            case _ if kind in _IN_GRAPH:
                path = f"{_IN_GRAPH[kind].format(value)}?$select=id,displayName"
                return await self._found(lambda: self._graph(path), "displayName")
            case _:
                return _UNREADABLE

    async def managed_identities(self, most_pages: int) -> ManagedIdentities | None:
        """Makes a call a page of 999.

        https://learn.microsoft.com/entra/architecture/service-accounts-managed-identities names the filter.
        """
        condition = quote(f"servicePrincipalType eq '{MANAGED_IDENTITY}'")
        following = f"/servicePrincipals?$filter={condition}&$select=id,alternativeNames&$top={_PAGE}"
        found: list[str] = []
        for _ in range(most_pages):
            try:
                document = await self._repeat(partial(self._graph, following))
            except Refused as refused:
                if refused.status != _FORBIDDEN:
                    raise
                return None
            found += _resource_ids(document)
            after = self._calls.following(document)
            if after is None:
                return ManagedIdentities(tuple(found))
            following = after
        return ManagedIdentities(tuple(found), is_complete=False)

    async def _graph(self, path: str) -> dict[str, Any]:
        return document_of(await self._calls.send("GET", path))

    async def _tenant(self, tenant: str) -> Existence:
        """Entra ID answers 400 for a tenant that is not there: AADSTS90002. Anybody may ask."""
        address = f"{self._authority}/{tenant}/v2.0/.well-known/openid-configuration"
        try:
            answer = await self._client.get(address, timeout=_TIMEOUT)
        except httpx.RequestError as silence:
            raise Unreachable(f"{type(silence).__name__} from {address}") from silence
        if answer.status_code in {_BAD_REQUEST, _NOT_FOUND}:
            return _MISSING
        if not answer.is_success:
            raise Unavailable(f"no document at {address}", status=answer.status_code)
        return Existence(exists=True)

    async def _group(self, name: str, bounds: Bounds) -> Existence:
        """Looks in each subscription of the bounds or, if they name none, in each that the broker sees."""
        missing = _MISSING if bounds.subscription_ids else _UNREADABLE
        places = (f"/subscriptions/{each}/resourceGroups/{on_the_wire(name)}" async for each in self._subscriptions(bounds))
        return await self._anywhere(places, _GROUPS, missing)

    async def _scale_set(self, name: str, bounds: Bounds) -> Existence:
        """Looks in each resource group of the bounds or, if they name none, among all that the broker sees."""
        if not bounds.resource_groups:
            return await self._anywhere(self._sets_named(name, bounds), _SETS, _UNREADABLE)
        missing = _MISSING if bounds.subscription_ids else _UNREADABLE
        places = (
            f"/subscriptions/{subscription}/resourceGroups/{on_the_wire(group)}/providers/{_SCALE_SETS}/{on_the_wire(name)}"
            async for subscription in self._subscriptions(bounds)
            for group in sorted(bounds.resource_groups)
        )
        return await self._anywhere(places, _SETS, missing)

    async def _subscriptions(self, bounds: Bounds) -> AsyncIterator[str]:
        for each in sorted(bounds.subscription_ids):
            yield each
        if not bounds.subscription_ids:
            async for found in self._arm.listed(f"/subscriptions?api-version={_SUBSCRIPTIONS}"):
                yield str(found.get("subscriptionId"))

    async def _sets_named(self, name: str, bounds: Bounds) -> AsyncIterator[str]:
        quoted = name.replace("'", "''")
        condition = quote(f"resourceType eq '{_SCALE_SETS}' and name eq '{quoted}'", safe="")
        async for subscription in self._subscriptions(bounds):
            path = f"/subscriptions/{subscription}/resources?$filter={condition}&api-version={_RESOURCES}"
            try:
                async for found in self._arm.listed(path):
                    yield f"/{on_the_wire(str(found.get('id')))}"
            except (Absent, OutOfReach):
                continue

    async def _anywhere(self, places: AsyncIterator[str], version: str, missing: Existence) -> Existence:
        """Returns the first that is there; ``missing`` if none is, and the broker may read every place."""
        looked = 0
        async for place in places:
            if looked == _PLACES:
                return _UNREADABLE
            looked += 1
            found = await self._found(partial(self._arm.read, f"{place}?api-version={version}"), "id")
            if found.exists:
                return found
            if found.exists is None:
                missing = _UNREADABLE
        return missing

    async def _found(self, ask: Callable[[], Awaitable[Mapping[str, Any]]], name: str) -> Existence:
        try:
            document = await self._repeat(ask)
        except OutOfReach:
            return _UNREADABLE
        except Absent:
            return _MISSING
        except Refused as refused:
            if refused.status != _FORBIDDEN:
                raise
            return _UNREADABLE
        properties = document.get("properties")
        mode = properties.get("orchestrationMode") if isinstance(properties, dict) else None
        return Existence(exists=True, name=str(document.get(name) or ""), is_flexible=mode == "Flexible")

    async def _repeat[T](self, ask: Callable[[], Awaitable[T]]) -> T:
        deadline = self._retry.clock.monotonic() + _PATIENCE
        return await self._retry.call(ask, on=SAFE_TO_REPEAT, deadline=deadline)


def _resource_ids(document: Mapping[str, Any]) -> list[str]:
    listed = document.get("value")
    if not isinstance(listed, list):
        raise Unavailable("the answer lists no service principals")
    found: list[str] = []
    for each in listed:
        names = each.get("alternativeNames") if isinstance(each, dict) else None
        texts = tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()
        if (resource_id := Principal(MANAGED_IDENTITY, texts).resource_id) is not None:
            found.append(resource_id)
    return found
