"""What becomes of a delivery that fails: when it is tried again, and when it is given up."""

from __future__ import annotations

import pytest

from local.cloud.engine.http import Json
from local.cloud.event_grid.grid import Subscribed
from local.cloud.event_grid.schedule import delay, outcome, succeeded
from tests.local.event_grid.calls import CLOUD, Events

MINUTE, HOUR = 60, 3600
USUAL = [10, 30, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 12 * HOUR]


@pytest.fixture
def subscribed(events: Events) -> Subscribed:
    """A subscription to whose queue one event is on its way."""
    sender = events.sender(events.topic())
    made = events.subscribe()
    events.publish([CLOUD], sender)
    return made


def _delivery(events: Events) -> Json:
    ((delivery,),) = (each["deliveries"] for each in events.shown("shop"))
    shown: Json = delivery
    return shown


def test_the_schedule_grows() -> None:
    """To half a day."""
    assert USUAL == [delay(attempts, 500) for attempts in range(1, len(USUAL) + 1)]


@pytest.mark.parametrize(
    ("status", "first", "fourth"),
    [
        (None, 10, 300),
        (500, 10, 300),
        (429, 10, 300),
        (302, 10, 300),
        (401, 300, 300),
        (403, 300, 300),
        (404, 300, 300),
        (408, 120, 300),
        (503, 30, 300),
    ],
)
def test_some_failures_take_longer(status: int | None, first: float, fourth: float) -> None:
    """At least; ``None`` is no answer."""
    assert (first, fourth) == (delay(1, status), delay(4, status))


def test_only_200_to_204_is_success() -> None:
    """Neither another 2xx, nor a redirection."""
    assert [200, 201, 202, 203, 204] == [status for status in range(200, 600) if succeeded(status)]
    assert not succeeded(None)


@pytest.mark.parametrize(
    ("status", "word"),
    [(404, "NotFound"), (401, "Unauthorized"), (413, "RequestEntityTooLarge"), (None, "TimedOut"), (599, "Status599")],
)
def test_an_outcome_has_a_word(status: int | None, word: str) -> None:
    """As dead letters tell it."""
    assert word == outcome(status)


async def test_tries_again_when_it_is_time(events: Events, subscribed: Subscribed) -> None:
    """Not earlier, and once only."""
    events.destinations.statuses = [500, None, 404]
    counts = []
    for seconds in (0, 9.9, 0.1, 29.9, 0.1, 299.9, 0.1, 10_000):
        await events.deliver(seconds)
        counts.append(_delivery(events)["attempts"])
    assert [1, 1, 2, 2, 3, 3, 4, 4] == counts
    assert ("delivered", "Success", None, 1, 1) == (
        *(_delivery(events)[name] for name in ("state", "outcome", "due")),
        subscribed.delivered,
        len(events.destinations.messages["events"]),
    )


async def test_the_delays_go_by_the_stacks_speed(events: Events, subscribed: Subscribed) -> None:
    """Sixty times as fast: 10 s are a sixth of one, and a day is 24 minutes."""
    events.azure.world.consistency.configure("none", speed=60)
    events.destinations.statuses = [500] * 30
    await events.deliver()
    await events.deliver(10 / 60)
    assert 2 == _delivery(events)["attempts"]
    for _ in range(60):
        await events.deliver(MINUTE)
    assert "TimeToLiveExceeded" == subscribed.shown()["dead_letters"][0]["deadletterreason"]


@pytest.mark.parametrize(("status", "word"), [(400, "BadRequest"), (413, "RequestEntityTooLarge")])
async def test_a_hopeless_one_is_a_dead_letter_at_once(events: Events, subscribed: Subscribed, status: int, word: str) -> None:
    """With what is known of it."""
    events.destinations.statuses = [status]
    await events.deliver()
    (dead,) = subscribed.shown()["dead_letters"]
    letter = {
        "deadletterreason": "UndeliverableDueToClientError",
        "deliveryattempts": 1,
        "lastdeliveryoutcome": word,
        "publishtime": "2027-01-15T08:00:00.2500000Z",
        "lastdeliveryattempttime": "2027-01-15T08:00:00.2500000Z",
    }
    assert {**events.shown("shop")[0]["event"], **letter} == dead
    await events.deliver(86400)
    assert ("dead", 1, None) == tuple(_delivery(events)[name] for name in ("state", "attempts", "due"))


async def test_after_a_day_it_is_given_up(events: Events, subscribed: Subscribed) -> None:
    """To the second, without a further attempt: the schedule alone would have it tried later."""
    events.destinations.statuses = [500] * 30
    for wait in [0, *USUAL[:10]]:
        await events.deliver(wait)
    assert ("waiting", 11) == (_delivery(events)["state"], _delivery(events)["attempts"])
    passed = sum(USUAL[:10])
    await events.deliver(86400 - passed - 0.1)
    assert "waiting" == _delivery(events)["state"]
    await events.deliver(0.1)
    (dead,) = subscribed.shown()["dead_letters"]
    assert ("TimeToLiveExceeded", 11) == (dead["deadletterreason"], dead["deliveryattempts"])


async def test_after_thirty_attempts_it_is_given_up(events: Events, subscribed: Subscribed) -> None:
    """As soon as there can be so many: the schedule makes fewer in a day."""
    events.destinations.statuses = [500] * 40
    held = events.grid.events["shop"][0].deliveries[0]
    held.attempts = 28
    await events.deliver()
    assert "waiting" == held.state
    await events.deliver(12 * HOUR)
    (dead,) = subscribed.shown()["dead_letters"]
    assert ("MaxDeliveryAttemptsExceeded", 30) == (dead["deadletterreason"], dead["deliveryattempts"])


async def test_a_failing_event_holds_back_no_other(events: Events, subscribed: Subscribed) -> None:
    """It waits by itself."""
    events.destinations.statuses = [500]
    topic = events.grid.topics["shop"]
    events.publish([{**CLOUD, "id": "2"}], events.sender({"id": topic.id}))
    await events.deliver()
    await events.deliver(10)
    assert ["2", "1"] == [each["id"] for each in events.destinations.messages["events"]]
    assert 2 == subscribed.delivered
