"""Timer triggers: each timer waits for its next occurrence, runs, and waits again; never twice at once."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.host import ncrontab, worker
from local.host.options import UnusableAppError

if TYPE_CHECKING:
    from local.host.options import AppSettings
    from local.host.worker import Function

_NEVER = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
_LONGEST_WAIT = 60.0
"""Seconds: the machine's clock is looked at this often, so that a suspended machine or a set clock is noticed."""
_MONITORED_FROM = dt.timedelta(minutes=1)


@dataclass(slots=True)
class Timer:
    """One timer trigger.

    As in the real host, a monitored timer (``useMonitor``, the default, for schedules of a minute or more) runs at once, and
    is told that it is past due, when an occurrence went by while the one before still ran. What it remembers ends with the
    process: there is no blob behind it.
    """

    function: Function
    schedule: ncrontab.Schedule
    run: Callable[[Function, Any], Awaitable[object]]
    now: Callable[[], dt.datetime]
    on_startup: bool = False
    monitored: bool = False
    last: dt.datetime = _NEVER
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def serve(self) -> None:
        """Runs the timer until cancelled."""
        if self.on_startup:
            await self.fire(past_due=False)
        due = self.schedule.after(self.now())
        late = False
        while True:
            await self._wait_until(due)
            await self.fire(past_due=late)
            due, late = self._following(due, late=late)

    async def fire(self, *, past_due: bool) -> None:
        """Runs the function once, after a run under way."""
        async with self._one:
            started = self.now()
            await self.run(self.function, worker.document(self._payload(started, past_due=past_due)))
            self.last = started

    def _following(self, due: dt.datetime, *, late: bool) -> tuple[dt.datetime, bool]:
        """The next occurrence, and whether it went by already: a monitored timer makes up for one such, then goes on."""
        following, now = self.schedule.after(due), self.now()
        if following > now:
            return following, False
        makes_up = self.monitored and not late
        return (following, True) if makes_up else (self.schedule.after(now), False)

    async def _wait_until(self, due: dt.datetime) -> None:
        while (left := (due - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - what is awaited is a time of day
            await asyncio.sleep(min(left, _LONGEST_WAIT))

    def _payload(self, started: dt.datetime, *, past_due: bool) -> dict[str, Any]:
        upcoming = self.schedule.after(started)
        status = {"Last": _text(self.last), "LastUpdated": _text(self.last), "Next": _text(upcoming)}
        return {
            "IsPastDue": past_due,
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status if self.monitored else None,
        }


def timer(
    function: Function,
    settings: AppSettings,
    run: Callable[[Function, Any], Awaitable[object]],
    now: Callable[[], dt.datetime],
) -> Timer:
    """Reads a timer's binding. Raises ``UnusableAppError`` when its schedule cannot be read."""
    binding = function.trigger
    where = f"function {function.name}"
    if "WEBSITE_TIME_ZONE" in settings.values:
        raise UnusableAppError("WEBSITE_TIME_ZONE: schedules are in UTC here")
    try:
        schedule = ncrontab.parse(settings.resolve(binding["schedule"], where))
    except ncrontab.ScheduleError as error:
        raise UnusableAppError(f"{where}: {error}") from error
    first = schedule.after(now())
    return Timer(
        function,
        schedule,
        run,
        now,
        on_startup=bool(binding.get("runOnStartup", False)),
        monitored=binding.get("useMonitor") is not False and schedule.after(first) - first >= _MONITORED_FROM,
    )


def _text(instant: dt.datetime) -> str:
    return instant.isoformat()
