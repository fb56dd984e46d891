"""The role assignments in a role's document, with holes if the document has parameters: read, written, restored, judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from shared.core.azure_role import MAX_AZURE_ROLES, AzureRole
from shared.core.condition import MAX_CONDITION, condition
from shared.core.definition import guid_of
from shared.core.errors import Caution, Fault
from shared.core.names import ObjectId, Scope, Unparsable
from shared.core.parameters.holes import holes_of_scope, template_scope
from shared.core.parameters.known import constant_parts, fillings, may_meet
from shared.core.parameters.parameter import FIELD, Parameter, read_parameters, restore_parameters
from shared.core.parameters.template import template_faults
from shared.core.parsing import Reader
from shared.core.protection import Protected
from shared.kinds.lenient import listed, mapping, parsed, text

AZURE_ROLES = "azure_roles"
_ROLE_ID_MARK = "/providers/microsoft.authorization/roledefinitions/"
type Assignments = tuple[AzureRole, ...]
type Parameters = tuple[Parameter, ...]


def read_azure_roles(reader: Reader) -> tuple[Assignments, Parameters]:
    """Reads assignments and parameters. Notes every fault in the reader.

    Holes are judged wherever the scope could be read, whatever else is wrong with its assignment.
    """
    faulty: dict[str, Parameter | None] = {}
    parameters = read_parameters(reader, faulty)
    named = reader.take(FIELD)
    parse = template_scope if reader.has(FIELD) else Scope.parse
    before = len(reader.faults)
    seen = _Seen()
    azure_roles = reader.items(AZURE_ROLES, partial(_azure_role, parse, seen), most=MAX_AZURE_ROLES)
    if not isinstance(named, Mapping):
        return azure_roles, parameters
    complete = seen.complete and bool(seen.roles or len(reader.faults) == before)
    reader.faults += [*template_faults(parameters, seen.roles, faulty, complete=complete)]
    is_sound = len(reader.faults) == before and not faulty
    return _placed(parameters, azure_roles) if is_sound else azure_roles, parameters


def write_azure_roles(azure_roles: Assignments) -> list[dict[str, str]]:
    """Returns the value of the field, which ``read_azure_roles`` reads back."""
    return [_written(role) for role in azure_roles]


def restore_azure_roles(document: Mapping[str, Any]) -> tuple[Assignments, Parameters] | None:
    """Returns stored assignments and parameters; ``None`` if any of them cannot be read."""
    parameters = restore_parameters(document.get(FIELD))
    if parameters is None:
        return None
    parse = template_scope if parameters else Scope.parse
    found = [_restored(mapping(each), parse) for each in listed(document.get(AZURE_ROLES))]
    return None if None in found else (_placed(parameters, tuple(each for each in found if each)), parameters)


def unresolved_azure_roles(azure_roles: Assignments) -> Iterator[Fault]:
    """Yields a fault for each assignment without a definition."""
    for index, role in enumerate(azure_roles):
        if not role.definition_id:
            yield Fault(f"{AZURE_ROLES}[{index}]", "was never looked up in Azure; write the role again")


def all_fillings(azure_roles: Assignments, parameters: Parameters) -> tuple[Assignments | None, ...]:
    """Returns all that each assignment may become, as ``fillings`` does. Without parameters, it is what it is."""
    return fillings(parameters, azure_roles) if parameters else tuple((role,) for role in azure_roles)


def protected_faults(azure_roles: Assignments, parameters: Parameters, protected: Protected) -> tuple[Fault, ...]:
    """Judges each scope, and of a scope with holes all that it may become, if that is known."""
    found: list[Fault] = []
    for index, filled in enumerate(all_fillings(azure_roles, parameters)):
        faults = ((role.scope, fault) for role in filled or () for fault in protected.faults((role,)))
        if (first := next(faults, None)) is not None:
            scope, fault = first
            where = "" if scope == azure_roles[index].scope else f"{scope}: "
            found.append(Fault(f"{AZURE_ROLES}[{index}].scope", f"{where}{fault.message}"))
    return tuple(found)


def cautions_of_holes(azure_roles: Assignments, parameters: Parameters, protected: Protected) -> Iterator[Caution]:
    """Yields a caution for each scope with holes that some value may bring to what is protected."""
    for index, (role, filled) in enumerate(zip(azure_roles, all_fillings(azure_roles, parameters), strict=True)):
        reached = [each for each in protected.scopes if filled is None and may_meet(role.scope, parameters, each)]
        if reached:
            message = f"a value may fill it to what is protected, {reached[0]}: such an ask is refused"
            yield Caution(f"azure_roles[{index}].scope", "may_reach_protected", message)


def compared(role: AzureRole) -> list[str]:
    """Returns an assignment for comparison. Definitions are compared by their GUIDs."""
    return [guid_of(role.definition_id), role.scope.lower(), *([role.condition] if role.condition is not None else [])]


def _placed(parameters: Parameters, azure_roles: Assignments) -> Assignments:
    """Returns the assignments. Each that has holes says where its definition is read."""
    if not parameters:
        return azure_roles
    places = (constant_parts(role.scope, parameters) if holes_of_scope(role.scope) else () for role in azure_roles)
    pairs = zip(azure_roles, places, strict=True)
    return tuple(replace(role, read_at=found[0]) if found else role for role, found in pairs)


@dataclass(slots=True)
class _Seen:
    """Assignments whose scopes could be read, by their paths. ``complete`` says that no scope and no condition is missing."""

    roles: dict[str, AzureRole] = field(default_factory=dict)
    complete: bool = True


def _azure_role(parse: Callable[[str], Scope], seen: _Seen, value: Any, path: str, faults: list[Fault]) -> AzureRole | None:
    """Reads one assignment. Returns it if all of it could be read, and notes it in any case if its scope could be."""
    before = len(faults)
    reader = Reader(value, path, faults)
    name = reader.text("role_name")
    role_id = reader.parsed("role_id", _role_definition)
    scope = reader.parsed("scope", parse, required=True)
    under = _condition(reader)
    if reader.has("role_name") == reader.has("role_id"):
        reader.fault("", "expected either role_name or role_id")
    reader.done()
    seen.complete = seen.complete and scope is not None and (under is not None or not reader.has("condition"))
    if scope is None:
        return None
    seen.roles[path] = AzureRole(scope, name, role_id, under)
    return seen.roles[path] if len(faults) == before else None


def _condition(reader: Reader) -> str | None:
    text = reader.text("condition", longest=MAX_CONDITION, lines=True)
    try:
        return None if text is None else condition(text)
    except Unparsable as wrong:
        reader.fault("condition", str(wrong))
        return None


def _role_definition(text: str) -> str:
    if "{" in text or "}" in text:
        raise Unparsable("a definition has no holes: its id has no braces")
    head, mark, name = text.lower().rpartition(_ROLE_ID_MARK)
    if not mark:
        raise Unparsable("expected a role definition's id, .../providers/Microsoft.Authorization/roleDefinitions/{guid}")
    if head:
        Scope.parse(head)
    ObjectId.parse(name)
    return text


def _written(role: AzureRole) -> dict[str, str]:
    named = {"role_name": role.role_name, "role_id": role.role_id, "scope": role.scope, "condition": role.condition}
    return {key: value for key, value in named.items() if value is not None}


def _restored(document: Mapping[str, Any], parse: Callable[[str], Scope]) -> AzureRole | None:
    scope = parsed(parse, document.get("scope"))
    role_name, role_id, under = (text(document.get(field)) for field in ("role_name", "role_id", "condition"))
    return AzureRole(scope, role_name, role_id, under) if scope else None
