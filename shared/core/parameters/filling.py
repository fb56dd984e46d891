"""Puts values into the holes of a role's assignments, once. What comes out is never looked at for holes again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.core.azure_role import AzureRole
from shared.core.condition import MAX_CONDITION
from shared.core.errors import Fault, Malformed, RoleOutdated
from shared.core.names import Scope, Unparsable
from shared.core.parameters.holes import SUBSCRIPTION_AT, filled_segments, holes_of_condition, holes_of_scope
from shared.core.parameters.merging import merged
from shared.core.parameters.parameter import FIELD

_DEFINITION_IN_A_SUBSCRIPTION = "/subscriptions/"


def fill(azure_roles: Sequence[AzureRole], values: Mapping[str, str]) -> tuple[AzureRole, ...]:
    """Returns the assignments with these values, which ``read_values`` has returned. Without values, nothing is changed.

    Assignments that come to be the same are one. Raises ``Malformed`` if a scope or a condition becomes too long, or a scope
    would not have the segments of its template; ``Ambiguous`` if two assignments come to differ in their conditions alone;
    ``RoleOutdated`` if a stored condition cannot be read, or a hole has no value.
    """
    if not values:
        return tuple(azure_roles)
    return merged([_filled(role, values, f"azure_roles[{index}]") for index, role in enumerate(azure_roles)], FIELD)


def filled_scope(scope: Scope, values: Mapping[str, str]) -> Scope:
    """Returns the scope with these values. Raises ``Unparsable`` if that is no scope, or is another one than the template.

    Values that are well formed never make another one of it. It is looked at all the same, for here it matters.
    """
    holes = holes_of_scope(scope)
    segments = filled_segments(scope, values)
    found = Scope.parse("/".join(segments))
    template, result = scope.split("/"), found.split("/")
    if len(template) != len(result) or any(at not in holes and template[at] != result[at] for at in range(len(template))):
        raise Unparsable("the values would make another scope of it")
    return found


def filled_condition(condition: str, values: Mapping[str, str]) -> str:
    """Returns the condition with these values as literals. Raises ``Unparsable`` if it becomes too long, or cannot be read."""
    parts, at = list[str](), 0
    for hole in holes_of_condition(condition):
        if hole.name in values:
            parts += [condition[at : hole.start], f"'{values[hole.name]}'"]
            at = hole.end
    found = "".join([*parts, condition[at:]])
    if len(found) > MAX_CONDITION:
        raise Unparsable(f"the condition becomes longer than {MAX_CONDITION} characters")
    return found


def _filled(role: AzureRole, values: Mapping[str, str], path: str) -> AzureRole:
    holes = holes_of_scope(role.scope)
    try:
        in_condition = holes_of_condition(role.condition or "")
    except Unparsable as wrong:
        raise RoleOutdated(Fault(f"{path}.condition", str(wrong))) from wrong
    for name in (*holes.values(), *(each.name for each in in_condition)):
        if name not in values:
            raise RoleOutdated(Fault(path, f"{{{name}}} has no parameter"))
    try:
        scope = filled_scope(role.scope, values) if holes else role.scope
        condition = filled_condition(role.condition, values) if role.condition is not None and in_condition else role.condition
    except Unparsable as wrong:
        raise Malformed(Fault(FIELD, str(wrong))) from wrong
    definition = definition_at(role.definition_id, scope) if SUBSCRIPTION_AT in holes else role.definition_id
    return replace(role, scope=scope, condition=condition, definition_id=definition, read_at=None)


def definition_at(definition_id: str, scope: Scope) -> str:
    """Returns the id of the same definition in the subscription that was filled in.

    One definition has one GUID in all subscriptions, and that was looked up when the role was written.
    """
    head, mark, rest = definition_id.partition("/providers/")
    if not head.lower().startswith(_DEFINITION_IN_A_SUBSCRIPTION):
        return definition_id
    return f"{'/'.join(scope.split('/')[: SUBSCRIPTION_AT + 1])}{mark}{rest}"
