"""Rules about an import's roles together: what one of them may do depends on the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from shared.broker.configure.deliveries import taken_names
from shared.broker.configure.pools import faults_of_pools, is_larger
from shared.broker.ports import Ports
from shared.core.access.frame import ROLES
from shared.core.errors import Fault, Malformed
from shared.core.role import Role


def require_together(
    ports: Ports, stored: Mapping[str, Role], wanted: Mapping[str, Role], proposed: Mapping[str, Role]
) -> None:
    """Raises ``Malformed`` if an import makes the pools of all roles hold too much, or two roles deliver under one name.

    ``proposed`` are the roles that there are after the import. What it does not change is no fault.
    """
    grown = [role for name, role in wanted.items() if is_larger(ports, role, stored.get(name))]
    others = [role for role in proposed.values() if role not in grown]
    if grown and (faults := faults_of_pools(ports, grown, others, f"{ROLES}.")):
        raise Malformed(*faults, code="pool_too_large")
    after = proposed.values()
    taken = [fault for name, role in wanted.items() for fault in below(f"{ROLES}.{name}", taken_names(role, after))]
    if taken:
        raise Malformed(*taken)


def below(path: str, faults: Iterable[Fault]) -> Iterator[Fault]:
    """Returns faults of a document as faults of the configuration that holds it at that path."""
    return (Fault(f"{path}.{each.path}" if each.path else path, each.message) for each in faults)
