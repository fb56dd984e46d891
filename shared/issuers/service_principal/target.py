"""The targets and footprints of service principal roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shared.core import ownership
from shared.core.azure_role import AzureRole
from shared.core.directory import PERSONAL_AUDIENCES
from shared.core.footprint import Assignment
from shared.core.graph_app_roles import GraphAppRole, names_of
from shared.core.names import LeaseId, ObjectId
from shared.core.parameters.parameter import Parameter
from shared.core.pool import NONE, Pool
from shared.core.readiness.probes import ReadyProbe
from shared.core.role import Ready
from shared.issuers.service_principal.choice import SECRET, CredentialChoice
from shared.issuers.service_principal.held import SECRET as A_SECRET
from shared.issuers.service_principal.held import Held


@dataclass(frozen=True, slots=True)
class ServicePrincipalTarget:
    """Each lease gets a new application and service principal, with these assignments and memberships.

    With ``parameters``, scopes and conditions have holes. A lease is made of a filled target, which has none.
    """

    type: ClassVar[str] = "service_principal"
    azure_roles: tuple[AzureRole, ...] = ()
    azure_groups: tuple[ObjectId, ...] = ()
    tags: tuple[str, ...] = ()
    sign_in_audience: str = "AzureADMyOrg"
    permanently_delete: bool = True
    ready: Ready = "none"
    parameters: tuple[Parameter, ...] = ()
    is_narrowable: bool = True
    """Whether a caller may ask for the same assignments further down."""
    ready_probes: tuple[ReadyProbe, ...] = ()
    """With ``ready: access``: what else is read with the credential to see that it works."""
    credential: CredentialChoice = SECRET
    pool: Pool = NONE
    graph_app_roles: tuple[GraphAppRole, ...] = ()
    """Application permissions of Microsoft Graph."""

    @property
    def takes_personal_accounts(self) -> bool:
        """Whether personal Microsoft accounts may sign in to the application. Graph has rules of its own for them."""
        return self.sign_in_audience in PERSONAL_AUDIENCES

    @property
    def assigns_in_pool(self) -> bool:
        """Whether a lease of the role's pool has its assignments and memberships while nobody holds it.

        Unless the role says so, a permission of Graph is given to nobody's principal: it reaches all of the tenant.
        """
        if self.graph_app_roles and self.pool.assigned is None:
            return False
        return self.pool.assigns(self.azure_roles, has_holes=bool(self.parameters))


@dataclass(frozen=True, slots=True)
class ServicePrincipalFootprint:
    """An application of the lease's own. An id is ``None`` until Azure has returned it. ``unique_name`` leads to the ids."""

    type: ClassVar[str] = "service_principal"
    unique_name: str
    assignments: tuple[Assignment, ...] = ()
    groups: tuple[ObjectId, ...] = ()
    purge: bool = True
    """Whether to delete the application from the recycle bin as well."""
    application_id: ObjectId | None = None
    app_id: ObjectId | None = None
    principal_id: ObjectId | None = None
    secret_id: ObjectId | None = None
    """The key id of the secret that was handed out last."""
    unmade: tuple[str, ...] = ()
    """Names of assignments, and groups, that the worker has certainly not made, though it has made the rest."""
    purged: tuple[ObjectId, ...] = ()
    """The principal and the application, if an attempt to undo has purged them from the recycle bin already."""
    held: Held = A_SECRET
    """What there is of a credential that is no secret."""
    graph_app_roles: tuple[str, ...] = ()
    """Names of application permissions of Microsoft Graph that the principal gets. They go with it."""


def footprint_of(lease_id: LeaseId, target: ServicePrincipalTarget, held: Held) -> ServicePrincipalFootprint:
    """Returns all that is made for a lease, before anything is made. Its names follow from the lease's id alone."""
    return ServicePrincipalFootprint(
        unique_name=ownership.unique_name(lease_id),
        assignments=tuple(
            Assignment(role.scope, ownership.assignment_name(lease_id, index)) for index, role in enumerate(target.azure_roles)
        ),
        groups=target.azure_groups,
        purge=target.permanently_delete,
        held=held,
        graph_app_roles=names_of(target.graph_app_roles),
    )
