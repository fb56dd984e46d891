"""Reading what ``lease_rows`` writes, in every form that was ever written. Raises ``Unreadable``, nothing else.

A field that a row lacks has its default, and a field that is not known is passed over. Some fields have none: the state of a
lease, its holder, when it expires and is due, what it has made. A lease that lacks one of these cannot be read: a default might
end it wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from shared.cloud.lenient import readable
from shared.cloud.storage.lease_rows import BY_SCOPE, KEY_ELSEWHERE, NOBODYS, indexed_id, key_key
from shared.cloud.storage.table_operations import Row
from shared.cloud.storage.tables import etag_of, joined
from shared.core import ownership
from shared.core.footprint import Footprint
from shared.core.forms import IDEMPOTENCY_KEY, LEASE, LEASE_INDEX, SCOPE_INDEX, form_of
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Cause, Holder, Lease, LeaseView, State
from shared.core.names import LeaseId, ObjectId, Scope
from shared.core.ports.leases import HeldLease
from shared.core.readiness.record import Readiness
from shared.core.typed import instant, named, typed
from shared.kinds.registry import Kinds

_NOT_OVERTAKEN = 2**53
"""More than the generation of any role."""
WHOLE = ("RowKey", "Form", "View", *(f"Own{number}" for number in range(4)))
"""The properties of a lease's row that tell whether it can be read. ``Own`` takes a fraction of the four."""


def read_key(row: Row) -> IdempotencyKey:
    """A caller's key. Without its fingerprint it stands for no request that anybody can make."""
    with IDEMPOTENCY_KEY.reading(row):
        key = IdempotencyKey(
            digest=str(row["RowKey"]).removeprefix(key_key("")),
            fingerprint=row.get("Fingerprint", ""),
            lease_id=LeaseId.parse(row["LeaseId"]),
            until=instant(row["Until"]),
            version=etag_of(row),
        )
        return typed(replace(key, is_apart=key.is_beside and form_of(row) >= KEY_ELSEWHERE))


def read_indexed(row: Row) -> LeaseView:
    """What an index row tells of its lease."""
    with LEASE_INDEX.reading(row):
        if not isinstance(row.get(NOBODYS, False), bool):
            raise TypeError("expected true or false")
        return typed(_view(json.loads(row["View"])))


def read_held(row: Row, tenant: ObjectId) -> HeldLease | None:
    """What a row of a holder's index tells of a lease that takes room. ``None`` if the holder is of another tenant.

    A row that cannot be read may be of that tenant: its lease counts.
    """
    view = readable(read_indexed, row)
    if view is not None and view.holder is not None and view.holder.tenant_id != tenant:
        return None
    state = State(row["State"]) if row.get("State") in State else None
    generation = row.get("Generation")
    if view is None and not isinstance(generation, int):
        # No revocation of the role is known to have reached it.
        generation = _NOT_OVERTAKEN
    return HeldLease(indexed_id(row["RowKey"]), state, generation if isinstance(generation, int) else 0)


def read_told(row: Row) -> LeaseView:
    """The same, of the lease's own row."""
    with LEASE.reading(row):
        return typed(_view(json.loads(row["View"])))


def read_lease(kinds: Kinds, row: Row) -> Lease:
    """The lease, of its own row."""
    with LEASE.reading(row):
        return typed(_lease(kinds, row))


def read_by_scope(row: Row) -> tuple[str, ...] | None:
    """The indexes of scopes in which a lease's own row says that the lease has a row. ``None`` if it does not say that."""
    with LEASE.reading(row):
        return tuple(named(str, stored).split()) if (stored := row.get(BY_SCOPE)) is not None else None


def read_granted(row: Row) -> tuple[Scope, ...]:
    """What an index row of a scope tells: the scopes at which its lease was granted something."""
    with SCOPE_INDEX.reading(row):
        return tuple(named(Scope, each) for each in json.loads(joined("Scopes", row)))


def read_parts(kinds: Kinds, row: Row) -> tuple[Footprint, ...]:
    """What the lease has made, of a row that was read with ``WHOLE``. All of the lease can be read if this can."""
    return read_lease(kinds, row).parts


def _lease(kinds: Kinds, row: Row) -> Lease:
    view, own = _view(json.loads(row["View"])), json.loads(joined("Own", row))
    due_at = instant(own["due_at"])
    parts = tuple(kinds.read_footprint(each) for each in (own["footprint"], *own.get("other_parts", ())))
    lease = Lease(
        **{each.name: getattr(view, each.name) for each in fields(view)},
        parts=parts,
        planned_at=_instant(own, "planned_at") or ownership.opened_at(view.id),
        due_at=due_at,
        made_by=_instant(own, "made_by") or due_at,
        max_ttl=own.get("max_ttl", view.ttl),
        reason=own.get("reason", ""),
        ended_at=_instant(own, "ended_at"),
        # Stored with the footprint, where every version has it.
        maybe_more_secrets=own["footprint"].get("several", False),
        key_digest=own.get("key", ""),
        handed_out=own.get("handed_out", False),
        ending_held=own.get("ending_held", False),
        rotations=own.get("reissues", 0),
        rotating_until=_instant(own, "reissuing_until"),
        target_digest=own.get("target_digest", ""),
        undone_by=_instant(own, "undone_by"),
        ready_at=_instant(own, "ready_at"),
        prepare_by=_instant(own, "prepare_by"),
        failed_with=own.get("failed_with", ""),
        pool_digest=own.get("pool_digest", ""),
        collect_wait=own.get("collect_wait"),
        lenient=own.get("lenient", False),
        is_made=own.get("is_made", False),
        is_untouched=own.get("is_untouched", False),
        readiness=_readiness(stored) if (stored := own.get("readiness")) is not None else None,
        tokens_until=_instant(own, "tokens_until"),
        repeat_by=_instant(own, "repeat_by"),
        asked=own.get("asked", {}),
        told=own.get("told", False),
        tell_at=_instant(own, "tell_at"),
        role_revoked=own.get("role_revoked", False),
        rotating_rule=own.get("rotating_rule", ""),
        successor_at=_instant(own, "successor_at"),
        succeeds=named(LeaseId.parse, stored) if (stored := own.get("succeeds")) is not None else None,
        undone=frozenset(own.get("undone_parts", ())),
        form=form_of(row),
        by_scope=read_by_scope(row),
        version=etag_of(row),
    )
    return kinds.with_derived(lease)


def _view(stored: Mapping[str, Any]) -> LeaseView:
    lease_id, expires_at = LeaseId.parse(stored["id"]), instant(stored["expires_at"])
    issued_at = _instant(stored, "issued_at") or ownership.opened_at(lease_id)
    return LeaseView(
        id=lease_id,
        type=stored["type"],
        state=State(stored["state"]),
        holder=_holder(stored["holder"]) if stored["holder"] is not None else None,
        issued_at=issued_at,
        expires_at=expires_at,
        max_expires_at=_instant(stored, "max_expires_at") or expires_at,
        ttl=stored.get("ttl", int((expires_at - issued_at).total_seconds())),
        renewable=stored.get("renewable", False),
        ready=stored.get("ready", False),
        unchecked=stored.get("unchecked", False),
        metadata=stored.get("metadata", {}),
        cause=_cause(stored),
        attempts=stored.get("attempts", 0),
        last_error=stored.get("last_error", ""),
        generation=stored.get("generation", 0),
        claim=stored.get("claim", ""),
        parameters=stored.get("parameters", {}),
        within=stored.get("within", ""),
        is_unissued=stored.get("is_unissued", False),
    )


def _cause(stored: Mapping[str, Any]) -> Cause | None:
    """Of a later version's cause, the general one."""
    exact = stored.get("exact_cause")
    if exact is not None and named(str, exact) in Cause:
        return Cause(exact)
    return Cause(cause) if (cause := stored.get("cause")) is not None else None


def _holder(stored: Sequence[Any]) -> Holder:
    object_id, tenant_id, app_id, name, *_ = stored
    known_app_id = named(ObjectId, app_id) if app_id is not None else None
    return Holder(named(ObjectId, object_id), named(ObjectId, tenant_id), known_app_id, name)


def _readiness(stored: Mapping[str, Any]) -> Readiness:
    """Of a row of a later version, what this one knows."""
    return Readiness(
        seen=_texts(stored.get("seen", ())),
        unseen=_texts(stored.get("unseen", ())),
        region=stored.get("region", ""),
        waited_ms=stored.get("waited_ms", 0),
    )


def _texts(stored: object) -> tuple[str, ...]:
    if not isinstance(stored, list | tuple):
        raise TypeError("expected a list of texts")
    return tuple(named(str, each) for each in stored)


def _instant(stored: Mapping[str, Any], name: str) -> datetime | None:
    return instant(text) if (text := stored.get(name)) is not None else None
