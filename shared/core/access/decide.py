"""Decides whether a caller may issue from a role. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.core.caller import Caller, CallerType
from shared.core.role import Role


class Constraint(StrEnum):
    """The kinds of constraint on callers, by their names in documents."""

    TENANT_IDS = "bound_tenant_ids"
    """The caller is of none of the named tenants. If none is named, it is not of the broker's own."""
    SERVICE_PRINCIPAL_IDS = "bound_service_principal_ids"
    APPLICATION_IDS = "bound_application_ids"
    APP_ROLES = "bound_app_roles"
    NOBODY = "no_bounds"
    """The role names no caller."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The caller may issue from the role."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The caller may not. ``failed`` names the kinds of constraint that did not match, never their content."""

    failed: tuple[Constraint, ...]

    @property
    def reason(self) -> str:
        """Returns the reason for the audit trail."""
        return "not matched: " + ", ".join(self.failed)


def decide(role: Role, caller: Caller) -> Allowed | Denied:
    """Returns whether the caller may issue from the role, or renew a lease that it has issued from it."""
    bounds = role.bounds
    if caller.is_admin:
        return Allowed()
    if not bounds.name_somebody:
        return Denied((Constraint.NOBODY,))
    # An application id names an app-only caller. Otherwise it would admit every user who can sign in through that client.
    app_only = caller.app_id if caller.kind is CallerType.APPLICATION else None
    matched = {
        Constraint.TENANT_IDS: caller.tenant_id in bounds.tenant_ids if bounds.tenant_ids else caller.at_home,
        Constraint.SERVICE_PRINCIPAL_IDS: not bounds.service_principal_ids or caller.object_id in bounds.service_principal_ids,
        Constraint.APPLICATION_IDS: not bounds.application_ids or app_only in bounds.application_ids,
        Constraint.APP_ROLES: not bounds.app_roles or bool(_folded(bounds.app_roles) & _folded(caller.app_roles)),
    }
    failed = tuple(kind for kind, holds in matched.items() if not holds)
    return Denied(failed) if failed else Allowed()


def _folded(values: frozenset[str]) -> frozenset[str]:
    return frozenset(value.translate(_ASCII_LOWER) for value in values)


_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""Folds A-Z alone, and no other script's letters."""
