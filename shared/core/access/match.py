"""Whether a caller is one of those of whom bounds speak. Pure: see the package for the signature and the outcomes."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.access.bounds import OF_THE_RESOURCE, OF_THE_TOKEN, Bounds, Constraint
from shared.core.access.facts import Facts, Unread
from shared.core.access.folding import fold
from shared.core.access.resource_id import Pattern, ResourceId
from shared.core.caller import Caller, CallerType
from shared.core.names import Unparsable


@dataclass(frozen=True, slots=True)
class Matched:
    """Every kind that is present matches."""


@dataclass(frozen=True, slots=True)
class NotMatched:
    """``failed`` are the kinds that do not match, in the order of documents."""

    failed: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """No kind fails, but a fact that some kind needs could not be read. ``why`` is for the operator."""

    why: str


type Outcome = Matched | NotMatched | Unknown
MATCHED = Matched()


def match(bounds: Bounds, caller: Caller, facts: Facts) -> Outcome:
    """Returns whether the bounds speak of the caller.

    What the token alone decides comes first: if it decides against the caller, no fact is looked at.
    """
    if not bounds.name_somebody:
        return NotMatched((Constraint.NOBODY,))
    kinds = [kind for kind in OF_THE_TOKEN if bounds.of(kind) or kind is Constraint.TENANT_IDS]
    of_the_directory = Constraint.GROUP_IDS if caller.has_more_groups else None
    verdicts = {kind: _of_the_token(kind, bounds, caller) for kind in kinds if kind is not of_the_directory}
    if failed := _failed(verdicts):
        return NotMatched(failed)
    if of_the_directory in kinds:
        verdicts[Constraint.GROUP_IDS] = _in_a_group(bounds, caller, facts)
    verdicts |= _of_the_resource(bounds, caller, facts)
    if failed := _failed(verdicts):
        return NotMatched(failed)
    unread = next((verdict for verdict in verdicts.values() if isinstance(verdict, Unread)), None)
    return Unknown(unread.why) if unread is not None else MATCHED


type _Verdict = bool | Unread


def _failed(verdicts: dict[Constraint, _Verdict]) -> tuple[Constraint, ...]:
    return tuple(kind for kind, verdict in verdicts.items() if verdict is False)


def _of_the_token(kind: Constraint, bounds: Bounds, caller: Caller) -> _Verdict:
    match kind:
        case Constraint.TENANT_IDS:
            return caller.tenant_id in bounds.tenant_ids if bounds.tenant_ids else caller.at_home
        case Constraint.SERVICE_PRINCIPAL_IDS:
            return caller.object_id in bounds.service_principal_ids
        case Constraint.APPLICATION_IDS:
            # It names an app-only caller. Otherwise it would admit every user who can sign in through that client.
            return caller.kind is CallerType.APPLICATION and caller.app_id in bounds.application_ids
        case Constraint.APP_ROLES:
            return not {*map(fold, caller.app_roles)}.isdisjoint(map(fold, bounds.app_roles))
        case _:
            return not caller.groups.isdisjoint(bounds.group_ids)


def _in_a_group(bounds: Bounds, caller: Caller, facts: Facts) -> _Verdict:
    """The groups are too many for the token: the directory is asked instead, which knows the home tenant alone."""
    if not caller.at_home:
        return Unread("the groups of a caller of another tenant are not in its token, and its directory cannot be asked")
    if isinstance(facts.groups, Unread):
        return facts.groups
    return facts.groups is not None and not facts.groups.isdisjoint(bounds.group_ids)


def _of_the_resource(bounds: Bounds, caller: Caller, facts: Facts) -> dict[Constraint, _Verdict]:
    """A user, or a caller of another tenant, is no managed identity of the broker's tenant. Nothing has to be read for that."""
    kinds = [kind for kind in OF_THE_RESOURCE if bounds.of(kind)]
    if not may_be_a_resource(caller) or facts.principal is None:
        return dict.fromkeys(kinds, False)
    if isinstance(facts.principal, Unread):
        return dict.fromkeys(kinds, facts.principal)
    resource = ResourceId.parse(facts.principal.resource_id or "")
    if resource is None:
        return dict.fromkeys(kinds, False)
    return {kind: _resource_kind(kind, bounds, resource, facts) for kind in kinds}


def may_be_a_resource(caller: Caller) -> bool:
    """Returns whether the caller can be a managed identity that the broker's directory knows."""
    return caller.at_home and caller.kind is CallerType.APPLICATION


def _resource_kind(kind: Constraint, bounds: Bounds, resource: ResourceId, facts: Facts) -> _Verdict:
    match kind:
        case Constraint.SUBSCRIPTION_IDS:
            return resource.subscription_id in bounds.subscription_ids
        case Constraint.RESOURCE_GROUPS:
            return resource.resource_group in {*map(fold, bounds.resource_groups)}
        case Constraint.SCALE_SETS:
            return resource.scale_set in {*map(fold, bounds.scale_sets)}
        case Constraint.RESOURCE_IDS:
            return any(_is_like(pattern, resource) for pattern in bounds.resource_ids)
        case _ if isinstance(facts.location, Unread):
            return facts.location
        case _:
            return facts.location is not None and fold(facts.location) in {*map(fold, bounds.locations)}


def _is_like(pattern: str, resource: ResourceId) -> bool:
    """Returns whether the pattern matches. A stored one that breaks a rule of today matches nothing."""
    try:
        return Pattern.parse(pattern).matches(resource)
    except Unparsable:
        return False
