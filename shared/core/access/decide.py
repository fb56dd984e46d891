"""Deciding: who may have what, for how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.core.caller import Caller, CallerType
from shared.core.role import Bounds, Role


class Constraint(StrEnum):
    """The kinds of constraint on callers, by their names in documents."""

    TENANT_IDS = "bound_tenant_ids"
    """The caller is of another tenant than those named, or than the broker's own where none is named."""
    SERVICE_PRINCIPAL_IDS = "bound_service_principal_ids"
    APPLICATION_IDS = "bound_application_ids"
    APP_ROLES = "bound_app_roles"
    NOBODY = "no_bounds"
    """The role names no caller at all."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The caller may issue from the role."""


@dataclass(frozen=True, slots=True)
class Denied:
    """It may not; ``failed`` names the kinds of constraint that did not match, never their content."""

    failed: tuple[Constraint, ...]

    @property
    def reason(self) -> str:
        """For the audit trail."""
        return "not matched: " + ", ".join(self.failed)


def decide(role: Role, caller: Caller) -> Allowed | Denied:
    """Whether the caller may issue from the role, or renew what it has issued from it."""
    if caller.is_admin:
        return Allowed()
    failed = _failed(role.bounds, caller)
    return Denied(failed) if failed else Allowed()


def _failed(bounds: Bounds, caller: Caller) -> tuple[Constraint, ...]:
    if not bounds.name_somebody:
        return (Constraint.NOBODY,)
    # An application id names an app-only caller: else every user who can sign in through that client would be let in.
    app_only = caller.app_id if caller.kind is CallerType.APPLICATION else None
    matched = {
        Constraint.TENANT_IDS: caller.tenant_id in bounds.tenant_ids if bounds.tenant_ids else caller.at_home,
        Constraint.SERVICE_PRINCIPAL_IDS: not bounds.service_principal_ids or caller.object_id in bounds.service_principal_ids,
        Constraint.APPLICATION_IDS: not bounds.application_ids or app_only in bounds.application_ids,
        Constraint.APP_ROLES: not bounds.app_roles or bool(_folded(bounds.app_roles) & _folded(caller.app_roles)),
    }
    return tuple(kind for kind, holds in matched.items() if not holds)


def _folded(values: frozenset[str]) -> frozenset[str]:
    return frozenset(value.translate(_ASCII_LOWER) for value in values)


_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""Folds A-Z alone: no other script's letters are taken for one another."""
