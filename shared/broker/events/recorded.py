"""The leases of a rule's records: which one a record names, and which of them live."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256

from shared.broker.issue.under_key import find_lease
from shared.broker.ports import Ports
from shared.core.errors import LostRace, Unreadable
from shared.core.events.rule_lease import RuleLease
from shared.core.idempotency_key import KEPT, IdempotencyKey
from shared.core.lease import Lease
from shared.core.names import LeaseId

log = logging.getLogger(__name__)


def key_of(ports: Ports, lease_id: LeaseId) -> IdempotencyKey:
    """Returns the key of a lease that a record is to name. It stands for this lease alone: nobody asks for a lease by it."""
    digest = _digest(lease_id)
    return IdempotencyKey(digest, digest, lease_id, ports.now() + KEPT)


def _digest(lease_id: LeaseId) -> str:
    return sha256(f"rule {lease_id}".encode()).hexdigest()


async def named_lease(ports: Ports, record: RuleLease) -> Lease | None:
    """Returns the lease that the record names; ``None`` if there is none, or not yet. Raises ``Unreadable``, ``Upstream``.

    A lease that was taken from a pool has another id. The key of the id that was named leads to it, until the record names it.
    """
    if (lease := await ports.leases.get(record.lease_id)) is not None:
        return lease
    key = await ports.leases.find_key(_digest(record.lease_id))
    return await find_lease(ports, key) if key is not None else None


@dataclass(frozen=True, slots=True)
class Alive:
    """Those of a record's leases that stand, and that nobody has begun to end. ``named`` is the own id of the one that the
    record names. ``is_to_come``: that one is not there; perhaps it is being opened now.
    """

    record: RuleLease
    named: LeaseId
    leases: tuple[LeaseId, ...]
    is_to_come: bool


async def alive(ports: Ports, record: RuleLease) -> Alive:
    """Returns which of the record's leases stand. One that cannot be read counts among them. Raises ``Upstream``."""
    named = await _seen(named_lease(ports, record), record.lease_id)
    seen = [named, *[await _seen(ports.leases.get(each), each) for each in record.earlier]]
    return Alive(record, named[0], tuple(lease_id for lease_id, is_open in seen if is_open), is_to_come=named[1] is None)


async def _seen(look: Awaitable[Lease | None], lease_id: LeaseId) -> tuple[LeaseId, bool | None]:
    """Returns the lease's id and whether nobody has begun to end it; ``None`` if there is no such lease."""
    try:
        lease = await look
    except Unreadable as unread:
        # Nobody can end it. ``status`` tells of it.
        log.error("%s", unread)  # noqa: TRY400 - its frames say no more
        return lease_id, True
    return (lease.id, lease.state.is_open) if lease is not None else (lease_id, None)


async def living(ports: Ports, record: RuleLease) -> Sequence[LeaseId]:
    """Returns those of the record's leases that stand. As ``alive``."""
    return (await alive(ports, record)).leases


async def name_anew(ports: Ports, stand: Alive) -> RuleLease:
    """Returns the record, which names its lease by its own id from now on, if its worker has died before that.

    The key that leads to a lease out of a pool does not last for as long as the lease may live. Raises ``Upstream``.
    """
    if stand.named != stand.record.lease_id:
        with suppress(LostRace):
            return await ports.rule_leases.put(replace(stand.record, lease_id=stand.named))
    return stand.record
