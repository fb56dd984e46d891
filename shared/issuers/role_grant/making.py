"""Makes the role assignments of one lease for its holder.

Azure itself decides who has a role at a scope: it refuses a second assignment of one role to one principal at one scope (409
``RoleAssignmentExists``), whatever its name. Then one read says whose the first is. Nothing is looked for before that: between
a read and a change somebody else may act.

https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from shared.core import ownership
from shared.core.definition import guid_of
from shared.core.errors import AlreadyExists, Conflict, LeaseholdError, NotReplicated
from shared.core.names import LeaseId
from shared.core.ports.inventory import FoundAssignment
from shared.issuers.role_grant.footprint import Grant, RoleGrantFootprint
from shared.kinds.attempt import Attempt
from shared.kinds.calls import Authorization
from shared.resilience.retry import SAFE_TO_REPEAT, Retry
from shared.resilience.tasks import all_of

_PATIENCE = 10.0
"""Seconds for which an assignment is looked for that Azure says exists, and does not list. It may be ending just now."""
_PAUSE = 1.0


@dataclass(slots=True)
class Making:
    """One attempt. ``conditions`` are those of the grants, by their names; a grant without one may be missing."""

    authorization: Authorization
    retry: Retry
    lease_id: LeaseId
    plan: RoleGrantFootprint
    conditions: Mapping[str, str | None]
    leaves_out: bool
    """Whether a grant is left out that the holder has already, by an assignment that is not the broker's."""
    deadline: float
    note: Callable[[RoleGrantFootprint], None]
    made: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)
    attempts: dict[str, Attempt] = field(default_factory=dict)

    async def run(self) -> RoleGrantFootprint:
        """Returns the footprint with what was made and what was left out. Raises ``Conflict``, ``Upstream``.

        The first grant goes ahead, and the others follow side by side. So of two leases that want the same, one gets it.
        """
        waiting = list(self.plan.grants)
        try:
            while waiting and not self.made:
                await self._make(waiting.pop(0))
            await all_of(*(self._make(each) for each in waiting))
            if not self.made:
                message = "You hold all of these roles already, by assignments that are not this broker's."
                raise Conflict(message, code="already_held")
        except LeaseholdError:
            self._note_failure()
            raise
        granted = self._known(made=self.made, unmade=self._never(self.left_out), left_out=self.left_out, granted=True)
        self.note(granted)
        return granted

    async def _make(self, grant: Grant) -> None:
        """Makes it, or leaves it out. Raises ``Conflict``, ``Upstream``."""
        until = min(self.deadline, self.retry.clock.monotonic() + _PATIENCE)
        while True:
            try:
                await self._assign(grant)
            except AlreadyExists as exists:
                found = await self._found(grant)
                if found is None:
                    if self.retry.clock.monotonic() + _PAUSE >= until:
                        raise NotReplicated(exists.cause, status=exists.status, azure_code=exists.azure_code) from exists
                    await self.retry.clock.sleep(_PAUSE)
                    continue
                if found.assignment.name.lower() != grant.name:
                    self._yield_to(found, grant)
                    return
            self._note_made(grant)
            return

    async def _assign(self, grant: Grant) -> None:
        call = partial(
            self.authorization.assign,
            grant.assignment,
            grant.definition_id,
            self.plan.principal_id,
            self.conditions.get(grant.name),
            ownership.grant_description(self.lease_id),
            self.plan.principal_type,
        )
        attempt = self.attempts.setdefault(grant.name, Attempt(call))
        await self.retry.call(attempt.make, on=SAFE_TO_REPEAT, deadline=self.deadline, in_time=True)

    async def _found(self, grant: Grant) -> FoundAssignment | None:
        """Returns the holder's assignment of the same role at the same scope, whoever has made it."""
        listed = await self.retry.call(
            lambda: self.authorization.assigned_to(self.plan.principal_id, grant.scope),
            on=SAFE_TO_REPEAT,
            deadline=self.deadline,
            in_time=True,
        )
        return next((each for each in listed if guid_of(each.definition_id) == grant.guid), None)

    def _yield_to(self, found: FoundAssignment, grant: Grant) -> None:
        """Leaves the grant out. Raises ``Conflict`` if it is another lease's, or if the role leaves nothing out."""
        if (other := found.granting_lease) is not None:
            message = f"You hold one of these roles by another lease, {other}, at {grant.scope}."
            raise Conflict(message, code="already_granted", lease=other)
        if not self.leaves_out:
            message = f"You hold one of these roles already, by an assignment that is not this broker's, at {grant.scope}."
            raise Conflict(message, code="already_held")
        self.left_out.add(grant.name)

    def _note_made(self, grant: Grant) -> None:
        first = not self.made
        self.made.add(grant.name)
        if first:
            self.note(self._known(made=self.made))

    def _note_failure(self) -> None:
        """Notes what was made or may have been made, if there is any: then the rest was certainly not made."""
        planned = {each.name for each in self.plan.grants}
        if len(never := self._never(planned)) < len(planned):
            self.note(self._known(made=planned - never, unmade=never))

    def _never(self, names: set[str]) -> set[str]:
        """Returns those of which Azure has certainly refused each attempt, or which were never tried."""
        maybe = {name for name, each in self.attempts.items() if each.may_have_worked}
        return names - maybe - self.made

    def _known(
        self, *, made: set[str], unmade: set[str] | None = None, left_out: set[str] | None = None, granted: bool = False
    ) -> RoleGrantFootprint:
        in_order = [each.name for each in self.plan.grants]
        pick: Callable[[set[str]], tuple[str, ...]] = lambda names: tuple(each for each in in_order if each in names)  # noqa: E731
        return replace(
            self.plan, made=pick(made), unmade=pick(unmade or set()), left_out=pick(left_out or set()), granted=granted
        )
