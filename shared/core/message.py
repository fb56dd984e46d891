"""A message of a queue: leases to end, a role whose leases are to be found first, a lease to prepare, or a pool to fill.

The queue holds hints and never the truth. A lease that waits in it is due all the while; a message that is lost, late,
repeated or poisoned moves no lease, and what it named is found again by the sweep.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched
from typing import Any

from shared.core.forms import FIRST, MESSAGE, PROPERTY
from shared.core.names import LeaseId, ObjectId, RoleName, Unparsable

QUEUE = "revocations"
"""The queue's name. The platform moves messages that fail too often to another queue, ``POISON``."""
POISON = f"{QUEUE}-poison"
PREPARATIONS = "preparations"
"""The name of the queue of leases that callers have asked for, and that a worker prepares. A message has one lease's id."""
FILLINGS = "fillings"
"""The name of the queue of what no caller waits for. A message has the id of a lease that a worker prepares for a pool, or a
role's name: that role's pool is to be filled. An earlier version has put both into ``PREPARATIONS``. Or it has the id of a
lease whose successor is to be issued."""
EVENTS = "events"
"""The name of the queue of events from outside. Whoever has the right to may put messages there: Event Grid, above all."""
EVENTS_POISON = f"{EVENTS}-poison"
EVENTS_ASIDE = f"{EVENTS}-set-aside"
"""The name of the queue of events that were given up. They stay for seven days, and an administrator may have them put back."""
WAITS = timedelta(minutes=30)
"""A message waits so long to be taken. Meanwhile its leases are not queued again. Then message and marker lapse."""


def text_of(octets: bytes) -> str:
    """Returns the text of a message, which lies in the queue in base64, or as it is. Raises nothing.

    The host takes messages as they are (``messageEncoding`` in host.json). What it cannot decode it would move to the poison
    queue, where it cannot decode it either: then nobody tells of it.
    """
    # JSON is never base64: what is none is the text itself, or nothing that anybody can read.
    with suppress(binascii.Error):
        octets = b64decode(octets, validate=True)
    return octets.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Batch:
    """Some leases. ``id`` is a GUID."""

    id: str
    leases: tuple[LeaseId, ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """A role whose generation was raised: the leases that it has overtaken are to be found and ended. ``id`` is a GUID."""

    id: str
    role: RoleName


type Message = Batch | Recall


def batches(new_id: Callable[[], str], leases: Iterable[LeaseId], size: int) -> Iterator[Batch]:
    """Yields batches of ``together`` leases, in their order."""
    for some in batched(leases, size, strict=False):
        yield Batch(new_id(), some)


def write_message(message: Message) -> str:
    """Returns JSON, at most 100 octets a lease."""
    result = {"recall": {"role": message.role}} if isinstance(message, Recall) else {"leases": message.leases}
    return json.dumps({"form": MESSAGE.written, "id": message.id, **result}, separators=(",", ":"))


def read_message(text: str) -> Message:
    """Reads what ``write_message`` has written. Raises ``Unparsable`` for any other text."""
    stored = _document(text)
    message_id = ObjectId.parse(_text(stored.get("id")))
    if isinstance(recall := stored.get("recall"), dict):
        return Recall(message_id, RoleName.parse(_text(recall.get("role"))))
    return Batch(message_id, tuple(LeaseId.parse(_text(each)) for each in _list(stored.get("leases"))))


def _document(text: str) -> dict[str, Any]:
    try:
        stored: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise Unparsable("expected JSON") from None
    if not isinstance(stored, dict) or not MESSAGE.knows({PROPERTY: stored.get("form", FIRST)}):
        raise Unparsable(f"expected an object of form {MESSAGE.newest} at most")
    return stored


def write_preparation(lease_id: LeaseId) -> str:
    """Returns the message that asks for a lease to be prepared, as JSON."""
    return json.dumps({"form": MESSAGE.written, "lease": lease_id}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Succession:
    """A lease whose successor is to be issued."""

    lease: LeaseId


def write_succession(lease_id: LeaseId) -> str:
    """Returns the message that asks for a lease's successor, as JSON."""
    return json.dumps({"form": MESSAGE.written, "succeed": lease_id}, separators=(",", ":"))


def write_refill(role: RoleName) -> str:
    """Returns the message that asks for a role's pool to be filled, as JSON."""
    return json.dumps({"form": MESSAGE.written, "pool": role}, separators=(",", ":"))


def read_preparation(text: str) -> LeaseId | RoleName | Succession:
    """Reads what ``write_preparation``, ``write_refill`` or ``write_succession`` has written.

    Raises ``Unparsable`` for any other text.
    """
    stored = _document(text)
    if "succeed" in stored:
        return Succession(LeaseId.parse(_text(stored["succeed"])))
    return RoleName.parse(_text(stored["pool"])) if "pool" in stored else LeaseId.parse(_text(stored.get("lease")))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unparsable("expected text")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise Unparsable("expected a list of lease ids")
    return value
