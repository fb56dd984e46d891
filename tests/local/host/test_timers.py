from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from typing import Any

import pytest

from local.host import ncrontab, timers
from local.host.options import AppSettings, UnusableAppError
from local.host.timers import Timer
from local.host.worker import Function

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def function(**binding: Any) -> Function:
    """A timer function with this binding."""
    return Function("id", "tick", {"type": "timerTrigger", "name": "timer", **binding}, ())


class Runs:
    """Stands in for the worker: keeps what the function was given, and lets time pass meanwhile."""

    def __init__(self, *, lasting: float = 0.0, until: int = 3) -> None:
        self.now = START - dt.timedelta(seconds=1)
        self.given: list[dict[str, Any]] = []
        self.started: list[dt.datetime] = []
        self._lasting = dt.timedelta(seconds=lasting)
        self._until = until

    def clock(self) -> dt.datetime:
        """Time stands at the next occurrence whenever it is looked at."""
        return self.now

    async def run(self, _: Function, given: Any) -> None:
        """One run; the last one ends the test."""
        self.given.append(json.loads(given.value))
        self.started.append(self.now)
        self.now += self._lasting
        if len(self.given) == self._until:
            raise asyncio.CancelledError


class Skipping(Timer):
    """A timer for which waiting takes no time."""

    __slots__ = ("runs",)
    runs: Runs

    async def _wait_until(self, due: dt.datetime) -> None:
        self.runs.now = max(self.runs.now, due)


async def serve(schedule: str, runs: Runs, *, monitored: bool = False, on_startup: bool = False) -> None:
    """Serves a timer until its runs are over."""
    timer = Skipping(function(), ncrontab.parse(schedule), runs.run, runs.clock, monitored=monitored, on_startup=on_startup)
    timer.runs = runs
    with contextlib.suppress(asyncio.CancelledError):
        await timer.serve()


async def test_runs_at_each_occurrence() -> None:
    """One run an occurrence, at its instant."""
    runs = Runs()
    await serve("0 */5 * * * *", runs)
    assert [START, START + dt.timedelta(minutes=5), START + dt.timedelta(minutes=10)] == runs.started


async def test_runs_on_startup_when_the_binding_says_so() -> None:
    """``runOnStartup`` adds a run before the first occurrence."""
    runs = Runs(until=2)
    await serve("0 */5 * * * *", runs, on_startup=True)
    assert [START - dt.timedelta(seconds=1), START] == runs.started


async def test_an_occurrence_missed_by_a_monitored_timer_is_made_up_for_once() -> None:
    """A run that takes 12 minutes of a five-minute schedule is followed by one that is past due, then by the schedule."""
    runs = Runs(lasting=12 * 60)
    await serve("0 */5 * * * *", runs, monitored=True)
    minutes = [int((started - START).total_seconds() // 60) for started in runs.started]
    assert ([0, 12, 25], [False, True, False]) == (minutes, [given["IsPastDue"] for given in runs.given])


async def test_an_occurrence_missed_by_an_unmonitored_timer_is_skipped() -> None:
    """Without a monitor nothing is ever past due."""
    runs = Runs(lasting=12 * 60)
    await serve("0 */5 * * * *", runs)
    minutes = [int((started - START).total_seconds() // 60) for started in runs.started]
    assert ([0, 15, 30], [False] * 3) == (minutes, [given["IsPastDue"] for given in runs.given])


async def test_a_monitored_timer_is_told_its_last_and_next_run() -> None:
    """``ScheduleStatus`` names the run before and the occurrence after."""
    runs = Runs(until=2)
    await serve("0 */5 * * * *", runs, monitored=True)
    last, upcoming = START.isoformat(), (START + dt.timedelta(minutes=10)).isoformat()
    assert {"Last": last, "LastUpdated": last, "Next": upcoming} == runs.given[1]["ScheduleStatus"]


async def test_never_runs_twice_at_once() -> None:
    """A run by hand waits for the run under way."""
    under_way, over, count = asyncio.Event(), asyncio.Event(), 0

    async def run(*_: Any) -> None:
        nonlocal count
        count += 1
        under_way.set()
        await over.wait()

    timer = Timer(function(), ncrontab.parse("0 * * * * *"), run, lambda: START)
    first = asyncio.create_task(timer.fire(past_due=False))
    await under_way.wait()
    second = asyncio.create_task(timer.fire(past_due=False))
    await asyncio.wait({second}, timeout=0.01)
    during = count
    over.set()
    await asyncio.gather(first, second)
    assert (1, 2) == (during, count)


def test_the_schedule_may_be_an_app_setting() -> None:
    """``%NAME%`` is resolved from the app settings."""
    timer = timers.timer(function(schedule="%S%"), AppSettings({"S": "0 0 * * * *"}), Runs().run, lambda: START)
    assert START + dt.timedelta(hours=1) == timer.schedule.after(START)


@pytest.mark.parametrize(
    ("binding", "settings", "complaint"),
    [
        ({"schedule": "%S%"}, {}, "tick: the app setting 'S' is not set"),
        ({"schedule": "nonsense"}, {}, "tick: 'nonsense' has 1 fields"),
        ({"schedule": "0 0 * * * *"}, {"WEBSITE_TIME_ZONE": "x"}, "UTC"),
    ],
)
def test_refuses_schedules_that_it_cannot_keep(binding: dict[str, Any], settings: dict[str, str], complaint: str) -> None:
    """The complaint names the function."""
    with pytest.raises(UnusableAppError, match=complaint):
        timers.timer(function(**binding), AppSettings(settings), Runs().run, lambda: START)


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ({"schedule": "0 * * * * *"}, True),
        ({"schedule": "0 * * * * *", "useMonitor": False}, False),
        ({"schedule": "*/30 * * * * *"}, False),
    ],
)
def test_schedules_of_a_minute_or_more_are_monitored_unless_told_otherwise(binding: dict[str, Any], *, expected: bool) -> None:
    """The real host's default for ``useMonitor``."""
    assert expected is timers.timer(function(**binding), AppSettings({}), Runs().run, lambda: START).monitored
