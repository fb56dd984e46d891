"""Application permissions of Microsoft Graph itself: which it offers, and giving them to service principals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.cloud.graph.calls import GraphCalls, document_of, listed_in, object_id_in
from shared.core.errors import Absent, AlreadyExists, AmbiguousRefusal, NotReplicated, Refused
from shared.core.graph_app_roles import OfferedAppRoles
from shared.core.names import ObjectId, Unparsable

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
"""Of Microsoft Graph, in every cloud: https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in."""
_BAD_REQUEST = 400


class AppRolesInGraph:
    """Satisfies the service principal issuer's ``AppRoles``."""

    def __init__(self, calls: GraphCalls) -> None:
        self._calls = calls

    async def offered(self) -> OfferedAppRoles:
        """Returns the app roles of Graph's service principal that are enabled, and that applications may have. Makes one call.

        https://learn.microsoft.com/graph/api/resources/approle. Raises ``Absent`` if the tenant has no such service principal.
        """
        path = f"/servicePrincipals(appId='{GRAPH_APP_ID}')?$select=id,appRoles"
        found = document_of(await self._calls.send("GET", path))
        return OfferedAppRoles(object_id_in(found, "id"), dict(_offered(listed_in(found, "appRoles"))))

    async def give(self, principal: ObjectId, resource: ObjectId, app_role: ObjectId) -> None:
        """Gives the permission. If Graph refuses, makes a second call: may the principal have it already?

        Graph answers 400 both for a permission that is held already and for a principal that a replica does not know yet, and
        no code tells one from the other. https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignedto
        """
        body = {"principalId": principal, "resourceId": resource, "appRoleId": app_role}
        try:
            await self._calls.send("POST", f"/servicePrincipals/{resource}/appRoleAssignedTo", body)
        except Absent:
            raise
        except Refused as refused:
            is_there = isinstance(refused, AlreadyExists)
            if not is_there and refused.status != _BAD_REQUEST:
                raise
            if not await self._holds(principal, resource, app_role):
                kind = NotReplicated if is_there else AmbiguousRefusal
                raise kind(refused.cause, status=refused.status, azure_code=refused.azure_code) from refused

    async def _holds(self, principal: ObjectId, resource: ObjectId, app_role: ObjectId) -> bool:
        """Returns whether the answering replica knows that the principal has it. A principal of ours has one page at most."""
        try:
            found = document_of(await self._calls.send("GET", f"/servicePrincipals/{principal}/appRoleAssignments"))
        except Absent:
            return False
        pairs = (
            (str(each.get("resourceId")).lower(), str(each.get("appRoleId")).lower()) for each in listed_in(found, "value")
        )
        return (resource, app_role) in pairs


def _offered(app_roles: list[dict[str, Any]]) -> Iterator[tuple[str, ObjectId]]:
    for each in app_roles:
        name, members = each.get("value"), each.get("allowedMemberTypes")
        if isinstance(name, str) and each.get("isEnabled") is True and isinstance(members, list) and "Application" in members:
            try:
                yield name, ObjectId.parse(str(each.get("id")))
            except Unparsable:
                continue
