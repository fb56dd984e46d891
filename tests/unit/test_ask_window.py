"""The asks of one caller within the last 60 seconds."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared.core.ask_window import AskType, AskWindow
from tests.fakes.clock import START


def after(seconds: float) -> datetime:
    """That instant."""
    return START + timedelta(seconds=seconds)


def window(*seconds: float, kind: AskType = AskType.ISSUE) -> AskWindow:
    """Asks at those instants."""
    return AskWindow({(kind, str(number)): after(each) for number, each in enumerate(seconds)})


def test_an_empty_window_has_room() -> None:
    """For one ask at least."""
    assert AskWindow().wait(AskType.ISSUE, 1, START) is None


@pytest.mark.parametrize(
    ("most", "now", "expected"),
    [
        (4, 30, None),
        (3, 30, 30),
        (2, 30, 40),
        (1, 30, 50),
        (3, 59.5, 1),
        (3, 59.999, 1),
        (3, 60, None),
        (2, 60, 10),
        (1, 80, None),
    ],
)
def test_it_slides(most: int, now: float, expected: int | None) -> None:
    """An ask counts for 60 seconds to the millisecond. The wait is whole seconds, rounded up."""
    assert expected == window(0, 10, 20).wait(AskType.ISSUE, most, after(now))


def test_each_kind_is_counted_apart() -> None:
    """Refused asks leave the issues their room."""
    refused = window(0, 1, 2, kind=AskType.REFUSED)
    assert (None, 58) == (refused.wait(AskType.ISSUE, 1, after(3)), refused.wait(AskType.REFUSED, 2, after(3)))


def test_counting_forgets_what_counts_no_more() -> None:
    """So a window holds no more asks than there is room for."""
    counted = window(0, 30).counting(AskType.REFUSED, "new", after(60))
    assert {(AskType.ISSUE, "1"): after(30), (AskType.REFUSED, "new"): after(60)} == counted.asks
    assert [True, False] == [counted.has(kind, "new") for kind in (AskType.REFUSED, AskType.ISSUE)]


def test_a_clock_that_was_far_ahead_keeps_nobody_out() -> None:
    """An instant a minute ahead or more does not count, and a wait is a minute at most."""
    assert window(3600).wait(AskType.ISSUE, 1, START) is None
    assert 60 == window(59).wait(AskType.ISSUE, 1, START)
    assert {} == {key: at for key, at in window(3600).counting(AskType.ISSUE, "new", START).asks.items() if key[1] != "new"}


def test_the_version_stays() -> None:
    """The write that follows replaces the row that was read."""
    assert "v" == AskWindow({}, "v").counting(AskType.ISSUE, "new", START).version
