"""Timer schedules as Azure Functions reads them: NCRONTAB with seconds, or a plain interval.

Rules: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions and, where that is
silent, NCrontab itself: a day must match both the day of the month and the day of the week, ``n/step`` runs from ``n`` to
the field's end, names may be cut short (``Mon``, ``Monday``). Five fields mean second 0. All times are UTC.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import Protocol

_MONTHS = tuple(calendar.month_name)[1:]
_WEEKDAYS = ("Sunday", *tuple(calendar.day_name)[:6])
_INTERVAL = re.compile(r"(?:(\d+)\.)?(\d{1,2}):([0-5]\d):([0-5]\d)")
_SECOND = dt.timedelta(seconds=1)
_DAY = dt.timedelta(days=1)
# 29 February falls on a given weekday every 28 years, or every 40 around a year like 2100.
_HORIZON = 41 * 366


class ScheduleError(ValueError):
    """The text is not a schedule; the message says which part."""


class Schedule(Protocol):
    """When a timer is due."""

    def after(self, instant: dt.datetime) -> dt.datetime:
        """The first occurrence later than ``instant`` (aware, UTC)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so often, counted from the occurrence before."""

    every: dt.timedelta

    def after(self, instant: dt.datetime) -> dt.datetime:
        """One interval later."""
        return instant + self.every


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, text: str) -> range:
        body, slash, step = text.partition("/")
        every = self._number(step, 1, self.high) if slash else 1
        if body == "*":
            return range(self.low, self.high + 1, every)
        first, dash, last = body.partition("-")
        start = self._value(first)
        end = self._value(last) if dash else (self.high if slash else start)
        if end < start:
            raise ScheduleError(f"{self.name}: the range {body!r} runs backwards")
        return range(start, end + 1, every)

    def _value(self, text: str) -> int:
        if text[:1].isalpha():
            return self._named(text)
        return self._number(text, self.low, self.high)

    def _named(self, text: str) -> int:
        for number, name in enumerate(self.names, start=self.low):
            if name.lower().startswith(text.lower()):
                return number
        raise ScheduleError(f"{self.name}: {text!r} is not a name known here")

    def _number(self, text: str, low: int, high: int) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ScheduleError(f"{self.name}: {text!r} is not a number from {low} to {high}")
        return int(text)


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """Six fields, each the set of values that match."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def after(self, instant: dt.datetime) -> dt.datetime:
        """The first whole second later than ``instant`` that matches every field."""
        start = instant.replace(microsecond=0) + _SECOND
        time = self._time_from(start.time()) if self._on(start.date()) else None
        if time is not None:
            return dt.datetime.combine(start.date(), time, instant.tzinfo)
        day = start.date() + _DAY
        while not self._on(day):
            day += _DAY
        return dt.datetime.combine(day, self._earliest(), instant.tzinfo)

    def never(self) -> bool:
        """Whether no date matches, as with 31 February."""
        day = dt.date(2024, 1, 1)
        return not any(self._on(day + number * _DAY) for number in range(_HORIZON))

    def _on(self, day: dt.date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _earliest(self) -> dt.time:
        return dt.time(min(self.hours), min(self.minutes), min(self.seconds))

    def _time_from(self, earliest: dt.time) -> dt.time | None:
        """The first matching time of a day, not before ``earliest``."""
        return next((time for time in self._candidates(earliest) if time >= earliest), None)

    def _candidates(self, earliest: dt.time) -> list[dt.time]:
        """Ascending: in this minute, in this hour, in a later hour."""
        second, minute = min(self.seconds), min(self.minutes)
        this_hour = [earliest.hour] if earliest.hour in self.hours else []
        this_minute = [earliest.minute] if this_hour and earliest.minute in self.minutes else []
        return [
            *(dt.time(earliest.hour, earliest.minute, s) for _ in this_minute for s in sorted(self.seconds)),
            *(dt.time(earliest.hour, m, second) for _ in this_hour for m in sorted(self.minutes) if m > earliest.minute),
            *(dt.time(h, minute, second) for h in sorted(self.hours) if h > earliest.hour),
        ]


def parse(text: str) -> Schedule:
    """Reads a schedule: six fields, five fields, or an interval as ``hh:mm:ss``.

    Raises ``ScheduleError`` when it is none of these, or can never be due.
    """
    if interval := _INTERVAL.fullmatch(text.strip()):
        return _interval(interval)
    fields = text.split()
    if len(fields) == len(_FIELDS) - 1:
        fields.insert(0, "0")
    if len(fields) != len(_FIELDS):
        raise ScheduleError(f"{text!r} has {len(fields)} fields, not six")
    cron = Cron(*(field.parse(value) for field, value in zip(_FIELDS, fields, strict=True)))
    if cron.never():
        raise ScheduleError(f"{text!r} is never due")
    return cron


def _interval(match: re.Match[str]) -> Interval:
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    every = dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not every:
        raise ScheduleError("the interval is zero")
    return Interval(every)
