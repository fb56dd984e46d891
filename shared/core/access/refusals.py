"""Why a caller was refused: with the content of bounds, for operators and the audit trail alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.core.access.asked import WITHOUT_PARAMETERS, Asks
from shared.core.access.bounds import Bounds, Constraint
from shared.core.access.configuration import Configuration
from shared.core.access.decide import Decision
from shared.core.access.facts import Facts, Principal, Unread
from shared.core.access.match import NotMatched, match
from shared.core.access.resource_id import ResourceId
from shared.core.caller import Caller, CallerType

_LOOKED_AT = 100
"""A refusal is compared with so many auth roles at most: with thousands it would take longer than what it explains."""
_SHOWN = 3
"""Values of each list that are shown in a sentence."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A kind that does not match: the values that the document wants, and those that the caller has."""

    kind: Constraint
    wanted: tuple[str, ...]
    has: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} wants {_listed(self.wanted)}, has {_listed(self.has)}"


def failed_kinds(bounds: Bounds, caller: Caller, facts: Facts) -> tuple[Failed, ...]:
    """Returns each kind of the bounds that does not match the caller. Empty if they match, or if that is unknown."""
    outcome = match(bounds, caller, facts)
    if not isinstance(outcome, NotMatched):
        return ()
    return tuple(
        Failed(kind, tuple(sorted(bounds.of(kind))) if kind is not Constraint.NOBODY else (), _has(kind, caller, facts))
        for kind in outcome.failed
    )


def reason_of(
    decision: Decision,
    configuration: Configuration,
    caller: Caller,
    facts: Facts,
    path: str,
    capability: str,
    inline: Bounds | None = None,
    *,
    asks: Asks = WITHOUT_PARAMETERS,
) -> str:
    """Returns why the caller may not: what has decided, and what the bounds that could have let it in want.

    ``decision.why`` says which parameters have kept a rule from the ask.
    """
    parts = [decision.why]
    if inline is not None and inline.name_somebody:
        parts += [f"inline: {each}" for each in failed_kinds(inline, caller, facts)]
    if decision.by is None:
        parts += [*_near(configuration, caller, facts, path, capability, asks)]
    return "; ".join(part for part in parts if part)


def _near(configuration: Configuration, caller: Caller, facts: Facts, path: str, capability: str, asks: Asks) -> Iterator[str]:
    """Yields what the auth roles want whose policies would have allowed it."""
    for auth_role in configuration.auth_roles(at_most=_LOOKED_AT):
        if any(rule.allows(path, capability, asks) for rule in configuration.rules_of(auth_role)):
            failed = failed_kinds(auth_role.bounds, caller, facts)
            if failed:
                yield f"auth role {auth_role.name}: {', '.join(map(str, failed))}"


def _has(kind: Constraint, caller: Caller, facts: Facts) -> tuple[str, ...]:
    principal = facts.principal if isinstance(facts.principal, Principal) else None
    resource = ResourceId.parse((principal and principal.resource_id) or "")
    values: dict[Constraint, tuple[str | None, ...]] = {
        Constraint.TENANT_IDS: (caller.tenant_id,),
        Constraint.SERVICE_PRINCIPAL_IDS: (caller.object_id,),
        Constraint.APPLICATION_IDS: (caller.app_id if caller.kind is CallerType.APPLICATION else None,),
        Constraint.GROUP_IDS: tuple(sorted(caller.groups or _groups(facts))),
        Constraint.APP_ROLES: tuple(sorted(caller.app_roles)),
        Constraint.LOCATIONS: (facts.location if isinstance(facts.location, str) else None,),
        Constraint.RESOURCE_IDS: (principal.resource_id if principal else None,),
        Constraint.SUBSCRIPTION_IDS: (resource.subscription_id if resource else None,),
        Constraint.RESOURCE_GROUPS: (resource.resource_group if resource else None,),
        Constraint.SCALE_SETS: (resource.scale_set if resource else None,),
    }
    return tuple(each for each in values.get(kind, ()) if each)


def _groups(facts: Facts) -> frozenset[str]:
    return frozenset() if facts.groups is None or isinstance(facts.groups, Unread) else facts.groups


def _listed(values: tuple[str, ...]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return f"{', '.join(values[:_SHOWN])}{more}" if values else "none"
