"""The errors of the broker. Each has a stable code and one public sentence. HTTP is not known here.

::

    LeaseholdError
    ├── Rejected                 the caller has to change the request; nothing was changed
    │   ├── Malformed            the request cannot be read; lists every fault
    │   │   ├── TooLarge
    │   │   ├── Ambiguous†       values make one assignment of two with different conditions
    │   │   ├── NotWithin†       a scope that is asked for is not below those of the role
    │   │   └── NotNarrowable†   the role has nothing that a scope could narrow
    │   ├── Unauthenticated
    │   ├── Forbidden
    │   │   ├── LeasedCaller
    │   │   ├── Escalation*      the caller would give more rights than it has; lists the rules
    │   │   ├── ParameterNotAllowed†  a value is outside the bounds of the role
    │   │   └── FactMissing†     the role is filled with a fact about the caller, and there is none
    │   ├── NotFound
    │   ├── Gone
    │   ├── Conflict             PreparationFailed‡: the lease could not be made
    │   │   ├── RoleOutdated     the role must be written again; lists what is wrong with it to those who may
    │   │   ├── PolicyInUse*, RoleInUse°, RuleInUse°  an auth role, or an event rule, names it
    │   │   └── PolicyTestsFailed*  tests of an imported configuration fail; lists them
    │   ├── PreconditionFailed
    │   └── TooMany
    ├── Upstream                 Azure failed or refused
    │   ├── Throttled            asked to come back later; nothing happened
    │   │   └── VaultLeft◊       what a lease has delivered is still in its vault
    │   ├── NotReplicated        a fresh object is not known everywhere yet; nothing happened
    │   ├── ConcurrentChange     two changes of one object met; nothing happened
    │   ├── IdentityRefused      Azure takes no token of the broker's identity; nothing happened
    │   ├── Refused              Azure refuses for good; PolicyForbids¶: a policy of the tenant forbids such a credential
    │   │   ├── Absent           there is no such object
    │   │   │   └── DefinitionGone  a role assigns a definition that was deleted
    │   │   ├── OutOfReach       whether it is there cannot be told: the broker may not see what would hold it
    │   │   ├── AlreadyExists
    │   │   ├── Full             the object holds as much as it may
    │   │   ├── NeverReady§      a fresh credential was tried, and waiting does not make it work
    │   │   ├── AmbiguousRefusal Azure uses the same answer for an object that is too fresh
    │   │   └── Locked           a resource lock forbids it
    │   └── Uncertain            it may or may not have happened
    │       ├── Unavailable      5xx
    │       ├── DirectoryUnavailable  a fact about the caller cannot be read; nothing was changed
    │       ├── ImportStopped*, EventsNotTaken°  only some documents, or events, were written
    │       └── Unreachable      no answer in time
    │           └── OutOfTime‡   the call was not begun: nothing happened
    ├── LostRace                 another worker moved the record first; never leaves the broker
    ├── NotProven‡               the credential was not seen to work in time; never leaves the broker
    ├── Interrupted              the work was taken over by another worker; nothing is left behind
    ├── Pending                  another request is doing the same; nothing was changed
    └── Misconfigured            the operator has to change the deployment
        └── Unreadable           a stored row is damaged, or a later version's

In core: * access, ° ``events``, † ``parameters``, ‡ ``preparing``, § ``readiness``, ¶ ``tenant_policy``, ◊ ``vault_errors``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

_SERVER_ERROR = 500
_LOCKED_SCOPES = re.compile(r"scope\(s\) are locked: '([^']+)")
"""The locked scope in Resource Manager's sentence. It is only shown to the operator; nothing is decided by it:
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-resource-lock."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a document: its path (``azure_roles[0].scope``) and what is wrong there."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Caution:
    """A warning about a document that is accepted. ``code`` is stable."""

    path: str
    code: str
    message: str


class LeaseholdError(Exception):
    """Root of the tree.

    ``code`` is stable. ``sentence`` is public. ``detail`` says what this caller may know about this case. ``audit_reason`` is
    what the audit trail records. The exception's own text and its cause are for the log.
    """

    code: ClassVar[str] = "internal_error"
    sentence: ClassVar[str] = "The broker failed."
    lease: str = ""
    """Another lease of the caller's that stands in the way; empty if none does."""
    more: Mapping[str, Sequence[str]] = MappingProxyType({})
    """Lists that the caller gets beside the sentence, by the names that they have in a problem document."""

    def __init__(self, detail: str = "", *, code: str | None = None, audit_reason: str = "") -> None:
        super().__init__(detail or self.sentence)
        self.detail = detail or self.sentence
        self.stable_code = code or self.code
        self.audit_reason = audit_reason or self.detail


class Rejected(LeaseholdError):
    """The request is refused and nothing was changed. ``faults`` are those faults of the document that the caller may know."""

    faults: tuple[Fault, ...] = ()


class Malformed(Rejected):
    """The request cannot be read. ``faults`` holds every fault of it."""

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
    """There is no token, or it is not valid for this broker."""

    code = "unauthenticated"
    sentence = "A valid Entra ID access token for this broker is required."


class Forbidden(Rejected):
    """The caller is known and has no right to this. The sentence never tells whether the object exists."""

    code = "forbidden"
    sentence = "You have no right to this, or it does not exist."


class LeasedCaller(Forbidden):
    """The caller is a principal that a lease has made: what is leased must not outlive its lease by leasing again."""

    code = "leased_caller"
    sentence = "A principal that was leased from this broker may not call it."


class NotFound(Rejected):
    """There is no such object, or this caller may not see it."""

    code = "not_found"
    sentence = "There is no such resource, or you may not see it."


class Gone(Rejected):
    """The object existed, and was handed out or revoked."""

    code = "gone"
    sentence = "This is no longer available."


class Conflict(Rejected):
    """The present state of the object does not allow the request."""

    code = "conflict"
    sentence = "The current state does not allow this."

    def __init__(self, detail: str = "", *, code: str | None = None, audit_reason: str = "", lease: str = "") -> None:
        super().__init__(detail, code=code, audit_reason=audit_reason)
        self.lease = lease


class RoleOutdated(Conflict):
    """The stored role breaks a rule that was added or changed after the role was written."""

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
    """A limit is reached. ``retry_after`` is in seconds."""

    code = "too_many"
    sentence = "A limit is reached; try again later."

    def __init__(self, detail: str = "", *, code: str | None = None, retry_after: int = 30) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class TooManyIssues(TooMany):
    """The caller has issued as often within a minute as it may. A repeat under a key is served all the same."""

    code = "too_many_issues"
    sentence = "You have asked for as many leases within a minute as you may; try again later."


class Upstream(LeaseholdError):
    """Azure failed or refused. ``azure_code`` is the service's own error code. ``cause`` is its text, for the log."""

    code = "azure_error"
    sentence = "Azure did not do what was asked."
    where = ""
    """The scope that Azure's answer was about, if an operator has to know it."""
    is_after_doubt = False  # Whether an earlier try of the same call may have had its effect.

    def __init__(self, cause: str = "", *, status: int | None = None, azure_code: str = "") -> None:
        super().__init__()
        self.args = (f"{azure_code or type(self).__name__} ({status}): {cause}",)
        self.audit_reason = str(self)
        self.status = status
        self.azure_code = azure_code
        self.cause = cause

    def brief(self) -> str:
        """Returns the text for a lease's ``last_error`` and the audit trail: the service's code, never a whole answer."""
        brief = f"{self.code}: {self.azure_code}" if self.azure_code else self.code
        place = self.place()
        return f"{brief} at {place}" if place else brief

    def place(self) -> str:
        """Returns the scope that an operator has to look at. Empty if no scope is known."""
        return self.where


class Throttled(Upstream):
    """Too many requests; nothing happened. ``retry_after`` is in seconds, if Azure named a time."""

    code = "azure_throttled"
    sentence = "Azure is limiting requests; try again later."

    def __init__(
        self, cause: str = "", *, status: int | None = None, azure_code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(cause, status=status, azure_code=azure_code)
        self.retry_after = retry_after

    def brief(self) -> str:
        """The text of ``Unavailable`` if the service itself failed (503). A lease then waits for the service."""
        failed = self.status is not None and self.status >= _SERVER_ERROR
        return Unavailable(status=self.status, azure_code=self.azure_code).brief() if failed else super().brief()


class NotReplicated(Upstream):
    """Some replica of Azure does not know yet an object that was made a moment ago; nothing happened."""

    code = "azure_not_ready"
    sentence = "Azure has not taken notice of a fresh object in time; try again."


class ConcurrentChange(Upstream):
    """Another change of the same directory object was under way (``Directory_ConcurrencyViolation``); nothing happened."""

    code = "azure_busy"
    sentence = "Azure is busy changing the same object; try again."


class IdentityRefused(Upstream):
    """Azure refuses the tokens of the broker's own identity (401), a fresh one included; nothing happened."""

    code = "azure_identity_refused"
    sentence = "Azure does not take the broker's own identity at present; its operator sees it in the status."


class Refused(Upstream):
    """Azure refuses for good: a permission is missing, a rule is broken, a quota is full."""

    code = "azure_refused"
    sentence = "Azure refused a step of this operation."


class Absent(Refused):
    """There is no such object."""

    code = "azure_not_found"
    sentence = "Something that this operation needs does not exist in Azure."


class DefinitionGone(Absent):
    """A role definition was deleted. If a new one has the same name, nobody has checked what the new one allows."""

    sentence = "A role definition that this role assigns was deleted in Azure: an administrator has to write the role again."


class OutOfReach(Refused):
    """Azure does not show the subscription or management group of the object. That does not prove that the object is gone."""


class AlreadyExists(Refused):
    """The object is there already."""

    code = "azure_conflict"


class Full(Refused):
    """The object holds as much as a directory object may (``Directory_ResourceSizeExceeded``)."""


class AmbiguousRefusal(Refused):
    """Azure answers so for a refusal, and for a fresh object that a replica does not know yet. Only time tells which it is."""

    code = "azure_not_ready"
    sentence = NotReplicated.sentence


class Locked(Refused):
    """A resource lock forbids the change. The cause is Azure's sentence, which says where the lock is."""

    code = "azure_scope_locked"
    sentence = "A resource lock forbids this change."

    def place(self) -> str:
        """Returns the scope that carries the lock, if Azure has named it. The operator has to remove the lock there."""
        locked = _LOCKED_SCOPES.search(self.cause)
        return locked[1] if locked else super().place()


class Uncertain(Upstream):
    """The operation may have happened or not. The undo must look."""

    code = "azure_unavailable"
    sentence = "Azure did not answer properly."


class Unavailable(Uncertain):
    """The service answered that it failed (5xx)."""


class DirectoryUnavailable(Uncertain):
    """A fact about the caller, which might allow the request, cannot be read. Nothing was changed."""

    code = "directory_unavailable"
    sentence = "The broker cannot read at present what it has to know of you; try again later."

    def brief(self) -> str:
        """Returns the code, and what could not be read."""
        return f"{self.code}: {self.cause}" if self.cause else self.code


class Unreachable(Uncertain):
    """The service did not answer: a timeout, or the connection broke."""

    code = "azure_unreachable"
    sentence = "Azure did not answer in time."


class LostRace(LeaseholdError):
    """Another worker changed this row first. The worker that loses undoes its own work, or stops. Never leaves the broker."""

    code = "lost_race"
    sentence = "The record was changed by someone else at the same time."


class Interrupted(LeaseholdError):
    """The worker was too slow, or the lease was revoked while it was made. What was made is undone."""

    code = "interrupted"
    sentence = "The lease was ended while it was being made; nothing is left of it. Try again."


class Pending(LeaseholdError):
    """Another request with the same key is making the lease, and takes longer than this request may wait."""

    code = "lease_pending"
    sentence = "Another request with this key is still at work on the lease; repeat this one."


class Misconfigured(LeaseholdError):
    """The deployment lacks something that the broker needs. The text is for the operator's log."""

    code = "misconfigured"
    sentence = "The broker is not configured properly; its operator has been told in the log."

    def brief(self) -> str:
        """Returns the code, as ``Upstream.brief`` does."""
        return self.code


class Unreadable(Misconfigured):
    """A stored row is damaged, or a later version of the broker wrote it. The row stays as it is."""

    sentence = "Something that is stored cannot be read by this version of the broker; its operator has been told in the log."
