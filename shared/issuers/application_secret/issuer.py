"""Mints a client secret on an existing application, and removes it. Two calls to mint, one to undo.

The application stays, others put secrets on it as well, and it can hold only so many. So a worker that changes it takes the
application's lock (``lock.py``), and counts what the application holds before it adds a secret. Where room is scarce it counts
once more under the lock, a third call: no other worker of the broker adds a secret between that count and its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from shared.core.directory import PERSONAL_AUDIENCES, HeldCredentials, NewSecret
from shared.core.errors import Absent, Conflict, Fault, Full, Malformed, Refused, RoleOutdated, Uncertain
from shared.core.names import ObjectId
from shared.core.ports.inventory import AzureInventory
from shared.issuers.application_secret.schema import FIELD, MARKED, ApplicationSecretFootprint, ApplicationSecretTarget
from shared.issuers.application_secret.survey import ApplicationSecretSurvey
from shared.kinds.calls import Applications
from shared.kinds.client_secret import ClientSecretCredential, LeaseSecrets, Probe
from shared.kinds.kind import Minted, Order, Places, unheard
from shared.resilience.retry import SAFE_TO_REPEAT, TRANSIENT, Retry

_COUNTING = 5.0
"""Seconds within which a count that was not answered is asked for again while others wait for their turn."""
MOST_CREDENTIALS = 600
"""Secrets and certificates together, others' included. Entra ID limits an object's size, which about 600 of them were reported
to reach (https://github.com/microsoftgraph/microsoft-graph-docs/issues/21469), and all collections of an application together
to about 1,000 items (https://learn.microsoft.com/entra/identity-platform/supported-accounts-validation)."""
MOST_FOR_PERSONAL_ACCOUNTS = 2
"""Secrets, where personal Microsoft accounts may sign in (same source)."""
SCARCE = 50
"""With room for no more than so many, others of the broker's may have filled it while one waited for its turn."""


type Note = Callable[[ApplicationSecretFootprint], None]


class LocksApplications(Protocol):
    """Lets one worker at a time change an application, on whichever instance."""

    def holding(self, application_id: ObjectId, *, deadline: float) -> AbstractAsyncContextManager[None]:
        """Waits for the lock and holds it within. Raises ``ConcurrentChange`` if it cannot be had in time; ``Upstream``."""
        ...


@dataclass(frozen=True, slots=True)
class ApplicationSecretIssuer:
    """Satisfies ``Issuer``. ``client_id`` is that of the broker's identity.

    ``protected`` are client ids and object ids that no role may target: the broker's own.
    """

    applications: Applications
    locks: LocksApplications
    inventory: AzureInventory
    probe: Probe
    retry: Retry
    tenant_id: ObjectId
    client_id: ObjectId
    protected: frozenset[ObjectId]

    async def resolve(self, target: ApplicationSecretTarget) -> ApplicationSecretTarget:
        """Three calls, and a fourth where the broker does not own the application. Refuses the broker's own.

        Tells in ``closed`` and ``owned`` whether the broker can make secrets there, as far as it can be known.
        """
        try:
            return await self._looked_at(target)
        except Absent as absent:
            raise Malformed(Fault(FIELD, "there is no such application"), code="unresolvable") from absent
        except Refused as refused:
            raise Malformed(Fault(FIELD, "the broker may not read this application"), code="unresolvable") from refused

    async def _looked_at(self, target: ApplicationSecretTarget) -> ApplicationSecretTarget:
        found = await self.applications.read_application(target.application_object_id)
        if {found.object_id, found.app_id, found.principal_id} & self.protected:
            raise Malformed(Fault(FIELD, "a role may not target the broker's own application"), code="protected_target")
        known = replace(target, app_id=found.app_id, principal_id=found.principal_id, closed="", owned=True)
        if found.marked:
            return replace(known, closed="marked")
        if await self._owns(found.object_id):
            return known
        denied = await self.applications.is_denied(found.object_id, ObjectId(self.retry.ids.guid()))
        return replace(known, closed="denied" if denied else "", owned=False)

    async def _owns(self, application_id: ObjectId) -> bool:
        """Not as far as is known, where the broker may not read owners."""
        try:
            return await self.applications.is_owner(application_id, self.client_id)
        except Absent:
            raise
        except Refused:
            return False

    def plan(self, order: Order) -> ApplicationSecretFootprint:
        """The lease's id is the secret's display name: so one whose key id was never learned is found again."""
        return ApplicationSecretFootprint(_target(order).application_object_id, display_name=order.lease_id)

    async def prepare(
        self,
        order: Order,  # noqa: ARG002 - the protocol's
        footprint: ApplicationSecretFootprint,
        note: Note,  # noqa: ARG002 - there is nothing to tell
    ) -> ApplicationSecretFootprint:
        """Nothing: the application is there already."""
        return footprint

    async def credential(self, order: Order, footprint: ApplicationSecretFootprint, note: Callable[[ObjectId], None]) -> Minted:
        """Two calls, a third where room is scarce. Three if it replaces another, of which the first two read the application.

        An answer that is lost is not asked for again: that would make a second secret. Raises ``Conflict``
        (``application_full``) if there is no room for another, ``RoleOutdated`` if a lease made the application: the role may
        be from before that was looked at.
        """
        if order.rotating:
            return await self._replacement(order, footprint, note)
        target = _target(order)
        if target.app_id is None:
            raise TypeError(f"{order.lease_id}: the role was never resolved")
        scarce = await self._is_scarce(order, footprint)
        secret = await self.retry.call_in_time(
            lambda: self._add(order, footprint, counting=scarce), on=TRANSIENT, deadline=order.deadline
        )
        note(secret.key_id)
        return self._minted(target.app_id, target.principal_id, secret)

    async def _replacement(
        self, order: Order, footprint: ApplicationSecretFootprint, note: Callable[[ObjectId], None]
    ) -> Minted:
        """The role may name another application by now: the footprint's is read. Whether there is room Entra ID says itself."""
        found = await self.retry.call(
            lambda: self.applications.read_application(footprint.application_id), on=SAFE_TO_REPEAT, deadline=order.deadline
        )
        _require_unmarked(found.marked)
        secrets = self._secrets(footprint, fresh=order.fresh, deadline=order.deadline)
        secret = await secrets.add(order.credential_end)
        note(secret.key_id)
        return self._minted(found.app_id, found.principal_id, secret)

    async def prove(self, credential: ClientSecretCredential, *, deadline: float) -> bool:
        """By signing in."""
        return await self.probe.signs_in(credential.client_id, credential.client_secret, deadline=deadline)

    async def remove_former(
        self, order: Order, footprint: ApplicationSecretFootprint, *, maybe_more: bool, keeping: ObjectId | None = None
    ) -> bool:
        """One call, or one to list them and one for each."""
        secrets = self._secrets(footprint, fresh=order.fresh, deadline=order.deadline)
        return await secrets.remove_former(footprint.key_id, maybe_more=maybe_more, keep=keeping)

    async def locate(
        self,
        footprint: ApplicationSecretFootprint,
        *,
        fresh: bool,  # noqa: ARG002 - the protocol's
        deadline: float,  # noqa: ARG002
    ) -> ApplicationSecretFootprint:
        """Nothing to learn ahead: the display name leads to the secret for as long as it exists."""
        return footprint

    async def undo(
        self,
        footprint: ApplicationSecretFootprint,
        *,
        fresh: bool,
        deadline: float,
        maybe_more: bool = False,
        again: bool = False,  # noqa: ARG002 - what is removed goes nowhere else
        note: Note = unheard,  # noqa: ARG002 - and nothing has to be looked for a second time
    ) -> bool:
        """Removes every secret that the lease may have left on the application."""
        secrets = self._secrets(footprint, fresh=fresh, deadline=deadline)
        if footprint.key_id is not None and not maybe_more:
            return await secrets.remove_all([footprint.key_id])
        try:
            found = await secrets.named()
        except Absent:
            return True
        found_all = await secrets.remove_all({*found, *([footprint.key_id] if footprint.key_id else [])})
        # Of several, nothing but time tells whether the list is complete.
        return found_all and bool(found) and not maybe_more

    async def stands(self, footprint: ApplicationSecretFootprint) -> bool:
        """One call. Without a credential nothing was made that could be gone."""
        return footprint.key_id is None or footprint.key_id in {
            each.key_id for each in await self.inventory.secrets_on(footprint.application_id)
        }

    def survey(self, places: Places) -> ApplicationSecretSurvey:
        """The secrets of every application."""
        return ApplicationSecretSurvey(self.inventory, places)

    async def _is_scarce(self, order: Order, made: ApplicationSecretFootprint) -> bool:
        room = await self.retry.call_in_time(
            lambda: self._room(made.application_id), on=SAFE_TO_REPEAT, deadline=order.deadline
        )
        return room <= SCARCE

    async def _room(self, application_id: ObjectId) -> int:
        """For how many more secrets there is room. Raises ``Conflict`` (``application_full``) when there is none.

        ``RoleOutdated`` where a lease made the application: the role may be from before that was looked at.
        """
        held = await self.applications.credentials_of(application_id)
        _require_unmarked(held.marked)
        room = _room(held)
        if room <= 0:
            raise _full()
        return room

    async def _add(self, order: Order, made: ApplicationSecretFootprint, *, counting: bool) -> NewSecret:
        """One attempt, under the lock: no other worker waits for the pauses between two."""
        async with self.locks.holding(made.application_id, deadline=order.deadline):
            if counting:
                await self._recount(made.application_id, order.deadline)
            try:
                return await self.retry.call_in_time(
                    lambda: self.applications.add_secret(made.application_id, made.display_name, order.credential_end),
                    on=(),
                    deadline=order.deadline,
                )
            except Full as full:
                raise _full() from full

    async def _recount(self, application_id: ObjectId, deadline: float) -> None:
        soon = min(deadline, self.retry.clock.monotonic() + _COUNTING)
        await self.retry.call(lambda: self._room(application_id), on=(Uncertain,), deadline=soon)

    def _secrets(self, footprint: ApplicationSecretFootprint, *, fresh: bool, deadline: float) -> LeaseSecrets:
        locked = _UnderLock(self.applications, self.locks, deadline)
        return LeaseSecrets(locked, self.retry, footprint.application_id, footprint.display_name, fresh, deadline)

    def _minted(self, client_id: ObjectId, principal: ObjectId | None, secret: NewSecret) -> Minted:
        credential = ClientSecretCredential(
            type=ApplicationSecretTarget.type,
            tenant_id=self.tenant_id,
            client_id=client_id,
            client_secret=secret.secret,
            object_id=principal,
            secret_id=secret.key_id,
        )
        return Minted(credential, secret.key_id)


@dataclass(frozen=True, slots=True)
class _UnderLock:
    """An application's secrets, each change under the application's lock. Satisfies ``Secrets``."""

    applications: Applications
    locks: LocksApplications
    deadline: float

    async def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """Raises ``Conflict`` (``application_full``) as well."""
        async with self.locks.holding(application_id, deadline=self.deadline):
            try:
                return await self.applications.add_secret(application_id, display_name, end)
            except Full as full:
                raise _full() from full

    async def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """Reading takes no lock."""
        return await self.applications.secrets_named(application_id, display_name)

    async def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """Raises ``Absent``."""
        async with self.locks.holding(application_id, deadline=self.deadline):
            await self.applications.remove_secret(application_id, key_id)


def _require_unmarked(marked: bool) -> None:  # noqa: FBT001 - read off the application
    if marked:
        raise RoleOutdated(Fault(FIELD, MARKED), audit_reason=f"{FIELD}: {MARKED}")


def _room(held: HeldCredentials) -> int:
    room = MOST_CREDENTIALS - held.secrets - held.certificates
    return min(room, MOST_FOR_PERSONAL_ACCOUNTS - held.secrets) if held.sign_in_audience in PERSONAL_AUDIENCES else room


def _full() -> Conflict:
    return Conflict("The role's application holds as many credentials as it may.", code="application_full")


def _target(order: Order) -> ApplicationSecretTarget:
    if not isinstance(order.target, ApplicationSecretTarget):
        raise TypeError(f"not an application secret target: {type(order.target).__name__}")
    return order.target
