"""Mints a client secret on an existing application, and removes it. One call to mint, one to undo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from shared.core.credential import ClientSecretCredential
from shared.core.directory import ExistingApplication, NewSecret
from shared.core.errors import Absent, Fault, Malformed, Upstream
from shared.core.footprint import ApplicationSecretFootprint, Footprint
from shared.core.names import ObjectId
from shared.core.patience import PASSING, REPEATABLE, Patience
from shared.core.ports import Minted, Order, SecretOrder
from shared.core.role import ApplicationSecretTarget, Target
from shared.core.secret import Secret
from shared.issuers.lease_secrets import LeaseSecrets, Secrets

_ABSENCE_PATIENCE = 10.0
"""Seconds for which a young secret that is absent is asked for again."""


class Applications(Secrets, Protocol):
    """The calls to Microsoft Graph that this issuer makes. Every method may raise ``Upstream``."""

    async def read_application(self, application_id: ObjectId) -> ExistingApplication:
        """Two calls: the application, and its service principal here. Raises ``Absent``."""
        ...


class Probe(Protocol):
    """Tries a credential out."""

    async def signs_in(self, client_id: ObjectId, secret: Secret, *, wait_until: float) -> bool:
        """Whether Entra takes it dependably before ``wait_until``."""
        ...


@dataclass(frozen=True, slots=True)
class ApplicationSecretIssuer:
    """See the module. ``protected`` are client ids and object ids that no role may target: the broker's own."""

    applications: Applications
    probe: Probe
    patience: Patience
    tenant_id: ObjectId
    protected: frozenset[ObjectId]

    def plan(self, order: Order) -> ApplicationSecretFootprint:
        """The lease's id is the secret's display name: so one whose key id was never learned is found again."""
        return ApplicationSecretFootprint(_target(order.target).application_object_id, display_name=order.lease_id)

    async def mint(self, order: Order, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Adds the secret. An answer that is lost is not asked for again: that would make a second secret."""
        made, target = _own(footprint), _target(order.target)
        if target.app_id is None:
            raise TypeError(f"{order.lease_id}: the role was never resolved")
        secret = await self.patience.begin_in_time(
            lambda: self.applications.add_secret(made.application_id, made.display_name, order.secret_end),
            on=PASSING,
            wait_until=order.wait_until,
        )
        made = replace(made, key_id=secret.key_id)
        note(made)
        credential = self._credential(target.app_id, target.principal_id, secret)
        wanted = target.ready == "token"
        ready = wanted and await self.probe.signs_in(target.app_id, secret.secret, wait_until=order.wait_until)
        return Minted(credential, made, ready=ready)

    async def locate(self, footprint: Footprint, *, young: bool, wait_until: float) -> ApplicationSecretFootprint:  # noqa: ARG002
        """Nothing to learn ahead: the display name leads to the secret for as long as it exists."""
        return _own(footprint)

    async def undo(self, footprint: Footprint, *, young: bool, wait_until: float) -> bool:
        """Removes every secret that the lease may have left on the application."""
        made = _own(footprint)
        if made.key_id is not None and not made.several:
            return await self._remove(made, made.key_id, young=young, wait_until=wait_until)
        try:
            found = await self.patience.keep_trying(
                lambda: self.applications.secrets_named(made.application_id, made.display_name),
                on=REPEATABLE,
                wait_until=wait_until,
            )
        except Absent:
            return True
        known = () if made.key_id is None or made.key_id in found else (made.key_id,)
        met = await self._remove_all(made, (*found, *known), young=young, wait_until=wait_until)
        # Of several, nothing but time tells whether the list is complete.
        return met and not made.several

    async def reissue(self, order: SecretOrder, footprint: Footprint, note: Callable[[Footprint], None]) -> Minted:
        """Three calls: two to read the application, which the role may not name any more, one to add the secret."""
        made = _own(footprint)
        found = await self.patience.keep_trying(
            lambda: self.applications.read_application(made.application_id), on=REPEATABLE, wait_until=order.wait_until
        )
        secret = await LeaseSecrets(self.applications, self.patience, made.application_id, order).add()
        made = replace(made, key_id=secret.key_id)
        note(made)
        credential = self._credential(found.app_id, found.principal_id, secret)
        ready = order.ready and await self.probe.signs_in(found.app_id, secret.secret, wait_until=order.wait_until)
        return Minted(credential, made, ready=ready)

    async def retire(self, order: SecretOrder, footprint: Footprint, *, keeping: Footprint | None = None) -> bool:
        """One call, or one to list them and one for each."""
        made, keep = _own(footprint), _own(keeping).key_id if keeping else None
        secrets = LeaseSecrets(self.applications, self.patience, made.application_id, order)
        return await secrets.retire(made.key_id, several=made.several, keep=keep)

    async def resolve(self, target: Target) -> ApplicationSecretTarget:
        """Reads the application, and refuses the broker's own."""
        wanted = _target(target)
        field = "application_object_id"
        try:
            found = await self.applications.read_application(wanted.application_object_id)
        except Absent as absent:
            raise Malformed(Fault(field, "there is no such application"), code="unresolvable") from absent
        if {found.object_id, found.app_id, found.principal_id} & self.protected:
            raise Malformed(Fault(field, "a role may not target the broker's own application"), code="protected_target")
        return replace(wanted, app_id=found.app_id, principal_id=found.principal_id)

    def _credential(self, client_id: ObjectId, principal: ObjectId | None, secret: NewSecret) -> ClientSecretCredential:
        return ClientSecretCredential(
            type="application_secret",
            tenant_id=self.tenant_id,
            client_id=client_id,
            client_secret=secret.secret,
            object_id=principal,
            secret_id=secret.key_id,
        )

    async def _remove_all(
        self, made: ApplicationSecretFootprint, found: tuple[ObjectId, ...], *, young: bool, wait_until: float
    ) -> bool:
        """One after the other, for Entra takes one change of an application at a time."""
        failure: Upstream | None = None
        for key_id in found:
            try:
                await self._remove(made, key_id, young=young, wait_until=wait_until)
            except Upstream as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return bool(found)

    async def _remove(self, made: ApplicationSecretFootprint, key_id: ObjectId, *, young: bool, wait_until: float) -> bool:
        soon = min(wait_until, self.patience.clock.monotonic() + _ABSENCE_PATIENCE) if young else wait_until
        try:
            await self.patience.keep_trying(
                lambda: self.applications.remove_secret(made.application_id, key_id),
                on=(*REPEATABLE, Absent) if young else REPEATABLE,
                wait_until=soon,
            )
        except Absent:
            return False
        return True


def _target(target: Target) -> ApplicationSecretTarget:
    if not isinstance(target, ApplicationSecretTarget):
        raise TypeError(f"not an application secret target: {type(target).__name__}")
    return target


def _own(footprint: Footprint) -> ApplicationSecretFootprint:
    if not isinstance(footprint, ApplicationSecretFootprint):
        raise TypeError(f"not an application secret's footprint: {type(footprint).__name__}")
    return footprint
