"""``ready: access``: what a role's document must have so that the broker can see that its assignments count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from shared.core.errors import Fault, Malformed
from shared.core.readiness.observability import PROBES, covered_by, hole_faults, unseen
from shared.core.readiness.probes import DataHosts, ReadyProbe
from shared.issuers.service_principal.target import ServicePrincipalTarget


def placed(target: ServicePrincipalTarget, hosts: DataHosts) -> ServicePrincipalTarget:
    """Returns the target. Raises ``Malformed`` for each probe that is not at one of the cloud's own hosts, or whose token is
    for another service. Makes no call.
    """
    faults = [fault for place, probe in enumerate(target.ready_probes) for fault in _misplaced(place, probe, hosts)]
    if faults:
        raise Malformed(*faults)
    if holes := hole_faults(target):
        raise Malformed(*holes, code="not_observable")
    return target


def observable(target: ServicePrincipalTarget, hosts: DataHosts) -> ServicePrincipalTarget:
    """Returns the resolved target, in which each probe says what it covers.

    Raises ``Malformed`` (``not_observable``) with each assignment that nothing would show, if the role wants ``access``.
    """
    if target.ready != "access":
        return target
    known = replace(target, ready_probes=tuple(_covering(probe, target, hosts) for probe in target.ready_probes))
    if faults := unseen(known):
        raise Malformed(*faults, code="not_observable")
    return known


def _covering(probe: ReadyProbe, target: ServicePrincipalTarget, hosts: DataHosts) -> ReadyProbe:
    kind = hosts.kind_of(probe.host)
    return replace(probe, covered=() if kind is None else covered_by(probe, target, kind))


def _misplaced(place: int, probe: ReadyProbe, hosts: DataHosts) -> Iterator[Fault]:
    path = f"{PROBES}[{place}]"
    kind = hosts.kind_of(probe.host)
    if kind is None:
        storage, vault = hosts.storage_suffix, hosts.vault_suffix
        message = (
            f"expected a host of this cloud: <account>.blob, .queue, .table or .dfs.{storage}, <vault>.{vault}, or"
            f" {hosts.resource_manager}; the token goes nowhere else"
        )
        yield Fault(f"{path}.url", message)
    elif probe.resource != hosts.resource_of(kind):
        yield Fault(f"{path}.resource", f"expected {hosts.resource_of(kind)}, of which {probe.host} takes tokens")
