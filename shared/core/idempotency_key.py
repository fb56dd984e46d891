"""A caller's key for one issue: by it a repeat of the request finds the lease of the first.

The key is a row of its own, which points to a lease. It stands for the lease only if the lease has its digest. What is stored
says nothing of what the caller wrote: digests alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from shared.core.caller import Caller
from shared.core.delivery import DeliveryAsk
from shared.core.names import LeaseId, RoleName, shard_of

KEPT = timedelta(hours=24)
"""A key stands for its lease for so long. Leases are stored for longer: at least a day beyond their end."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key, as stored. ``version`` is the stored row's ETag; empty before it is stored."""

    digest: str
    fingerprint: str
    """The digest of the request. The same key with another request is a mistake."""
    lease_id: LeaseId
    until: datetime
    version: str = ""
    is_apart: bool = False
    """Whether it was written apart from its lease, although both may lie in one partition: its lease was in a pool before."""

    @property
    def shard(self) -> str:
        """The partition of the key."""
        return shard_of(self.digest)

    @property
    def is_beside(self) -> bool:
        """Whether it lies in the partition of its lease, so that one transaction writes both."""
        return self.shard == self.lease_id.shard and not self.is_apart


def digest_of(caller: Caller, role: RoleName, key: str) -> str:
    """Returns the key's digest, bound to the caller and the role: no caller can use another's key."""
    return _hash([caller.tenant_id, caller.object_id, role, key])


def fingerprint_of(
    ttl: int | None,
    reason: str,
    metadata: Mapping[str, str],
    parameters: Mapping[str, str] | None = None,
    within: str = "",
    credential: Mapping[str, Any] | None = None,
    delivery: DeliveryAsk | None = None,
) -> str:
    """Returns the digest of a request, however the request was written.

    A field that is not there does not count. So a repeat of a request has the same digest in a version that knows more fields.
    """
    more: list[object] = [["parameters", sorted(parameters.items())]] if parameters else []
    more += [["within", within]] if within else []
    more += [["credential", credential]] if credential else []
    more += [["delivery", delivery.vault]] if delivery is not None else []
    return _hash([ttl, reason, sorted(metadata.items()), *more])


def _hash(parts: list[object]) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
