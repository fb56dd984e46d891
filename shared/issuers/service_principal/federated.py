"""Federation: the lease's application takes the tokens of a workload that the caller names, and nothing is handed over.

https://learn.microsoft.com/entra/workload-id/workload-identity-federation
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.core import ownership
from shared.core.credential import CredentialField
from shared.core.directory import NewTrust
from shared.core.errors import Conflict, Fault, Malformed
from shared.core.federated_identity import FederatedIdentity
from shared.core.names import ObjectId
from shared.core.parsing import Reader
from shared.core.role import role_changed
from shared.issuers.service_principal.choice import CredentialChoice, read_identity
from shared.issuers.service_principal.credential_kind import NotHeld
from shared.issuers.service_principal.held import Held
from shared.issuers.service_principal.means import Means, common_fields, known
from shared.kinds.kind import Asking, Minted, Order, refuse_fields

if TYPE_CHECKING:
    from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget

NAME = "lh-caller"
RETRY_ON = ("AADSTS70021", "AADSTS700211", "AADSTS700213")
"""What Entra ID answers until every replica knows the credential: minutes, and even after a success.
https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations"""
HOPELESS_ON = ("AADSTS700231",)
"""What Entra ID answers for ever to an identity whose own token was got through federation, such as that of a pod with workload
identity: such a token is no assertion. The pod's own issuer and subject can be federated instead."""
_FIELD = "federated_identity"


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """Satisfies ``Credential``. Tokens of ``issuer`` with this ``subject`` and ``audience`` sign in as ``client_id``."""

    type: str
    tenant_id: ObjectId
    client_id: ObjectId
    identity: FederatedIdentity
    audience: str
    object_id: ObjectId | None
    subscription_id: ObjectId | None = None
    hopeless_on: tuple[str, ...] = ()
    ends_at: None = None

    def fields(self) -> Mapping[str, CredentialField]:
        """Returns the subscription only if there is one, and ``hopeless_on`` only for an identity."""
        return {
            **common_fields("federated", self),
            **self.identity.document(),
            "audience": self.audience,
            "retry_on": RETRY_ON,
            **({"hopeless_on": self.hopeless_on} if self.hopeless_on else {}),
        }


class Federated(NotHeld):
    """Satisfies ``CredentialKind``. What is read of an ask is the identity. Its issuer is empty if it is the caller's own."""

    unseen: tuple[str, ...] = ("federated_credential",)

    def asks_who(self, choice: CredentialChoice, fields: Mapping[str, Any]) -> bool:  # noqa: ARG002 - the protocol's
        """Returns whether the caller is to use the credential itself."""
        return _FIELD not in fields

    def asked(self, target: ServicePrincipalTarget, asking: Asking) -> FederatedIdentity:
        """Returns one of the role's, to the letter; without one, the caller's own.

        Raises ``Conflict`` (``federation_unsupported``) if the caller is no user-assigned managed identity of this tenant.
        """
        refuse_fields(asking.fields, but=_FIELD)
        if _FIELD in asking.fields:
            return _named(target.credential, asking.fields[_FIELD])
        if not asking.asker.is_user_assigned:
            raise Conflict(
                "Only a user-assigned managed identity of the broker's own tenant can use such a credential itself. Others name"
                " one of the role's federated identities, or use a role whose credential is token or certificate.",
                code="federation_unsupported",
            )
        return FederatedIdentity("", asking.asker.object_id)

    def asked_again(self, choice: CredentialChoice, held: Held, fields: Mapping[str, Any]) -> FederatedIdentity:
        """Returns the identity that the lease has. Raises ``Conflict`` if the role of today does not name it any more."""
        refuse_fields(fields, but=_FIELD)
        if held.trusted is None or (_FIELD in fields and held.trusted not in choice.federated_identities):
            raise role_changed()
        return held.trusted

    def held(self, means: Means, order: Order) -> Held:
        """Names whose tokens are taken. The broker's own tenant issues those of the caller's identity."""
        asked = _identity(order)
        return Held("federated", trusted=replace(asked, issuer=asked.issuer or means.federation.exchange.issuer))

    def can_be_added(self, footprint: ServicePrincipalFootprint) -> bool:
        """Returns whether there is a principal: until then, the application may be changed so that it trusts the broker."""
        return footprint.application_id is not None and footprint.principal_id is not None

    async def add(
        self,
        means: Means,
        order: Order,
        footprint: ServicePrincipalFootprint,
        note: Callable[[ObjectId], None],
    ) -> Minted:
        """Makes one call, and none for a lease that has the credential already."""
        identity, audience = footprint.held.trusted or _identity(order), means.federation.exchange.audience
        hopeless_on = HOPELESS_ON if identity.issuer == means.federation.exchange.issuer else ()
        credential = FederatedCredential(
            **means.common(footprint), identity=identity, audience=audience, hopeless_on=hopeless_on
        )
        if footprint.held.added:
            return Minted(credential, unchanged=True)
        trust = NewTrust(NAME, identity.issuer, identity.subject, audience)
        application_id = known(footprint.application_id)
        await means.repeat_on_fresh(order, lambda: means.directory.add_federated(application_id, trust))
        added = ownership.key_id(order.lease_id)
        note(added)
        return Minted(credential, added)


def _identity(order: Order) -> FederatedIdentity:
    if not isinstance(order.asked, FederatedIdentity):
        raise TypeError("an ask for federation names an identity")
    return order.asked


def _named(choice: CredentialChoice, value: Any) -> FederatedIdentity:
    faults: list[Fault] = []
    found = read_identity(Reader(value, _FIELD, faults))
    if found is not None and found not in choice.federated_identities:
        faults.append(Fault(_FIELD, "is none of the role's federated identities"))
    if found is None or faults:
        raise Malformed(*faults)
    return found
