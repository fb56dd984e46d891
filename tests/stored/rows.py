"""Which kind of row a stored row is, and what this version reads it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from shared.cloud.storage import (
    access_table,
    application_lock_table,
    audit_rows,
    audit_table,
    caller_table,
    document_table,
    event_count_table,
    event_rule_table,
    generation_table,
    holder_resource_table,
    packed_access,
    pool_table,
    queued_marker_table,
    role_table,
    rule_lease_table,
    secret_name_table,
)
from shared.cloud.storage.lease_reader import read_granted, read_indexed, read_key, read_lease
from shared.cloud.storage.outbox_table import read_waiting
from shared.cloud.storage.tables import etag_of
from shared.core import forms
from shared.core.forms import StoredType
from shared.core.message import read_message
from tests.stored.kept_store import TABLES, KeptStore
from tests.support.kinds import SCHEMAS

type Reader = Callable[[Any], object]


class Stored(dict[str, Any]):
    """A row as the storage library gives it."""

    metadata = {"etag": 'W/"1"'}  # noqa: RUF012 - as the library's own


def _by_its_key(row: Mapping[str, Any]) -> object:
    """Nothing but the key of such a row is read."""
    return row["RowKey"]


_LEASES: dict[str, tuple[StoredType, Reader]] = {
    "lease": (forms.LEASE, partial(read_lease, SCHEMAS)),
    "due": (forms.DUE, _by_its_key),
    "key": (forms.IDEMPOTENCY_KEY, read_key),
    "minted": (forms.LEASED_PRINCIPAL, lambda row: row["LeaseId"]),
    "stuck": (forms.STUCK_HINT, _by_its_key),
    "leases": (forms.ALIGNED, _by_its_key),
    "scopes": (forms.ALIGNED, _by_its_key),
    "in": (forms.SCOPE_INDEX, read_granted),
    "at": (forms.SCOPE_INDEX, read_granted),
}
_INDEX = (forms.LEASE_INDEX, read_indexed)
_ROLES: dict[str, tuple[StoredType, Reader]] = {
    "role": (forms.ROLE, lambda row: document_table.restored(role_table.roles_of(SCHEMAS), row)),
    "event-rule": (forms.EVENT_RULE, lambda row: document_table.restored(event_rule_table.EVENT_RULES, row)),
    "holder-resource": (forms.HOLDER_RESOURCE, holder_resource_table.holder_resource),
    "generation": (forms.GENERATION, generation_table._generation),
    "admission": (forms.ADMISSIONS, role_table._admitted),
    "secret-name": (forms.NAME_CLAIM, secret_name_table._claim),
    "application": (forms.APPLICATION_LOCK, application_lock_table._record),
    "waiting": (forms.QUEUED_MARKER, queued_marker_table._marker),
}
_BESIDE: dict[str, tuple[StoredType, Reader]] = {
    "~": (forms.PENDING_EVENT, document_table._pending_event),
    "\u00a7": (forms.SHARED_VERSION, etag_of),
}
"""Rows beside documents, by how their keys begin."""
_ACCESS: dict[str, tuple[StoredType, Reader]] = {
    "auth-role": (forms.AUTH_ROLE, lambda row: document_table.restored(access_table.AUTH_ROLES, row)),
    "policy": (forms.POLICY, lambda row: document_table.restored(access_table.POLICIES, row)),
    "version": (forms.ACCESS_VERSION, etag_of),
    "packed": (forms.PACKED, lambda row: dict(packed_access.unpacked([row]))),
}
_CALLERS: dict[str, tuple[StoredType, Reader]] = {
    "admissions": (forms.CALLER_ADMISSIONS, caller_table._admissions),
    "asks": (forms.ASKS, caller_table._window),
}
_RULES: dict[str, tuple[StoredType, Reader]] = {
    "lease": (forms.RULE_LEASE, rule_lease_table.rule_lease),
    "denied": (forms.RULE_DENIED, rule_lease_table.rule_denied),
}
_JOURNAL: dict[str, tuple[StoredType, Reader]] = {
    "sweep": (forms.RUN, lambda row: (audit_table._readable_run(row), audit_table._overdue(row))),
    "reconcile": (forms.RUN, audit_table._readable_run),
    "events_in": (forms.EVENT_COUNTS, event_count_table.event_counts),
    "count": (forms.COUNT, audit_table._readable_count),
    "events": (forms.PUBLISHED, audit_table._readable_publishing),
}


def reader_of(table: str, row: Mapping[str, Any]) -> tuple[StoredType, Reader]:
    """By where the row lies."""
    partition, key = row["PartitionKey"], row["RowKey"]
    match table:
        case "leases" if "_event_" in key:
            return forms.OUTGOING_EVENT, partial(read_waiting, shard=partition)
        case "leases":
            return _LEASES.get(key.partition("_")[0], _INDEX)
        case "roles":
            return _in_roles(partition, key)
        case "pool" if key.startswith("~"):
            return forms.POOL_FILLING, pool_table._filling
        case "pool":
            return forms.POOL_HINT, pool_table._hint
        case _:
            return forms.AUDIT_EVENT, audit_rows.readable_event


def _in_roles(partition: str, key: str) -> tuple[StoredType, Reader]:
    match partition:
        case _ if key[0] in _BESIDE:
            return _BESIDE[key[0]]
        case "journal":
            return _JOURNAL[key]
        case _ if partition.startswith("caller_"):
            return _CALLERS[key]
        case _ if partition.startswith("rule_"):
            return _RULES[key.partition("_")[0]]
        case "access":
            return _ACCESS[key.partition("_")[0]]
        case _:
            return _ROLES[partition]


def everything_in(store: KeptStore) -> Iterator[tuple[StoredType, int, object]]:
    """Each row and message of a store: what it is, its form, and what is read of it. Raises what its reader raises."""
    for table in TABLES:
        for row in store.read(table):
            stored_type, read = reader_of(table, row)
            yield stored_type, forms.form_of(row), read(Stored(row))
    for text in store.messages:
        yield forms.MESSAGE, forms.FIRST, read_message(text)
