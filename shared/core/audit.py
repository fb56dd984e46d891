"""One audit event: who, what, when, outcome, reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.core.caller import Caller


class Outcome(StrEnum):
    """How it went."""

    DONE = "done"
    REFUSED = "refused"
    """The caller's doing: nothing was changed."""
    FAILED = "failed"
    """Azure's or the broker's doing."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what, when, with what outcome. Holds no secret and no token: only the token's fingerprint."""

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
    """What the caller called the request. Nothing goes by it: anybody may send any."""
