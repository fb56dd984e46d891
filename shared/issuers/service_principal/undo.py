"""Deletes what a lease with a service principal of its own has made, and doubts what is absent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial

from shared.core.errors import Absent, Refused, Upstream
from shared.core.names import ObjectId
from shared.issuers.service_principal.target import ServicePrincipalFootprint
from shared.kinds.attempt import Attempt, Look
from shared.kinds.calls import Authorization, Directory
from shared.resilience.tasks import all_of

_BIN_PATIENCE = 30.0
"""Seconds by which the recycle bin is at most behind the deletions, whoever makes them. Graph's replicas are seconds behind."""


class Deletion(Enum):
    """What is known of an object after this attempt has tried to delete it."""

    DELETED = auto()
    """It was there until just now, as far as is known."""
    ABSENT = auto()
    """It was gone. Who has deleted it, and when, is not known."""
    FAILED = auto()
    """It may be there as before."""


@dataclass(slots=True)
class Undoing:
    """One pass over a footprint. It goes on after a failure, and keeps the first."""

    directory: Directory
    authorization: Authorization
    look: Look
    footprint: ServicePrincipalFootprint
    again: bool
    note: Callable[[ServicePrincipalFootprint], None]
    failure: Upstream | None = None
    found_all: bool = True

    async def run(self) -> bool:
        """Deletes the assignments, the memberships, the principal and the application, and purges the last two from the bin.

        Returns whether everything was found. Raises the first failure after everything was tried.
        """
        made, binned = self.footprint, list[tuple[ObjectId, Deletion]]()
        await all_of(
            *(
                self._gone(partial(self.authorization.unassign, each), unmade=each.name in made.unmade, where=each.scope)
                for each in made.assignments
            )
        )
        if (principal := made.principal_id) is not None:
            leave = self.directory.remove_member
            await all_of(*(self._gone(partial(leave, each, principal), unmade=each in made.unmade) for each in made.groups))
        for object_id, delete in (
            (principal, self.directory.delete_principal),
            (made.application_id, self.directory.delete_application),
        ):
            if object_id is not None and object_id not in made.purged:
                binned.append((object_id, await self._gone(partial(delete, object_id))))
        if made.purge:
            shown_by = self.look.retry.clock.monotonic() + _BIN_PATIENCE
            for object_id, deletion in binned:
                await self._purge(object_id, deletion, shown_by)
        if self.failure is not None:
            raise self.failure
        return self.found_all and principal is not None and made.application_id is not None

    async def _gone(self, delete: Callable[[], Awaitable[None]], *, unmade: bool = False, where: str = "") -> Deletion:
        """Deletes one thing. ``where`` is an assignment's scope.

        If the thing is ``unmade``, its absence is no reason to look again.
        """
        attempt = Attempt(delete)
        look = replace(self.look, fresh=False) if unmade else self.look
        try:
            await look.at(attempt.make)
        except Absent:
            self.found_all = self.found_all and unmade
            return Deletion.DELETED if attempt.may_have_worked else Deletion.ABSENT
        except Upstream as failure:
            if isinstance(failure, Refused):
                # The assignment may stand: the lease is not over, and an operator has to look at the scope.
                failure.where = where
            self.failure = self.failure or failure
            return Deletion.FAILED
        return Deletion.DELETED

    async def _purge(self, object_id: ObjectId, deletion: Deletion, shown_by: float) -> None:
        """Deletes an object from the recycle bin. Every replica of the bin shows by ``shown_by`` what lies in it.

        If the object was there until just now, its absence means that the bin is behind. If it was gone already, an earlier
        attempt or somebody else may have deleted it just now, and may have purged it too. Then this one looks for it until no
        replica of the bin can be behind any more. If there is not so much time, the attempt has failed.
        """
        until: float | None = None
        if self.again or (deletion is Deletion.ABSENT and not self.look.fresh):
            until = max(shown_by, self.look.patience)
        elif deletion is Deletion.DELETED:
            until = self.look.patience
        try:
            await self.look.at(lambda: self.directory.purge(object_id), until=until)
        except Absent as absent:
            if deletion is Deletion.DELETED or (until is not None and self.look.deadline < shown_by):
                self.failure = self.failure or absent
        except Upstream as failure:
            self.failure = self.failure or failure
        else:
            self.footprint = replace(self.footprint, purged=(*self.footprint.purged, object_id))
            self.note(self.footprint)
