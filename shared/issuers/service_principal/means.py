"""What the kinds of credential of a service principal work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypedDict

from shared.core import ownership
from shared.core.azure_role import common_subscription
from shared.core.errors import Absent, AmbiguousRefusal
from shared.core.names import ObjectId
from shared.issuers.service_principal.broker_trust import BrokerTrust
from shared.issuers.service_principal.resources import TokenResources
from shared.kinds.calls import Directory
from shared.kinds.client_secret import Probe
from shared.kinds.delegation import DelegationKeys
from shared.kinds.kind import Order
from shared.kinds.sign_in import LeaseSignIn, TokenExchange
from shared.resilience.retry import SAFE_TO_REPEAT, Retry

if TYPE_CHECKING:
    from shared.issuers.service_principal.target import ServicePrincipalFootprint

_DOUBT = 45.0
"""Seconds for which a refusal by Graph is doubted if the object was made a moment ago. If they were more, the callers of a
wrong role would wait for all of their time."""


class Common(TypedDict):
    """The fields that every credential of a service principal has."""

    type: str
    tenant_id: ObjectId
    client_id: ObjectId
    object_id: ObjectId | None
    subscription_id: ObjectId | None


class Signing(Protocol):
    """A credential with these fields."""

    @property
    def tenant_id(self) -> ObjectId:
        """The tenant."""
        ...

    @property
    def client_id(self) -> ObjectId:
        """Of the application."""
        ...

    @property
    def object_id(self) -> ObjectId | None:
        """Of the service principal."""
        ...

    @property
    def subscription_id(self) -> ObjectId | None:
        """Of all scopes, if they lie in one."""
        ...


@dataclass(frozen=True, slots=True)
class Federation:
    """What the broker knows of itself, for applications that trust it. ``client_id`` is that of its identity."""

    sign_in: LeaseSignIn
    exchange: TokenExchange
    client_id: ObjectId
    resources: TokenResources
    delegation: DelegationKeys


@dataclass(frozen=True, slots=True)
class Means:
    """See the module."""

    directory: Directory
    retry: Retry
    probe: Probe
    federation: Federation
    tenant_id: ObjectId

    async def trust_broker(self, order: Order, application_id: ObjectId) -> None:
        """Lets the broker sign in as the application. Makes one call, and none if the broker is trusted already."""
        trust = BrokerTrust(self.directory, self.federation.sign_in, self.federation.exchange)
        await self.repeat_on_fresh(order, lambda: trust.add(application_id))

    async def repeat_on_fresh[T](self, order: Order, call: Callable[[], Awaitable[T]]) -> T:
        """For a call about an object that was made a moment ago. Graph may not know the object yet, or may be right.

        What was claimed from a pool is known: there, Graph is right.
        """
        if order.claimed:
            return await self.retry.call(call, on=SAFE_TO_REPEAT, deadline=order.deadline, in_time=True)
        doubt = min(order.deadline, self.retry.clock.monotonic() + _DOUBT)
        return await self.retry.call(
            lambda: self.retry.call(call, on=(Absent, AmbiguousRefusal), deadline=doubt),
            on=SAFE_TO_REPEAT,
            deadline=order.deadline,
            in_time=True,
        )

    def common(self, footprint: ServicePrincipalFootprint) -> Common:
        """Returns what every credential says. ``object_id`` may come later."""
        return Common(
            type=footprint.type,
            tenant_id=self.tenant_id,
            client_id=known(footprint.app_id),
            object_id=footprint.principal_id,
            subscription_id=common_subscription(each.scope for each in footprint.assignments),
        )


def common_fields(name: str, credential: Signing) -> dict[str, str | None]:
    """Returns what every credential of that kind says first: the subscription only if there is one."""
    subscription = {"subscription_id": credential.subscription_id} if credential.subscription_id is not None else {}
    return {
        "credential": name,
        "tenant_id": credential.tenant_id,
        "client_id": credential.client_id,
        "object_id": credential.object_id,
        **subscription,
    }


def made_at(order: Order) -> datetime | None:
    """Returns when the lease's application and principal were made. What was claimed from a pool counts as old as can be."""
    return datetime.fromtimestamp(0, UTC) if order.claimed else ownership.opened_at(order.lease_id)


def known(identity: ObjectId | None) -> ObjectId:
    """Returns an id that is known of whatever can hold a credential. Raises ``TypeError`` for none."""
    if identity is None:
        raise TypeError("the application is known of what can hold a credential")
    return identity
