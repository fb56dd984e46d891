"""What can be known of a role's fillings before anyone asks: when the role is written, and when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import prod
from unicodedata import normalize

from shared.core.access.stars import covers_text
from shared.core.azure_role import AzureRole
from shared.core.names import Scope, Unparsable
from shared.core.parameters.filling import definition_at, filled_scope
from shared.core.parameters.holes import SUBSCRIPTION_AT, filled_segments, hole_in, holes_of_scope
from shared.core.parameters.parameter import Parameter

MOST_FILLINGS = 256
_MOST_PLACES = 8
"""Scopes at which one assignment is looked up when its role is written. Each takes two calls."""


def constant_parts(scope: Scope, parameters: Sequence[Parameter]) -> tuple[Scope, ...]:
    """Returns the longest scopes without a hole that the scope lies in, whatever its values: at least its subscription.

    A hole whose values are all listed is filled with each of them, as long as that makes few scopes. A subscription is always
    listed. So a broker that may assign roles in some resource groups alone can be asked about just these.
    """
    by_name = {each.name: each for each in parameters}
    found: tuple[Scope, ...] = (scope,)
    for at, name in sorted(holes_of_scope(scope).items()):
        parameter = by_name.get(name)
        if at == SUBSCRIPTION_AT and (parameter is None or not parameter.is_listed):
            return ()
        if parameter is None or not parameter.is_listed:
            break
        if at != SUBSCRIPTION_AT and len(found) * len(parameter.allowed) > _MOST_PLACES:
            break
        values = [{name: value} for value in parameter.allowed]
        found = tuple(Scope("/".join(filled_segments(each, value))) for each in found for value in values)
    return tuple(dict.fromkeys(map(_above_holes, found)))


def constant_part(scope: Scope) -> Scope | None:
    """Returns the longest scope without a hole that the scope lies in, whatever its values. None if it has no such part."""
    return None if SUBSCRIPTION_AT in holes_of_scope(scope) else _above_holes(scope)


def fillings(
    parameters: Sequence[Parameter], azure_roles: Sequence[AzureRole], most: int = MOST_FILLINGS
) -> tuple[tuple[AzureRole, ...] | None, ...]:
    """Returns, for each assignment in its place, all that its scope may become; its condition keeps its holes.

    ``None`` in the place of an assignment that may become more than ``most``, or whose values are not all listed. Values that
    never make a scope, because it would be too long, are left out.
    """
    by_name = {each.name: each for each in parameters}
    return tuple(_fillings_of(role, by_name, most) for role in azure_roles)


def may_meet(scope: Scope, parameters: Sequence[Parameter], other: Scope) -> bool:
    """Returns whether the scope, with some value in each hole, may be the other scope, or lie above or below it.

    In doubt it may: letters are folded as for what is protected.
    """
    by_name = {each.name: each for each in parameters}
    pairs = zip(scope.split("/"), other.split("/"), strict=False)
    return all(_may_be(mine, others, by_name.get(hole_in(mine) or "")) for mine, others in pairs)


def _above_holes(scope: Scope) -> Scope:
    holes = holes_of_scope(scope)
    if not holes:
        return scope
    segments = scope.split("/")[: min(holes) - 1]
    while len(segments) > SUBSCRIPTION_AT + 1 and segments[-2].lower() == "providers":
        del segments[-2:]
    # Above a hole in a management group's id there is no scope. Such a template has a fault, and is never looked up.
    return Scope("/".join(segments)) if segments[1].lower() == "subscriptions" else scope


def _fillings_of(role: AzureRole, parameters: dict[str, Parameter], most: int) -> tuple[AzureRole, ...] | None:
    holes = holes_of_scope(role.scope)
    found = [parameters[name] for name in dict.fromkeys(holes.values()) if name in parameters]
    if not all(each.is_listed for each in found) or prod(len(each.allowed) for each in found) > most:
        return None
    filled: list[AzureRole] = []
    for values in product(*(each.allowed for each in found)):
        try:
            scope = filled_scope(role.scope, dict(zip((each.name for each in found), values, strict=True)))
        except Unparsable:
            continue
        definition = definition_at(role.definition_id, scope) if SUBSCRIPTION_AT in holes else role.definition_id
        filled.append(replace(role, scope=scope, definition_id=definition))
    return tuple(filled)


def _may_be(segment: str, other: str, parameter: Parameter | None) -> bool:
    if parameter is None:
        return _folded(segment) == _folded(other)
    if not parameter.allowed:
        return True
    return any(covers_text(_folded(each), _folded(other)) for each in parameter.allowed)


def _folded(text: str) -> str:
    return normalize("NFC", text).casefold()
