"""A kind of credential of a service principal: what an ask says of it, how it is added and proven, what is handed out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from shared.core.directory import NewKey
from shared.core.names import ObjectId
from shared.core.secret import Secret
from shared.issuers.service_principal.choice import CredentialChoice
from shared.issuers.service_principal.held import Held
from shared.issuers.service_principal.means import Means
from shared.kinds.kind import Asking, Minted, Order

if TYPE_CHECKING:
    from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget


class CredentialKind(Protocol):
    """See the module. ``Any`` stands for what the kind's own ``asked`` has read, and for its own credentials."""

    unseen: tuple[str, ...]
    """The links that the broker cannot try: it does not hold what the holder signs in with."""
    writes: bool
    """Whether ``add`` changes anything in Azure."""

    def asks_who(self, choice: CredentialChoice, fields: Mapping[str, Any]) -> bool:
        """Returns whether ``asked`` has to know what the directory says of the caller."""
        ...

    def asked(self, target: ServicePrincipalTarget, asking: Asking) -> Any:
        """Reads the fields of an ask, given the target as it is filled and narrowed. Raises ``Malformed``, ``Conflict``."""
        ...

    def asked_again(self, choice: CredentialChoice, held: Held, fields: Mapping[str, Any]) -> Any:
        """Reads the same fields of a repeated ask. Raises ``Malformed``, ``Conflict``."""
        ...

    def held(self, means: Means, order: Order) -> Held:
        """Returns what the footprint says of the credential from the beginning."""
        ...

    def key(self, order: Order) -> NewKey | None:
        """Returns a certificate with which the application is to be registered."""
        ...

    def trusts_broker(self, *, proven: bool) -> bool:
        """Returns whether the application must trust the broker. ``proven``: whether the role wants a proof."""
        ...

    def can_be_added(self, footprint: ServicePrincipalFootprint) -> bool:
        """Returns whether so much is made that ``add`` may begin."""
        ...

    async def add(
        self, means: Means, order: Order, footprint: ServicePrincipalFootprint, note: Callable[[ObjectId], None]
    ) -> Minted:
        """Adds the credential. If the order is ``rotating``, changes nothing that is not secret. Raises as ``Issuer`` says."""
        ...

    async def signs_in(self, means: Means, credential: Any, *, deadline: float, since: datetime | None) -> bool:
        """Returns whether the credential, or all of it that the broker can try, signs in dependably before ``deadline``.

        ``since``: when application and principal were made. Raises ``NeverReady``, ``Misconfigured``.
        """
        ...

    def secret(self, credential: Any) -> Secret | None:
        """Returns what the broker signs in with as the holder; ``None`` if it does by its own link."""
        ...


class Usual:
    """What holds for a ``CredentialKind`` unless it says otherwise."""

    unseen: tuple[str, ...] = ()
    writes: bool = True

    def asks_who(self, choice: CredentialChoice, fields: Mapping[str, Any]) -> bool:  # noqa: ARG002 - the protocol's
        """Never."""
        return False

    def key(self, order: Order) -> NewKey | None:  # noqa: ARG002 - the protocol's
        """None."""
        return None

    def secret(self, credential: Any) -> Secret | None:  # noqa: ARG002 - the protocol's
        """None."""
        return None


class NotHeld(Usual):
    """For credentials of which the broker holds nothing: it proves the principal by its own link, and not the credential."""

    def trusts_broker(self, *, proven: bool) -> bool:
        """If there is to be a proof."""
        return proven

    async def signs_in(self, means: Means, credential: Any, *, deadline: float, since: datetime | None) -> bool:
        """Signs in by the broker's own link."""
        return await means.federation.sign_in.signs_in(credential.client_id, deadline=deadline, since=since)
