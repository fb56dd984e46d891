"""Leases as rows. A lease lives in the partition of its shard, in five rows that one transaction writes.

``lease_<id>`` (the lease), ``due_<instant>_<id>`` (when somebody must look at it), and what listings read, the newest first:
``holder_<object id>_~<age>_<id>``, ``role_<role>_~<age>_<id>`` and ``all_~<age>_<id>``. When the lease ends, those three move
behind ``past_``. Every lease has exactly one due row until it is forgotten. One that was issued under a caller's key has
``key_<digest>`` beside it, until the key is given to another lease. The key of a lease that was not made for its caller alone
may lie in another partition.

Form 1, of version 0.1, has two index rows, ``holder_<object id>_<id>`` and ``role_<role>_<id>``, whatever the lease's state;
they sort before those of today in the same index. Its own row lacks ``Form``, also when that version has written it anew.

A lease that was granted something at scopes also has rows by which it is found there (``shared.cloud.storage.scope_rows``).

A lease without a holder has no row in a holder's index. One that was claimed from a pool has the age of its claim.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from shared.cloud.storage.tables import chunked
from shared.core.forms import DUE, FIRST, IDEMPOTENCY_KEY, LEASE, LEASE_INDEX
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Cause, Lease, LeaseView, State
from shared.core.names import SHARDS, LeaseId, ObjectId, RoleName
from shared.core.readiness.record import Readiness
from shared.kinds.registry import Kinds

_INSTANT = "%Y%m%dT%H%M%S"
_OF_POOLS = 3
_STATES_OF_FORM_3 = {State.POOLED, State.PREPARED}
_CAUSES_OF_FORM_3 = {Cause.UNCOLLECTED, Cause.DRAINED, Cause.TAMPERED}


def lease_key(lease_id: str) -> str:
    """The key of the lease's own row."""
    return f"lease_{lease_id}"


def due_key(lease: Lease) -> str:
    """Sorts by instant."""
    return f"due_{instant_key(lease.due_at)}_{lease.id}"


def instant_key(instant: datetime) -> str:
    """UTC to the millisecond, in a form that sorts."""
    return f"{instant.astimezone(UTC):{_INSTANT}}{instant.microsecond // 1000:03d}Z"


def instant_of(row_key: str) -> datetime:
    """The instant that a key begins with, as ``instant_key`` writes it; the beginning of time when it does not."""
    try:
        return datetime.strptime(f"{row_key[:18]}000+0000", f"{_INSTANT}%f%z")
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def key_key(digest: str) -> str:
    """The key of the row of a caller's key."""
    return f"key_{digest}"


def due_id(row_key: str) -> LeaseId:
    """The lease that a due row is about."""
    return LeaseId(row_key.rpartition("_")[2])


KEY_ELSEWHERE = 2
"""The form of a key's row whose lease lies in another partition."""
PARTITIONS = tuple(f"{number:02d}" for number in range(SHARDS))
"""Over which leases are spread."""
TODAYS = "~"
"""What the key of an index row of today has behind its index."""
BY_SCOPE = "ByScope"
"""The property of a lease's own row that names the indexes of scopes in which the lease has a row."""
NOBODYS = "Nobodys"
"""The property of an index row whose lease was made for a pool, and has no holder."""
ALL = "all_"
"""The index of all leases."""


def holder_index(holder: ObjectId) -> str:
    """The index of a holder's leases."""
    return f"holder_{holder}_"


def role_index(role: RoleName) -> str:
    """The index of a role's leases."""
    return f"role_{role}_"


def past_of(index: str) -> str:
    """Where the rows of that index are once their leases have ended."""
    return f"past_{index}"


def index_key(index: str, lease_id: LeaseId, place: LeaseId | None = None) -> str:
    """A lease's key in an index. ``place``: where it stands by age, if its id does not say that."""
    return f"{index}{TODAYS}{(place or lease_id).age}_{lease_id}"


def behind(index: str, place: LeaseId) -> str:
    """Greater than the key of the lease that stands there, and than no other lease's that is older."""
    return f"{index}{TODAYS}{place.age}_{TODAYS}"


def index_keys(lease: LeaseView) -> tuple[str, ...]:
    """The keys of the rows that listings read."""
    live = lease.state.is_live
    return tuple(index_key(index if live else past_of(index), lease.id, lease.place) for index in (*_indexes(lease), ALL))


def every_index_key(lease: LeaseView) -> tuple[str, ...]:
    """Whatever an older version may have left, and what today's may have written, in any state."""
    indexes = _indexes(lease)
    todays = (index_key(each, lease.id, lease.place) for index in (*indexes, ALL) for each in (index, past_of(index)))
    return (*(f"{index}{lease.id}" for index in indexes), *todays)


def _indexes(lease: LeaseView) -> tuple[str, ...]:
    of_holder = (holder_index(lease.holder.object_id),) if lease.holder is not None else ()
    return (*of_holder, role_index(lease.id.role))


def indexed_id(row_key: str) -> LeaseId:
    """The lease that an index row is about."""
    return LeaseId(row_key.rpartition("_")[2])


def form_of_lease(lease: Lease) -> int:
    """The oldest form that can hold the lease: a version that does not know that form could not read the lease."""
    is_new = lease.state in _STATES_OF_FORM_3 or lease.cause in _CAUSES_OF_FORM_3 or lease.holder is None or lease.claim
    # An earlier version would undo a lease that waits for its message.
    is_queued = lease.state is State.PLANNED and lease.prepare_by is not None
    if lease.is_due_early:
        return LEASE.newest
    return _OF_POOLS if is_new or is_queued or len(lease.parts) > 1 else LEASE.written


def lease_row(kinds: Kinds, lease: Lease, write_id: str) -> dict[str, Any]:
    """The lease's own row. ``write_id`` lets a writer whose answer was lost recognise its own write."""
    own = {
        "footprint": kinds.write_footprint(lease.footprint) | {"several": lease.maybe_more_secrets},
        "planned_at": lease.planned_at.isoformat(),
        "due_at": lease.due_at.isoformat(),
        "made_by": lease.made_by.isoformat(),
        "max_ttl": lease.max_ttl,
        "reason": lease.reason,
        "ended_at": lease.ended_at.isoformat() if lease.ended_at else None,
        "key": lease.key_digest,
        "handed_out": lease.handed_out,
        "ending_held": lease.ending_held,
        "reissues": lease.rotations,
        "reissuing_until": lease.rotating_until.isoformat() if lease.rotating_until else None,
        "target_digest": lease.target_digest,
        "undone_by": lease.undone_by.isoformat() if lease.undone_by else None,
    }
    own |= _optional(lease)
    if len(lease.parts) > 1:
        own |= {
            "other_parts": [kinds.write_footprint(each) for each in lease.parts[1:]],
            "undone_parts": sorted(lease.undone),
        }
    # A lease that an older version has written lacks this property until the store writes it anew with its rows.
    by_scope = {BY_SCOPE: " ".join(lease.by_scope)} if lease.by_scope is not None else {}
    return {
        "PartitionKey": lease.id.shard,
        "RowKey": lease_key(lease.id),
        "State": lease.state.value,
        **by_scope,
        **LEASE.stamp_of(form_of_lease(lease)),
        "View": view_text(lease),
        "Write": write_id,
        **chunked("Own", json.dumps(own)),
    }


def _optional(lease: Lease) -> dict[str, Any]:
    """What few leases have: of the others, the row says nothing."""
    names = ("ready_at", "prepare_by", "tokens_until", "tell_at", "repeat_by", "successor_at")
    instants: dict[str, datetime | None] = {name: getattr(lease, name) for name in names}
    fields = {
        **{name: each.isoformat() for name, each in instants.items() if each is not None},
        "failed_with": lease.failed_with,
        "pool_digest": lease.pool_digest,
        "collect_wait": lease.collect_wait,
        "lenient": lease.lenient,
        "is_made": lease.is_made,
        "is_untouched": lease.is_untouched,
        "readiness": _readiness(lease.readiness) if lease.readiness is not None else None,
        "asked": dict(lease.asked),
        "told": lease.told,
        "role_revoked": lease.role_revoked,
        "rotating_rule": lease.rotating_rule,
        "succeeds": lease.succeeds,
    }
    return {name: value for name, value in fields.items() if value}


def _readiness(seen: Readiness) -> dict[str, Any]:
    return {"seen": [*seen.seen], "unseen": [*seen.unseen], "region": seen.region, "waited_ms": seen.waited_ms}


def index_rows(lease: Lease) -> list[dict[str, Any]]:
    """The rows that listings read."""
    result = {
        **LEASE_INDEX.stamp,
        "State": lease.state.value,
        "Role": lease.id.role,
        "Generation": lease.generation,
        "View": view_text(lease),
        # Who counts a role's leases leaves these out. Rows of versions that did not know this lack the property.
        **({NOBODYS: True} if lease.holder is None else {}),
    }
    return [{"PartitionKey": lease.id.shard, "RowKey": key, **result} for key in index_keys(lease)]


def due_row(lease: Lease) -> dict[str, Any]:
    """A key, and nothing else that anybody reads: whatever its form, the lease is looked at."""
    return {"PartitionKey": lease.id.shard, "RowKey": due_key(lease), **DUE.stamp}


def key_row(key: IdempotencyKey) -> dict[str, Any]:
    """A caller's key, and the lease to which it points."""
    return {
        "PartitionKey": key.shard,
        "RowKey": key_key(key.digest),
        **IDEMPOTENCY_KEY.stamp_of(FIRST if key.is_beside else KEY_ELSEWHERE),
        "LeaseId": key.lease_id,
        "Fingerprint": key.fingerprint,
        "Until": key.until.isoformat(),
    }


def view_text(lease: LeaseView) -> str:
    """Returns the JSON of the fields that callers may see.

    A property holds at most 32,768 characters. The longest metadata and reason leave the text far below that.
    """
    holder = lease.holder
    # A field that the lease does not need is left out. It is written as versions without that field have written it.
    more: dict[str, Any] = {"claim": lease.claim} if lease.claim else {}
    if lease.parameters:
        more["parameters"] = dict(lease.parameters)
    if lease.within:
        more["within"] = lease.within
    more |= {name: True for name in ("unchecked", "is_unissued") if getattr(lease, name)}
    cause = lease.cause.in_general if lease.cause is not None else None
    if cause is not lease.cause:
        # A version that does not know the cause reads the general one, and can end the lease.
        more["exact_cause"] = lease.cause
    # With ``ensure_ascii``, JSON would write up to twelve characters for one that is not ASCII.
    return json.dumps(
        ensure_ascii=False,
        obj={
            "id": lease.id,
            "type": lease.type,
            "state": lease.state,
            "holder": [holder.object_id, holder.tenant_id, holder.app_id, holder.name] if holder is not None else None,
            "issued_at": lease.issued_at.isoformat(),
            "expires_at": lease.expires_at.isoformat(),
            "max_expires_at": lease.max_expires_at.isoformat(),
            "ttl": lease.ttl,
            "renewable": lease.renewable,
            "ready": lease.ready,
            "metadata": dict(lease.metadata),
            "cause": cause,
            "attempts": lease.attempts,
            "last_error": lease.last_error,
            "generation": lease.generation,
            **more,
        },
    )
