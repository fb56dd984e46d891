"""Why parameters or ``within`` are refused. ``shared.core.errors`` draws the whole tree."""

from __future__ import annotations

from shared.core.errors import Conflict, Fault, Forbidden, Malformed


class ParameterNotAllowed(Forbidden):
    """A value is well formed and outside its parameter's bounds. ``faults`` name each such parameter and its bounds.

    Only a caller that may issue the role may see it.
    """

    code = "parameter_not_allowed"
    sentence = "A parameter has a value that this role does not allow."

    def __init__(self, *faults: Fault) -> None:
        super().__init__(audit_reason="; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


class FactMissing(Forbidden):
    """A parameter is filled with a fact about the caller, and there is no such fact. ``faults`` name each such parameter.

    ``audit_reason`` also has the ids that were compared, which the caller is not shown.
    """

    code = "fact_missing"
    sentence = "This role is for callers of whom the directory says more than of you."

    def __init__(self, *faults: Fault, audit_reason: str = "") -> None:
        super().__init__(audit_reason=audit_reason or "; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


class Ambiguous(Malformed):
    """Two assignments of one definition come to lie at one scope, under different conditions. Azure knows only one."""

    code = "ambiguous"
    sentence = "With these values, the role would assign one definition at one scope under different conditions."


class NotWithin(Malformed):
    """``within`` is not at or below every scope of the role. ``faults`` name the scopes that are not above it."""

    code = "not_within"
    sentence = "The scope that you ask for is not at or below every scope of the role."


class NotNarrowable(Malformed):
    """The role takes no ``within``: part of what it gives lies at no scope, or the role refuses it."""

    code = "not_narrowable"
    sentence = "This role cannot be narrowed to a scope."


class TargetMissing(Conflict):
    """What a parameter or ``within`` names is not there in Azure, or the broker may not assign roles there.

    ``faults`` name what the caller has given. It may be made any moment, so that another try makes sense.
    """

    code = "azure_refused"
    sentence = "What the role is asked for is not there in Azure."

    def __init__(self, *faults: Fault, detail: str = "", audit_reason: str = "") -> None:
        super().__init__(detail, audit_reason=audit_reason)
        self.faults = faults
