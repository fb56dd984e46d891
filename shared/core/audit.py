"""One audit event: who, what, when, outcome, reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.core.caller import Caller


class Outcome(StrEnum):
    """The outcome of an operation."""

    DONE = "done"
    REFUSED = "refused"
    """The broker has refused the caller. Nothing was changed."""
    FAILED = "failed"
    """Azure or the broker has failed."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event: caller, operation, time, outcome. It holds no secret and no token, only the token's fingerprint."""

    at: datetime
    operation: str
    """``issue``, ``read``, ``list``, ``renew``, ``revoke``, ``end``, ``prune``, ``put_role``, ... as routed."""
    outcome: Outcome
    request_id: str
    code: str = ""
    """The stable code of the refusal or failure."""
    reason: str = ""
    caller: Caller | None = None
    role: str = ""
    lease: str = ""
    client_request_id: str = ""
    """The caller's own id for the request. Nothing is decided by it: anybody may send any id."""
    decided_by: Mapping[str, Any] | None = None
    """What let the caller in: a rule of a policy, a role's inline bounds, an app role of the broker."""
    overrode_deny: Mapping[str, Any] | None = None
    """The rule that denies it, if an administrator has done it nevertheless."""
    document: str = ""
    """The document that was changed or, if the call was refused, was to be read or changed: ``policies/readers``."""
    changes: Sequence[Mapping[str, Any]] = ()
    """The fields that were changed: ``{"path", "from", "to"}``."""
    granted: Mapping[str, Any] | None = None
    """Of an issue: ``{"scopes"?, "parameters"?, "within"?, "graph_app_roles"?}``, what was asked for, and granted where."""
    event: str = ""
    """The id of the event from outside that the operation is about, as its publisher has written it."""
    rule: str = ""
    """The event rule by which it was done."""
    subject: str = ""
    """The subject of that event: the id of a resource in Azure."""
    id: str = ""
    """A ULID if the event is stored with what it tells of, and may be recorded more than once: the trail keeps it once."""
