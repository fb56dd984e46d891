"""Microsoft Graph on callers: whose service principal a caller is, and in which groups it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.cloud.graph.calls import GraphCalls, document_of, object_id_in, text_in
from shared.core.access.facts import Principal
from shared.core.errors import Unavailable
from shared.core.names import ObjectId, Unparsable


class CallersInGraph:
    """Any method may raise ``Upstream``. Each makes one call."""

    def __init__(self, calls: GraphCalls) -> None:
        self._calls = calls

    async def principal(self, object_id: ObjectId) -> Principal:
        """Returns the service principal. Raises ``Absent``, and ``Unavailable`` if the answer is about another one.

        https://learn.microsoft.com/graph/api/serviceprincipal-get: ``Application.ReadWrite.OwnedBy`` reads every one.
        """
        path = f"/servicePrincipals/{object_id}?$select=id,servicePrincipalType,alternativeNames"
        found = document_of(await self._calls.send("GET", path))
        if object_id_in(found, "id") != object_id:
            raise Unavailable("the answer is about another service principal")
        return Principal(text_in(found, "servicePrincipalType"), texts_in(found, "alternativeNames"))

    async def groups(self, object_id: ObjectId, *, of_user: bool) -> frozenset[str]:
        """Returns the object ids of all security groups that it is in, directly or through other groups. Raises ``Absent``.

        https://learn.microsoft.com/graph/api/directoryobject-getmembergroups. The path that names the type takes fewer
        permissions than ``/directoryObjects``. Graph refuses if there are more than 11,000 groups.
        """
        path = f"/{'users' if of_user else 'servicePrincipals'}/{object_id}/getMemberGroups"
        found = document_of(await self._calls.send("POST", path, {"securityEnabledOnly": True}))
        if "@odata.nextLink" in found:
            raise Unavailable("the answer does not have all groups")
        try:
            return frozenset(map(ObjectId.parse, texts_in(found, "value")))
        except Unparsable as wrong:
            raise Unavailable("the answer lists a group whose id is no GUID") from wrong


def texts_in(document: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """Returns a list of texts. Raises ``Unavailable`` if it is none, or if anything else is among them."""
    listed = document.get(field)
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise Unavailable(f"the answer's {field} is no list of texts")
    return tuple(listed)
