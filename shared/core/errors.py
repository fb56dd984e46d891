"""Everything that can go wrong, each with a stable code and one public sentence. No HTTP here.

::

    LeaseholdError
    ├── Rejected                 the caller's to mend; nothing was changed
    │   ├── Malformed            the request cannot be read; lists every fault
    │   │   └── TooLarge
    │   ├── Unauthenticated
    │   ├── Forbidden
    │   │   └── LeasedCaller
    │   ├── NotFound
    │   ├── Gone
    │   ├── Conflict
    │   │   └── RoleOutdated     the role must be written again; lists what is wrong with it to those who may
    │   ├── PreconditionFailed
    │   └── TooMany
    ├── Upstream                 Azure's doing
    │   ├── Throttled            asked to come back later; nothing happened
    │   ├── NotReplicated        a fresh object is not known everywhere yet; nothing happened
    │   ├── ConcurrentChange     two changes of one object met; nothing happened
    │   ├── Refused              a definite no
    │   │   ├── Absent           there is no such object
    │   │   │   └── DefinitionGone  a role assigns a definition that was deleted
    │   │   ├── OutOfReach       whether it is there cannot be told: the broker may not see what would hold it
    │   │   ├── AlreadyExists
    │   │   ├── Full             the object holds as much as it may
    │   │   └── Locked           a resource lock forbids it
    │   └── Uncertain            it may or may not have happened
    │       ├── Unavailable      5xx
    │       └── Unreachable      no answer in time
    ├── LostRace                 another worker moved the record first; never leaves the broker
    ├── Interrupted              the work was taken over by another worker; nothing is left behind
    ├── Pending                  another request is doing the same; nothing was changed
    └── Misconfigured            the operator's to mend
        └── Unreadable           a stored row is damaged, or a later version's
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

_SERVER_ERROR = 500
_LOCKED_SCOPES = re.compile(r"scope\(s\) are locked: '([^']+)")
"""In Resource Manager's sentence, of which nothing but this is read, and only to be told:
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-resource-lock."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a document: where (``azure_roles[0].scope``) and what."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Caution:
    """One thing about a document that is taken and that whoever wrote it should know; ``code`` is stable."""

    path: str
    code: str
    message: str


class LeaseholdError(Exception):
    """Root of the tree.

    ``code`` is stable, ``sentence`` is what a caller may read. ``detail`` adds what this caller may know of this case,
    ``audit_reason`` what the audit trail says of it; the exception's own text and its cause are for the log.
    """

    code: ClassVar[str] = "internal_error"
    sentence: ClassVar[str] = "The broker failed."

    def __init__(self, detail: str = "", *, code: str | None = None, audit_reason: str = "") -> None:
        super().__init__(detail or self.sentence)
        self.detail = detail or self.sentence
        self.stable_code = code or self.code
        self.audit_reason = audit_reason or self.detail


class Rejected(LeaseholdError):
    """The request is refused and nothing was changed. ``faults`` are a document's, as far as the caller may know them."""

    faults: tuple[Fault, ...] = ()


class Malformed(Rejected):
    """The request cannot be read. ``faults`` holds every one of them."""

    code = "malformed"
    sentence = "The request is not understood."

    def __init__(self, *faults: Fault, code: str | None = None, detail: str = "") -> None:
        summary = "; ".join(f"{fault.path}: {fault.message}" if fault.path else fault.message for fault in faults)
        super().__init__(detail or summary, code=code)
        self.faults = faults


class TooLarge(Malformed):
    """The body is larger than the broker reads."""

    code = "body_too_large"
    sentence = "The body is too large."


class Unauthenticated(Rejected):
    """There is no token, or it is not good."""

    code = "unauthenticated"
    sentence = "A valid Entra ID access token for this broker is required."


class Forbidden(Rejected):
    """The caller is known and may not. The words never tell whether the thing exists."""

    code = "forbidden"
    sentence = "There is no such role, or you may not use it."


class LeasedCaller(Forbidden):
    """The caller is a principal that a lease has made: what is leased must not outlive its lease by leasing again."""

    code = "leased_caller"
    sentence = "A principal that was leased from this broker may not call it."


class NotFound(Rejected):
    """There is no such thing, or it is not for this caller to see."""

    code = "not_found"
    sentence = "There is no such resource, or you may not see it."


class Gone(Rejected):
    """It was there, and was handed out or taken back."""

    code = "gone"
    sentence = "This is no longer available."


class Conflict(Rejected):
    """The state of things does not allow it."""

    code = "conflict"
    sentence = "The current state does not allow this."


class RoleOutdated(Conflict):
    """The stored role breaks a rule that has come, or has changed, since it was written."""

    code = "role_outdated"
    sentence = "The role must be written again by an administrator before leases are issued from it."

    def __init__(self, *faults: Fault, audit_reason: str = "") -> None:
        super().__init__(audit_reason=audit_reason)
        self.faults = faults


class PreconditionFailed(Rejected):
    """An ``If-Match`` or ``If-None-Match`` condition does not hold."""

    code = "precondition_failed"
    sentence = "The resource has changed since you read it."


class TooMany(Rejected):
    """A cap is reached."""

    code = "too_many"
    sentence = "A limit is reached; try again later."

    def __init__(self, detail: str = "", *, code: str | None = None, retry_after: int = 30) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class Upstream(LeaseholdError):
    """Azure's doing. ``azure_code`` is the service's own error code, ``cause`` its text (for the log and the operator)."""

    code = "azure_error"
    sentence = "Azure did not do what was asked."
    where = ""
    """The scope of which Azure has said it, where an operator has to know."""

    def __init__(self, cause: str = "", *, status: int | None = None, azure_code: str = "") -> None:
        super().__init__()
        self.args = (f"{azure_code or type(self).__name__} ({status}): {cause}",)
        self.audit_reason = str(self)
        self.status = status
        self.azure_code = azure_code
        self.cause = cause

    def brief(self) -> str:
        """What a lease's ``last_error`` and the audit trail say: the service's code, never a whole answer."""
        brief = f"{self.code}: {self.azure_code}" if self.azure_code else self.code
        place = self.place()
        return f"{brief} at {place}" if place else brief

    def place(self) -> str:
        """Returns the scope that an operator has to look at; empty if there is none, or none is known."""
        return self.where


class Throttled(Upstream):
    """Too many requests; nothing happened. ``retry_after`` in seconds, when Azure said one."""

    code = "azure_throttled"
    sentence = "Azure is limiting requests; try again later."

    def __init__(
        self, cause: str = "", *, status: int | None = None, azure_code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(cause, status=status, azure_code=azure_code)
        self.retry_after = retry_after

    def brief(self) -> str:
        """As of ``Unavailable`` where the service has failed (503): a lease then waits for the service, not for a limit."""
        failed = self.status is not None and self.status >= _SERVER_ERROR
        return Unavailable(status=self.status, azure_code=self.azure_code).brief() if failed else super().brief()


class NotReplicated(Upstream):
    """An object made a moment ago is not known everywhere in Azure yet; nothing happened."""

    code = "azure_not_ready"
    sentence = "Azure has not taken notice of a fresh object in time; try again."


class ConcurrentChange(Upstream):
    """Two changes of one directory object met (``Directory_ConcurrencyViolation``); nothing happened."""

    code = "azure_busy"
    sentence = "Azure is busy changing the same object; try again."


class IdentityRefused(Upstream):
    """Azure takes no token of the broker's own identity (401), a fresh one neither; nothing happened."""

    code = "azure_identity_refused"
    sentence = "Azure does not take the broker's own identity at present; its operator sees it in the status."


class Refused(Upstream):
    """A definite no: a missing permission, a broken rule, a full quota."""

    code = "azure_refused"
    sentence = "Azure refused a step of this operation."


class Absent(Refused):
    """There is no such object."""

    code = "azure_not_found"
    sentence = "Something that this operation needs does not exist in Azure."


class DefinitionGone(Absent):
    """A role definition was deleted. One that was made anew under its name is another: nobody has looked at what it allows."""

    sentence = (
        "A role definition that this role assigns is gone from Azure. An administrator has to write the role again (PUT)."
    )


class OutOfReach(Refused):
    """Azure does not show the subscription or management group that would hold the object. No proof that it is gone."""


class AlreadyExists(Refused):
    """The object is there already."""

    code = "azure_conflict"


class Full(Refused):
    """The object holds as much as a directory object may (``Directory_ResourceSizeExceeded``)."""


class AmbiguousRefusal(Refused):
    """A no in words that Azure uses as well for a fresh object that it does not know yet. Nothing but time tells which."""

    code = "azure_not_ready"
    sentence = NotReplicated.sentence


class Locked(Refused):
    """A resource lock forbids the change. The cause is Azure's sentence, which says where the lock is."""

    code = "azure_scope_locked"
    sentence = "A resource lock forbids this change."

    def place(self) -> str:
        """The scope that has the lock, where Azure has named it: whoever reads it knows which lock to lift."""
        locked = _LOCKED_SCOPES.search(self.cause)
        return locked[1] if locked else super().place()


class Uncertain(Upstream):
    """It may have happened or not. Undo must look."""

    code = "azure_unavailable"
    sentence = "Azure did not answer properly."


class Unavailable(Uncertain):
    """The service answered that it failed (5xx)."""


class Unreachable(Uncertain):
    """No answer: timeout, or the connection broke."""

    code = "azure_unreachable"
    sentence = "Azure did not answer in time."


class LostRace(LeaseholdError):
    """Another worker moved this record first. Whoever loses undoes its own work or stops."""

    code = "lost_race"
    sentence = "The record was changed by someone else at the same time."


class Interrupted(LeaseholdError):
    """The worker was too slow, or the lease was revoked while it was being made; what was made is undone."""

    code = "interrupted"
    sentence = "The lease was ended while it was being made; nothing is left of it. Try again."


class Pending(LeaseholdError):
    """Another request with the same key is at work on the lease, and took longer than this one may wait."""

    code = "lease_pending"
    sentence = "Another request with this key is still at work on the lease; repeat this one."


class Misconfigured(LeaseholdError):
    """The deployment is not set up as the broker needs. The text is for the operator's log."""

    code = "misconfigured"
    sentence = "The broker is not configured properly; its operator has been told in the log."

    def brief(self) -> str:
        """As of ``Upstream``."""
        return self.code


class Unreadable(Misconfigured):
    """A stored row is damaged, or a later version of the broker has written it. It stays as it is."""

    sentence = "Something that is stored cannot be read by this version of the broker; its operator has been told in the log."
