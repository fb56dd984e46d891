"""User delegation keys of Azure Storage: what a lease's principal signs shared access signatures (SAS) with.

``shared.cloud`` satisfies the protocol. https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.core.names import ObjectId
from shared.core.secret import Secret

VERSION = "2023-11-03"
"""Of Azure Storage's protocol: what every region of every cloud has by now. Keys are got and signed with by it."""
LONGEST = timedelta(days=7)
"""Between a key's start and its end."""


@dataclass(frozen=True, slots=True)
class DelegationKey:
    """A key as Azure Storage has given it. ``start`` and ``expiry`` are its texts, to the letter; ``value`` is in base64."""

    object_id: str
    tenant_id: str
    start: str
    expiry: str
    service: str
    version: str
    value: Secret
    end: datetime
    """What ``expiry`` says, in UTC."""


class DelegationKeys(Protocol):
    """See the module."""

    def address(self, account: str) -> str:
        """Returns the address of the account's blobs: ``https://`` and its host."""
        ...

    async def key(
        self,
        client_id: ObjectId,
        account: str,
        start: datetime,
        end: datetime,
        *,
        deadline: float,
        since: datetime | None = None,
    ) -> DelegationKey:
        """Signs in as the application and returns a key for the account's blobs. Changes nothing.

        Until ``deadline``, on the monotonic clock, tries again after answers that may pass by themselves, as for an assignment
        that storage does not know yet. ``since``: when the application and its principal were made, if that is known.

        Raises ``Refused`` for an answer that stays; at the deadline ``NotReplicated``, ``Throttled``, ``Uncertain``. Raises
        ``Misconfigured`` if the broker has no identity.
        """
        ...
