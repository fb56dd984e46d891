"""A lease under a caller's key, wherever the two are stored.

The key's row points to the lease. The key stands for the lease only if the lease has the key's digest. If both lie in one
partition, one transaction writes both. If not, the key is written first, then the lease, and then the key once more. The last
write takes effect only if no other request has replaced the key since the first one. From then on every other request finds the
key, and the lease with its digest.
"""

from __future__ import annotations

from contextlib import suppress

from shared.broker.ports import Ports
from shared.core.errors import LostRace
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Lease


async def open_lease(ports: Ports, lease: Lease, key: IdempotencyKey | None) -> Lease:
    """Stores a new lease, under the key if there is one. Raises ``LostRace`` if the key is another lease's; ``Upstream``."""
    if key is None or key.is_beside:
        return await ports.leases.open(lease, key)
    pointing = await ports.leases.point(key)
    opened = await ports.leases.open(lease)
    try:
        await ports.leases.point(pointing)
    except LostRace:
        # Nothing of the lease was made. Whoever has moved it meanwhile is ending it.
        with suppress(LostRace):
            await ports.leases.remove(opened)
        raise
    return opened


async def find_lease(ports: Ports, key: IdempotencyKey) -> Lease | None:
    """The lease for which the key stands; ``None`` if there is none, or not yet. Raises ``Unreadable``, ``Upstream``."""
    lease = await ports.leases.get(key.lease_id)
    return lease if lease is not None and lease.key_digest == key.digest else None
