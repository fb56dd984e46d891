"""Mints an application and service principal of the lease's own, with a client secret, and deletes them.

Calls for R role assignments and G groups: 3+R+G to mint, R+G+4 to undo (R+G+2 without purging).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from shared.core import ownership
from shared.core.credential import ClientSecretCredential, Credential
from shared.core.directory import ApplicationIds, NewApplication, NewSecret
from shared.core.errors import Absent, AmbiguousRefusal, Refused, Upstream
from shared.core.footprint import Assignment, Footprint, ServicePrincipalFootprint
from shared.core.names import ObjectId, Scope
from shared.core.role import AzureRole, ServicePrincipalTarget, Target, common_subscription
from shared.issuers.service_principal.resolve import Resolving
from shared.issuers.service_principal.undo import Attempt, Look, Undoing
from shared.kinds.calls import Authorization, Directory, Probe
from shared.kinds.client_secret import LeaseSecrets
from shared.kinds.kind import Minted, Order, SecretOrder, unheard
from shared.resilience.retry import SAFE_TO_REPEAT, Retry
from shared.resilience.tasks import all_of, both

_DOUBT = 45.0
"""Seconds for which Graph's no about an object made a moment ago is doubted: longer, and a wrong role keeps its callers waiting
for as long as they may wait."""


@dataclass(frozen=True, slots=True)
class ServicePrincipalIssuer:
    """See the module. No role may reach what holds a ``protected`` scope."""

    directory: Directory
    authorization: Authorization
    probe: Probe
    retry: Retry
    tenant_id: ObjectId
    protected: tuple[Scope, ...] = ()

    def plan(self, order: Order) -> ServicePrincipalFootprint:
        """Unique name and assignment names come from the lease's id alone, so a repeat finds its own work."""
        target = _target(order.target)
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

    async def mint(self, order: Order, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Application; then its principal and its secret; then all assignments and memberships at once."""
        made, target = _own(footprint), _target(order.target)
        made = replace(made, unmade=(*(each.name for each in made.assignments), *made.groups))
        application = await self._repeat(
            order, lambda: self.directory.upsert_application(_new_application(order, made, target))
        )
        made = replace(made, application_id=application.object_id, app_id=application.app_id)
        note(made)
        # A secret made twice does no harm: both go with the application.
        principal, secret = await both(self._principal(order, made, application, note), self._secret(order, application))
        made = replace(made, principal_id=principal, secret_id=secret.key_id, unmade=())
        note(made)
        await self._give(order, made, target, principal, note)
        credential = self._credential(made, application.app_id, secret)
        return Minted(credential, made, ready=await self._is_ready(order, target, credential))

    async def locate(self, footprint: Footprint, *, young: bool, deadline: float) -> ServicePrincipalFootprint:
        """By the unique name, then by the client id.

        Of a ``young`` application without a principal that anybody shows, the principal is made: it may be there all the same,
        and whoever deletes the application takes it along into the recycle bin, where nobody could name it.
        """
        found = _own(footprint)
        look = Look(self.retry, young, deadline)
        if found.app_id is None:
            try:
                application = await look.at(lambda: self.directory.find_application(found.unique_name))
            except Absent:
                return found
            found = replace(found, application_id=application.object_id, app_id=application.app_id)
        if found.principal_id is None and (app_id := found.app_id) is not None:
            found = replace(found, principal_id=await self._principal_of(app_id, look))
        return found

    async def _principal_of(self, app_id: ObjectId, look: Look) -> ObjectId | None:
        """``None`` when there is none."""
        try:
            return await look.at(lambda: self.directory.find_principal(app_id))
        except Absent:
            if not look.young:
                return None
        try:
            return await look.at(lambda: self.directory.create_principal(app_id))
        except Refused:
            return None

    async def undo(
        self,
        footprint: Footprint,
        *,
        young: bool,
        deadline: float,
        again: bool = False,
        note: Callable[[Footprint], None] = unheard,
    ) -> bool:
        """Assignments first: they cut off access tokens that are out already. Then memberships, principal, application, bin."""
        look = Look(self.retry, young, deadline)
        return await Undoing(self.directory, self.authorization, look, _own(footprint), again, note).run()

    async def credential(self, order: SecretOrder, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """One call. The principal, its assignments and memberships stay as they are."""
        made = _own(footprint)
        application_id, app_id = _known(made.application_id), _known(made.app_id)
        secret = await self._secrets(application_id, order).add(order.secret_end)
        made = replace(made, secret_id=secret.key_id)
        note(made)
        return Minted(self._credential(made, app_id, secret), made)

    async def prove(self, credential: Credential, *, deadline: float) -> bool:
        """By signing in."""
        return await self.probe.signs_in(credential.client_id, credential.client_secret, deadline=deadline)

    async def remove_former(self, order: SecretOrder, footprint: Footprint, *, keeping: Footprint | None = None) -> bool:
        """One call, or one to list them and one for each."""
        made, keep = _own(footprint), _own(keeping).secret_id if keeping else None
        secrets = self._secrets(_known(made.application_id), order)
        return await secrets.remove_former(made.secret_id, maybe_more_secrets=made.maybe_more_secrets, keep=keep)

    async def resolve(self, target: Target) -> ServicePrincipalTarget:
        """Looks every role definition, scope and group up, all at once."""
        return await Resolving(self.directory, self.authorization, self.protected, _target(target)).run()

    def _secrets(self, application_id: ObjectId, order: SecretOrder) -> LeaseSecrets:
        return LeaseSecrets(self.directory, self.retry, application_id, order.lease_id, order.young, order.deadline)

    async def _repeat[T](self, order: Order, call: Callable[[], Awaitable[T]]) -> T:
        return await self.retry.call_in_time(call, on=SAFE_TO_REPEAT, deadline=order.deadline)

    async def _repeat_on_fresh[T](self, order: Order, call: Callable[[], Awaitable[T]]) -> T:
        """For calls about an object made a moment ago: that Graph does not know it yet passes by itself, or is the truth."""
        doubt = min(order.deadline, self.retry.clock.monotonic() + _DOUBT)
        return await self._repeat(order, lambda: self.retry.call(call, on=(Absent, AmbiguousRefusal), deadline=doubt))

    async def _principal(
        self,
        order: Order,
        made: ServicePrincipalFootprint,
        application: ApplicationIds,
        note: Callable[[Footprint], None],
    ) -> ObjectId:
        found = await self._repeat_on_fresh(order, lambda: self.directory.create_principal(application.app_id))
        note(replace(made, principal_id=found))
        return found

    async def _secret(self, order: Order, application: ApplicationIds) -> NewSecret:
        return await self._repeat_on_fresh(
            order, lambda: self.directory.add_secret(application.object_id, order.lease_id, order.secret_end)
        )

    async def _give(
        self,
        order: Order,
        made: ServicePrincipalFootprint,
        target: ServicePrincipalTarget,
        principal: ObjectId,
        note: Callable[[Footprint], None],
    ) -> None:
        """All at once. When that fails, notes of which of them Azure has said for certain that they were not made."""
        pairs = zip(made.assignments, target.azure_roles, strict=True)
        assigned = {each.name: self._assigning(order, each, role, principal) for each, role in pairs}
        joined = {group: Attempt(partial(self.directory.add_member, group, principal)) for group in made.groups}
        try:
            await all_of(
                *(self._repeat(order, each.make) for each in assigned.values()),
                *(self._repeat_on_fresh(order, each.make) for each in joined.values()),
            )
        except Upstream:
            attempts = [*assigned.items(), *joined.items()]
            note(replace(made, unmade=tuple(name for name, each in attempts if not each.may_have_worked)))
            raise

    def _assigning(self, order: Order, assignment: Assignment, role: AzureRole, principal: ObjectId) -> Attempt:
        said = ownership.assignment_description(order.lease_id)
        return Attempt(partial(self.authorization.assign, assignment, role.definition_id, principal, role.condition, said))

    async def _is_ready(self, order: Order, target: ServicePrincipalTarget, made: ClientSecretCredential) -> bool:
        if target.ready == "none":
            return False
        return await self.probe.signs_in(made.client_id, made.client_secret, deadline=order.deadline)

    def _credential(self, made: ServicePrincipalFootprint, app_id: ObjectId, secret: NewSecret) -> ClientSecretCredential:
        return ClientSecretCredential(
            type="service_principal",
            tenant_id=self.tenant_id,
            client_id=app_id,
            client_secret=secret.secret,
            object_id=made.principal_id,
            secret_id=secret.key_id,
            subscription_id=common_subscription(each.scope for each in made.assignments),
        )


def _new_application(order: Order, made: ServicePrincipalFootprint, target: ServicePrincipalTarget) -> NewApplication:
    return NewApplication(
        unique_name=made.unique_name,
        display_name=made.unique_name,
        sign_in_audience=target.sign_in_audience,
        tags=(ownership.TAG, *target.tags),
        notes=f"Made by Leasehold for lease {order.lease_id}; deleted when the lease ends.",
    )


def _target(target: Target) -> ServicePrincipalTarget:
    if not isinstance(target, ServicePrincipalTarget):
        raise TypeError(f"not a service principal target: {type(target).__name__}")
    return target


def _known(identity: ObjectId | None) -> ObjectId:
    if identity is None:
        raise TypeError("an active lease's application is known")
    return identity


def _own(footprint: Footprint) -> ServicePrincipalFootprint:
    if not isinstance(footprint, ServicePrincipalFootprint):
        raise TypeError(f"not a service principal's footprint: {type(footprint).__name__}")
    return footprint
