"""What a role must keep to as a whole. Pure: what only Azure knows is asked when a role is written.

A rule may be added at any time. It counts for what is written from then on; a role that was stored before and breaks it goes
on being read, and is told to be outdated when somebody issues from it (``shared.core.stored_role``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.core.errors import Fault
from shared.core.role import Role, ServicePrincipalTarget

type Rule = Callable[[Role], Iterator[Fault]]
"""Gives what is wrong, by the paths of the document. The target is not resolved yet, and a field with a fault of its own may
be missing from it."""


def _names_each_group_once(role: Role) -> Iterator[Fault]:
    if isinstance(role.target, ServicePrincipalTarget):
        groups = role.target.azure_groups
        if len(set(groups)) < len(groups):
            yield Fault("azure_groups", "names a group twice")


RULES: tuple[Rule, ...] = (_names_each_group_once,)
