"""Rules about a role as a whole, whatever it mints. Pure: Azure is asked apart, when a role is written.

A rule may be added at any time. It holds for roles that are written from then on. If a role that was stored before breaks it,
the role is still read, but is outdated: nothing is issued from it (``shared.kinds.stored_role``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.core.errors import Fault
from shared.core.role import Role

type Rule = Callable[[Role], Iterator[Fault]]
"""Yields faults, by the paths of the document. The target is not resolved yet. It may lack a field that has a fault of its
own."""


def _says_who_beside_the_tenant(role: Role) -> Iterator[Fault]:
    if role.bounds.tenant_ids and not role.bounds.name_somebody:
        yield Fault("bound_tenant_ids", "says of which tenant callers are, not who: another bound_ field must stand beside it")


RULES: tuple[Rule, ...] = (_says_who_beside_the_tenant,)
