"""User delegation SAS: a plain address of a container of blobs, for whoever cannot send a token.

The broker signs in as the lease's own principal, gets a user delegation key, and signs with it. Whoever has the address may do
what both its letters and the principal's assignments allow, at the time of use: so the lease's end cuts it off, and no other.
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.core.errors import Fault, Malformed, RoleOutdated
from shared.core.names import ObjectId
from shared.core.role import role_changed
from shared.core.secret import Secret
from shared.issuers.service_principal.choice import CredentialChoice
from shared.issuers.service_principal.credential_kind import Usual
from shared.issuers.service_principal.held import Held
from shared.issuers.service_principal.means import Means, common_fields, known, made_at
from shared.issuers.service_principal.sas_place import FIELD, NAME, SasPlace, place_of
from shared.issuers.service_principal.sas_signature import signed
from shared.issuers.service_principal.target import ServicePrincipalTarget
from shared.kinds.delegation import LONGEST
from shared.kinds.kind import Asking, Minted, Order, refuse_fields

if TYPE_CHECKING:
    from shared.issuers.service_principal.target import ServicePrincipalFootprint

EARLIER = timedelta(minutes=5)
"""Before now the key begins, for clocks that differ from storage's."""


@dataclass(frozen=True, slots=True)
class StorageSasCredential:
    """Satisfies ``Credential``. ``ends_at`` is the signature's own end, in UTC. ``address`` is that of the account's blobs."""

    type: str
    tenant_id: ObjectId
    client_id: ObjectId
    address: str
    place: SasPlace
    sas_token: Secret
    ends_at: datetime
    object_id: ObjectId | None
    subscription_id: ObjectId | None = None

    def fields(self) -> Mapping[str, str | Secret | None]:
        """Returns the subscription only if there is one. The whole address is as secret as the token in it."""
        url = f"{self.address}/{self.place.container}"
        return {
            **common_fields(NAME, self),
            "account_url": self.address,
            "container": self.place.container,
            "permissions": self.place.permissions,
            "sas_token": self.sas_token,
            "url": Secret(f"{url}?{self.sas_token.reveal()}"),
            "sas_expires_at": self.ends_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


class StorageSas(Usual):
    """Satisfies ``CredentialKind``. What is read of an ask is the container; ``None`` stands for the role's only one."""

    writes: bool = False

    def asked(self, target: ServicePrincipalTarget, asking: Asking) -> str | None:
        """Raises ``Malformed`` (``not_signable``) if no SAS can be signed for what was filled, narrowed and named."""
        container = _container(asking.fields)
        place_of(target, container)
        return container

    def asked_again(self, choice: CredentialChoice, held: Held, fields: Mapping[str, Any]) -> str | None:
        """Returns the same: the lease keeps what was asked for."""
        if choice.name != held.name:
            raise role_changed()
        return _container(fields)

    def held(self, means: Means, order: Order) -> Held:  # noqa: ARG002 - the protocol's
        """Names the kind: there is nothing to remove."""
        return Held(NAME)

    def trusts_broker(self, *, proven: bool) -> bool:  # noqa: ARG002 - the protocol's
        """Always: the broker signs in."""
        return True

    def can_be_added(self, footprint: ServicePrincipalFootprint) -> bool:
        """Returns whether everything else is made: a token from before would be too old to know of it."""
        return footprint.app_id is not None and footprint.held.given

    async def add(
        self,
        means: Means,
        order: Order,
        footprint: ServicePrincipalFootprint,
        note: Callable[[ObjectId], None],  # noqa: ARG002 - the protocol's
    ) -> Minted:
        """Signs in, gets a key, and signs. Writes nothing. Raises ``NotReplicated`` until storage knows the assignments.

        The key is the proof that the principal signs in and that an assignment counts: ``ready: access`` asks for more.
        """
        place, keys = _place(order), means.federation.delegation
        now = means.retry.clock.now().replace(microsecond=0)
        start = now - EARLIER
        end = min(order.credential_end.replace(microsecond=0), start + LONGEST)
        client_id = known(footprint.app_id)
        key = await keys.key(client_id, place.account, start, end, deadline=order.deadline, since=made_at(order))
        end = min(end, key.end)
        token = signed(key, place.account, place.container, place.permissions, end)
        made = StorageSasCredential(
            **means.common(footprint), address=keys.address(place.account), place=place, sas_token=token, ends_at=end
        )
        return Minted(made, proven=True)

    async def signs_in(
        self,
        means: Means,  # noqa: ARG002 - the protocol's
        credential: StorageSasCredential,  # noqa: ARG002
        *,
        deadline: float,  # noqa: ARG002
        since: datetime | None,  # noqa: ARG002
    ) -> bool:
        """The key was given to whoever has signed in."""
        return True


def _container(fields: Mapping[str, Any]) -> str | None:
    refuse_fields(fields, but=FIELD)
    container = fields.get(FIELD)
    if container is not None and not isinstance(container, str):
        raise Malformed(Fault(FIELD, "expected a text"))
    return container


def _place(order: Order) -> SasPlace:
    """Returns what is signed. Raises ``RoleOutdated`` if the definitions of today do not give it any more."""
    if not isinstance(order.target, ServicePrincipalTarget):
        raise TypeError("a SAS is of a service principal's role")
    try:
        return place_of(order.target, order.asked)
    except Malformed as wrong:
        raise RoleOutdated(*wrong.faults, audit_reason=f"{wrong.stable_code}: {wrong.detail}") from wrong
