from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from shared.broker.issue.issue import IssueRequest, issue
from shared.core.errors import Unreachable
from shared.core.lease import State
from tests.crash.walk import FaultAt, Scenario, faults, require_nothing_left, require_owned, strike, sweep_once
from tests.fakes.calls import Died
from tests.fakes.cloud_state import Thing
from tests.fakes.world import BOB, EXISTING, WEB, World, request, role, secret_target, world
from tests.support.operations import issuing, only

type Report = Callable[[str, object], None]


def fresh() -> World:
    """A role over the application that is there already."""
    return world(role(secret_target(), ttl=300, max_ttl=7200))


def with_another() -> World:
    """The same, and Bob holds a lease on it for two hours."""
    made = fresh()
    made.run(lambda: issue(made.ports, request(BOB), IssueRequest(WEB, ttl=7200)))
    return made


def blow_at(name: str, *, after: bool) -> FaultAt:
    """The call of that name within an issue."""
    made = fresh()
    made.run(lambda: issuing(made))
    return FaultAt(made.calls.names().index(name) + 1, after=after)


def test_a_death_right_after_the_secret_was_added_is_found_by_the_lease_s_id() -> None:
    """Its key id was never learned: the display name leads to it, at the first sweep."""
    made = fresh()
    strike(made, issuing, blow_at("applications.add_secret", after=True), Died())
    assert [Thing("secret", only(made))] == made.leftovers()
    made.clock.jump(60)
    sweep_once(made)
    assert [] == made.leftovers()


@pytest.mark.parametrize("error", [Died(), Unreachable()])
def test_a_secret_that_appears_after_the_sweep_has_looked_is_removed(error: BaseException) -> None:
    """Entra ID carried the call out late: the lease is not believed to have ended before that can no longer happen."""
    made = fresh()
    strike(made, issuing, blow_at("applications.add_secret", after=False), error)
    made.clock.jump(60)
    sweep_once(made)
    lease = made.leases.rows[only(made)]
    assert State.ENDING is lease.state
    made.cloud.add_secret(EXISTING, lease.id, lease.max_expires_at)
    require_nothing_left(made)


def test_death_at_any_call_harms_no_other_lease_on_the_application(record_property: Report) -> None:
    """The other's secret stays for as long as its lease lives, and nothing else does."""
    count = 0
    scenario = Scenario("issue", with_another, issuing)
    for fault in faults(scenario):
        made = scenario.make()
        (other,) = made.leases.rows
        strike(made, scenario.action, fault, Died())
        for _ in range(15):
            made.clock.jump(60)
            sweep_once(made)
            require_owned(made)
        assert [Thing("secret", other)] == made.leftovers()
        count += 1
    record_property("cases", count)
    assert count > 0


def test_a_worker_that_dies_at_any_call_keeps_nobody_waiting_for_long(record_property: Report) -> None:
    """Whoever comes next has its turn when the dead one's deadline is past."""
    count = 0
    for fault in faults(Scenario("issue", fresh, issuing)):
        made = fresh()
        strike(made, issuing, fault, Died())
        began = made.clock.monotonic()
        made.run(lambda made=made: issue(made.ports, request(BOB), IssueRequest(WEB)))  # type: ignore[misc]  # bound for the loop
        assert made.clock.monotonic() - began < 15
        require_owned(made)
        count += 1
    record_property("cases", count)
    assert count > 0


def test_a_crowd_of_which_some_die_leaves_the_application_as_it_was() -> None:
    """Issues on one application at once, the worker killed in the midst; then sweeps."""
    for ordinal in range(5, 85, 5):
        made = fresh()
        made.calls.latency = 0.2

        async def crowd(made: World) -> None:
            await asyncio.gather(*(issuing(made) for _ in range(10)))

        strike(made, crowd, FaultAt(ordinal, after=ordinal % 2 == 0), Died())
        made.calls.latency = 0.0
        require_owned(made)
        require_nothing_left(made)
