"""Keeping up what lies in a vault with its lease: it says until when the credential lasts, and a renewal changes that."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from shared.broker.ports import Ports
from shared.core.errors import Absent, LostRace, Upstream
from shared.core.lease import Lease
from shared.core.vault_errors import VaultLeft

log = logging.getLogger(__name__)

_SECONDS = 10.0
"""So long a caller waits for the vault. Nothing depends on it: no vault refuses to show what is past its end."""
_AGAIN = timedelta(minutes=1)
_TRIES = 3
"""Only a renewal or an end comes in between."""
BEHIND = VaultLeft.code
"""What a lease says whose vault has not been told of the lease's end."""


async def renewed_at_vault(ports: Ports, lease: Lease, renewed: Lease, *, again: bool = False) -> Lease:
    """Returns the renewed lease, of which its vault was told. If the vault does not take that, a sweep tells it later.

    ``again``: the vault was told of an end that another worker has overtaken. It is told whatever the lease's end is by now.
    """
    if lease.delivery is None or (renewed.expires_at == lease.expires_at and not lease.last_error and not again):
        return renewed
    return await _told(ports, lease, renewed, renewed.expires_at)


async def keep_up(ports: Ports, lease: Lease) -> None:
    """Tells the vault of an active lease's end. Raises ``Upstream`` if storage fails.

    A renewal may have told the vault of a later end before this did: then the vault is told once more.
    """
    stored: Lease | None = lease
    for _ in range(_TRIES):
        if stored is None or not stored.lasts(ports.now()):
            return
        former = stored
        kept_up = await _told(ports, former, former, former.expires_at) if former.delivery is not None else former.kept_up()
        try:
            await ports.leases.swap(kept_up, former=former)
        except LostRace:
            stored = await ports.leases.get(former.id)
        else:
            return


async def _told(ports: Ports, lease: Lease, after: Lease, expires: datetime) -> Lease:
    try:
        await ports.courier.extend(lease, expires, deadline=ports.within(_SECONDS))
    except Absent:
        # Whoever may has deleted the secret: there is nothing to tell.
        log.info("the secret of lease %s is not in its vault any more", lease.id)
    except Upstream as failure:
        log.warning("the vault of lease %s is told of its end later: %s", lease.id, failure)
        return after.behind(BEHIND, ports.now() + _AGAIN)
    return after.kept_up()
