"""Ids of role definitions, as Resource Manager takes them."""

from __future__ import annotations


def is_definition(known_id: str, asked: str) -> bool:
    """Whether it is the same definition, asked for at its own place or below."""
    (head, _, name), (asked_head, _, asked_name) = (each.lower().rpartition("/providers/") for each in (known_id, asked))
    return name == asked_name and (asked_head == head or asked_head.startswith(f"{head}/"))
