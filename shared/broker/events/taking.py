"""Whether a lease that an event rule issues is of use: an event has nobody who would take a credential."""

from __future__ import annotations

from collections.abc import Iterator

from shared.broker.ports import Ports
from shared.core.errors import Fault
from shared.core.events.action import Issuing
from shared.core.role import Role
from shared.kinds.optional import hands_nothing_over

_LEAST_ROTATED = 600
"""Seconds that a lease must last whose successor is made within its last third: sweeps come once a minute."""
_PATH = "action.issue"


def faults_of_taking(ports: Ports, role: Role, action: Issuing) -> Iterator[Fault]:
    """Yields what keeps the lease from reaching its holder: it gives to the holder, or lies where that finds it."""
    delivery = role.delivery
    if action.rotate:
        yield from _faults_of_rotating(role, action)
    if delivery is None:
        if action.vault:
            yield Fault(f"{_PATH}.delivery", "the role delivers into no vault")
    elif action.vault and action.vault not in delivery.vaults:
        yield Fault(f"{_PATH}.delivery.vault", "is none of the role's vaults")
    if delivery is not None and (delivery.required or action.vault):
        if not delivery.is_shared:
            yield Fault(f"{_PATH}.role", "delivers under names with {ulid}, and nobody would find the secret")
        return
    kind = ports.kinds.find(role.type)
    if kind is None or not hands_nothing_over(kind.schema):
        yield Fault(f"{_PATH}.role", "hands a credential to its caller, and an event has none who would take it")


def _faults_of_rotating(role: Role, action: Issuing) -> Iterator[Fault]:
    delivery = role.delivery
    if delivery is None or not (delivery.required or action.vault):
        yield Fault(f"{_PATH}.rotate", "the role's leases are not delivered: there is no secret that a successor could renew")
    if (role.ttl if action.ttl is None else action.ttl) < _LEAST_ROTATED:
        yield Fault(f"{_PATH}.rotate", f"the leases last less than {_LEAST_ROTATED} seconds: no successor would be in time")
