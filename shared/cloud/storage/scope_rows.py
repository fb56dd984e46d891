"""The index rows by which leases are found by what they were granted, and which of them a question reads.

``in_<hash>_~<age>_<id>`` stands for a subscription or a resource group in which the lease was granted something: each granted
scope has such a row of its subscription, and one of its group if it lies in a group. ``at_<hash>_~<age>_<id>`` stands for a
subscription that was granted itself. All management groups share one index, ``at_`` the tenant's root: nobody knows what they
contain, so whoever asks what reaches a scope wants all of them.

A row holds the scopes that lie there, whose lease it is and of which role, and nothing that changes while the lease is held. So
it is written when the lease is opened and deleted when the lease ends, in the lease's own transactions. Whether the lease still
stands is read from its own row, which names these indexes (``BY_SCOPE``). The age is that of the id: a row keeps its key when a
lease is claimed from a pool.

One transaction has at most a hundred operations. A lease with more than ``MOST`` of these rows has one instead: in the index of
the root, which every question reads, with all scopes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from hashlib import sha256
from typing import Any

from shared.cloud.storage.lease_rows import index_key
from shared.cloud.storage.tables import chunked
from shared.core.forms import SCOPE_INDEX
from shared.core.lease import Lease, State
from shared.core.names import LeaseId, Scope
from shared.core.reach import Reach
from shared.kinds.registry import Kinds

MOST = 60
"""Rows of one lease. Beside them a transaction has nine operations at most, or twelve on rows of an older form."""
INDEXES = ("at_", "in_")
_ROOT = "/"
_GROUP = 5
"""Parts of the id of a resource group, the empty one before the first slash included."""
_SUBSCRIPTION = 3


def scope_row_key(index: str, lease_id: LeaseId) -> str:
    """The key of the lease's row in an index, as ``by_scope`` and ``read_by`` name it."""
    return index_key(f"{index}_", lease_id)


def by_scope(kinds: Kinds, lease: Lease) -> dict[str, list[Scope]]:
    """Returns the indexes in which the lease has a row, each with the scopes that lie there. None if the lease has ended."""
    scopes = kinds.scopes_of(lease.footprint) if lease.state is not State.ENDED else ()
    found: defaultdict[str, list[Scope]] = defaultdict(list)
    for scope in scopes:
        for index in _indexes_of(scope):
            found[index].append(scope)
    return dict(found) if len(found) <= MOST else {_at(_ROOT): list(scopes)}


def scope_rows(lease: Lease, wanted: dict[str, list[Scope]]) -> list[dict[str, Any]]:
    """Returns the rows of the lease in these indexes."""
    known = {
        **SCOPE_INDEX.stamp,
        "Role": lease.id.role,
        "Holder": lease.holder.object_id if lease.holder is not None else "",
    }
    return [
        {
            "PartitionKey": lease.id.shard,
            "RowKey": scope_row_key(index, lease.id),
            **known,
            **chunked("Scopes", json.dumps(scopes, ensure_ascii=False, separators=(",", ":"))),
        }
        for index, scopes in wanted.items()
    ]


def read_by(reach: Reach) -> tuple[str, ...]:
    """Returns indexes that hold every lease for which the reach asks, and others: the scopes of each row tell them apart."""
    if reach.scope.is_management_group:
        return (_at(_ROOT),)
    parts = reach.scope.key.split("/")
    around = _in(_group_of(parts) or _subscription_of(parts))
    if reach.above and _group_of(parts):
        return (around, _at(_subscription_of(parts)), _at(_ROOT))
    return (around, _at(_ROOT))


def _indexes_of(scope: Scope) -> tuple[str, ...]:
    if scope.is_management_group:
        return (_at(_ROOT),)
    parts = scope.key.split("/")
    subscription, group = _subscription_of(parts), _group_of(parts)
    if len(parts) == _SUBSCRIPTION:
        return (_in(subscription), _at(subscription))
    return (_in(subscription), *([_in(group)] if group else []))


def _subscription_of(parts: list[str]) -> str:
    return "/".join(parts[:_SUBSCRIPTION])


def _group_of(parts: list[str]) -> str:
    """Returns the key of the resource group in which a scope of these parts lies, or which it is. Empty if there is none."""
    return "/".join(parts[:_GROUP]) if len(parts) >= _GROUP and parts[_SUBSCRIPTION] == "resourcegroups" else ""


def _in(key: str) -> str:
    return f"in_{_digest(key)}"


def _at(key: str) -> str:
    return f"at_{_digest(key)}"


def _digest(key: str) -> str:
    # If two scopes share a digest, the scopes of their rows tell them apart.
    return sha256(key.encode()).hexdigest()[:24]
