"""Microsoft Graph on who a caller would be, for operators who ask about one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.cloud.graph.callers import CallersInGraph, texts_in
from shared.cloud.graph.calls import GraphCalls, document_of, listed_in, object_id_in, text_in
from shared.core.access.facts import Principal, Unread
from shared.core.errors import Absent, Refused, Unavailable
from shared.core.names import ObjectId
from shared.core.ports.access import Subject
from shared.resilience.retry import SAFE_TO_REPEAT, Retry

_PAGE = 999
_MOST_PAGES = 20


class GraphSubjects:
    """Satisfies ``Subjects``. ``api`` are the client ids of the broker's own API. Its app roles are those that a token for the
    broker carries.
    """

    def __init__(self, calls: GraphCalls, api: Sequence[ObjectId], retry: Retry) -> None:
        self._calls, self._api, self._retry = calls, api, retry
        self._callers = CallersInGraph(calls)

    async def find(self, object_id: ObjectId) -> Subject | None:
        """Makes a call for the service principal, one for the groups, and two and more for the app roles.

        An object that is no service principal is a user if Graph lists the groups of a user of that id: to read more of users
        would take another permission.
        """
        try:
            fields = "id,appId,displayName,servicePrincipalType,alternativeNames,accountEnabled"
            found = await self._get(f"/servicePrincipals/{object_id}?$select={fields}")
        except Absent:
            return await self._user(object_id)
        if object_id_in(found, "id") != object_id:
            raise Unavailable("the answer is about another service principal")
        groups = await self._groups(object_id, of_user=False)
        return Subject(
            is_user=False,
            is_enabled=found.get("accountEnabled") is not False,
            name=str(found.get("displayName") or "") or None,
            app_id=object_id_in(found, "appId"),
            app_roles=await self._app_roles(frozenset({object_id})),
            groups=groups,
            principal=Principal(text_in(found, "servicePrincipalType"), texts_in(found, "alternativeNames")),
        )

    async def _user(self, object_id: ObjectId) -> Subject | None:
        try:
            groups = await self._groups(object_id, of_user=True)
        except Absent:
            return None
        of_groups = groups if not isinstance(groups, Unread) else frozenset()
        return Subject(is_user=True, groups=groups, app_roles=await self._app_roles(of_groups | {object_id}))

    async def _groups(self, object_id: ObjectId, *, of_user: bool) -> frozenset[str] | Unread:
        """Returns the groups. ``Unread`` if the broker lacks the permission. Raises ``Absent``."""
        try:
            return await self._repeat(lambda: self._callers.groups(object_id, of_user=of_user))
        except Absent:
            raise
        except Refused as refused:
            return Unread(f"Microsoft Graph does not let the broker read groups: {refused.brief()}")

    async def _app_roles(self, holders: frozenset[str]) -> frozenset[str]:
        """Returns the values of the app roles that any of the holders is assigned to.

        https://learn.microsoft.com/graph/api/serviceprincipal-list-approleassignedto. A group's app roles stand in its users'
        tokens and in no service principal's: https://learn.microsoft.com/entra/identity-platform/howto-add-app-roles-in-apps.
        """
        for client_id in self._api:
            try:
                path = f"/servicePrincipals(appId='{client_id}')?$select=id,appRoles"
                api = await self._get(path)
            except Absent:
                continue
            named = {str(each.get("id")).lower(): str(each.get("value")) for each in listed_in(api, "appRoles")}
            given = await self._assigned(object_id_in(api, "id"))
            return frozenset(named[role] for holder, role in given if holder in holders and role in named)
        return frozenset()

    async def _assigned(self, api: ObjectId) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        path = f"/servicePrincipals/{api}/appRoleAssignedTo?$top={_PAGE}"
        for _ in range(_MOST_PAGES):
            document = await self._get(path)
            listed = listed_in(document, "value")
            found += [(str(each.get("principalId")).lower(), str(each.get("appRoleId")).lower()) for each in listed]
            following = self._calls.following(document)
            if following is None:
                return found
            path = following
        raise Unavailable(f"the broker's API has more than {_MOST_PAGES * _PAGE} assignments of app roles")

    async def _get(self, path: str) -> dict[str, Any]:
        return document_of(await self._repeat(lambda: self._calls.send("GET", path)))

    async def _repeat[T](self, ask: Callable[[], Awaitable[T]]) -> T:
        deadline = self._retry.clock.monotonic() + 30.0
        return await self._retry.call(ask, on=SAFE_TO_REPEAT, deadline=deadline)
