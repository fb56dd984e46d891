"""A batch of leases that somebody is to end: what one message of the queue says.

The queue holds hints and never the truth. A lease that waits in it is due all the while; a message that is lost, late,
repeated or poisoned moves no lease, and what it named is found again by the sweep.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched
from typing import Any

from shared.core.names import LeaseId, ObjectId, Unparsable

QUEUE = "revocations"
"""The queue's name. The platform sets messages that fail too often aside in another, named by ``POISON``."""
POISON = f"{QUEUE}-poison"
WAITS = timedelta(minutes=30)
"""For how long a message waits to be taken, and its leases are not queued again meanwhile; then both are forgotten."""
_FORM = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Some leases, under an id of their own (a GUID)."""

    id: str
    leases: tuple[LeaseId, ...]


def batches(new_id: Callable[[], str], leases: Iterable[LeaseId], size: int) -> Iterator[Batch]:
    """The leases in their order, so many together."""
    for some in batched(leases, size, strict=False):
        yield Batch(new_id(), some)


def write_batch(batch: Batch) -> str:
    """As a message: JSON, at most 100 octets a lease."""
    return json.dumps({"form": _FORM, "id": batch.id, "leases": batch.leases}, separators=(",", ":"))


def read_batch(text: str) -> Batch:
    """What ``write_batch`` wrote. Raises ``Unparsable``, whatever else the text is."""
    try:
        kept: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise Unparsable("expected JSON") from None
    if not isinstance(kept, dict) or kept.get("form") != _FORM:
        raise Unparsable(f"expected an object of form {_FORM}")
    return Batch(ObjectId.parse(_text(kept.get("id"))), tuple(LeaseId.parse(_text(each)) for each in _list(kept.get("leases"))))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unparsable("expected text")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise Unparsable("expected a list of lease ids")
    return value
