"""Errors of whoever writes the configuration. ``shared.core.errors`` draws the whole tree."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.errors import Conflict, Fault, Forbidden, Uncertain


class Escalation(Forbidden):
    """The caller would give itself or others more rights than it has. ``faults`` name what is too much."""

    code = "escalation"
    sentence = "You may not give more rights than you have yourself."

    def __init__(self, *faults: Fault) -> None:
        super().__init__(audit_reason="; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


class PolicyInUse(Conflict):
    """Auth roles name the policy: ``used_by``, by name."""

    code = "policy_in_use"
    sentence = (
        "Auth roles name this policy. DELETE takes it out of each with ?force=true; an import deletes it once none names it."
    )

    def __init__(self, policy: str = "", used_by: Sequence[str] = ()) -> None:
        super().__init__(audit_reason=f"policy {policy} is used by {', '.join(used_by)}")
        self.more = {"used_by": used_by}


class PolicyTestsFailed(Conflict):
    """Tests of an imported configuration fail. ``faults`` name each test, and the line that has decided."""

    code = "tests_failed"
    sentence = "Tests of this configuration fail; nothing was changed."

    def __init__(self, *faults: Fault) -> None:
        super().__init__(audit_reason="; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


class ImportStopped(Uncertain):
    """An import has failed when some of its documents were written. ``applied`` and ``left`` name the documents."""

    code = "import_stopped"
    sentence = "The import stopped midway; repeat it: what is applied stays as it is."

    def __init__(self, cause: str = "", *, applied: Sequence[str] = (), left: Sequence[str] = ()) -> None:
        super().__init__(cause)
        self.more = {"applied": applied, "left": left}

    def brief(self) -> str:
        """Returns the code, how many documents were written, and why the next one was not."""
        return f"{self.code} after {len(self.more['applied'])}: {self.cause}"
