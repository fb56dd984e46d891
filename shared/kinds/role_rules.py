"""Rules about a role as a whole, whatever it mints. Pure: Azure is asked apart, when a role is written.

A rule may be added at any time. It holds for roles that are written from then on. If a role that was stored before breaks it,
the role is still read, but is outdated: nothing is issued from it (``shared.kinds.stored_role``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.core.access.bounds import faults_of
from shared.core.errors import Fault
from shared.core.role import Role

type Rule = Callable[[Role], Iterator[Fault]]
"""Yields faults, by the paths of the document. The target is not resolved yet. It may lack a field that has a fault of its
own."""


def _names_callers_beside_a_tenant(role: Role) -> Iterator[Fault]:
    return faults_of(role.bounds)


RULES: tuple[Rule, ...] = (_names_callers_beside_a_tenant,)
