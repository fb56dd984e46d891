"""Looks up what a service principal role names, when the role is written: can it be issued, and what would it give?

For G groups, this makes G calls beside those for the role assignments (``shared.kinds.resolving``), and one more for
permissions of Microsoft Graph. All of them only read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.core.errors import Absent, Fault, Malformed, Refused
from shared.core.names import ObjectId, Scope
from shared.issuers.service_principal.graph_app_roles import GraphPermissions
from shared.issuers.service_principal.target import ServicePrincipalTarget
from shared.kinds.calls import Authorization, Directory
from shared.kinds.resolving import ResolvingRoles
from shared.resilience.tasks import all_of, both


@dataclass(slots=True)
class Resolving:
    """Resolves one document. ``protected`` are the scopes that no role may reach."""

    directory: Directory
    authorization: Authorization
    graph_permissions: GraphPermissions
    protected: tuple[Scope, ...]
    wanted: ServicePrincipalTarget

    async def run(self) -> ServicePrincipalTarget:
        """Returns the target with every definition's id and powers, and every permission's id.

        Raises ``Malformed`` with each fault, or ``Upstream``.
        """
        wanted = self.wanted
        roles = ResolvingRoles(self.authorization, self.protected, wanted.azure_roles, wanted.parameters)
        looking = both(roles.run(), all_of(*(self._closed(group) for group in wanted.azure_groups)))
        (azure_roles, closed), (app_roles, missing) = await both(
            looking, self.graph_permissions.resolve(wanted.graph_app_roles)
        )
        groups = [Fault(f"azure_groups[{index}].object_id", why) for index, why in enumerate(closed) if why]
        if faults := [*roles.faults, *groups, *missing]:
            raise Malformed(*faults, code="unresolvable")
        return replace(wanted, azure_roles=azure_roles, graph_app_roles=app_roles)

    async def _closed(self, group: ObjectId) -> str:
        """Returns why the broker cannot put members into the group. Empty if it can."""
        try:
            return (await self.directory.read_group(group)).why_closed
        except Absent:
            return "there is no such group"
        except Refused:
            return "the broker may not read groups: it lacks the permission for Microsoft Graph that roles with groups take"
