"""``within``: a caller asks for what a role gives, at a scope further down.

What it gets is always less, so that it needs no right of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import batched
from typing import Any
from unicodedata import is_normalized

from shared.core.access.folding import fold
from shared.core.azure_role import AzureRole
from shared.core.errors import Fault, Malformed
from shared.core.names import Scope, Unparsable
from shared.core.parameters.errors import NotNarrowable, NotWithin
from shared.core.parameters.holes import is_closed
from shared.core.parameters.kinds import RESOURCE_GROUP, RESOURCE_NAME
from shared.core.parameters.merging import merged
from shared.core.plain_text import UNSEEN, is_plain

WITHIN = "within"
"""The name of the field in a request for a lease."""


def read_within(given: Any) -> Scope:
    """Returns the scope that a request names. A slash at its end is taken.

    Raises ``Malformed``, with a fault at ``within``, for what is no scope, and for a scope in or below
    ``Microsoft.Authorization``: what lies there gives access, and is no target.
    """
    if not isinstance(given, str):
        raise Malformed(Fault(WITHIN, "expected a scope: /subscriptions/..."))
    try:
        scope = Scope.parse(given)
    except Unparsable as wrong:
        raise Malformed(Fault(WITHIN, str(wrong))) from wrong
    if why := _wrong(scope):
        raise Malformed(Fault(WITHIN, why))
    return scope


def narrow(azure_roles: Sequence[AzureRole], within: Scope) -> tuple[AzureRole, ...]:
    """Returns the assignments, filled before, each at ``within`` in place of its scope. Those that become the same are one.

    By ids alone: of what a management group holds, nothing is below it. Raises ``NotWithin`` if the scope is not at or below
    every scope of the role, ``NotNarrowable`` if there are none, ``Ambiguous`` as ``fill`` does, and ``Malformed`` for a name
    that no resource has. The names that the role itself has are its author's.
    """
    if not azure_roles:
        raise NotNarrowable(detail="The role assigns nothing at a scope.")
    others = dict.fromkeys(role.scope for role in azure_roles if not is_at_or_below(within, role.scope))
    if others:
        raise NotWithin(*(Fault(WITHIN, f"is not at or below {scope}") for scope in others))
    if why := _wrong_below(within, max(len(role.scope.split("/")) for role in azure_roles)):
        raise Malformed(Fault(WITHIN, why))
    return merged([replace(role, scope=within) for role in azure_roles], WITHIN)


def is_at_or_below(scope: Scope, other: Scope) -> bool:
    """Returns whether the scope is the other one or lies below it, by their ids. A to Z are compared without regard to case.

    ``Scope.within`` folds more letters. That is right for what is protected, where doubt refuses, and wrong here.
    """
    mine, others = fold(scope).split("/"), fold(other).split("/")
    return mine[: len(others)] == others


def _wrong(scope: Scope) -> str:
    if not is_normalized("NFC", scope):
        return "expected a text in Unicode's normal form C (NFC): letters and their accents as one character"
    if not is_plain(scope):
        return f"expected a text without {UNSEEN}"
    return "expected a scope outside Microsoft.Authorization" if is_closed(scope) else ""


def _wrong_below(scope: Scope, constant: int) -> str:
    """Returns why a name is none of Azure's, behind so many segments, which the role itself names."""
    segments = scope.split("/")[1:]
    for word, name in [*batched(segments, 2, strict=True)][(constant - 1) // 2 :]:
        if word.casefold() == "resourcegroups" and (why := RESOURCE_GROUP.wrong(name)):
            return f"{why}, after {word}"
        if (why := RESOURCE_NAME.wrong(word)) and word.casefold() != "providers":
            return f"expected a type, and not {word!r}: {why}"
        if why := RESOURCE_NAME.wrong(name):
            return f"{why}, after {word}"
    return ""
