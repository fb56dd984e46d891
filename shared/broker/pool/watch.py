"""Looks whether anybody has touched what stands in pools: each lease once in ten minutes, ten of them in one call."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import batched
from math import ceil
from typing import Any

from shared.broker.pool.hints import forget, note
from shared.broker.pool.tampering import end_touched
from shared.broker.ports import Ports
from shared.core.errors import Refused, Unreadable, Upstream
from shared.core.lease import Lease, State
from shared.core.names import RoleName
from shared.core.pool import Hint
from shared.core.role import Role
from shared.kinds.pooling import UNSEEN, pool_issuer
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

AT_ONCE = 10
"""Leases in one call."""
_EACH = timedelta(seconds=570)
"""A lease is looked at again after that time. Filling comes each minute, so no lease stays unlooked at for ten minutes more."""


async def watch(ports: Ports, request_id: str, roles: Mapping[RoleName, Role], standing: Sequence[Hint]) -> tuple[int, int]:
    """Looks at the leases whose turn it is. Ends those that somebody else has touched.

    A call that has room left looks at those as well that would be next. So leases that were made in different minutes come
    to be looked at together, and a pool costs one call for ten leases.

    Returns how many were looked at, and how many of them were touched. What Azure did not answer for is left to the next
    filling. Raises ``Upstream`` if storage fails.
    """
    by_type: dict[str, list[Hint]] = {}
    for hint in sorted(standing, key=lambda each: each.looked_at):
        by_type.setdefault(roles[hint.lease.role].type, []).append(hint)
    looked_at = touched = 0
    for hints in by_type.values():
        due = sum(each.looked_at + _EACH <= ports.now() for each in hints)
        for some in batched(hints[: ceil(due / AT_ONCE) * AT_ONCE], AT_ONCE, strict=False):
            seen, bad = await _look_at(ports, request_id, roles, some)
            looked_at, touched = looked_at + seen, touched + bad
    return looked_at, touched


async def _look_at(ports: Ports, request_id: str, roles: Mapping[RoleName, Role], some: Sequence[Hint]) -> tuple[int, int]:
    found = zip(some, await all_of(*(_read(ports, hint) for hint in some)), strict=True)
    leases = [(hint, lease) for hint, lease in found if lease is not None]
    if not leases:
        return 0, 0
    issuer = pool_issuer(ports.kinds.of(leases[0][1]))
    asked: list[tuple[Any, Any]] = [(roles[hint.lease.role].target, lease.footprint) for hint, lease in leases]
    try:
        troubles = await issuer.look_at_pooled(asked)
    except Refused as refused:
        log.error("what stands in pools cannot be looked at: %s", refused)  # noqa: TRY400 - its frames say no more
        return 0, 0
    except Upstream as failure:
        log.warning("what stands in pools is looked at by the next filling: %s", failure)
        return 0, 0
    now, touched, unseen = ports.now(), 0, 0
    for (hint, lease), trouble in zip(leases, troubles, strict=True):
        if trouble is None:
            await note(ports, replace(hint, looked_at=now))
        elif trouble.code == UNSEEN:
            unseen += 1
            log.warning("lease %s of a pool is looked at by the next filling: %s", lease.id, trouble.what)
        elif await end_touched(ports, request_id, lease, trouble) is not None:
            touched += 1
            await forget(ports, hint)
    return len(leases) - unseen, touched


async def _read(ports: Ports, hint: Hint) -> Lease | None:
    """Returns the lease if it still stands in its pool. A hint at any other is forgotten."""
    try:
        lease = await ports.leases.get(hint.lease)
    except (Unreadable, Upstream):
        log.warning("lease %s of a pool cannot be read", hint.lease, exc_info=True)
        return None
    if lease is not None and lease.state is State.POOLED:
        return lease
    await forget(ports, hint)
    return None
