"""Mints a client secret on an existing application, and removes it. Two calls to mint, one to undo.

The application stays, others put secrets on it as well, and it can hold only so many. So a worker that changes it takes the
application's lock (``lock.py``), and counts what the application holds before it adds a secret. If room is scarce, the worker
counts once more under the lock, with a third call: no other worker of the broker adds a secret between that count and its own.
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
from shared.kinds.kind import Minted, Order
from shared.kinds.part import Places, unheard
from shared.kinds.proof import Proof, prove_secret
from shared.resilience.retry import SAFE_TO_REPEAT, TRANSIENT, Retry

_COUNTING = 5.0
"""Seconds for which an uncertain count is repeated under the lock, while other calls wait for the lock."""
MOST_CREDENTIALS = 600
"""Secrets and certificates together, others' included. Entra ID limits an object's size: by report, 600 of them reach the limit
(https://github.com/microsoftgraph/microsoft-graph-docs/issues/21469). It also limits all collections of an application together
to about 1,000 items (https://learn.microsoft.com/entra/identity-platform/supported-accounts-validation)."""
MOST_FOR_PERSONAL_ACCOUNTS = 2
"""Secrets of an application to which personal Microsoft accounts may sign in (same source)."""
SCARCE = 50
"""If there is room for so many or fewer, other workers may fill it while this one waits for the lock."""


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
        """Makes three calls, and a fourth if the broker does not own the application. Refuses the broker's own application.

        ``closed`` and ``owned`` of the result say whether the broker can make secrets there, as far as that can be known.
        """
        try:
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
        except Absent as absent:
            raise Malformed(Fault(FIELD, "there is no such application"), code="unresolvable") from absent
        except Refused as refused:
            raise Malformed(Fault(FIELD, "the broker may not read this application"), code="unresolvable") from refused

    async def _owns(self, application_id: ObjectId) -> bool:
        """Returns whether the broker owns the application. If the broker may not read owners, returns ``False``."""
        try:
            return await self.applications.is_owner(application_id, self.client_id)
        except Absent:
            raise
        except Refused:
            return False

    def plan(self, order: Order) -> ApplicationSecretFootprint:
        """Plans a secret whose display name is the lease's id: so a secret whose key id was never learned is found again."""
        return ApplicationSecretFootprint(_target(order).application_object_id, display_name=order.lease_id)

    async def prepare(
        self,
        order: Order,  # noqa: ARG002 - the protocol's
        footprint: ApplicationSecretFootprint,
        note: Note,  # noqa: ARG002 - there is nothing to tell
    ) -> ApplicationSecretFootprint:
        """Makes nothing: the application is there already."""
        return footprint

    async def credential(self, order: Order, footprint: ApplicationSecretFootprint, note: Callable[[ObjectId], None]) -> Minted:
        """Makes two calls, and a third if room is scarce. To replace a secret, makes three: the first two read the application.

        If the answer is lost, the call is not repeated: that would make a second secret. Raises ``Conflict``
        (``application_full``) if there is no room for another. Raises ``RoleOutdated`` if a lease has made the application: an
        older version may have stored the role without that check.
        """
        if order.rotating:
            return await self._replacement(order, footprint, note)
        target = _target(order)
        if target.app_id is None:
            raise TypeError(f"{order.lease_id}: the role was never resolved")
        room = await self.retry.call(
            lambda: self._room(footprint.application_id), on=SAFE_TO_REPEAT, deadline=order.deadline, in_time=True
        )
        secret = await self.retry.call(
            lambda: self._add(order, footprint, counting=room <= SCARCE), on=TRANSIENT, deadline=order.deadline, in_time=True
        )
        note(secret.key_id)
        return self._minted(target.app_id, target.principal_id, secret)

    async def _replacement(
        self, order: Order, footprint: ApplicationSecretFootprint, note: Callable[[ObjectId], None]
    ) -> Minted:
        """Adds a secret beside the former one. The role may name another application by now: the footprint's counts.

        Entra ID itself refuses the secret if there is no room.
        """
        found = await self.retry.call(
            lambda: self.applications.read_application(footprint.application_id), on=SAFE_TO_REPEAT, deadline=order.deadline
        )
        _require_unmarked(found.marked)
        secrets = self._secrets(footprint, fresh=order.fresh, deadline=order.deadline)
        secret = await secrets.add(order.credential_end)
        note(secret.key_id)
        return self._minted(found.app_id, found.principal_id, secret)

    async def prove(
        self,
        order: Order,  # noqa: ARG002 - the protocol's
        credential: ClientSecretCredential,
        *,
        deadline: float,
    ) -> Proof:
        """Signs in with the credential. How old the application is, nobody here knows."""
        return await prove_secret(self.probe, credential.client_id, credential.client_secret, deadline=deadline)

    async def remove_former(
        self, order: Order, footprint: ApplicationSecretFootprint, *, maybe_more: bool, keeping: ObjectId | None = None
    ) -> bool:
        """Makes one call, or one to list the secrets and one for each."""
        secrets = self._secrets(footprint, fresh=order.fresh, deadline=order.deadline)
        return await secrets.remove_former(footprint.key_id, maybe_more=maybe_more, keep=keeping)

    async def locate(
        self,
        footprint: ApplicationSecretFootprint,
        *,
        fresh: bool,  # noqa: ARG002 - the protocol's
        deadline: float,  # noqa: ARG002
    ) -> ApplicationSecretFootprint:
        """Learns nothing ahead: the display name leads to the secret for as long as the secret exists."""
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
        # If there may be several secrets, the list may lack one that a replica does not know yet.
        return found_all and bool(found) and not maybe_more

    async def stands(self, footprint: ApplicationSecretFootprint) -> bool:
        """Makes one call. Without a credential, the lease has made nothing that could be gone."""
        return footprint.key_id is None or footprint.key_id in {
            each.key_id for each in await self.inventory.secrets_on(footprint.application_id)
        }

    def survey(self, places: Places) -> ApplicationSecretSurvey:
        """Surveys the secrets of every application."""
        return ApplicationSecretSurvey(self.inventory, places)

    async def _room(self, application_id: ObjectId) -> int:
        """Returns for how many more secrets there is room. Raises ``Conflict`` (``application_full``) if there is none.

        Raises ``RoleOutdated`` if a lease has made the application: an older version may have stored the role unchecked.
        """
        held = await self.applications.credentials_of(application_id)
        _require_unmarked(held.marked)
        room = _room(held)
        if room <= 0:
            raise _full()
        return room

    async def _add(self, order: Order, made: ApplicationSecretFootprint, *, counting: bool) -> NewSecret:
        """Makes one attempt under the lock. Between two attempts, other workers can have the lock."""
        async with self.locks.holding(made.application_id, deadline=order.deadline):
            if counting:
                soon = min(order.deadline, self.retry.clock.monotonic() + _COUNTING)
                await self.retry.call(lambda: self._room(made.application_id), on=(Uncertain,), deadline=soon)
            try:
                return await self.retry.call(
                    lambda: self.applications.add_secret(made.application_id, made.display_name, order.credential_end),
                    on=(),
                    deadline=order.deadline,
                    in_time=True,
                )
            except Full as full:
                raise _full() from full

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
    """Changes an application's secrets, each change under the application's lock. Satisfies ``Secrets``."""

    applications: Applications
    locks: LocksApplications
    deadline: float

    async def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """Adds a secret. Raises ``Conflict`` (``application_full``) as well."""
        async with self.locks.holding(application_id, deadline=self.deadline):
            try:
                return await self.applications.add_secret(application_id, display_name, end)
            except Full as full:
                raise _full() from full

    async def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """Reads without the lock."""
        return await self.applications.secrets_named(application_id, display_name)

    async def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """Removes a secret. Raises ``Absent``."""
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
