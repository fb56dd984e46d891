"""Of which resource in Azure a holder of leases is the identity. Once the resource is gone, nobody can be asked that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.core.events.subject import is_same, lies_in
from shared.core.names import ObjectId


@dataclass(frozen=True, slots=True)
class HolderResource:
    """What is stored of one holder, which is a service principal of the home tenant.

    ``resource``: the id of the resource, as the directory writes it; empty if the holder is no resource's identity. ``at``:
    when it was noted last. ``version`` is the stored row's ETag; empty before it is stored.
    """

    holder: ObjectId
    resource: str
    at: datetime
    version: str = ""

    def is_at_or_below(self, subject: str) -> bool:
        """Returns whether its resource is the subject of an event, or lies in it."""
        return lies_in(self.resource, subject)

    def is_of(self, subject: str) -> bool:
        """Returns whether its resource is the subject of an event itself."""
        return is_same(self.resource, subject)
