"""The errors of leases that are prepared while nobody waits. ``shared.core.errors`` has the tree."""

from __future__ import annotations

from shared.core.errors import Conflict, LeaseholdError, TooMany, Unreachable
from shared.core.lease import NOT_PROVEN


class PreparationFailed(Conflict):
    """The lease could not be prepared, and nothing of it was handed out. ``failed_with`` is the code of the error."""

    code = "preparation_failed"
    sentence = "The lease could not be made; nothing of it was handed out."

    def __init__(self, failed_with: str = NOT_PROVEN) -> None:
        super().__init__(f"The lease could not be made ({failed_with}). Ask again.", audit_reason=failed_with)
        self.failed_with = failed_with


class TooManyPreparations(TooMany):
    """The caller has as many unfinished leases of the role as it may have."""

    code = "too_many_preparations"
    sentence = "You have as many leases of this role that are not collected yet as you may have."


class OutOfTime(Unreachable):
    """The time for the operation is used up. This call was not begun."""


class NotProven(LeaseholdError):
    """The credential was not seen to work in the time that the caller waits, and was removed. Never leaves the broker."""

    code = NOT_PROVEN
    sentence = "The credential was not seen to work in time."
