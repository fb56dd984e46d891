"""Client secrets of service principals: made by Graph, and proven by signing in with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.core.directory import NewSecret
from shared.core.errors import Uncertain
from shared.core.names import ObjectId
from shared.core.secret import Secret
from shared.issuers.service_principal.choice import CredentialChoice
from shared.issuers.service_principal.credential_kind import Usual
from shared.issuers.service_principal.held import SECRET, Held
from shared.issuers.service_principal.means import Means, known
from shared.kinds.client_secret import ClientSecretCredential, LeaseSecrets
from shared.kinds.kind import Asking, Minted, Order, refuse_fields

if TYPE_CHECKING:
    from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget


class ClientSecret(Usual):
    """Satisfies ``CredentialKind``."""

    def asked(self, target: ServicePrincipalTarget, asking: Asking) -> None:  # noqa: ARG002 - the protocol's
        """Raises ``Malformed`` if there is any field."""
        refuse_fields(asking.fields)

    def asked_again(self, choice: CredentialChoice, held: Held, fields: Mapping[str, Any]) -> None:  # noqa: ARG002 - the protocol's
        """Raises ``Malformed`` if there is any field."""
        refuse_fields(fields)

    def held(self, means: Means, order: Order) -> Held:  # noqa: ARG002 - the protocol's
        """Nothing: a secret's id stands in a field of its own."""
        return SECRET

    def trusts_broker(self, *, proven: bool) -> bool:  # noqa: ARG002 - the protocol's
        """No: the broker holds the secret, and proves it itself."""
        return False

    def can_be_added(self, footprint: ServicePrincipalFootprint) -> bool:
        """Returns whether there is an application: a secret needs no service principal."""
        return footprint.application_id is not None and footprint.app_id is not None

    async def add(
        self, means: Means, order: Order, footprint: ServicePrincipalFootprint, note: Callable[[ObjectId], None]
    ) -> Minted:
        """Makes one call. If no secret of the lease is in use yet, repeats it after a lost answer: nobody knows that secret."""
        application_id, common, silences = known(footprint.application_id), means.common(footprint), list[Uncertain]()

        async def added() -> NewSecret:
            try:
                return await means.directory.add_secret(application_id, order.lease_id, order.credential_end)
            except Uncertain as silence:
                silences.append(silence)
                raise

        if order.rotating:
            secret = await secrets_of(means, application_id, order).add(order.credential_end)
        else:
            secret = await means.repeat_on_fresh(order, added)
        note(secret.key_id)
        credential = ClientSecretCredential(**common, client_secret=secret.secret, secret_id=secret.key_id)
        return Minted(credential, secret.key_id, maybe_more=bool(silences))

    async def signs_in(
        self, means: Means, credential: ClientSecretCredential, *, deadline: float, since: datetime | None
    ) -> bool:
        """Signs in with the secret."""
        return await means.probe.signs_in(credential.client_id, credential.client_secret, deadline=deadline, since=since)

    def secret(self, credential: ClientSecretCredential) -> Secret:
        """Returns the secret."""
        return credential.client_secret


def secrets_of(means: Means, application_id: ObjectId, order: Order) -> LeaseSecrets:
    """Returns the secrets of the order's lease."""
    return LeaseSecrets(means.directory, means.retry, application_id, order.lease_id, order.fresh, order.deadline)
