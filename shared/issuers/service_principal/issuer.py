"""Mints an application and service principal of the lease's own, with a credential, and deletes them.

With R role assignments and G groups, minting a secret takes 3+R+G calls, and undoing R+G+4 (R+G+2 without purging). Each
permission of Microsoft Graph takes one call more to give, beside the assignments, and none to undo. Minting
takes three calls in a row: the application, its principal, and then all assignments and memberships at once. The secret is
added beside the last two. An application that has to trust the broker takes one call more, beside the principal's. What depends
on the kind of credential stands in a file for each (``shared.issuers.service_principal.credentials``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from shared.core import ownership
from shared.core.azure_role import AzureRole
from shared.core.directory import NewApplication, NewKey
from shared.core.errors import Absent, Refused, Upstream
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope
from shared.core.ports.inventory import AzureInventory
from shared.core.readiness.observability import Look as AccessLook
from shared.core.readiness.observability import looks_of
from shared.core.readiness.probes import DataHosts
from shared.core.secret import Secret
from shared.issuers.service_principal.access import observable, placed
from shared.issuers.service_principal.client_secret import secrets_of
from shared.issuers.service_principal.credentials import CREDENTIALS
from shared.issuers.service_principal.graph_app_roles import GraphPermissions
from shared.issuers.service_principal.graph_app_roles import looks_of as app_role_looks
from shared.issuers.service_principal.means import Federation, Means, known, made_at
from shared.issuers.service_principal.pooling import PoolWatch, plan_claimed, plan_pooled, require_poolable
from shared.issuers.service_principal.resolve import Resolving
from shared.issuers.service_principal.sas_place import require_signable
from shared.issuers.service_principal.suitable import can_be_trusted, require_suitable
from shared.issuers.service_principal.survey import ServicePrincipalSurvey
from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget, footprint_of
from shared.issuers.service_principal.undo import Undoing
from shared.kinds.attempt import Attempt, Look
from shared.kinds.calls import Authorization, Directory
from shared.kinds.client_secret import Probe
from shared.kinds.kind import Minted, Order
from shared.kinds.part import Places, unheard
from shared.kinds.pooling import MadeAtClaim, Trouble
from shared.kinds.proof import Access, Proof, prove
from shared.resilience.retry import SAFE_TO_REPEAT, Retry
from shared.resilience.tasks import all_of, both

type Note = Callable[[ServicePrincipalFootprint], None]


@dataclass(frozen=True, slots=True)
class ServicePrincipalIssuer:
    """Satisfies ``Issuer``. No role may reach what holds a ``protected`` scope."""

    directory: Directory
    authorization: Authorization
    inventory: AzureInventory
    probe: Probe
    retry: Retry
    tenant_id: ObjectId
    federation: Federation
    protected: tuple[Scope, ...] = ()
    access: Access = field(kw_only=True)
    hosts: DataHosts = field(default_factory=DataHosts)
    """Those to which a credential's token may go."""
    graph_permissions: GraphPermissions = field(kw_only=True)

    @property
    def means(self) -> Means:
        """What the kinds of credential work with."""
        return Means(self.directory, self.retry, self.probe, self.federation, self.tenant_id)

    async def resolve(self, target: ServicePrincipalTarget) -> ServicePrincipalTarget:
        """Looks up every role definition, scope, group and permission of Graph, all at once. With it, whether the broker's
        identity is suitable.

        Refuses probes elsewhere than at the cloud's hosts, permissions that no role may have, and what no SAS is signed for.
        """
        require_poolable(target)
        self.graph_permissions.require_allowed(target)
        wanted = placed(target, self.hosts)
        resolving = Resolving(self.directory, self.authorization, self.graph_permissions, self.protected, wanted)
        resolved, _ = await both(resolving.run(), require_suitable(self.directory, self.federation, target))
        require_signable(resolved)
        return observable(resolved, self.hosts)

    def plan(self, order: Order) -> ServicePrincipalFootprint:
        """Derives the unique name and the assignments' names from the lease's id alone: so a repeat finds its own work.

        Raises ``RoleOutdated`` if the operator does not allow the role's permissions of Graph any more.
        """
        target = _target(order)
        self.graph_permissions.require_still_allowed(target)
        return footprint_of(order.lease_id, target, CREDENTIALS[target.credential.name].held(self.means, order))

    async def prepare(self, order: Order, footprint: ServicePrincipalFootprint, note: Note) -> ServicePrincipalFootprint:
        """Makes the application, then its principal, then all assignments and memberships at once.

        Beside its principal, the application gets the broker's own federated identity credential if it has to trust the broker.
        Of a lease that was claimed from a pool, it makes what is left to make.
        Raises ``RoleOutdated`` as ``plan`` does, before any call: a plan may have waited for a worker.
        """
        target = _target(order)
        self.graph_permissions.require_still_allowed(target)
        if order.claimed and footprint.principal_id is not None:
            return await self._complete(order, footprint, target, note)
        made = replace(footprint, unmade=(*(each.name for each in footprint.assignments), *footprint.groups))
        wanted = _new_application(order, made, target)
        application = await self.retry.call(
            lambda: self.directory.upsert_application(wanted), on=SAFE_TO_REPEAT, deadline=order.deadline, in_time=True
        )
        made = replace(made, application_id=application.object_id, app_id=application.app_id)
        note(made)
        if order.pooled or CREDENTIALS[target.credential.name].trusts_broker(proven=target.ready != "none"):
            trusted = self.means.trust_broker(order, application.object_id)
            made, _ = await both(self._with_principal(order, made, note), trusted)
        else:
            made = await self._with_principal(order, replace(made, unmade=()), note)
        if made.unmade:
            made = replace(made, unmade=())
            note(made)
        is_given = target.assigns_in_pool or not order.pooled
        if is_given:
            await self._give(order, made, target, note)
        # Before there were pools, footprints of secrets have been without this mark.
        given = is_given and (order.pooled or made.held.name != "secret")
        return replace(made, held=replace(made.held, given=given))

    async def _complete(
        self, order: Order, claimed: ServicePrincipalFootprint, target: ServicePrincipalTarget, note: Note
    ) -> ServicePrincipalFootprint:
        """Registers the caller's certificate, and gives what the pool has not given. Makes no call if nothing is left."""
        key, application_id = _key(order, target), known(claimed.application_id)
        if claimed.held.given and key is None:
            return claimed
        # What is there already may be enough for the credential.
        note(claimed)
        if key is not None:
            await self.means.repeat_on_fresh(order, lambda: self.directory.add_key(application_id, key))
        if not claimed.held.given:
            await self._give(order, claimed, target, note)
        return replace(claimed, held=replace(claimed.held, given=True))

    async def credential(self, order: Order, footprint: ServicePrincipalFootprint, note: Callable[[ObjectId], None]) -> Minted:
        """Asks the kind of credential. Raises ``RoleOutdated`` as ``plan`` does."""
        self.graph_permissions.require_still_allowed(_target(order))
        return await CREDENTIALS[footprint.held.name].add(self.means, order, footprint, note)

    async def prove(self, order: Order, credential: Any, *, deadline: float) -> Proof:
        """Signs in with the credential and, if the role wants that, looks whether all that it gives counts already.

        Where the broker does not hold what the holder signs in with, both go by the broker's own link.
        """
        kind, since = CREDENTIALS[_target(order).credential.name], made_at(order)
        signing_in = kind.signs_in(self.means, credential, deadline=deadline, since=since)
        return await self._proof(order, signing_in, credential.client_id, kind.secret(credential), deadline)

    async def prove_prepared(
        self, order: Order, footprint: ServicePrincipalFootprint, *, deadline: float, again: bool = False
    ) -> Proof | None:
        """Signs in by the broker's own link, and looks as above. See ``ProvesPrepared``.

        An application that is to get a secret is made to trust the broker first, which goes with the application. ``None`` if
        the broker's identity cannot be trusted so.
        """
        if _target(order).credential.name == "secret" and not order.pooled and not again:
            if not await self.retry.call(self._can_be_trusted, on=SAFE_TO_REPEAT, deadline=order.deadline, in_time=True):
                return None
            await self.means.trust_broker(order, known(footprint.application_id))
        client_id, since = known(footprint.app_id), made_at(order)
        signing_in = self.federation.sign_in.signs_in(client_id, deadline=deadline, since=since)
        return await self._proof(order, signing_in, client_id, None, deadline)

    def plan_pooled(self, order: Order) -> ServicePrincipalFootprint:
        """See ``PoolIssuer``, as for the next two."""
        return plan_pooled(order, _target(order))

    def plan_claimed(self, order: Order, footprint: ServicePrincipalFootprint) -> ServicePrincipalFootprint:
        """Names what is left to make, for whoever has claimed the lease."""
        return plan_claimed(footprint, self.plan(order))

    def made_at_claim(self, order: Order) -> MadeAtClaim:
        """Returns what is made for whoever claims a lease. See ``PoolIssuer``."""
        target = _target(order)
        if not target.assigns_in_pool:
            return MadeAtClaim.MORE
        return MadeAtClaim.CREDENTIAL if CREDENTIALS[target.credential.name].writes else MadeAtClaim.NOTHING

    async def look_at_pooled(
        self, leases: Sequence[tuple[ServicePrincipalTarget, ServicePrincipalFootprint]]
    ) -> Sequence[Trouble | None]:
        """See ``PoolWatch``."""
        return await PoolWatch(self.means, self.stands).look_at(leases)

    def can_hand_out_again(self, target: Any) -> bool:
        """Returns whether the credential is no secret. See ``HandsOutAgain``."""
        return isinstance(target, ServicePrincipalTarget) and target.credential.name != "secret"

    async def _can_be_trusted(self) -> bool:
        return await can_be_trusted(self.directory, self.federation)

    async def _proof(
        self, order: Order, signing_in: Awaitable[bool], client_id: ObjectId, secret: Secret | None, deadline: float
    ) -> Proof:
        target, since = _target(order), made_at(order)
        is_given = target.assigns_in_pool if order.pooled else True

        async def sees(look: AccessLook) -> bool:
            return await self.access.sees(client_id, secret, look, deadline=deadline, since=since)

        looks = looks_of(target, self.hosts) if target.ready == "access" and is_given else ()
        app_roles = app_role_looks(target.graph_app_roles, target.ready) if is_given else ()
        proof = await prove(signing_in, sees, (*app_roles, *looks))
        return replace(proof, unseen=(*proof.unseen, *CREDENTIALS[target.credential.name].unseen))

    async def remove_former(
        self, order: Order, footprint: ServicePrincipalFootprint, *, maybe_more: bool, keeping: ObjectId | None = None
    ) -> bool:
        """Makes one call, or one to list the secrets and one for each. Makes none if the credential is no secret."""
        if footprint.held.name != "secret":
            return True
        secrets = secrets_of(self.means, known(footprint.application_id), order)
        return await secrets.remove_former(footprint.secret_id, maybe_more=maybe_more, keep=keeping)

    async def locate(self, footprint: ServicePrincipalFootprint, *, fresh: bool, deadline: float) -> ServicePrincipalFootprint:
        """Looks the application up by its unique name, and the principal by the client id.

        If a ``fresh`` application shows no principal, the principal is made. It may exist all the same. Whoever deletes the
        application would take it along into the recycle bin, where nothing could name it.
        """
        found, look = footprint, Look(self.retry, fresh, deadline)
        if found.app_id is None:
            try:
                application = await look.at(lambda: self.directory.find_application(found.unique_name))
            except Absent:
                return found
            found = replace(found, application_id=application.object_id, app_id=application.app_id)
        if found.principal_id is None and (app_id := found.app_id) is not None:
            found = replace(found, principal_id=await self._principal_of(app_id, look))
        return found

    async def undo(
        self,
        footprint: ServicePrincipalFootprint,
        *,
        fresh: bool,
        deadline: float,
        maybe_more: bool = False,  # noqa: ARG002 - all secrets go with their application
        again: bool = False,
        note: Note = unheard,
    ) -> bool:
        """Deletes the assignments first, because that cuts off access tokens in use. See ``Undoing``."""
        look = Look(self.retry, fresh, deadline)
        return await Undoing(self.directory, self.authorization, look, footprint, again, note).run()

    async def stands(self, footprint: ServicePrincipalFootprint) -> bool:
        """Makes two calls."""
        has_secret = footprint.secret_id is not None
        return await self.inventory.stands(footprint.application_id, footprint.principal_id, secret=has_secret)

    def survey(self, places: Places) -> ServicePrincipalSurvey:
        """Surveys what the broker owns, the recycle bin, and the assignments at every scope."""
        return ServicePrincipalSurvey(self.inventory, places, self.retry.ids)

    async def _principal_of(self, app_id: ObjectId, look: Look) -> ObjectId | None:
        """Returns the principal's object id, or ``None`` if there is no principal. See ``locate``."""
        try:
            return await look.at(lambda: self.directory.find_principal(app_id))
        except Absent:
            if not look.fresh:
                return None
        try:
            return await look.at(lambda: self.directory.create_principal(app_id))
        except Refused:
            return None

    async def _with_principal(self, order: Order, made: ServicePrincipalFootprint, note: Note) -> ServicePrincipalFootprint:
        """Makes the principal. If nothing else is under way beside it, the footprint says that what follows may be made."""
        app_id = known(made.app_id)
        principal = await self.means.repeat_on_fresh(order, lambda: self.directory.create_principal(app_id))
        made = replace(made, principal_id=principal)
        note(made)
        return made

    async def _give(
        self,
        order: Order,
        made: ServicePrincipalFootprint,
        target: ServicePrincipalTarget,
        note: Note,
    ) -> None:
        """Makes all assignments and memberships at once, and gives all permissions of Graph.

        If one fails, notes the assignments and memberships that certainly were not made.
        """
        principal = known(made.principal_id)
        pairs = zip(made.assignments, target.azure_roles, strict=True)
        assigned = {each.name: self._assigning(order, each, role, principal) for each, role in pairs}
        joined = {group: Attempt(partial(self.directory.add_member, group, principal)) for group in made.groups}
        try:
            await all_of(
                *(
                    self.retry.call(each.make, on=SAFE_TO_REPEAT, deadline=order.deadline, in_time=True)
                    for each in assigned.values()
                ),
                *(self.means.repeat_on_fresh(order, each.make) for each in joined.values()),
                self.graph_permissions.give(self.retry, order, principal, target.graph_app_roles),
            )
        except Upstream:
            attempts = [*assigned.items(), *joined.items()]
            note(replace(made, unmade=tuple(name for name, each in attempts if not each.may_have_worked)))
            raise

    def _assigning(self, order: Order, assignment: Assignment, role: AzureRole, principal: ObjectId) -> Attempt:
        message = ownership.assignment_description(order.lease_id)
        return Attempt(partial(self.authorization.assign, assignment, role.definition_id, principal, role.condition, message))


def _new_application(order: Order, made: ServicePrincipalFootprint, target: ServicePrincipalTarget) -> NewApplication:
    return NewApplication(
        unique_name=made.unique_name,
        display_name=made.unique_name,
        sign_in_audience=target.sign_in_audience,
        tags=(ownership.TAG, *(() if target.credential.name == "secret" else (ownership.NO_SECRET,)), *target.tags),
        notes=f"Made by Leasehold for lease {order.lease_id}; deleted when the lease ends.",
        key=_key(order, target),
    )


def _key(order: Order, target: ServicePrincipalTarget) -> NewKey | None:
    """Returns the caller's certificate, if that is the credential and somebody has asked already."""
    return None if order.pooled else CREDENTIALS[target.credential.name].key(order)


def _target(order: Order) -> ServicePrincipalTarget:
    if not isinstance(order.target, ServicePrincipalTarget):
        raise TypeError(f"not a service principal target: {type(order.target).__name__}")
    return order.target
