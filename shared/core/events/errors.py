"""Errors about event rules. ``shared.core.errors`` draws the whole tree."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.errors import Conflict, Uncertain


class RoleInUse(Conflict):
    """Event rules issue from the role: ``used_by``, by name."""

    code = "role_in_use"
    sentence = "Event rules issue from this role. Delete them first, or let them name another role."

    def __init__(self, role: str = "", used_by: Sequence[str] = ()) -> None:
        super().__init__(audit_reason=f"role {role} is used by {', '.join(used_by)}")
        self.more = {"used_by": used_by}


class RuleInUse(Conflict):
    """Other event rules revoke what this one issues: ``used_by``, by name."""

    code = "rule_in_use"
    sentence = "Other event rules revoke what this one issues. Delete them first, or let them name another rule."

    def __init__(self, rule: str = "", used_by: Sequence[str] = ()) -> None:
        super().__init__(audit_reason=f"event rule {rule} is used by {', '.join(used_by)}")
        self.more = {"used_by": used_by}


class EventsNotTaken(Uncertain):
    """The queue has not taken all events of a request. Those that it has taken do no harm if they come again."""

    code = "events_not_taken"
    sentence = "The events could not be kept; send all of them again."
