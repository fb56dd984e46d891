"""Assigns roles to the lease's holder itself, and takes back what it has assigned. There is no secret and no new principal.

With R role assignments, minting takes R calls, two in a row, and one more for each that the holder has already. Undoing takes
R. An undo deletes the names that the lease has chosen and nothing else: what somebody else has assigned to the holder stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from shared.core import ownership
from shared.core.access.folding import fold
from shared.core.caller import CallerType
from shared.core.errors import Absent, Conflict, Forbidden, Malformed, Refused, Upstream
from shared.core.names import ObjectId, Scope
from shared.core.parameters.merging import assigned
from shared.core.ports.inventory import AzureInventory
from shared.core.protection import Protected
from shared.issuers.role_grant.footprint import Grant, RoleGrantCredential, RoleGrantFootprint
from shared.issuers.role_grant.making import Making
from shared.issuers.role_grant.schema import RoleGrantTarget
from shared.issuers.role_grant.survey import RoleGrantSurvey
from shared.kinds.attempt import Look
from shared.kinds.calls import Authorization
from shared.kinds.kind import Minted, Order
from shared.kinds.part import Places, unheard
from shared.kinds.proof import Proof
from shared.kinds.resolving import ResolvingRoles
from shared.resilience.retry import SAFE_TO_REPEAT, Retry
from shared.resilience.tasks import all_of

_LOOK = 60.0
"""Seconds for which one look at the holder's assignments is repeated. No caller waits for it."""

type Note = Callable[[RoleGrantFootprint], None]


@dataclass(frozen=True, slots=True)
class RoleGrantIssuer:
    """Satisfies ``Issuer``.

    ``protected``: what no role may reach, and the identities that are given nothing. ``to_users``: whether the broker's own
    right to assign roles reaches users.
    """

    authorization: Authorization
    inventory: AzureInventory
    retry: Retry
    tenant_id: ObjectId
    protected: Protected = Protected()  # noqa: RUF009 - it is frozen
    to_users: bool = False

    async def resolve(self, target: RoleGrantTarget) -> RoleGrantTarget:
        """Looks up every role definition and scope, all at once."""
        roles = ResolvingRoles(self.authorization, self.protected.scopes, target.azure_roles, target.parameters)
        azure_roles = await roles.run()
        if roles.faults:
            raise Malformed(*roles.faults, code="unresolvable")
        return replace(target, azure_roles=azure_roles)

    def plan(self, order: Order) -> RoleGrantFootprint:
        """Derives the assignments' names from the lease's id alone: so a repeat finds its own work.

        Raises ``Conflict`` for a holder to whom Azure or the broker's own grant lets nothing be assigned, ``Forbidden`` for an
        identity of the broker's own.
        """
        self._require_grantable(order)
        grants = tuple(
            Grant(role.scope, ownership.assignment_name(order.lease_id, index), role.definition_id)
            for index, role in enumerate(_target(order).azure_roles)
        )
        return RoleGrantFootprint(order.holder.object_id, order.holder_type, grants)

    async def prepare(self, order: Order, footprint: RoleGrantFootprint, note: Note) -> RoleGrantFootprint:
        """Makes the first assignment, then all others at once. See ``Making``."""
        target = _target(order)
        # By what Azure knows one assignment of: the role may have been written again, in another order, since it was planned.
        conditions = {assigned(role): role.condition for role in target.azure_roles}
        return await Making(
            self.authorization,
            self.retry,
            order.lease_id,
            footprint,
            {each.name: conditions.get((each.guid, fold(each.scope))) for each in footprint.grants},
            target.on_existing == "ignore",
            order.deadline,
            note,
        ).run()

    async def credential(
        self,
        order: Order,
        footprint: RoleGrantFootprint,
        note: Callable[[ObjectId], None],  # noqa: ARG002 - it has no id
    ) -> Minted:
        """Makes no call: what was made is all that there is."""
        client_id = order.holder.app_id if footprint.principal_type is CallerType.APPLICATION else None
        return Minted(RoleGrantCredential(self.tenant_id, client_id, footprint))

    async def prove(self, order: Order, credential: RoleGrantCredential, *, deadline: float) -> Proof:  # noqa: ARG002 - the protocol's
        """Says whether Azure lists the assignments. That does not prove that they count already: nothing is seen of that."""
        return Proof(works=await self._are_there(credential.footprint, deadline))

    def can_hand_out_again(self, target: RoleGrantTarget) -> bool:  # noqa: ARG002 - of every target
        """Returns ``True``: the answer says what was made, and has no secret. See ``HandsOutAgain``."""
        return True

    async def remove_former(
        self,
        order: Order,  # noqa: ARG002 - the protocol's
        footprint: RoleGrantFootprint,  # noqa: ARG002 - the protocol's
        *,
        maybe_more: bool,  # noqa: ARG002 - the protocol's
        keeping: ObjectId | None = None,  # noqa: ARG002 - the protocol's
    ) -> bool:
        """Makes no call: there is never another."""
        return True

    async def locate(self, footprint: RoleGrantFootprint, *, fresh: bool, deadline: float) -> RoleGrantFootprint:  # noqa: ARG002 - the protocol's
        """Makes no call: names and scopes are all that an undo needs."""
        return footprint

    async def undo(
        self,
        footprint: RoleGrantFootprint,
        *,
        fresh: bool,
        deadline: float,
        maybe_more: bool = False,  # noqa: ARG002 - there is never another
        again: bool = False,  # noqa: ARG002 - there is no recycle bin
        note: Note = unheard,  # noqa: ARG002 - nothing is learned
    ) -> bool:
        """Deletes the assignments by their names, side by side. What somebody else has assigned has another name."""
        look = Look(self.retry, fresh, deadline)
        results = await all_of(*(self._deleted(each, look) for each in footprint.to_undo))
        if failure := next((each for each in results if isinstance(each, Upstream)), None):
            raise failure
        return all(each is True for each in results)

    async def stands(self, footprint: RoleGrantFootprint) -> bool:
        """Makes a call for each scope."""
        return await self._are_there(footprint, self.retry.clock.monotonic() + _LOOK)

    def survey(self, places: Places) -> RoleGrantSurvey:
        """Surveys the assignments at every scope."""
        return RoleGrantSurvey(self.inventory, places)

    def _require_grantable(self, order: Order) -> None:
        holder, is_user = order.holder, order.holder_type is CallerType.USER
        if self.protected.is_own(holder.object_id, None if is_user else holder.app_id):
            raise Forbidden(code="protected_target", audit_reason="the caller is an identity of the broker's own")
        if holder.tenant_id != self.tenant_id:
            message = "You are of another tenant: this broker assigns roles to principals of its own tenant alone."
            raise Conflict(message, code="grant_unsupported")
        if is_user and not self.to_users:
            message = "You are a user: this broker may assign roles to applications and managed identities alone."
            raise Conflict(message, code="grant_unsupported")

    async def _deleted(self, grant: Grant, look: Look) -> bool | Upstream:
        """Returns whether it was there, or why it may be there as before."""
        try:
            await look.at(lambda: self.authorization.unassign(grant.assignment))
        except Absent:
            return False
        except Upstream as failure:
            if isinstance(failure, Refused):
                # The assignment may stand: the lease is not over, and an operator has to look at the scope.
                failure.where = grant.scope
            return failure
        return True

    async def _are_there(self, footprint: RoleGrantFootprint, deadline: float) -> bool:
        wanted = [each for each in footprint.grants if each.name in footprint.made]
        found = await all_of(*(self._names_at(footprint.principal_id, scope, deadline) for scope in _each(wanted)))
        return bool(wanted) and {each.name for each in wanted} <= frozenset().union(*found)

    async def _names_at(self, principal: ObjectId, scope: Scope, deadline: float) -> frozenset[str]:
        try:
            found = await self.retry.call(
                lambda: self.authorization.assigned_to(principal, scope), on=SAFE_TO_REPEAT, deadline=deadline
            )
        except Absent:
            return frozenset()
        return frozenset(each.assignment.name.lower() for each in found)


def _each(grants: Iterable[Grant]) -> tuple[Scope, ...]:
    """Returns the scopes of the grants, each once."""
    return tuple({each.scope.key: each.scope for each in grants}.values())


def _target(order: Order) -> RoleGrantTarget:
    if not isinstance(order.target, RoleGrantTarget):
        raise TypeError(f"not a target that is granted: {type(order.target).__name__}")
    return order.target
