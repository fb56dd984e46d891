"""The holes of a template: ``{name}`` as a whole segment of a scope, ``'{name}'`` as a whole literal of a condition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import batched

from shared.core.access.wanted import PARAMETER_NAME
from shared.core.azure_role import AzureRole
from shared.core.condition import pieces_of
from shared.core.names import Scope

_HOLE = re.compile(r"\{(" + PARAMETER_NAME + r")\}")
_SUBSCRIPTION_HOLE = re.compile(r"/subscriptions/(\{" + PARAMETER_NAME + r"\})(?=/|\Z)", re.IGNORECASE)
_ANY_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
SUBSCRIPTION_AT = 2
"""The place of a subscription's id among the segments of a scope."""
GROUP_AT = 4
"""The place of a resource group's name."""
_AUTHORIZATION = "microsoft.authorization"
_CLOSED = frozenset({_AUTHORIZATION, "microsoft.management"})
"""Whoever fills a name below these providers would choose an assignment, a definition, a lock or a management group."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A hole in a condition: the text from ``start`` to ``end``, quotes included, is the literal."""

    name: str
    start: int
    end: int


def has_braces(text: str) -> bool:
    """Returns whether a part of a template is a hole, or looks like one."""
    return "{" in text or "}" in text


def hole_in(text: str) -> str | None:
    """Returns the name in ``{name}``; ``None`` if the text is anything else."""
    found = _HOLE.fullmatch(text)
    return found[1] if found else None


def template_scope(text: str) -> Scope:
    """Returns a scope that may have holes, its subscription included. Raises ``Unparsable``, as ``Scope.parse`` does.

    Until it is filled, it is the scope of nothing, and its ``subscription_id`` may be a hole.
    """
    hole = _SUBSCRIPTION_HOLE.match(text)
    if hole is None:
        return Scope.parse(text)
    parsed = Scope.parse(text[: hole.start(1)] + _ANY_SUBSCRIPTION + text[hole.end(1) :])
    segments = parsed.split("/")
    segments[SUBSCRIPTION_AT] = hole[1]
    return Scope("/".join(segments))


def holes_of_scope(scope: Scope) -> dict[int, str]:
    """Returns the names of the holes by their places among the scope's segments, of which the first is empty."""
    found = {at: hole_in(segment) for at, segment in enumerate(scope.split("/"))} if has_braces(scope) else {}
    return {at: name for at, name in found.items() if name is not None}


def holes_of_condition(condition: str) -> tuple[Literal, ...]:
    """Returns the holes of a condition, in its order. Raises ``Unparsable`` if the condition cannot be read."""
    if not has_braces(condition):
        return ()
    pieces = [piece for piece in pieces_of(condition) if piece.text.startswith("'")]
    found = [(hole_in(piece.text[1:-1]), piece) for piece in pieces]
    return tuple(Literal(name, piece.at, piece.at + len(piece.text)) for name, piece in found if name is not None)


def names_in(role: AzureRole) -> frozenset[str]:
    """Returns the names of all holes of an assignment. Raises ``Unparsable``, as ``holes_of_condition`` does."""
    in_condition = holes_of_condition(role.condition) if role.condition is not None else ()
    return frozenset((*holes_of_scope(role.scope).values(), *(each.name for each in in_condition)))


def filled_segments(scope: Scope, values: Mapping[str, str]) -> list[str]:
    """Returns the scope's segments, and in place of each hole its value. A hole without a value stays."""
    segments = scope.split("/")
    for at, name in holes_of_scope(scope).items():
        segments[at] = values.get(name, segments[at])
    return segments


def kinds_at(scope: Scope) -> list[str]:
    """Returns, for each segment of a scope, the name of the kind that a hole there must have. Empty where no hole may be."""
    first, *segments = scope.casefold().split("/")
    found, namespace, types, closed = [first], "", list[str](), False
    for word, name in batched(segments, 2, strict=False):
        kind = ""
        if word == "providers":
            namespace, types = name, []
            closed = closed or name in _CLOSED
        elif namespace:
            types.append(word)
            kind = "" if closed else _kind_of_name(namespace, types)
        else:
            kind = {"subscriptions": "subscription", "resourcegroups": "resource_group"}.get(word, "")
        found += ["", kind]
    return found


def is_closed(scope: Scope) -> bool:
    """Returns whether the scope is in or below ``Microsoft.Authorization``."""
    return _AUTHORIZATION in scope.casefold().split("/")


def _kind_of_name(namespace: str, types: list[str]) -> str:
    """Returns the kind of the name behind the last of these types; empty for ``blobServices``, whose name is ``default``."""
    match types:
        case [*_, "storageaccounts"]:
            return "storage_account"
        case ["vaults"] if namespace == "microsoft.keyvault":
            return "key_vault"
        case [*_, "blobservices", "containers"]:
            return "container"
        case [*_, "blobservices"]:
            return ""
        case _:
            return "resource_name"
