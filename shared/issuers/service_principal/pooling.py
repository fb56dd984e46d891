"""Leases with a service principal of their own that are made for a pool: what is made before anybody asks, and what is not.

While such a lease waits, its application trusts the broker alone (``lh-broker``). Whoever else could sign in as it has been
let in by somebody who can change any application of the tenant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from shared.core.directory import ApplicationIds, LookedAt, NewTrust
from shared.core.errors import Fault, Malformed, Refused, Upstream
from shared.core.names import ObjectId
from shared.issuers.service_principal.broker_trust import NAME
from shared.issuers.service_principal.held import Held
from shared.issuers.service_principal.means import Means, known
from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget, footprint_of
from shared.kinds.kind import Order
from shared.kinds.pooling import FOREIGN, UNSEEN, VANISHED, Trouble


def require_poolable(target: ServicePrincipalTarget) -> None:
    """Raises ``Malformed`` if the pool's leases were to be assigned at scopes that only a caller knows."""
    if target.pool.assigned and target.parameters:
        message = "the role has parameters, and nobody has given their values yet: expected false"
        raise Malformed(Fault("pool.assigned", message), code="pool_needs_constant_scopes")


def plan_pooled(order: Order, target: ServicePrincipalTarget) -> ServicePrincipalFootprint:
    """Names what is made for the pool: the same as for a caller, but for what a claim makes."""
    planned = footprint_of(order.lease_id, target, Held(target.credential.name))
    return planned if target.assigns_in_pool else replace(planned, assignments=(), groups=(), graph_app_roles=())


def plan_claimed(pooled: ServicePrincipalFootprint, planned: ServicePrincipalFootprint) -> ServicePrincipalFootprint:
    """Returns what stands in the pool, with what is ``planned`` for the caller beside it: credential, and what is not given."""
    held = replace(planned.held, given=pooled.held.given)
    if pooled.held.given:
        return replace(pooled, held=held)
    left = replace(pooled, assignments=planned.assignments, groups=planned.groups, held=held)
    return replace(left, graph_app_roles=planned.graph_app_roles)


@dataclass(frozen=True, slots=True)
class PoolWatch:
    """Looks whether anybody has touched what stands in pools. ``stands`` reads the objects of one lease."""

    means: Means
    stands: Callable[[ServicePrincipalFootprint], Awaitable[bool]]

    async def look_at(
        self, leases: Sequence[tuple[ServicePrincipalTarget, ServicePrincipalFootprint]]
    ) -> Sequence[Trouble | None]:
        """Makes one call for ten at most, and two for each that seems to be gone. Raises ``Upstream``."""
        federation = self.means.federation
        broker, audience = await federation.sign_in.subject(), federation.exchange.audience
        own = NewTrust(NAME, federation.exchange.issuer, broker, audience)
        wanted = [ApplicationIds(known(each.application_id), known(each.app_id)) for _, each in leases]
        seen = await self.means.directory.look_at(wanted)
        pairs = zip(leases, seen, strict=True)
        return [await self._believed(_judged(target, found, own, broker), each) for (target, each), found in pairs]

    async def _believed(self, trouble: Trouble | None, footprint: ServicePrincipalFootprint) -> Trouble | None:
        """Returns the trouble, or ``UNSEEN`` if an object was not listed that is there: a list may be behind."""
        if trouble is None or not trouble.is_by_list:
            return trouble
        try:
            stands = await self.stands(footprint)
        except Upstream as failure:
            return Trouble(UNSEEN, what=str(failure))
        return Trouble(UNSEEN, what="it was not listed, and is there") if stands else trouble


def _judged(
    target: ServicePrincipalTarget, found: LookedAt | Upstream | None, own: NewTrust, broker: ObjectId
) -> Trouble | None:
    match found:
        case None:
            return Trouble(VANISHED, what="the application is gone", is_by_list=True)
        case Refused():
            return Trouble(FOREIGN, what="the broker may not read the application any more")
        case Upstream():
            return Trouble(UNSEEN, what=str(found))
        case LookedAt():
            return next(_troubles(target, found, own, broker), None)


def _troubles(target: ServicePrincipalTarget, found: LookedAt, own: NewTrust, broker: ObjectId) -> Iterator[Trouble]:
    """Yields the worst first: by what somebody could sign in, then how somebody could get that."""
    for key_id in (*found.secrets, *found.certificates):
        yield Trouble(FOREIGN, key_id, "a secret or a certificate")
    if any(trust != own for trust in found.trusted):
        yield Trouble(FOREIGN, what="a federated identity credential")
    if any(owner != broker for owner in found.owners):
        yield Trouble(FOREIGN, what="an owner")
    if found.sign_in_audience != target.sign_in_audience:
        yield Trouble(FOREIGN, what="another signInAudience")
    if found.redirects or found.app_roles:
        yield Trouble(FOREIGN, what="redirect URIs or app roles")
    yield from _useless(found)


def _useless(found: LookedAt) -> Iterator[Trouble]:
    """Yields why nobody could sign in as it, who claims the lease."""
    if not found.is_enabled:
        yield Trouble(VANISHED, what="the service principal is disabled")
    if not found.trusted:
        yield Trouble(VANISHED, what=f"{NAME} is gone")
    if not found.has_principal:
        yield Trouble(VANISHED, what="the service principal is gone", is_by_list=True)
