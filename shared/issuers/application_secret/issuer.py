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

from shared.core.closed_application import closed
from shared.core.credential import ClientSecretCredential, Credential
from shared.core.directory import ExistingApplication, HeldCredentials, NewSecret
from shared.core.errors import Absent, Conflict, Fault, Full, Malformed, Refused, RoleOutdated, Uncertain
from shared.core.footprint import ApplicationSecretFootprint, Footprint
from shared.core.names import ObjectId
from shared.core.role import PERSONAL_AUDIENCES, ApplicationSecretTarget, Target
from shared.core.secret import Secret
from shared.kinds.client_secret import LeaseSecrets, Secrets
from shared.kinds.kind import Minted, Order, SecretOrder, unheard
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


class Applications(Secrets, Protocol):
    """The calls to Microsoft Graph that this issuer makes. Every method may raise ``Upstream``."""

    async def credentials_of(self, application_id: ObjectId) -> HeldCredentials:
        """How many credentials the application holds, whoever made them. Raises ``Absent``."""
        ...

    async def read_application(self, application_id: ObjectId) -> ExistingApplication:
        """Two calls: the application, and its service principal here. Raises ``Absent``."""
        ...

    async def is_owner(self, application_id: ObjectId, app_id: ObjectId) -> bool:
        """Whether the service principal of this client id owns the application. Raises ``Absent``."""
        ...

    async def is_denied(self, application_id: ObjectId, no_key: ObjectId) -> bool:
        """Whether Entra ID forbids the broker to change the application's secrets; ``no_key`` is none's. Raises ``Absent``."""
        ...


class LocksApplications(Protocol):
    """Lets one at a time change an application, on whichever instance."""

    def holding(self, application_id: ObjectId, *, deadline: float) -> AbstractAsyncContextManager[None]:
        """Waits for its turn and holds it within. Raises ``ConcurrentChange`` when that does not come in time; ``Upstream``."""
        ...


class Probe(Protocol):
    """Tries a credential out."""

    async def signs_in(self, client_id: ObjectId, secret: Secret, *, deadline: float) -> bool:
        """Whether Entra takes it dependably before ``deadline``."""
        ...


@dataclass(frozen=True, slots=True)
class ApplicationSecretIssuer:
    """See the module. ``client_id`` is that of the broker's identity.

    ``protected`` are client ids and object ids that no role may target: the broker's own.
    """

    applications: Applications
    locks: LocksApplications
    probe: Probe
    retry: Retry
    tenant_id: ObjectId
    client_id: ObjectId
    protected: frozenset[ObjectId]

    def plan(self, order: Order) -> ApplicationSecretFootprint:
        """The lease's id is the secret's display name: so one whose key id was never learned is found again."""
        return ApplicationSecretFootprint(_target(order.target).application_object_id, display_name=order.lease_id)

    async def mint(self, order: Order, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Adds the secret. An answer that is lost is not asked for again: that would make a second secret.

        Raises ``Conflict`` (``application_full``), with nothing made, when the application has no room for another.
        """
        made, target = _own(footprint), _target(order.target)
        if target.app_id is None:
            raise TypeError(f"{order.lease_id}: the role was never resolved")
        scarce = await self._is_scarce(order, made)
        secret = await self.retry.call_in_time(
            lambda: self._add(order, made, counting=scarce),
            on=TRANSIENT,
            deadline=order.deadline,
        )
        made = replace(made, key_id=secret.key_id)
        note(made)
        credential = self._credential(target.app_id, target.principal_id, secret)
        wanted = target.ready == "token"
        ready = wanted and await self.probe.signs_in(target.app_id, secret.secret, deadline=order.deadline)
        return Minted(credential, made, ready=ready)

    async def locate(self, footprint: Footprint, *, young: bool, deadline: float) -> ApplicationSecretFootprint:  # noqa: ARG002
        """Nothing to learn ahead: the display name leads to the secret for as long as it exists."""
        return _own(footprint)

    async def undo(
        self,
        footprint: Footprint,
        *,
        young: bool,
        deadline: float,
        again: bool = False,  # noqa: ARG002 - what is removed goes nowhere else
        note: Callable[[Footprint], None] = unheard,  # noqa: ARG002 - and nothing has to be looked for a second time
    ) -> bool:
        """Removes every secret that the lease may have left on the application."""
        made = _own(footprint)
        secrets = self._secrets(made, young=young, deadline=deadline)
        if made.key_id is not None and not made.maybe_more_secrets:
            return await secrets.remove_all([made.key_id])
        try:
            found = await secrets.named()
        except Absent:
            return True
        found_all = await secrets.remove_all({*found, *([made.key_id] if made.key_id else [])})
        # Of several, nothing but time tells whether the list is complete.
        return found_all and bool(found) and not made.maybe_more_secrets

    async def credential(self, order: SecretOrder, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Three calls: two to read the application, which the role may not name any more, one to add the secret.

        Raises ``RoleOutdated`` where a lease made the application: this one may be from before that was looked at.
        """
        made = _own(footprint)
        found = await self.retry.call(
            lambda: self.applications.read_application(made.application_id), on=SAFE_TO_REPEAT, deadline=order.deadline
        )
        _require_unmarked(made.application_id, found.marked)
        secrets = self._secrets(made, young=order.young, deadline=order.deadline)
        secret = await secrets.add(order.secret_end)
        made = replace(made, key_id=secret.key_id)
        note(made)
        credential = self._credential(found.app_id, found.principal_id, secret)
        return Minted(credential, made)

    async def prove(self, credential: Credential, *, deadline: float) -> bool:
        """By signing in."""
        return await self.probe.signs_in(credential.client_id, credential.client_secret, deadline=deadline)

    async def remove_former(self, order: SecretOrder, footprint: Footprint, *, keeping: Footprint | None = None) -> bool:
        """One call, or one to list them and one for each."""
        made, keep = _own(footprint), _own(keeping).key_id if keeping else None
        secrets = self._secrets(made, young=order.young, deadline=order.deadline)
        return await secrets.remove_former(made.key_id, maybe_more_secrets=made.maybe_more_secrets, keep=keep)

    async def resolve(self, target: Target) -> ApplicationSecretTarget:
        """Three calls, and a fourth where the broker does not own the application. Refuses the broker's own.

        Tells in ``closed`` and ``owned`` whether the broker can make secrets there, as far as it can be known.
        """
        wanted, field = _target(target), "application_object_id"
        try:
            return await self._looked_at(wanted)
        except Absent as absent:
            raise Malformed(Fault(field, "there is no such application"), code="unresolvable") from absent
        except Refused as refused:
            raise Malformed(Fault(field, "the broker may not read this application"), code="unresolvable") from refused

    async def _looked_at(self, wanted: ApplicationSecretTarget) -> ApplicationSecretTarget:
        found = await self.applications.read_application(wanted.application_object_id)
        if {found.object_id, found.app_id, found.principal_id} & self.protected:
            fault = Fault("application_object_id", "a role may not target the broker's own application")
            raise Malformed(fault, code="protected_target")
        known = replace(wanted, app_id=found.app_id, principal_id=found.principal_id, closed="", owned=True)
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
        _require_unmarked(application_id, held.marked)
        room = _room(held)
        if room <= 0:
            raise _full()
        return room

    async def _add(self, order: Order, made: ApplicationSecretFootprint, *, counting: bool) -> NewSecret:
        """One attempt, in its turn: nobody waits for others' pauses between two."""
        async with self.locks.holding(made.application_id, deadline=order.deadline):
            if counting:
                await self._recount(made.application_id, order.deadline)
            try:
                return await self.retry.call_in_time(
                    lambda: self.applications.add_secret(made.application_id, made.display_name, order.secret_end),
                    on=(),
                    deadline=order.deadline,
                )
            except Full as full:
                raise _full() from full

    async def _recount(self, application_id: ObjectId, deadline: float) -> None:
        soon = min(deadline, self.retry.clock.monotonic() + _COUNTING)
        await self.retry.call(lambda: self._room(application_id), on=(Uncertain,), deadline=soon)

    def _secrets(self, made: ApplicationSecretFootprint, *, young: bool, deadline: float) -> LeaseSecrets:
        in_turns = _InTurns(self.applications, self.locks, deadline)
        return LeaseSecrets(in_turns, self.retry, made.application_id, made.display_name, young, deadline)

    def _credential(self, client_id: ObjectId, principal: ObjectId | None, secret: NewSecret) -> ClientSecretCredential:
        return ClientSecretCredential(
            type="application_secret",
            tenant_id=self.tenant_id,
            client_id=client_id,
            client_secret=secret.secret,
            object_id=principal,
            secret_id=secret.key_id,
        )


@dataclass(frozen=True, slots=True)
class _InTurns:
    """An application's secrets, each change in a turn of its own. Satisfies ``Secrets``."""

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
        """Reading takes no turn."""
        return await self.applications.secrets_named(application_id, display_name)

    async def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """Raises ``Absent``."""
        async with self.locks.holding(application_id, deadline=self.deadline):
            await self.applications.remove_secret(application_id, key_id)


def _require_unmarked(application_id: ObjectId, marked: bool) -> None:  # noqa: FBT001 - read off the application
    if marked:
        (fault,) = closed(ApplicationSecretTarget(application_id, closed="marked"))
        raise RoleOutdated(fault, audit_reason=f"{fault.path}: {fault.message}")


def _room(held: HeldCredentials) -> int:
    room = MOST_CREDENTIALS - held.secrets - held.certificates
    return min(room, MOST_FOR_PERSONAL_ACCOUNTS - held.secrets) if held.sign_in_audience in PERSONAL_AUDIENCES else room


def _full() -> Conflict:
    return Conflict("The role's application holds as many credentials as it may.", code="application_full")


def _target(target: Target) -> ApplicationSecretTarget:
    if not isinstance(target, ApplicationSecretTarget):
        raise TypeError(f"not an application secret target: {type(target).__name__}")
    return target


def _own(footprint: Footprint) -> ApplicationSecretFootprint:
    if not isinstance(footprint, ApplicationSecretFootprint):
        raise TypeError(f"not an application secret's footprint: {type(footprint).__name__}")
    return footprint
