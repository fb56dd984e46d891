"""What was looked up in Azure of a role's assignments when it was written: stored beside the document, and joined with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from shared.core.azure_role import AzureRole
from shared.core.definition import Powers
from shared.kinds.lenient import listed, mapping, text, texts

_LISTS = ("gives_roles", "sees", "entries")
"""The fields of ``Powers`` that are lists in JSON."""
_OF_BLOBS = ("blobs", "delegates")
"""Those that are left out for a definition that gives nothing of blobs: most give nothing."""


def keep_azure_roles(azure_roles: Sequence[AzureRole]) -> dict[str, Any]:
    """Returns each assignment's definition, what that allows, whether it or the scope is gone, whether it is protected."""
    return {
        "definition_ids": [role.definition_id for role in azure_roles],
        "powers": [_write_powers(role.powers) for role in azure_roles],
        "gone": [role.gone for role in azure_roles],
        "reaches_protected": [role.reaches_protected for role in azure_roles],
        "scope_gone": [role.scope_gone for role in azure_roles],
    }


def kept_azure_roles(azure_roles: Sequence[AzureRole], stored: Mapping[str, Any]) -> tuple[AzureRole, ...]:
    """Joins what was stored by the assignments' places. An assignment whose place is missing stays unresolved."""
    count = len(azure_roles)
    ids = as_many(count, [text(each) or "" for each in listed(stored.get("definition_ids"))], "")
    powers = as_many(count, [_powers(each) for each in listed(stored.get("powers"))], None)
    gone = as_many(count, [each is True for each in listed(stored.get("gone"))], otherwise=False)
    reaching = as_many(count, [each is True for each in listed(stored.get("reaches_protected"))], otherwise=False)
    nowhere = as_many(count, [each is True for each in listed(stored.get("scope_gone"))], otherwise=False)
    each = zip(azure_roles, ids, powers, gone, reaching, nowhere, strict=True)
    return tuple(
        replace(role, definition_id=found, powers=known, gone=lost, reaches_protected=reaches, scope_gone=away)
        for role, found, known, lost, reaches, away in each
    )


def as_many[T](count: int, found: Iterable[T], otherwise: T) -> list[T]:
    """Returns so many: what is too much is left out, what is missing is ``otherwise``."""
    some = list(found)[:count]
    return some + [otherwise] * (count - len(some))


def _write_powers(powers: Powers | None) -> dict[str, Any] | None:
    if powers is None:
        return None
    written = asdict(powers) | {name: [*getattr(powers, name)] for name in _LISTS}
    return {name: value for name, value in written.items() if value or name not in _OF_BLOBS}


def _powers(value: Any) -> Powers | None:
    stored = mapping(value)
    if not stored:
        return None
    gives = tuple(each for each in listed(stored.get("gives_roles")) if isinstance(each, str))
    sees, entries = (tuple(texts(stored.get(name)) or ()) for name in ("sees", "entries"))
    assigns, reads = (stored.get(name) is True for name in ("assigns_identities", "only_reads"))
    blobs, delegates = text(stored.get("blobs")) or "", stored.get("delegates") is True
    return Powers(gives, assigns, reads, sees, entries, stored.get("changes") is not False, blobs, delegates)
