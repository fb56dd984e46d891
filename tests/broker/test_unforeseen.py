"""What nobody has foreseen comes out as it is: it is not taken for a failure of Azure's, a lost race or an absence."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from shared.broker.ending.sweep import end_due
from shared.core.errors import DefinitionGone, LeaseholdError, Refused, Throttled, Unreachable, Upstream
from shared.core.message import Batch
from shared.resilience.outages import Service
from tests.broker.scenes import issued, swept
from tests.crash.operations import Operation, all_operations
from tests.crash.scenarios import scenarios
from tests.crash.walk import Scenario, live
from tests.fakes.world import World, role, world
from tests.support.operations import TARGETS, Action

OPERATIONS = [pytest.param(operation, id=name) for name, operation in all_operations()]

type Report = Callable[[str, object], None]


class UnforeseenError(Exception):
    """A bug: nothing in the broker knows it."""


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_bug_at_any_call_comes_out(operation: Operation, record_property: Report, caplog: pytest.LogCaptureFixture) -> None:
    """To whoever asked for the operation, or, where the work on others goes on, to the log: an error with its traceback."""
    quiet = list[int]()
    calls = _answered(operation.scenario)
    for ordinal in calls:
        caplog.clear()
        world = operation.scenario.make()
        world.calls.fail_at(len(world.calls.made) + ordinal, UnforeseenError(), after=False)
        if not _comes_out(world, operation.scenario.action) and not _is_logged(caplog):
            quiet.append(ordinal)
    record_property("cases", len(calls))
    assert [] == quiet


def _answered(scenario: Scenario) -> list[int]:
    """The calls of the undisturbed operation, without those that fail anyhow."""
    world = scenario.make()
    before = len(world.calls.made)
    world.run(lambda: live(world, scenario.action))
    return [call.ordinal - before for call in world.calls.made[before:] if not call.failed]


def _comes_out(world: World, action: Action) -> bool:
    try:
        world.run(lambda: _done(world, action))
    except UnforeseenError:
        return True
    except LeaseholdError:
        return False
    return False


async def _done(world: World, action: Action) -> None:
    await action(world)


def _is_logged(caplog: pytest.LogCaptureFixture) -> bool:
    found = (record for record in caplog.records if record.exc_info and record.exc_info[0] is UnforeseenError)
    return any(record.levelno >= logging.ERROR for record in found)


CLEANING = {
    "issue": ("directory.add_secret", "applications.add_secret"),
    "repeat": ("directory.remove_secret", "applications.remove_secret"),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("name", CLEANING)
@pytest.mark.parametrize("first", [Refused(), Throttled(), Unreachable()], ids=repr)
def test_a_bug_while_a_failure_is_cleaned_up_comes_out(
    name: str, kind: str, first: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not taken for one more of Azure's failures."""
    scenario = next(each for each in scenarios(TARGETS[kind]) if each.name == name)

    def failing() -> World:
        made = scenario.make()
        for call in CLEANING[name]:
            made.calls.fail(call, first, times=50)
        return made

    struck = Scenario(name, failing, scenario.action)
    quiet = list[int]()
    for ordinal in _answered(struck):
        caplog.clear()
        world = failing()
        world.calls.fail_at(len(world.calls.made) + ordinal, UnforeseenError(), after=False)
        if not _comes_out(world, scenario.action) and not _is_logged(caplog):
            quiet.append(ordinal)
    assert [] == quiet


async def _issuing_with_a_bound(world: World) -> None:
    world.roles.keep(role(max_leases=3))
    await issued(world)


async def _issuing_by_a_definition_that_is_gone(world: World) -> None:
    world.roles.keep(role())
    world.calls.fail("authorization.assign", DefinitionGone("x", status=404))
    await issued(world)


async def _sweeping_in_an_outage(world: World) -> None:
    world.ports.outages.note(Service.GRAPH, answered=False)
    await swept(world)


async def _a_message(world: World) -> None:
    world.roles.keep(role(ttl=60))
    lease = (await issued(world)).lease
    world.clock.jump(61)
    await end_due(world.ports, "message", Batch(world.ids.guid(), (lease.id,)))


BESIDE: dict[str, Action] = {
    "roles.admit": _issuing_with_a_bound,
    "inventory.definition": _issuing_by_a_definition_that_is_gone,
    "leases.list": _sweeping_in_an_outage,
}


@pytest.mark.parametrize("call", BESIDE)
async def test_a_bug_beside_the_ordinary_way_comes_out(call: str) -> None:
    """Where a failure of storage's or of Azure's is made up for, or left to others."""
    made = world()
    made.calls.fail(call, UnforeseenError())  # type: ignore[arg-type]  # a bug is none of the broker's own errors
    with pytest.raises(UnforeseenError):
        await BESIDE[call](made)


async def test_a_record_that_nobody_can_read_does_not_fail_its_message() -> None:
    """Delivered again it would be as bad: only storage that does not answer may do so later."""
    made = world()
    made.calls.fail("leases.get", UnforeseenError())  # type: ignore[arg-type]  # a bug is none of the broker's own errors
    await _a_message(made)
