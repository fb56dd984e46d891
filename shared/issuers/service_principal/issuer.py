"""Mints an application and service principal of the lease's own, with a client secret, and deletes them.

With R role assignments and G groups, minting takes 3+R+G calls, and undoing R+G+4 (R+G+2 without purging). Minting takes three
calls in a row: the application, its principal, and then all assignments and memberships at once. The secret is added beside
the last two.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

from shared.core import ownership
from shared.core.azure_role import AzureRole, common_subscription
from shared.core.directory import NewApplication
from shared.core.errors import Absent, AmbiguousRefusal, Refused, Upstream
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope
from shared.core.ports.inventory import AzureInventory
from shared.core.readiness.observability import looks_of
from shared.core.readiness.probes import DataHosts
from shared.issuers.service_principal.access import observable, placed
from shared.issuers.service_principal.resolve import Resolving
from shared.issuers.service_principal.schema import ServicePrincipalFootprint, ServicePrincipalTarget
from shared.issuers.service_principal.survey import ServicePrincipalSurvey
from shared.issuers.service_principal.undo import Undoing
from shared.kinds.attempt import Attempt, Look
from shared.kinds.calls import Authorization, Directory
from shared.kinds.client_secret import ClientSecretCredential, LeaseSecrets, Probe
from shared.kinds.kind import Minted, Order
from shared.kinds.part import Places, unheard
from shared.kinds.proof import Access, Proof, prove_secret
from shared.resilience.retry import SAFE_TO_REPEAT, Retry
from shared.resilience.tasks import all_of

_DOUBT = 45.0
"""Seconds for which a refusal by Graph is doubted if the object was made a moment ago. If they were more, the callers of a
wrong role would wait for all of their time."""

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
    protected: tuple[Scope, ...] = ()
    access: Access = field(kw_only=True)
    hosts: DataHosts = field(default_factory=DataHosts)
    """Those to which a credential's token may go."""

    async def resolve(self, target: ServicePrincipalTarget) -> ServicePrincipalTarget:
        """Looks up every role definition, scope and group, all at once. Refuses probes elsewhere than at the cloud's hosts."""
        resolved = await Resolving(self.directory, self.authorization, self.protected, placed(target, self.hosts)).run()
        return observable(resolved, self.hosts)

    def plan(self, order: Order) -> ServicePrincipalFootprint:
        """Derives the unique name and the assignments' names from the lease's id alone: so a repeat finds its own work."""
        target = _target(order)
        assignments = tuple(
            Assignment(role.scope, ownership.assignment_name(order.lease_id, index))
            for index, role in enumerate(target.azure_roles)
        )
        return ServicePrincipalFootprint(
            unique_name=ownership.unique_name(order.lease_id),
            assignments=assignments,
            groups=target.azure_groups,
            purge=target.permanently_delete,
        )

    async def prepare(self, order: Order, footprint: ServicePrincipalFootprint, note: Note) -> ServicePrincipalFootprint:
        """Makes the application, then its principal, then all assignments and memberships at once."""
        target = _target(order)
        made = replace(footprint, unmade=(*(each.name for each in footprint.assignments), *footprint.groups))
        wanted = _new_application(order, made, target)
        application = await self.retry.call(
            lambda: self.directory.upsert_application(wanted), on=SAFE_TO_REPEAT, deadline=order.deadline, in_time=True
        )
        made = replace(made, application_id=application.object_id, app_id=application.app_id)
        note(made)
        principal = await self._repeat_on_fresh(order, lambda: self.directory.create_principal(application.app_id))
        made = replace(made, principal_id=principal, unmade=())
        note(made)
        await self._give(order, made, target, principal, note)
        return made

    async def credential(self, order: Order, footprint: ServicePrincipalFootprint, note: Callable[[ObjectId], None]) -> Minted:
        """Makes one call. If no secret of the lease is in use yet, a second one does no harm: both go with the application."""
        application_id, app_id = _known(footprint.application_id), _known(footprint.app_id)
        if order.rotating:
            secret = await self._secrets(application_id, order).add(order.credential_end)
        else:
            secret = await self._repeat_on_fresh(
                order, lambda: self.directory.add_secret(application_id, order.lease_id, order.credential_end)
            )
        note(secret.key_id)
        credential = ClientSecretCredential(
            type=footprint.type,
            tenant_id=self.tenant_id,
            client_id=app_id,
            client_secret=secret.secret,
            object_id=footprint.principal_id,
            secret_id=secret.key_id,
            subscription_id=common_subscription(each.scope for each in footprint.assignments),
        )
        return Minted(credential, secret.key_id)

    async def prove(self, order: Order, credential: ClientSecretCredential, *, deadline: float) -> Proof:
        """Signs in with the credential and, if the role wants that, looks whether all that it gives counts already."""
        target = _target(order)
        return await prove_secret(
            self.probe,
            credential.client_id,
            credential.client_secret,
            deadline=deadline,
            since=ownership.opened_at(order.lease_id),
            access=self.access,
            looks=looks_of(target, self.hosts) if target.ready == "access" else (),
        )

    async def remove_former(
        self, order: Order, footprint: ServicePrincipalFootprint, *, maybe_more: bool, keeping: ObjectId | None = None
    ) -> bool:
        """Makes one call, or one to list the secrets and one for each."""
        secrets = self._secrets(_known(footprint.application_id), order)
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
        return await self.inventory.stands(footprint.application_id, footprint.principal_id)

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

    def _secrets(self, application_id: ObjectId, order: Order) -> LeaseSecrets:
        return LeaseSecrets(self.directory, self.retry, application_id, order.lease_id, order.fresh, order.deadline)

    async def _repeat_on_fresh[T](self, order: Order, call: Callable[[], Awaitable[T]]) -> T:
        """For a call about an object that was made a moment ago. Graph may not know the object yet, or may be right."""
        doubt = min(order.deadline, self.retry.clock.monotonic() + _DOUBT)
        return await self.retry.call(
            lambda: self.retry.call(call, on=(Absent, AmbiguousRefusal), deadline=doubt),
            on=SAFE_TO_REPEAT,
            deadline=order.deadline,
            in_time=True,
        )

    async def _give(
        self,
        order: Order,
        made: ServicePrincipalFootprint,
        target: ServicePrincipalTarget,
        principal: ObjectId,
        note: Note,
    ) -> None:
        """Makes all assignments and memberships at once. If one fails, notes those that certainly were not made."""
        pairs = zip(made.assignments, target.azure_roles, strict=True)
        assigned = {each.name: self._assigning(order, each, role, principal) for each, role in pairs}
        joined = {group: Attempt(partial(self.directory.add_member, group, principal)) for group in made.groups}
        try:
            await all_of(
                *(
                    self.retry.call(each.make, on=SAFE_TO_REPEAT, deadline=order.deadline, in_time=True)
                    for each in assigned.values()
                ),
                *(self._repeat_on_fresh(order, each.make) for each in joined.values()),
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
        tags=(ownership.TAG, *target.tags),
        notes=f"Made by Leasehold for lease {order.lease_id}; deleted when the lease ends.",
    )


def _target(order: Order) -> ServicePrincipalTarget:
    if not isinstance(order.target, ServicePrincipalTarget):
        raise TypeError(f"not a service principal target: {type(order.target).__name__}")
    return order.target


def _known(identity: ObjectId | None) -> ObjectId:
    if identity is None:
        raise TypeError("the application is known of what can hold a credential")
    return identity
