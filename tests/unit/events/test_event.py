"""What is read of an event that anybody may have written: instants that no calendar has, and messages in no base64."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.events.event import Event, decoded, encoded, read_event, write_event
from shared.core.message import text_of
from shared.core.names import Unparsable
from tests.fakes.clock import START

OWN = write_event(Event("1", "/s", "Ours.Made", "/things/a", "", START))
CLOUD_EVENT: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "Ours.Made", "subject": "/things/a"}


@pytest.mark.parametrize(
    "first_seen",
    [
        *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "9999-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00"),
        *("x", "", "2026-01-01", START.replace(tzinfo=None).isoformat(), 7, None),
        (START + timedelta(minutes=6)).isoformat(),
        (START - timedelta(days=31)).isoformat(),
    ],
)
def test_an_event_that_the_broker_cannot_have_put_there_is_unreadable(first_seen: object) -> None:
    """It would never be given up, or at once, and the audit trail would have it in another year."""
    with pytest.raises(Unparsable):
        read_event(OWN | {"first_seen": first_seen}, START)


@pytest.mark.parametrize("age", [timedelta(minutes=-4), timedelta(0), timedelta(days=22)])
def test_an_event_of_the_brokers_own_is_read_back(age: timedelta) -> None:
    """Clocks of two workers differ a little, and it lies in queues for weeks: before it is read, and set aside."""
    event = read_event(OWN | {"first_seen": (START - age).isoformat()}, START)
    assert event == decoded(encoded(event), START)


def test_the_rules_that_are_done_take_no_room_from_the_event() -> None:
    """An event that just fits into the queue can be put back, and be read again."""
    longest = replace(read_event(OWN, START), subject="\u00e4" * 2048, resource_uri="\u00e4" * 1500)
    put_back = longest.with_done(f"{number:063}" for number in range(600))
    assert 500 == len(put_back.done)
    assert put_back == decoded(encoded(put_back), START)


@pytest.mark.parametrize("done", ["sites", [7], [""], ["a" * 64], ["a"] * 501, None])
def test_what_is_no_list_of_rules_is_unreadable(done: object) -> None:
    """Whoever has put it there."""
    with pytest.raises(Unparsable):
        read_event(OWN | {"done": done}, START)


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "yesterday", "2026-01-01", 7, None])
def test_a_time_that_is_none_makes_no_event_unreadable(time: object) -> None:
    """Nothing is decided by it."""
    own, published = (read_event(each | {"time": time}, START) for each in (OWN, CLOUD_EVENT))
    assert ("", "") == (own.time, published.time)
    assert published == decoded(encoded(published), START)


@pytest.mark.parametrize("text", ["{}", json.dumps(CLOUD_EVENT), "\u00e4\U0001f600", ""])
def test_a_message_is_read_in_base64_and_as_it_is(text: str) -> None:
    """No JSON is base64."""
    assert text == text_of(b64encode(text.encode())) == text_of(text.encode())


@pytest.mark.parametrize("octets", [b"not base64 !!", b"\xff\xfe", b64encode(b"\xff\xfe no UTF-8"), b"YQ", b"YQ==="])
def test_what_is_neither_is_a_text_that_nobody_can_read(octets: bytes) -> None:
    """So it can be told and dropped like any other."""
    with pytest.raises(Unparsable):
        decoded(text_of(octets), START)
