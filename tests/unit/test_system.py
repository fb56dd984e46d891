from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self
from uuid import UUID

import pytest

from shared.cloud import system
from shared.cloud.system import SystemClock, SystemIds
from shared.core.names import LeaseId, RoleName

INSTANT = datetime(2026, 3, 2, 9, 0, 0, 123_000, tzinfo=UTC)


def test_the_wall_clock_is_utc_to_the_millisecond() -> None:
    """Rows and answers hold milliseconds; what is finer would differ after a round trip."""
    now = SystemClock().now()
    assert timedelta(0) == now.utcoffset()
    assert 0 == now.microsecond % 1000


@pytest.mark.parametrize(("result", "stored"), [(999_000, 999_000), (999_999, 999_000), (1000, 1000), (999, 0)])
def test_the_wall_clock_is_cut_and_not_rounded(monkeypatch: pytest.MonkeyPatch, result: int, stored: int) -> None:
    """A whole millisecond stays as it is."""

    class At(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2026, 3, 2, 9, microsecond=result, tzinfo=tz)

    monkeypatch.setattr(system, "datetime", At)
    assert datetime(2026, 3, 2, 9, microsecond=stored, tzinfo=UTC) == SystemClock().now()


def test_the_monotonic_clock_never_goes_back() -> None:
    """Deadlines are kept on it."""
    clock = SystemClock()
    earlier = clock.monotonic()
    assert earlier <= clock.monotonic()


async def test_sleeping_takes_time() -> None:
    """A pause is a pause."""
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.002)
    assert 0.002 <= clock.monotonic() - before


def test_a_ulid_begins_with_its_instant_in_crockford_base_32() -> None:
    """The example of the specification, https://github.com/ulid/spec, in lower case."""
    instant = datetime.fromtimestamp(1_469_918_176.385, UTC)
    assert SystemIds().ulid(instant).startswith("01aryz6s41")


def test_a_ulid_makes_a_lease_id() -> None:
    """It has the form that names ask for."""
    ulid = SystemIds().ulid(INSTANT)
    assert ulid == LeaseId.of(RoleName("reader"), ulid).ulid


def test_ulids_sort_by_time() -> None:
    """A millisecond later sorts later, whatever the chance."""
    ids = SystemIds()
    made = [ids.ulid(INSTANT + timedelta(milliseconds=step)) for step in range(200)]
    assert sorted(made) == made


def test_ulids_of_one_instant_differ() -> None:
    """80 bits of chance each."""
    ids = SystemIds()
    assert 500 == len({ids.ulid(INSTANT)[10:] for _ in range(500)})


def test_every_character_of_the_random_part_varies() -> None:
    """No bit of it is stuck."""
    ids = SystemIds()
    made = [ids.ulid(INSTANT)[10:] for _ in range(300)]
    assert all(len(set(column)) > 20 for column in zip(*made, strict=True))


def test_a_guid_is_a_random_one_in_canonical_form() -> None:
    """Version 4, lower case, dashes."""
    guid = SystemIds().guid()
    assert 4 == UUID(guid).version
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", guid)


def test_jitter_spreads_over_the_unit_interval() -> None:
    """Never 1, and not always the same."""
    drawn = [SystemIds().jitter() for _ in range(300)]
    assert all(0 <= each < 1 for each in drawn)
    assert max(drawn) - min(drawn) > 0.5
