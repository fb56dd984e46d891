"""The broker's own federated identity credential, ``lh-broker``, on a lease's application.

With it the broker proves the application and gets tokens for it, and holds no credential of it. It gives the broker nothing
new: the broker owns the application. It goes with the application.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.core.directory import NewTrust
from shared.core.names import ObjectId
from shared.kinds.sign_in import LeaseSignIn, TokenExchange

NAME = "lh-broker"


class Trusting(Protocol):
    """The call to Microsoft Graph. May raise ``Upstream``."""

    async def add_federated(self, application_id: ObjectId, trust: NewTrust) -> None:
        """Adds a federated identity credential. If there is one of that name with the same content, that is success."""
        ...


@dataclass(frozen=True, slots=True)
class BrokerTrust:
    """The credential, and what the broker does with it."""

    directory: Trusting
    sign_in: LeaseSignIn
    exchange: TokenExchange

    async def add(self, application_id: ObjectId) -> None:
        """Lets the broker sign in as the application. Raises ``Upstream``, ``Misconfigured``. May be repeated."""
        subject = await self.sign_in.subject()
        trust = NewTrust(NAME, self.exchange.issuer, subject, self.exchange.audience)
        await self.directory.add_federated(application_id, trust)
