"""What nobody has foreseen comes out as it is: it is not taken for a failure of Azure's, a lost race or an absence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.core.errors import LeaseholdError, Refused, Throttled, Unreachable, Upstream
from tests.crash.operations import Operation, all_operations
from tests.crash.scenarios import TARGETS, scenarios
from tests.crash.walk import Deed, Scenario, live
from tests.fakes.world import World

OPERATIONS = [pytest.param(operation, id=name) for name, operation in all_operations()]

type Report = Callable[[str, object], None]


class UnforeseenError(Exception):
    """A bug: nothing in the broker knows it."""


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_bug_at_any_call_comes_out(operation: Operation, record_property: Report, caplog: pytest.LogCaptureFixture) -> None:
    """To whoever asked for the operation, or, where the work on other leases goes on, to the log with its traceback."""
    quiet = list[int]()
    calls = _answered(operation.scenario)
    for ordinal in calls:
        caplog.clear()
        world = operation.scenario.make()
        world.calls.fail_at(len(world.calls.made) + ordinal, UnforeseenError(), after=False)
        if not _comes_out(world, operation.scenario.deed) and not _is_logged(caplog):
            quiet.append(ordinal)
    record_property("cases", len(calls))
    assert [] == quiet


def _answered(scenario: Scenario) -> list[int]:
    """The calls of the undisturbed deed, without those that fail anyhow."""
    world = scenario.make()
    before = len(world.calls.made)
    world.run(lambda: live(world, scenario.deed))
    return [call.ordinal - before for call in world.calls.made[before:] if not call.failed]


def _comes_out(world: World, deed: Deed) -> bool:
    try:
        world.run(lambda: _done(world, deed))
    except UnforeseenError:
        return True
    except LeaseholdError:
        return False
    return False


async def _done(world: World, deed: Deed) -> None:
    await deed(world)


def _is_logged(caplog: pytest.LogCaptureFixture) -> bool:
    return any(record.exc_info and record.exc_info[0] is UnforeseenError for record in caplog.records)


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

    struck = Scenario(name, failing, scenario.deed)
    quiet = list[int]()
    for ordinal in _answered(struck):
        caplog.clear()
        world = failing()
        world.calls.fail_at(len(world.calls.made) + ordinal, UnforeseenError(), after=False)
        if not _comes_out(world, scenario.deed) and not _is_logged(caplog):
            quiet.append(ordinal)
    assert [] == quiet
