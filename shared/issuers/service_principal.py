"""Mints an application and service principal of the lease's own, with a client secret, and deletes them.

Calls for R role assignments and G groups: 3+R+G to mint, R+G+4 to undo (R+G+2 without purging).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from shared.core import mark
from shared.core.credential import ClientSecretCredential, Credential
from shared.core.directory import ApplicationIds, NewApplication, NewSecret
from shared.core.errors import Absent, Doubtful, OutOfReach, Refused, Uncertain, Upstream
from shared.core.footprint import Assignment, Footprint, ServicePrincipalFootprint
from shared.core.issuer import Minted, Order, SecretOrder, unheard
from shared.core.names import ObjectId, Scope
from shared.core.patience import REPEATABLE, Patience, all_of, both
from shared.core.role import AzureRole, ServicePrincipalTarget, Target, common_subscription
from shared.issuers.directory_calls import Authorization, Directory, Probe
from shared.issuers.lease_secrets import LeaseSecrets
from shared.issuers.resolving import Resolving

_ABSENCE_PATIENCE = 10.0
"""Seconds for which something absent is asked for again. Graph's reads are seconds behind its writes, not minutes."""
_BIN_PATIENCE = 30.0
"""Seconds by which the recycle bin is at most behind the deletions that fill it: Graph's replicas are seconds behind."""
_FORBIDDEN = 403
_DOUBT = 45.0
"""Seconds for which Graph's no about an object made a moment ago is doubted: longer, and a wrong role keeps its callers waiting
for as long as they may wait."""


@dataclass(frozen=True, slots=True)
class ServicePrincipalIssuer:
    """See the module. No role may reach what holds a ``protected`` scope."""

    directory: Directory
    authorization: Authorization
    probe: Probe
    patience: Patience
    tenant_id: ObjectId
    protected: tuple[Scope, ...] = ()

    def plan(self, order: Order) -> ServicePrincipalFootprint:
        """Unique name and assignment names come from the lease's id alone, so a repeat finds its own work."""
        target = _target(order.target)
        assignments = tuple(
            Assignment(role.scope, mark.assignment_name(order.lease_id, index)) for index, role in enumerate(target.azure_roles)
        )
        return ServicePrincipalFootprint(
            unique_name=mark.unique_name(order.lease_id),
            assignments=assignments,
            groups=target.azure_groups,
            purge=target.permanently_delete,
        )

    async def mint(self, order: Order, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Application; then its principal and its secret; then all assignments and memberships at once."""
        made, target = _own(footprint), _target(order.target)
        application = await self._repeat(
            order, lambda: self.directory.upsert_application(_new_application(order, made, target))
        )
        made = replace(made, application_id=application.object_id, app_id=application.app_id)
        note(made)
        # A secret made twice does no harm: both go with the application.
        principal, secret = await both(self._principal(order, made, application, note), self._secret(order, application))
        made = replace(made, principal_id=principal, secret_id=secret.key_id)
        note(made)
        await self._give(order, made, target, principal)
        credential = self._credential(made, application.app_id, secret)
        return Minted(credential, made, ready=await self._is_ready(order, target, credential))

    async def locate(self, footprint: Footprint, *, young: bool, wait_until: float) -> ServicePrincipalFootprint:
        """By the unique name, then by the client id.

        Of a ``young`` application without a principal that anybody shows, the principal is made: it may be there all the same,
        and whoever deletes the application takes it along into the recycle bin, where nobody could name it.
        """
        found = _own(footprint)
        look = _Look(self.patience, young, wait_until)
        try:
            if found.app_id is None:
                application = await look.at(lambda: self.directory.find_application(found.unique_name))
                found = replace(found, application_id=application.object_id, app_id=application.app_id)
            if found.principal_id is None and (app_id := found.app_id) is not None:
                found = replace(found, principal_id=await self._principal_of(app_id, look))
        except Absent:
            return found
        return found

    async def _principal_of(self, app_id: ObjectId, look: _Look) -> ObjectId | None:
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
        wait_until: float,
        again: bool = False,
        note: Callable[[Footprint], None] = unheard,
    ) -> bool:
        """Assignments first: they cut off access tokens that are out already. Then memberships, principal, application, bin."""
        look = _Look(self.patience, young, wait_until)
        return await _Undoing(self.directory, self.authorization, look, _own(footprint), again, note).run()

    async def reissue(self, order: SecretOrder, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """One call. The principal, its assignments and memberships stay as they are."""
        made = _own(footprint)
        application_id, app_id = _known(made.application_id), _known(made.app_id)
        secret = await self._secrets(application_id, order).add(order.secret_end)
        made = replace(made, secret_id=secret.key_id)
        note(made)
        return Minted(self._credential(made, app_id, secret), made)

    async def prove(self, credential: Credential, *, wait_until: float) -> bool:
        """By signing in."""
        return await self.probe.signs_in(credential.client_id, credential.client_secret, wait_until=wait_until)

    async def retire(self, order: SecretOrder, footprint: Footprint, *, keeping: Footprint | None = None) -> bool:
        """One call, or one to list them and one for each."""
        made, keep = _own(footprint), _own(keeping).secret_id if keeping else None
        secrets = self._secrets(_known(made.application_id), order)
        return await secrets.retire(made.secret_id, several=made.several, keep=keep)

    async def resolve(self, target: Target) -> ServicePrincipalTarget:
        """Looks every role definition, scope and group up, all at once."""
        return await Resolving(self.directory, self.authorization, self.protected, _target(target)).run()

    def _secrets(self, application_id: ObjectId, order: SecretOrder) -> LeaseSecrets:
        return LeaseSecrets(self.directory, self.patience, application_id, order.lease_id, order.young, order.wait_until)

    async def _repeat[T](self, order: Order, call: Callable[[], Awaitable[T]]) -> T:
        return await self.patience.begin_in_time(call, on=REPEATABLE, wait_until=order.wait_until)

    async def _repeat_on_fresh[T](self, order: Order, call: Callable[[], Awaitable[T]]) -> T:
        """For calls about an object made a moment ago: that Graph does not know it yet passes by itself, or is the truth."""
        doubt = min(order.wait_until, self.patience.clock.monotonic() + _DOUBT)
        return await self._repeat(order, lambda: self.patience.keep_trying(call, on=(Absent, Doubtful), wait_until=doubt))

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
        self, order: Order, made: ServicePrincipalFootprint, target: ServicePrincipalTarget, principal: ObjectId
    ) -> None:
        assigned = (
            self._assign(order, assignment, role, principal)
            for assignment, role in zip(made.assignments, target.azure_roles, strict=True)
        )
        joined = (self._join(order, group, principal) for group in made.groups)
        await all_of(*assigned, *joined)

    async def _assign(self, order: Order, assignment: Assignment, role: AzureRole, principal: ObjectId) -> None:
        said = mark.assignment_description(order.lease_id)
        await self._repeat(
            order, lambda: self.authorization.assign(assignment, role.definition_id, principal, role.condition, said)
        )

    async def _join(self, order: Order, group: ObjectId, principal: ObjectId) -> None:
        await self._repeat_on_fresh(order, lambda: self.directory.add_member(group, principal))

    async def _is_ready(self, order: Order, target: ServicePrincipalTarget, made: ClientSecretCredential) -> bool:
        if target.ready == "none":
            return False
        return await self.probe.signs_in(made.client_id, made.client_secret, wait_until=order.wait_until)

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


@dataclass(frozen=True, slots=True)
class _Look:
    """How long to ask again for what is absent."""

    patience: Patience
    young: bool
    wait_until: float

    async def at[T](self, call: Callable[[], Awaitable[T]], *, sure: bool = False, patience: float = _ABSENCE_PATIENCE) -> T:
        """The call's result. Absence is doubted while the object is young, or when the caller is ``sure`` it is there."""
        if not (self.young or sure):
            return await self.patience.keep_trying(call, on=REPEATABLE, wait_until=self.wait_until)
        soon = min(self.wait_until, self.patience.clock.monotonic() + patience)
        return await self.patience.keep_trying(call, on=(*REPEATABLE, Absent), wait_until=soon)


@dataclass(slots=True)
class _Undoing:
    """One pass over a footprint. Goes on after a failure, and remembers the first."""

    directory: Directory
    authorization: Authorization
    look: _Look
    footprint: ServicePrincipalFootprint
    again: bool
    note: Callable[[Footprint], None]
    failure: Upstream | None = None
    met_all: bool = True

    async def run(self) -> bool:
        made = self.footprint
        await all_of(*(self._gone(self._unassign(assignment)) for assignment in made.assignments))
        if made.principal_id is not None:
            await all_of(*(self._gone(self._leave(group, made.principal_id)) for group in made.groups))
        await self._remove_objects()
        if self.failure is not None:
            raise self.failure
        return self.met_all and made.principal_id is not None and made.application_id is not None

    async def _remove_objects(self) -> None:
        principal, application = self.footprint.principal_id, self.footprint.application_id
        binned = []
        if principal is not None and principal not in self.footprint.purged:
            met = await self._gone(lambda: self.directory.delete_principal(principal))
            binned.append((principal, met))
        if application is not None and application not in self.footprint.purged:
            met = await self._gone(lambda: self.directory.delete_application(application))
            binned.append((application, met))
        if self.footprint.purge:
            for object_id, met in binned:
                await self._purge(object_id, was_there=met)

    def _unassign(self, assignment: Assignment) -> Callable[[], Awaitable[None]]:
        async def unassign() -> None:
            try:
                await self.authorization.unassign(assignment)
            except Refused as refused:
                # Nothing is known of the assignment: the lease is not over, and says where an operator has to look.
                if isinstance(refused, OutOfReach) or refused.status == _FORBIDDEN:
                    refused.where = assignment.scope
                raise

        return unassign

    def _leave(self, group: ObjectId, principal: ObjectId) -> Callable[[], Awaitable[None]]:
        return lambda: self.directory.remove_member(group, principal)

    async def _gone(self, delete: Callable[[], Awaitable[None]]) -> bool:
        """Deletes one thing and says whether it was there, as far as is known."""
        attempt = _Attempt(delete)
        try:
            await self.look.at(attempt.make)
        except Absent:
            self.met_all = False
            return attempt.uncertain
        except Upstream as failure:
            self.failure = self.failure or failure
            return False
        return True

    async def _purge(self, object_id: ObjectId, *, was_there: bool) -> None:
        """What was deleted just now must be in the bin: that it is absent there only means that the bin is behind.

        Of what an earlier attempt may have deleted nobody knows whether that one purged it as well: it is asked for until no
        replica of the bin can be behind any more.
        """
        patience = _BIN_PATIENCE if self.again else _ABSENCE_PATIENCE
        try:
            await self.look.at(lambda: self.directory.purge(object_id), sure=was_there or self.again, patience=patience)
        except Absent as absent:
            if was_there:
                self.failure = self.failure or absent
        except Upstream as failure:
            self.failure = self.failure or failure
        else:
            self.footprint = replace(self.footprint, purged=(*self.footprint.purged, object_id))
            self.note(self.footprint)


@dataclass(slots=True)
class _Attempt:
    """Attempts to delete one thing. After an answer that was lost, absence may be their own doing."""

    delete: Callable[[], Awaitable[None]]
    uncertain: bool = False

    async def make(self) -> None:
        try:
            await self.delete()
        except Uncertain:
            self.uncertain = True
            raise


def _new_application(order: Order, made: ServicePrincipalFootprint, target: ServicePrincipalTarget) -> NewApplication:
    return NewApplication(
        unique_name=made.unique_name,
        display_name=made.unique_name,
        sign_in_audience=target.sign_in_audience,
        tags=(mark.TAG, *target.tags),
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
