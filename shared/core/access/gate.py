"""The gate: whether a caller has a capability on a path of the API. Pure. The edge asks it before a handler runs.

A path is a route's own (``leases/{id}``: any lease), or one with its names filled in (``leases/web.01...``). What depends on
more than the path stands in the verbs, as an exception to the gate's refusal: a lease's holder, and a role's bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.core.access.decide import Allowed
from shared.core.caller import Caller

type Capability = Literal["issue", "renew", "read", "list", "revoke", "write", "delete"]


@dataclass(frozen=True, slots=True)
class Lacking:
    """The caller has no such right: the stable code of the refusal, and its sentence."""

    code: str
    sentence: str


_ADMIN = Lacking(code="admin_required", sentence="This takes the app role Leasehold.Admin.")
_AUDITOR = Lacking(code="auditor_required", sentence="This takes the app role Leasehold.Auditor or Leasehold.Admin.")
_AUDITORS: frozenset[tuple[str, Capability]] = frozenset({
    ("audit", "read"),
    ("status", "read"),
    ("leases", "read"),
    ("leases", "list"),
})  # fmt: skip
"""What an auditor may: the first segment of a path, and the capability."""


def gate(caller: Caller, path: str, capability: Capability) -> Allowed | Lacking:
    """Whether the caller has the capability there. An admin has every one, an auditor those of ``_AUDITORS``."""
    reads = (path.partition("/")[0], capability) in _AUDITORS
    if caller.is_admin or (reads and caller.is_auditor):
        return Allowed()
    return _AUDITOR if reads else _ADMIN
