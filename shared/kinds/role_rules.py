"""What a role must keep to as a whole, whatever it mints. Pure: what only Azure knows is asked when a role is written.

A rule may be added at any time. It counts for what is written from then on; a role that was stored before and breaks it goes
on being read, and is told to be outdated when somebody issues from it (``shared.kinds.stored_role``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.core.errors import Fault
from shared.core.role import Role

type Rule = Callable[[Role], Iterator[Fault]]
"""Gives what is wrong, by the paths of the document. The target is not resolved yet, and a field with a fault of its own may
be missing from it."""


def _says_who_beside_the_tenant(role: Role) -> Iterator[Fault]:
    if role.bounds.tenant_ids and not role.bounds.name_somebody:
        yield Fault("bound_tenant_ids", "says of which tenant callers are, not who: another bound_ field must stand beside it")


RULES: tuple[Rule, ...] = (_says_who_beside_the_tenant,)
