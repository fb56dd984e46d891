"""Where holes may be: judges the scopes and conditions of a role that has parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from shared.core.azure_role import AzureRole
from shared.core.condition import Piece, pieces_of
from shared.core.errors import Fault
from shared.core.names import Scope, Unparsable
from shared.core.parameters.holes import GROUP_AT, has_braces, hole_in, kinds_at, names_in
from shared.core.parameters.merging import assigned
from shared.core.parameters.parameter import FIELD, Parameter
from shared.core.parameters.source import Fact
from shared.core.parsing import nearest

_OPERATORS = frozenset(
    f"{among}{operator}" for among in ("", "foranyofanyvalues:") for operator in ("stringequals", "stringequalsignorecase")
)
"""What may compare a hole with an attribute. Every other operator would let a value mean more than itself."""


def template_faults(
    parameters: Sequence[Parameter],
    azure_roles: Mapping[str, AzureRole],
    faulty: Mapping[str, Parameter | None] = MappingProxyType({}),
    *,
    complete: bool = True,
) -> Iterator[Fault]:
    """Yields the faults of a role's holes, by their paths: ``azure_roles[0].scope``, ``parameters.x``.

    Without parameters nothing is a hole, and nothing is at fault. ``azure_roles`` has the assignments by their paths.
    ``faulty`` are parameters that have faults of their own, by their names: ``None`` if nobody knows the kind, so that holes
    of it are not judged. Not ``complete`` says that a scope or a condition could not be read: then nobody knows which
    parameters have no hole.
    """
    if not parameters and not faulty:
        return
    by_name: dict[str, Parameter | None] = {**faulty, **{each.name: each for each in parameters}}
    used: set[str] = set()
    for path, role in azure_roles.items():
        try:
            used |= names_in(role)
        except Unparsable as wrong:
            yield Fault(f"{path}.condition", str(wrong))
            complete = False
            continue
        yield from _faults_of(role, by_name, path)
    for name in by_name if complete else ():
        if name not in used:
            yield Fault(f"{FIELD}.{name}", f"has no hole: no scope and no condition has {{{name}}}")
    yield from _ambiguous(azure_roles)


def _faults_of(role: AzureRole, parameters: Mapping[str, Parameter | None], path: str) -> Iterator[Fault]:
    for why in (*_faults_of_scope(role.scope, parameters), *_faults_of_facts(role, parameters)):
        yield Fault(f"{path}.scope", why)
    for why in _faults_of_condition(role.condition or "", parameters):
        yield Fault(f"{path}.condition", why)


def _faults_of_scope(scope: Scope, parameters: Mapping[str, Parameter | None]) -> Iterator[str]:
    kinds = kinds_at(scope)
    segments = scope.split("/")
    for at, segment in enumerate(segments):
        if not has_braces(segment):
            continue
        parameter, why = _parameter_in(segment, parameters, "a whole segment")
        kind = kinds[at] if at < len(kinds) else ""
        if parameter is None:
            yield from [why] if why else ()
        elif not kind:
            yield f"{segment} may not stand here: a hole is a name, in no management group and not in Microsoft.Authorization"
        elif parameter.kind.name != kind:
            yield f"{segment} stands after {segments[at - 1]}: its parameter must be of kind {kind}, not {parameter.kind.name}"


def _faults_of_condition(condition: str, parameters: Mapping[str, Parameter | None]) -> Iterator[str]:
    if not condition:
        return
    pieces = [piece for piece in pieces_of(condition) if has_braces(piece.text)]
    if pieces and ("\\" in condition or "''" in condition):
        yield "a condition with holes has no backslash and no doubled quote"
        return
    for piece in pieces:
        parameter, why = _parameter_in(piece.text[1:-1], parameters, "a whole literal")
        if parameter is None:
            yield from [why] if why else ()
        elif not parameter.kind.in_conditions:
            yield f"{piece.text} has a parameter of kind {parameter.kind.name}, which may fill no literal"
        elif why := _misplaced(piece):
            yield why


def _parameter_in(text: str, parameters: Mapping[str, Parameter | None], whole: str) -> tuple[Parameter | None, str]:
    """Returns the parameter of a hole, or why there is none."""
    name = hole_in(text)
    if name is None:
        return None, f"in a role with parameters, braces stand around a parameter's name alone, as {whole}: {{name}}"
    if name not in parameters:
        return None, f"{{{name}}} has no parameter{nearest(name, [*parameters])}"
    return parameters[name], ""


def _misplaced(piece: Piece) -> str:
    if piece.negated:
        return f"{piece.text} stands under ! or NOT: a value may only take away"
    if piece.operator not in _OPERATORS:
        return f"{piece.text} must stand on the right of StringEquals or StringEqualsIgnoreCase, with an attribute on the left"
    return ""


def _faults_of_facts(role: AzureRole, parameters: Mapping[str, Parameter | None]) -> Iterator[str]:
    """Yields why a fact can never fill a hole here: it says something within the caller's own subscription or group alone."""
    sources = {found.source for name in names_in(role) if (found := parameters.get(name)) is not None}
    segments = role.scope.split("/")
    in_a_group = len(segments) > GROUP_AT and segments[GROUP_AT - 1].casefold() == "resourcegroups"
    if Fact.RESOURCE_GROUP in sources and role.scope.is_management_group:
        yield f"{Fact.RESOURCE_GROUP} says something within the caller's own subscription, and this scope is in none"
    if Fact.RESOURCE_NAME in sources and not in_a_group:
        yield f"{Fact.RESOURCE_NAME} says something within the caller's own resource group, and this scope is in none"


def _ambiguous(azure_roles: Mapping[str, AzureRole]) -> Iterator[Fault]:
    """Yields a fault for an assignment that is another one under another condition, whatever the values are."""
    before: list[AzureRole] = []
    for path, role in azure_roles.items():
        if (role.role_name is None) == (role.role_id is None):
            # Which definition is meant is a fault of its own.
            continue
        if any(assigned(each) == assigned(role) and each.condition != role.condition for each in before):
            message = "assigns a definition that is assigned at this scope already, under another condition"
            yield Fault(f"{path}.condition", message)
        before.append(role)
