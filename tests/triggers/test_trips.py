"""How often a caller waits for storage: what goes out side by side is one trip. docs/scale.md has the same figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.core.limits import Limits
from shared.core.names import LeaseId
from tests.broker.scenes import AZURE, swept
from tests.fakes.world import principal_target, role, world
from tests.triggers.app import Answer, App

ISSUE = "/api/v1/roles/web/leases"
KEY = {"idempotency-key": "k"}


def app_with(max_leases: int | None = None) -> App:
    """Over storage and an Azure that take a hundredth of a second each: too little for a hold to give a sign of life."""
    return App(world(role(principal_target(roles=1, groups=0), max_leases=max_leases), latency=0.01))


async def trips(app: App, work: Callable[[], Awaitable[object]]) -> tuple[int, int]:
    """How many trips to storage it takes, and how many calls these are."""
    calls = app.world.calls
    before = len(calls.made)
    await work()
    made = [call for call in calls.made[before:] if call.service not in AZURE]
    return len({round(call.began, 4) for call in made}), len(made)


async def issued(app: App, **more: dict[str, str]) -> str:
    """The id of a new lease."""
    answer: Answer = await app.call("POST", ISSUE, **more)  # type: ignore[arg-type]  # headers alone
    assert 201 == answer.status, answer.json
    return str(answer.json["lease"]["id"])


@pytest.mark.parametrize(
    ("cap", "sent", "expected"),
    [(None, {}, (6, 11)), (5, {}, (9, 14)), (None, {"headers": KEY}, (7, 12))],
)
async def test_an_issue_makes_six_trips(cap: int | None, sent: dict[str, dict[str, str]], expected: tuple[int, int]) -> None:
    """Nine where the role has a cap, and one more under a key."""
    app = app_with(cap)
    assert expected == await trips(app, lambda: issued(app, **sent))


async def test_a_repeat_makes_eight_trips() -> None:
    """And is answered with a fresh secret."""
    app = app_with()
    await issued(app, headers=KEY)
    app.world.clock.jump(300)
    assert (8, 15) == await trips(app, lambda: issued(app, headers=KEY))


async def test_reading_renewing_and_revoking() -> None:
    """One trip, four and five."""
    app = app_with()
    path = f"/api/v1/leases/{await issued(app)}"
    app.world.clock.jump(300)
    assert (1, 3) == await trips(app, lambda: app.call("GET", path))
    assert (4, 7) == await trips(app, lambda: app.call("POST", f"{path}/renew"))
    assert (5, 6) == await trips(app, lambda: app.call("DELETE", path))
    assert not app.world.leases.rows[LeaseId(path.rpartition("/")[2])].state.is_live


async def test_an_idle_sweep_makes_three_trips() -> None:
    """Whatever is alive."""
    app = app_with()
    await issued(app)
    assert (3, 3) == await trips(app, lambda: swept(app.world))


@pytest.mark.parametrize(
    ("caps", "limits", "trips_more", "calls_more"),
    [
        ({}, Limits(issues_per_minute=120), 0, 2),
        ({"max_leases_per_caller": 9}, Limits(), 3, 3),
        ({}, Limits(max_leases_per_caller=9), 3, 4),
        ({"max_leases_per_caller": 9, "max_leases": 9}, Limits(9, 120), 6, 9),
    ],
)
def test_what_limits_on_callers_cost(caps: dict[str, Any], limits: Limits, trips_more: int, calls_more: int) -> None:
    """What a caller asks for in a minute is counted beside other calls. An admission makes three trips."""
    target = principal_target(roles=1, groups=0)
    plain, limited = [
        trips_of_an_issue(App(world(role(target, **more), limits=each, latency=0.01)))
        for more, each in (({}, Limits()), (caps, limits))
    ]
    assert (plain[0] + trips_more, plain[1] + calls_more) == limited


def trips_of_an_issue(app: App) -> tuple[int, int]:
    """Of the second one: the first fills what a worker remembers."""
    app.world.run(lambda: issued(app))
    app.world.clock.jump(1)
    return app.world.run(lambda: trips(app, lambda: issued(app)))


def test_a_refused_issue_waits_until_it_is_counted() -> None:
    """One trip more, and two calls; the answer is the same, until there are too many."""
    found, answers = [], []
    for limits in (Limits(), Limits(issues_per_minute=2)):
        app = App(world(role(), limits=limits, latency=0.01))

        async def ask(app: App = app) -> None:
            answer = await app.call("POST", ISSUE.replace("web", "other"))
            answers.append((answer.status, answer.code))

        app.world.run(ask)
        found.append(app.world.run(lambda app=app, ask=ask: trips(app, ask)))  # type: ignore[misc]
        app.world.run(ask)
    assert [(403, "forbidden")] * 5 + [(429, "too_many_issues")] == answers
    assert [(found[0][0] + 1, found[0][1] + 2)] == found[1:]


@pytest.mark.parametrize(("name", "more"), [(None, (0, 0)), ("web", (0, 1)), ("other", (1, 2))])
def test_whoami_counts_a_no_alone(name: str | None, more: tuple[int, int]) -> None:
    """Of a role. The caller's row is read beside the role, and a no waits until it is counted."""
    found = []
    for limits in (Limits(), Limits(issues_per_minute=5)):
        app = App(world(role(), limits=limits, latency=0.01))

        async def ask(app: App = app) -> None:
            assert 200 == (await app.call("GET", "/api/v1/whoami", query={"role": name} if name else {})).status

        app.world.run(ask)
        found.append(app.world.run(lambda app=app, ask=ask: trips(app, ask)))  # type: ignore[misc]
    (trips_before, calls_before), counted = found
    assert (trips_before + more[0], calls_before + more[1]) == counted


@pytest.mark.parametrize(
    ("limits", "code"), [(Limits(1), "too_many_leases_of_caller"), (Limits(issues_per_minute=1), "too_many_issues")]
)
async def test_an_answer_says_when_to_come_again(limits: Limits, code: str) -> None:
    """In ``Retry-After``, whichever limit is reached."""
    app = App(world(role(), limits=limits))
    await issued(app)
    answer = await app.call("POST", ISSUE)
    assert (429, code) == (answer.status, answer.code)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
