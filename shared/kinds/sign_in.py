"""Signing in as a lease's application with an assertion of the broker's own managed identity, which the application trusts.

So the broker proves an application, and gets tokens for it, without holding a credential of it. ``shared.cloud`` satisfies the
protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.names import ObjectId
from shared.core.secret import Secret


@dataclass(frozen=True, slots=True)
class LeaseToken:
    """An access token of a lease's application. ``end`` is in UTC."""

    token: Secret
    end: datetime


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """What a managed identity's assertions say in this cloud and tenant, but for whose they are.

    ``issuer`` is their ``iss``. ``audience`` is what a federated identity credential must name for them.
    """

    issuer: str
    audience: str


class LeaseSignIn(Protocol):
    """See the module."""

    async def subject(self) -> ObjectId:
        """Returns the object id of the broker's identity: the subject of its assertions.

        Raises ``Upstream``, and ``Misconfigured`` if there is no identity.
        """
        ...

    async def token(
        self,
        client_id: ObjectId,
        scope: str,
        *,
        deadline: float,
        since: datetime | None = None,
        carrying: frozenset[str] = frozenset(),
    ) -> LeaseToken:
        """Returns an access token for ``scope``. Until ``deadline``, tries again after answers that may pass by themselves.

        ``since`` as for ``signs_in``. ``carrying``: application permissions that the token must state. One that lacks any is
        thrown away.

        Raises ``Refused`` for an answer that stays; at the deadline ``NotReplicated``, ``Throttled``, ``Uncertain``. Raises
        ``Misconfigured`` if there is no identity.
        """
        ...

    async def signs_in(self, client_id: ObjectId, *, deadline: float, since: datetime | None = None) -> bool:
        """Returns whether Entra lets the broker sign in dependably before ``deadline``, on the monotonic clock.

        ``since``: when application and principal were made, if that is known: what is absent long after that is gone. Raises
        ``NeverReady`` at a refusal that stays, ``Misconfigured`` if there is no identity.
        """
        ...
