"""Application permissions of Microsoft Graph in the Azure in memory."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.errors import AmbiguousRefusal
from shared.core.graph_app_roles import GraphAppRole, OfferedAppRoles
from shared.core.names import ObjectId
from tests.fakes.calls import Calls
from tests.fakes.cloud_state import CloudState

GRAPH = ObjectId.parse("00000900-0000-4000-8000-000000000000")
"""Graph's service principal here."""
OFFERED = {
    "User.Read.All": ObjectId.parse("00000901-0000-4000-8000-000000000000"),
    "Group.Read.All": ObjectId.parse("00000902-0000-4000-8000-000000000000"),
    "Mail.Send": ObjectId.parse("00000903-0000-4000-8000-000000000000"),
}
ALLOWED = frozenset({"User.Read.All", "Group.Read.All", "Nothing.Of.The.Kind"})
"""What the operator lets roles have."""
USERS, ALL_GROUPS = (GraphAppRole(name, OFFERED[name], GRAPH) for name in ("User.Read.All", "Group.Read.All"))
"""As they are once they were looked up."""


@dataclass(frozen=True, slots=True)
class FakeAppRoles:
    """Satisfies the service principal issuer's ``AppRoles``."""

    calls: Calls
    state: CloudState

    async def offered(self) -> OfferedAppRoles:
        """See the port."""
        return await self.calls.through("app_roles.offered", lambda: OfferedAppRoles(GRAPH, dict(OFFERED)))

    async def give(self, principal: ObjectId, resource: ObjectId, app_role: ObjectId) -> None:
        """See the port."""
        await self.calls.through("app_roles.give", lambda: self._give(principal, resource, app_role), app_role)

    def _give(self, principal: ObjectId, resource: ObjectId, app_role: ObjectId) -> None:
        if resource != GRAPH or app_role not in OFFERED.values():
            raise AmbiguousRefusal("Permission being assigned was not found", status=400)
        if principal not in self.state.principals or not self.state.sees(principal):
            raise AmbiguousRefusal("Not a valid reference update", status=400)
        held = self.state.app_roles.setdefault(principal, {})
        if app_role not in held:
            held[app_role] = ObjectId(self.state.ids.guid())
            self.state.made(held[app_role], "app_role")


def carried(state: CloudState, client_id: ObjectId) -> frozenset[str]:
    """The permissions in a token for Graph that the application gets just now."""
    principals = [each.object_id for each in state.principals.values() if each.app_id == client_id]
    held = [pair for each in principals for pair in state.app_roles.get(each, {}).items()]
    known = {app_role for app_role, made in held if state.sees(made, "entra")}
    return frozenset(name for name, app_role in OFFERED.items() if app_role in known)
