from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.ncrontab import Cron, ScheduleError, parse


def at(text: str) -> dt.datetime:
    """An instant in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("schedule", "instant", "expected"),
    [
        ("*/30 * * * * *", "2026-01-01 00:00:00", "2026-01-01 00:00:30"),
        ("*/30 * * * * *", "2026-01-01 00:00:30", "2026-01-01 00:01:00"),
        ("0 */5 * * * *", "2026-01-01 00:03:07", "2026-01-01 00:05:00"),
        ("0 0 * * * *", "2026-12-31 23:30:00", "2027-01-01 00:00:00"),
        ("0 30 9 * * Mon-Fri", "2026-11-20 09:30:00", "2026-11-23 09:30:00"),
        ("0 0 0 1 Jan *", "2026-01-01 00:00:00", "2027-01-01 00:00:00"),
        ("0 0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00:00"),
        ("10,40 15 8-10/2 * * *", "2026-01-01 08:15:40", "2026-01-01 10:15:10"),
        ("15/20 * * * * *", "2026-01-01 00:00:36", "2026-01-01 00:00:55"),
        ("0 0 0 13 * Friday", "2026-01-01 00:00:00", "2026-02-13 00:00:00"),
        ("*/5 * * * *", "2026-01-01 00:00:01", "2026-01-01 00:05:00"),
        ("00:00:10", "2026-01-01 00:00:07", "2026-01-01 00:00:17"),
        ("1.00:00:00", "2026-01-01 00:00:00", "2026-01-02 00:00:00"),
    ],
)
def test_next_occurrence(schedule: str, instant: str, expected: str) -> None:
    """The next occurrence is strictly later, and matches every field."""
    assert at(expected) == parse(schedule).after(at(instant))


def test_a_fraction_of_a_second_does_not_skip_an_occurrence() -> None:
    """Half a second before an occurrence, that occurrence is next."""
    assert at("2026-01-01 00:00:01") == parse("* * * * * *").after(at("2026-01-01 00:00:00.5"))


@pytest.mark.parametrize(
    ("schedule", "complaint"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * * *", "7 fields"),
        ("60 * * * * *", "second: '60'"),
        ("0 0 24 * * *", "hour: '24'"),
        ("0 0 0 0 * *", "day: '0'"),
        ("0 0 0 * * 7", "day of week: '7'"),
        ("0 0 0 * * Someday", "not a name"),
        ("*/0 * * * * *", "second: '0'"),
        ("30-10 * * * * *", "backwards"),
        ("1,,2 * * * * *", "second: ''"),
        ("٣ * * * * *", "second"),
        ("0 0 0 31 2 *", "never due"),
        ("00:00:00", "zero"),
    ],
)
def test_refuses_what_is_no_schedule(schedule: str, complaint: str) -> None:
    """The complaint names the field and what stands in it."""
    with pytest.raises(ScheduleError, match=complaint):
        parse(schedule)


def _every(low: int, high: int) -> st.SearchStrategy[frozenset[int]]:
    return st.frozensets(st.integers(low, high), min_size=1, max_size=6)


@given(
    cron=st.builds(
        Cron,
        _every(0, 59),
        _every(0, 59),
        _every(0, 23),
        st.just(frozenset(range(1, 32))),
        _every(1, 12),
        _every(0, 6),
    ),
    start=st.integers(0, 10**9).map(lambda seconds: at("2024-01-01") + dt.timedelta(seconds=seconds, milliseconds=7)),
)
def test_the_next_occurrence_matches_and_the_second_before_it_leads_to_it(cron: Cron, start: dt.datetime) -> None:
    """What comes next matches every field, and nothing that matches lies between."""
    found = cron.after(start)
    assert found > start
    assert (True, True, True) == (found.second in cron.seconds, found.minute in cron.minutes, found.hour in cron.hours)
    assert (True, True) == (found.month in cron.months, found.isoweekday() % 7 in cron.weekdays)
    assert found == cron.after(max(start, found - dt.timedelta(seconds=1)))
