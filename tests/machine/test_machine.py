"""The state machine's runs: always the same ones, so that a build that failed fails again."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.core.names import RoleName
from tests.crash.test_walk_notices import OpensLate
from tests.fakes.world import BOB
from tests.machine.machine import Machine
from tests.machine.on_azure import PRINCIPALS, ROLES, SECRETS, BrokerOnAzure

EXAMPLES = int(os.environ.get("LEASEHOLD_MACHINE_EXAMPLES", "16"))
"""More of them for a longer look: ``LEASEHOLD_MACHINE_EXAMPLES=500``."""
_SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Swapped(Machine):
    """The same, whose broker writes a lease down after it has minted."""

    def __init__(self) -> None:
        super().__init__(BrokerOnAzure(opened=OpensLate))


def test_whatever_happens_nothing_is_ever_lost() -> None:
    """The broker as it is, through issues, deaths, faults, deletions by hand and clocks that jump."""
    run_state_machine_as_test(Machine, settings=_SETTINGS)


@pytest.mark.parametrize("profile", ["typical", "scattered"])
def test_nothing_is_lost_where_replicas_are_behind(profile: str) -> None:
    """In what is new, and in what has ended."""

    class Behind(Machine):
        def __init__(self) -> None:
            super().__init__(BrokerOnAzure(profile=profile))

    run_state_machine_as_test(Behind, settings=settings(_SETTINGS, max_examples=max(4, EXAMPLES // 6)))


@pytest.mark.parametrize("role", [PRINCIPALS, SECRETS])
def test_what_a_clock_set_forth_has_hidden_is_found_by_the_reconciliation(role: RoleName) -> None:
    """A worker dies, the clock is set forth, and a sweep asks a replica that is behind: the lease ends too early."""
    hidden = 0
    for seed in range(6):
        for ordinal in (12, 13):
            machine = Machine(BrokerOnAzure(profile="scattered", seed=seed))
            machine.issue(role, BOB, None, ("", ""), (ordinal, True))
            machine.tick(1.0)
            machine.set_wall_clock(3600.0)
            machine.sweep(None)
            machine.nothing_is_without_a_lease_that_names_it()
            live = {lease.id for lease in machine.on_azure.leases.rows.values() if lease.state.is_live}
            hidden += bool(machine.on_azure.hurried - live and machine.on_azure.nameless())
            machine.teardown()
    assert hidden > 0


@pytest.mark.parametrize("tampering", ["delete application", "delete principal", "purge application"])
def test_what_is_put_into_the_recycle_bin_just_before_the_end_is_purged(tampering: str) -> None:
    """By the lease's own end, although the bin does not show it yet."""
    for seed in range(4):
        machine = Machine(BrokerOnAzure(profile="scattered", seed=seed))
        machine.tick(300.0)
        machine.delete_by_hand(ROLES.index(PRINCIPALS), tampering)
        machine.revoke(ROLES.index(PRINCIPALS), None)
        machine.nothing_is_without_a_lease_that_names_it()
        assert not machine.on_azure.needs_reconciling
        machine.teardown()


def test_the_machine_fails_when_effects_come_before_the_row() -> None:
    """With the order swapped on purpose a worker's death leaves an orphan, and the machine finds it."""
    quick = settings(_SETTINGS, max_examples=100, stateful_step_count=10, phases=[Phase.generate])
    with pytest.raises(AssertionError, match="without a live lease"):
        run_state_machine_as_test(Swapped, settings=quick)
