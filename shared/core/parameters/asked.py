"""The values of a request for a lease: what its caller gives, defaults, and facts about the caller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shared.core.access.asked import Asked, AskedValue, as_given
from shared.core.access.facts import Unread
from shared.core.access.folding import fold
from shared.core.azure_role import AzureRole
from shared.core.errors import Fault, Malformed, RoleOutdated
from shared.core.names import Unparsable
from shared.core.parameters.errors import FactMissing, ParameterNotAllowed
from shared.core.parameters.holes import GROUP_AT, SUBSCRIPTION_AT, filled_segments, names_in
from shared.core.parameters.parameter import FIELD, Parameter
from shared.core.parameters.source import OF_THE_RESOURCE, CallerFacts, Fact, OwnResource
from shared.core.parsing import Reader

type Values = dict[str, str]
"""By the names of the parameters, in the role's order, as they were given."""


def read_values(parameters: Sequence[Parameter], azure_roles: Sequence[AzureRole], given: Any, facts: CallerFacts) -> Values:
    """Returns a value for each parameter. ``given`` is the request's field ``parameters``, ``{}`` if it is absent.

    Raises ``Malformed`` with every fault of what was given; ``DirectoryUnavailable`` if a needed fact is unread;
    ``FactMissing`` if there is no such fact; ``ParameterNotAllowed`` if a value is outside its bounds. In this order: whether a
    value is allowed, is said of well-formed values alone. Raises ``RoleOutdated`` if a stored condition cannot be read.
    """
    values = given_values(parameters, given)
    values |= _facts(parameters, facts)
    _require_own_places(parameters, azure_roles, values, facts)
    outside = [Fault(each.path, f"is not allowed; {each.bounds}") for each in parameters if not each.allows(values[each.name])]
    if outside:
        raise ParameterNotAllowed(*outside)
    return {each.name: values[each.name] for each in parameters}


def given_values(parameters: Sequence[Parameter], given: Any) -> Values:
    """Returns the well-formed values that were given, and defaults: all but those with ``from``. Raises ``Malformed``."""
    reader = Reader(given, FIELD)
    values: Values = {}
    for each in parameters:
        value = _given(each, reader)
        if value is not None:
            values[each.name] = value
    reader.finish()
    return values


def as_asked(parameters: Iterable[Parameter], values: Mapping[str, str]) -> Asked:
    """Returns values of an ask as policies compare them. A name that is no parameter's is left out."""
    return {each.name: AskedValue(values[each.name], folds=each.kind.folds) for each in parameters if each.name in values}


def presumed(parameters: Sequence[Parameter], given: Mapping[str, str], facts: CallerFacts | None = None) -> Asked:
    """Returns the values that an ask would have, for a question about it. No rule is looked at, and nothing is raised.

    A default stands for what is not given, and a fact for a parameter with ``from``, if it is known. For a role without
    parameters, the values are those that were given.
    """
    if not parameters:
        return as_given(given)
    found: Values = {}
    for each in parameters:
        value = each.default
        if each.source is None:
            value = given.get(each.name, value)
        elif facts is not None and not (each.source in OF_THE_RESOURCE and isinstance(facts.resource, Unread)):
            value = _fact(each.source, facts)
        if value is not None:
            found[each.name] = value
    return as_asked(parameters, found)


def outdated(
    parameters: Sequence[Parameter], azure_roles: Sequence[AzureRole], values: Mapping[str, str], facts: CallerFacts
) -> tuple[Fault, ...]:
    """Returns what of a lease's values the role of today would not give. Empty if it would give all of them.

    The values were stored when the lease was made. Raises ``DirectoryUnavailable`` if a needed fact is unread.
    """
    names = {each.name for each in parameters}
    gone = [Fault(f"{FIELD}.{name}", "is no parameter any more") for name in values if name not in names]
    new = [Fault(each.path, "is a new parameter") for each in parameters if each.name not in values]
    if gone or new:
        return (*gone, *new)
    given = {each.name: values[each.name] for each in parameters if each.source is None}
    try:
        found = read_values(parameters, azure_roles, given, facts)
    except (Malformed, FactMissing, ParameterNotAllowed) as refused:
        return refused.faults
    moved = (each for each in parameters if each.kind.folded(found[each.name]) != each.kind.folded(values[each.name]))
    return tuple(Fault(each.path, f"{each.source} is another one now") for each in moved)


def _given(parameter: Parameter, reader: Reader) -> str | None:
    name = parameter.name
    value = reader.take(name)
    if parameter.source is not None:
        if reader.has(name):
            reader.fault(name, f"is not given but known: {parameter.source}; leave the field out")
        return None
    if not reader.has(name):
        if parameter.default is None:
            reader.fault(name, f"is required: {parameter.kind.expected}")
            return None
        value = parameter.default
    if not isinstance(value, str):
        otherwise = "; leave the field out for its default" if parameter.default is not None else ""
        reader.fault(name, f"text wanted, {_sort_of(value)} given{otherwise}")
        return None
    if why := parameter.kind.wrong(value):
        reader.fault(name, why)
        return None
    return value


def _sort_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"


def _facts(parameters: Iterable[Parameter], facts: CallerFacts) -> Values:
    """Returns the values of the parameters with ``from``, wherever their holes are."""
    found: Values = {}
    missing: list[Fault] = []
    for each in parameters:
        if each.source is None:
            continue
        value = _fact(each.source, facts)
        if value is None:
            missing.append(Fault(each.path, f"there is no {each.source} of you"))
        elif each.kind.wrong(value):
            missing.append(Fault(each.path, f"your {each.source} is not {each.kind.expected}"))
        else:
            found[each.name] = value
    if missing:
        raise FactMissing(*missing)
    return found


def _fact(source: Fact, facts: CallerFacts) -> str | None:
    match source:
        case Fact.OBJECT_ID:
            return facts.object_id
        case Fact.APP_ID:
            return facts.app_id
        case _:
            own = facts.own()
    if own is None:
        return None
    match source:
        case Fact.SUBSCRIPTION_ID:
            return own.subscription_id
        case Fact.RESOURCE_GROUP:
            return own.resource_group
        case _:
            return own.name


def _require_own_places(
    parameters: Iterable[Parameter], azure_roles: Iterable[AzureRole], values: Values, facts: CallerFacts
) -> None:
    """Raises ``FactMissing`` where a name that is the caller's own would fill a hole in a place that is not.

    Otherwise a machine in a group ``app`` of a sandbox would reach the group ``app`` of another subscription.
    """
    sources = {each.name: each for each in parameters if each.source in OF_THE_RESOURCE}
    own = facts.own() if sources else None
    if own is None:
        return
    missing: dict[Fault, str] = {}
    for role in azure_roles:
        segments = filled_segments(role.scope, values)
        for name in sorted(_names_in(role) & sources.keys()):
            if why := _elsewhere(sources[name].source, segments, own):
                missing[Fault(sources[name].path, why)] = f"{own.id} is not of {'/'.join(segments)}"
    if missing:
        raise FactMissing(*missing, audit_reason="; ".join(_reasons(missing)))


def _names_in(role: AzureRole) -> frozenset[str]:
    try:
        return names_in(role)
    except Unparsable as wrong:
        raise RoleOutdated(Fault("azure_roles", str(wrong))) from wrong


def _elsewhere(source: Fact | None, segments: list[str], own: OwnResource) -> str:
    """Returns why the fact says nothing at this scope, in words that do not name it."""
    if source is Fact.SUBSCRIPTION_ID:
        return ""
    in_a_subscription = len(segments) > SUBSCRIPTION_AT and fold(segments[SUBSCRIPTION_AT - 1]) == "subscriptions"
    if not in_a_subscription or not own.is_of_subscription(segments[SUBSCRIPTION_AT]):
        return f"your {source} is of another subscription than the role's scope"
    in_a_group = len(segments) > GROUP_AT and fold(segments[GROUP_AT - 1]) == "resourcegroups"
    if source is Fact.RESOURCE_NAME and not (in_a_group and own.is_of_group(segments[GROUP_AT])):
        return f"your {source} is of another resource group than the role's scope"
    return ""


def _reasons(missing: Mapping[Fault, str]) -> Iterator[str]:
    return (f"{fault.path}: {fault.message}: {ids}" for fault, ids in missing.items())
