"""Noting of which resources in Azure the holders of leases are the identities.

An event rule may revoke what a deleted resource's identity holds. By then the directory does not know the identity any more. So
it is noted while the lease is issued: by a rule always, for a caller only if some rule revokes so. Who holds a lease from
before, or could not be asked about, is noted by the reconciliation.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import batched

from shared.broker.ports import Ports
from shared.core.access.configuration import Needs
from shared.core.access.facts import Principal, Unread
from shared.core.access.match import may_be_a_resource
from shared.core.caller import Caller, CallerType
from shared.core.errors import LostRace, Upstream
from shared.core.events.holder_resource import HolderResource
from shared.core.names import LeaseId, ObjectId
from shared.core.ports.leases import LeaseQuery
from shared.resilience.tasks import all_of

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)
"""A record without a lease is kept for so long: a worker that has noted it may be about to open the lease. After that time, a
holder that was no resource's identity is asked about again: the directory may not have known it yet."""
MOST_ASKED = 200
"""Holders of whom one reconciliation asks the directory."""
_AT_ONCE = 8
_PAGE = 1000


async def note_holder(ports: Ports, caller: Caller) -> None:
    """Notes the caller's resource, if some rule revokes by holder. Raises nothing that is foreseen: the reconciliation notes
    what is missing.
    """
    if not ports.access_view.ends_by_holder or not may_be_a_resource(caller):
        return
    try:
        await _ask(ports, caller.object_id)
    except Upstream:
        log.warning("the resource of holder %s is noted by the reconciliation", caller.object_id, exc_info=True)


async def note_principal(ports: Ports, holder: ObjectId, principal: Principal | None) -> None:
    """Notes what the directory has said of a holder, if it is a resource's identity. Raises ``Upstream``."""
    if principal is not None and principal.resource_id is not None:
        await ports.holder_resources.note(HolderResource(holder, principal.resource_id, ports.now()))


async def is_unknown(ports: Ports, holder: ObjectId) -> bool:
    """Returns whether the directory says that there is no such service principal. ``False`` also if it cannot be read."""
    return await _principal(ports, holder) is None


async def leases_of(ports: Ports, records: Sequence[HolderResource]) -> list[LeaseId]:
    """Returns the leases of these holders that nobody has begun to end. Makes 16 range reads for each. Raises ``Upstream``."""
    held = [await ports.leases.held_by(ports.home, each.holder) for each in records]
    return [lease.id for leases in held for lease in leases]


async def note_all(ports: Ports) -> None:
    """Notes the resources of holders of whom nothing is known yet, and forgets holders without leases. For a reconciliation.

    Raises ``Upstream`` if storage fails. If the directory cannot be read, the next run goes on.
    """
    known = [each async for each in ports.holder_resources.everything()]
    is_needed = any(each.ends_by_holder for each in await ports.event_rules.list())
    if not known and not is_needed:
        return
    # The leases after the records: a record that is there has its lease by then, or its worker notes it again.
    holders, now = await _holders(ports), ports.now()
    for each in known:
        if each.holder not in holders and each.at <= now - KEPT:
            await _forget(ports, each)
    if is_needed:
        # Of who was no resource's identity, the directory is asked again after a day.
        known_of = {each.holder for each in known if each.resource or each.at > now - KEPT}
        for some in batched(sorted(holders - known_of)[:MOST_ASKED], _AT_ONCE, strict=False):
            if not any(await all_of(*(_ask(ports, each, whatever=True) for each in some))):
                log.warning("the directory cannot be read: the next reconciliation notes the resources of holders")
                return


async def _holders(ports: Ports) -> set[ObjectId]:
    """Returns the holders of live leases, of the home tenant."""
    found, query = set[ObjectId](), LeaseQuery(live=True, tenant=ports.home, limit=_PAGE)
    while True:
        page = await ports.leases.list(query)
        found |= {each.holder.object_id for each in page.items if each.holder is not None}
        if page.cursor is None:
            return found
        query = replace(query, cursor=LeaseId(page.cursor))


async def _ask(ports: Ports, holder: ObjectId, *, whatever: bool = False) -> bool:
    """Asks the directory, and notes the resource; with ``whatever``, also that there is none. Returns whether it answered."""
    principal = await _principal(ports, holder)
    if isinstance(principal, Unread):
        return False
    resource = (principal.resource_id if principal is not None else None) or ""
    if resource or whatever:
        await ports.holder_resources.note(HolderResource(holder, resource, ports.now()))
    return True


async def _principal(ports: Ports, holder: ObjectId) -> Principal | Unread | None:
    caller = Caller(holder, ports.home, CallerType.APPLICATION, token_fingerprint="")
    return (await ports.directory.read(caller, Needs(principal=True))).principal


async def _forget(ports: Ports, record: HolderResource) -> None:
    try:
        await ports.holder_resources.forget(record)
    except LostRace:
        log.info("holder %s was noted again", record.holder)
