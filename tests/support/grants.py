"""Roles that are granted to their callers, in the suites that hold for every kind.

In Azure a principal has one assignment of a role at a scope. So one caller cannot hold two leases of one such role, and the
suites issue several to one caller. Here the issuer grants to another principal for each lease, as if each had another holder.
Everything else of it is the product's. ``tests/issuers/test_role_grant.py`` shows what happens where leases meet at one holder.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid5

from shared.core.azure_role import AzureRole
from shared.core.credential import Credential
from shared.core.names import ObjectId
from shared.issuers.role_grant.footprint import RoleGrantCredential, RoleGrantFootprint
from shared.issuers.role_grant.issuer import RoleGrantIssuer
from shared.issuers.role_grant.schema import RoleGrantSchema, RoleGrantTarget
from shared.kinds.kind import Kind, Order
from shared.resilience.retry import Retry
from tests.fakes.calls import Calls
from tests.fakes.cloud import FakeAuthorization
from tests.fakes.cloud_state import CloudState
from tests.fakes.inventory import FakeInventory
from tests.fakes.world import BROKER, DEFINITION, READS, SCOPES, TENANT, World

_HOLDERS = UUID("0b9e5a0e-9c0c-4a87-9d39-2b6a1a1f7c11")


class EachToAnother(RoleGrantIssuer):
    """Grants to a principal that it makes up for each lease."""

    def plan(self, order: Order) -> RoleGrantFootprint:
        """As the product's, but for the principal."""
        holder = ObjectId(str(uuid5(_HOLDERS, order.lease_id)))
        return replace(RoleGrantIssuer.plan(self, order), principal_id=holder)


def grant_target(roles: int = 2, **more: object) -> RoleGrantTarget:
    """A resolved target with so many role assignments."""
    wanted = tuple(AzureRole(scope, "Reader", definition_id=DEFINITION, powers=READS) for scope in SCOPES[:roles])
    return replace(RoleGrantTarget(wanted), **more)  # type: ignore[arg-type]  # fields of the target


def each_to_another(calls: Calls, cloud: CloudState) -> Kind:
    """The kind, for a world with these."""
    authorization, inventory = FakeAuthorization(calls, cloud), FakeInventory(calls, cloud, BROKER)
    return Kind(RoleGrantSchema(), lambda: EachToAnother(authorization, inventory, Retry(cloud.clock, cloud.ids), TENANT))


def granted(world: World, credential: Credential) -> bool:
    """Whether the holder has all that the lease has given to it."""
    assert isinstance(credential, RoleGrantCredential)
    footprint, has = credential.footprint, world.cloud.assignments
    made = [each.assignment for each in footprint.grants if each.name in footprint.made]
    return bool(made) and all(each in has and has[each].principal == footprint.principal_id for each in made)
