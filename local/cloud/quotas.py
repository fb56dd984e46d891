"""The services' limits, as the control API sets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.cloud.arm.settings import Limits
from local.cloud.wire import InputError

if TYPE_CHECKING:
    from local.cloud.arm.service import Arm
    from local.cloud.graph.service import Graph

_COUNTS = (
    "assignments_per_subscription",
    "assignments_per_management_group",
    "custom_roles",
    "federated_per_identity",
    "page_size",
)
_ARM = (*_COUNTS, "busy_seconds")


def as_json(graph: Graph, arm: Arm) -> dict[str, Any]:
    """Every limit in force, by service and name."""
    known = {name: getattr(arm.settings, name) for name in _ARM}
    return {"graph": graph.limits.as_json(), "arm": {**known, "throttling": arm.settings.limits is not None}}


def configure(graph: Graph, arm: Arm, of_graph: Mapping[str, Any], of_arm: Mapping[str, Any]) -> None:
    """Sets those that are named; raises ``InputError``, and sets none, when one is unknown or its value is."""
    _check_arm(of_arm)
    graph.limits.configure(dict(of_graph))
    for name, value in of_arm.items():
        if name == "throttling":
            arm.settings.limits = Limits() if value else None
        else:
            setattr(arm.settings, name, value)


def _check_arm(settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if name == "throttling":
            fits = isinstance(value, bool)
        elif name == "busy_seconds":
            fits = value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0)
        elif name in _COUNTS:
            fits = isinstance(value, int) and not isinstance(value, bool) and value > 0
        else:
            raise InputError(f"unknown limit {name}: one of {', '.join([*_ARM, 'throttling'])}")
        if not fits:
            raise InputError(f"limit {name} cannot be {value!r}")
