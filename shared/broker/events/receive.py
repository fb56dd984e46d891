"""Taking one event off the queue: it is read, dropped if it is the broker's own work, and acted on by the rules."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from weakref import WeakKeyDictionary

from shared.broker.events import telling
from shared.broker.events.act import act
from shared.broker.events.outcome import NotYet
from shared.broker.ports import Ports
from shared.core.errors import Upstream
from shared.core.events.event import Event, decoded
from shared.core.events.event_rule import matching
from shared.core.names import ObjectId, Unparsable
from shared.core.ports.audit import Audit
from shared.core.ports.event_counts import Counted

log = logging.getLogger(__name__)

_OWN: MutableMapping[Audit, ObjectId] = WeakKeyDictionary()
"""The object id of the broker's own service principal, which never changes. By the worker's trail, as below."""
_TOLD: MutableMapping[Audit, set[str]] = WeakKeyDictionary()
"""The leases of whose principals' work this worker has told."""
_MOST_TOLD = 10_000


async def receive(ports: Ports, request_id: str, text: str, message_id: str) -> None:
    """Acts on the event in a message, if a rule speaks of it. What is not yet to be done is put back.

    It may be called again with the same message, and while another worker has it. Raises ``LeaseholdError`` if the event could
    be neither acted on nor put back: then the message is delivered again.
    """
    try:
        event = decoded(text, ports.now())
    except Unparsable:
        await telling.unreadable(ports, request_id, len(text.encode(errors="replace")), message_id)
        return
    try:
        is_own = await _is_own_work(ports, request_id, event)
    except Upstream as failure:
        await _put_back(ports, request_id, event, failure.brief())
        return
    if is_own:
        await ports.event_counts.add(Counted.OWN)
        return
    rules = [each for each in matching(await ports.event_rules.list(), event) if each.name not in event.done]
    outcomes = {rule.name: await act(ports, request_id, event, rule) for rule in rules}
    if waiting := {name: each.why for name, each in outcomes.items() if isinstance(each, NotYet)}:
        # What one rule waits for is no reason for another one to act once more: its lease may have ended meanwhile.
        done = outcomes.keys() - waiting.keys()
        await _put_back(ports, request_id, event.with_done(done), next(iter(waiting.values())))


async def _put_back(ports: Ports, request_id: str, event: Event, why: str) -> None:
    """Puts the event back for a while, or gives it up if it has waited for a day."""
    if event.is_overdue(ports.now()):
        await give_up(ports, request_id, event, why)
        return
    await ports.events.send(event.again(), hidden=event.waits)
    await ports.event_counts.add(Counted.DELAYED)
    log.info("event %s (%s) is put back for %s: %s", event.id, request_id, event.waits, why)


async def poisoned(ports: Ports, request_id: str, text: str, message_id: str) -> None:
    """Sets an event aside that has failed too often."""
    try:
        event = decoded(text, ports.now())
    except Unparsable:
        await telling.unreadable(ports, request_id, len(text.encode(errors="replace")), message_id)
        return
    await give_up(ports, request_id, event, "failed too often")


async def give_up(ports: Ports, request_id: str, event: Event, why: str) -> None:
    """Sets the event aside, where an administrator finds it, and tells of it. If the worker dies in between, it comes twice."""
    await ports.events.put_aside(event)
    await telling.tell(ports, request_id, event, code="event_poison", reason=why)
    await ports.event_counts.add(Counted.POISON)
    log.error("event_poison id=%s request=%s: %s", event.id, request_id, why)


async def _is_own_work(ports: Ports, request_id: str, event: Event) -> bool:
    """Returns whether the broker has made the change of which the event tells, or a principal that a lease has made.

    Anybody who may publish may say so of any event: then nothing is done, which harms nobody.
    """
    if event.actor_app is not None and event.actor_app == ports.own_app_id:
        return True
    actors = [each for each in (event.actor, event.actor_app) if each is not None]
    if not actors:
        return False
    if event.actor is not None and event.actor == await _own_object_id(ports):
        return True
    lease_id = await ports.leased.find(actors)
    if lease_id is None:
        return False
    known = _TOLD.setdefault(ports.audit, set())
    if lease_id not in known and len(known) < _MOST_TOLD:
        reason = "a principal that a lease has made has caused it: what it does starts no rule"
        await telling.tell(ports, request_id, event, code="event_own", reason=reason, lease=lease_id, role=lease_id.role)
        known.add(lease_id)
    return True


async def _own_object_id(ports: Ports) -> ObjectId:
    if ports.audit not in _OWN:
        _OWN[ports.audit] = await ports.inventory.identity()
    return _OWN[ports.audit]
