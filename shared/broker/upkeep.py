"""Keeping up what lies in a vault with its lease: it says until when the credential lasts, and a renewal changes that."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta

from shared.broker.ports import Ports
from shared.core.errors import LostRace, Upstream
from shared.core.lease import Lease
from shared.core.vault_errors import VaultLeft

log = logging.getLogger(__name__)

_SECONDS = 10.0
"""So long a caller waits for the vault. Nothing depends on it: no vault refuses to show what is past its end."""
_AGAIN = timedelta(minutes=1)
BEHIND = VaultLeft.code
"""What a lease says whose vault has not been told of the lease's end."""


async def renewed_at_vault(ports: Ports, lease: Lease, renewed: Lease) -> Lease:
    """Returns the renewed lease, of which its vault was told. If the vault does not take that, a sweep tells it later."""
    if lease.delivery is None or (renewed.expires_at == lease.expires_at and not lease.last_error):
        return renewed
    return await _told(ports, lease, renewed, renewed.expires_at)


async def keep_up(ports: Ports, lease: Lease) -> None:
    """Tells the vault of an active lease's end. Raises ``Upstream`` if storage fails."""
    kept_up = await _told(ports, lease, lease, lease.expires_at) if lease.delivery is not None else lease.kept_up()
    with suppress(LostRace):
        await ports.leases.swap(kept_up, former=lease)


async def _told(ports: Ports, lease: Lease, after: Lease, expires: datetime) -> Lease:
    try:
        await ports.courier.extend(lease, expires, deadline=ports.within(_SECONDS))
    except Upstream as failure:
        log.warning("the vault of lease %s is told of its end later: %s", lease.id, failure)
        return after.behind(BEHIND, ports.now() + _AGAIN)
    return after.kept_up()
