"""The look at Resource Manager before anything is done: an event is a hint, and Azure says what is true."""

from __future__ import annotations

from shared.broker.events import telling
from shared.broker.events.outcome import NotYet
from shared.broker.ports import Ports
from shared.core.errors import Refused, Upstream
from shared.core.events.event import Event
from shared.core.events.event_rule import EventRule
from shared.core.names import Scope, Unparsable
from shared.core.ports.resources import Look, ResourceState


async def look_at_subject(ports: Ports, request_id: str, event: Event, rule: EventRule) -> Look | NotYet:
    """Returns the subject as it is now. ``NotYet`` if nobody can say: then nothing is done, and it is looked at again.

    What the broker is refused to read is told once an event and rule.
    """
    if rule.terms is None or rule.terms.verify == "none":
        return Look(ResourceState.THERE)
    try:
        found = await ports.resources.see(Scope.parse(event.subject))
    except Unparsable:
        return await _unverified(ports, request_id, event, rule, "its subject is no id of a resource")
    except Refused as refused:
        return await _unverified(ports, request_id, event, rule, refused.brief())
    except Upstream as failure:
        return NotYet(failure.brief())
    if found.state is ResourceState.REFUSED:
        return await _unverified(ports, request_id, event, rule, "the broker may not read the subject: 403")
    return found


async def _unverified(ports: Ports, request_id: str, event: Event, rule: EventRule, why: str) -> NotYet:
    await telling.tell(ports, request_id, event, code="event_unverified", reason=why, rule=rule.name, once="unverified")
    return NotYet(f"event_unverified: {why}")
