"""The state machine's runs: always the same ones, so that a build that failed fails again."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.crash.test_walk_notices import OpensLate
from tests.machine.machine import Machine
from tests.machine.on_azure import BrokerOnAzure

EXAMPLES = int(os.environ.get("LEASEHOLD_MACHINE_EXAMPLES", "60"))
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

    run_state_machine_as_test(Behind, settings=settings(_SETTINGS, max_examples=EXAMPLES // 6))


def test_the_machine_fails_when_effects_come_before_the_row() -> None:
    """With the order swapped on purpose a worker's death leaves an orphan, and the machine finds it."""
    quick = settings(_SETTINGS, max_examples=100, stateful_step_count=10, phases=[Phase.generate])
    with pytest.raises(AssertionError, match="without a live lease"):
        run_state_machine_as_test(Swapped, settings=quick)
