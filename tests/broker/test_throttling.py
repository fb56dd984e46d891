from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest

from shared.broker.configure.roles import put_role
from shared.broker.issue.issue import Issued
from shared.broker.ports import Actor
from shared.core.errors import LeaseholdError, Refused, Throttled
from shared.core.lease import State
from shared.resilience.priority import current
from shared.resilience.rate_limit import Limit, RateLimiter
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.fakes.calls import MadeCall
from tests.fakes.world import ADMINISTRATOR, WEB, World, principal_target, request, role, world
from tests.support.kinds import read_role, write_role

STEPS = ["directory.upsert_application", "directory.create_principal", "directory.add_secret", "authorization.assign"]


@pytest.fixture
def scene() -> World:
    """One role, whose leases have two assignments and a membership."""
    return world(role())


async def ended(scene: World) -> None:
    """Sweeps until every lease has ended, and looks for leftovers."""
    for _ in range(20):
        await swept(scene, after=240)
    assert {State.ENDED} >= {lease.state for lease in scene.leases.rows.values()}
    assert [] == scene.leftovers()


@pytest.mark.parametrize("step", STEPS)
async def test_a_throttled_issue_says_at_once_when_to_come_back(scene: World, step: str) -> None:
    """When Azure asks for more time than a caller waits; its lease is ending already, and soon nothing is left."""
    scene.calls.fail(step, Throttled(retry_after=150.0))
    began = scene.clock.monotonic()
    with pytest.raises(Throttled) as refused:
        await issued(scene)
    assert (150.0, True) == (refused.value.retry_after, scene.clock.monotonic() - began < 1)
    assert stored(scene).state in {State.ENDING, State.ENDED}
    await ended(scene)


@pytest.mark.parametrize("step", STEPS)
async def test_an_issue_waits_out_a_short_throttling(scene: World, step: str) -> None:
    """Its caller gets the credential, ten seconds later."""
    scene.calls.fail(step, Throttled(retry_after=10.0))
    began = scene.clock.monotonic()
    given = await issued(scene)
    assert State.ACTIVE is given.lease.state
    assert 10 <= scene.clock.monotonic() - began < 12


async def test_a_caller_waits_for_a_minute_in_all(scene: World) -> None:
    """However many steps are throttled, and however often: not for as long as the mint may take."""
    for step in STEPS:
        scene.calls.fail(step, Throttled(retry_after=25.0), times=2)
    began = scene.clock.monotonic()
    with pytest.raises(Throttled):
        await issued(scene)
    assert 40 < scene.clock.monotonic() - began <= 60
    await ended(scene)


async def test_a_role_is_written_within_a_minute_or_not_at_all(scene: World) -> None:
    """Looking its names up waits for Azure's limits no longer than an issue does."""
    seen: list[float] = []
    scene.calls.watch = lambda call: seen.append(current().deadline) if call.service in AZURE else None
    now = scene.clock.monotonic()
    await put_role(scene.ports, Actor(ADMINISTRATOR, "r"), read_role(WEB, write_role(role())))
    assert {now + 60} == set(seen)


async def test_issues_are_urgent_and_sweeps_are_not(scene: World) -> None:
    """Nor is cleaning up after an issue that failed; a revocation has somebody who waits for it."""
    seen: list[tuple[str, bool]] = []

    def watch(call: MadeCall) -> None:
        if call.service in AZURE:
            seen.append((call.name, current().background))

    scene.calls.watch = watch
    await issued(scene)
    assert {False} == {background for _, background in seen}
    seen.clear()
    await swept(scene, after=1000)
    assert {True} == {background for _, background in seen}
    seen.clear()
    scene.calls.fail("authorization.assign", Refused())
    with pytest.raises(Refused):
        await issued(scene)
    backgrounds = dict(seen)
    assert (False, True) == (backgrounds["directory.add_secret"], backgrounds["directory.delete_application"])
    assert not current().background


def limited(scene: World, limiter: RateLimiter) -> None:
    """Puts the directory's writes behind a budget, as the adapter does."""
    directory = scene.issuers.principals.directory
    through = scene.calls.through

    async def within[T](name: str, effect: object, *about: object) -> object:
        async with limiter.permit() if name.startswith("directory.") else nullcontext():
            result: object = await through(name, effect, *about)  # type: ignore[arg-type]
        return result

    object.__setattr__(directory, "calls", _Limited(within))


class _Limited:
    """As much of ``Calls`` as the fakes use."""

    def __init__(self, through: object) -> None:
        self.through = through


async def outcome(scene: World, number: int) -> Issued | Throttled:
    """Of one issue; another failure fails the test."""
    try:
        return await issued(scene, request(request_id=f"r-{number}"))
    except Throttled as refused:
        return refused
    except LeaseholdError as error:
        raise AssertionError(error) from error


async def test_a_storm_within_a_small_budget_is_issued_or_told_to_come_back() -> None:
    """Sixty issues at once under a limit for half of them: each succeeds or hears when to return; then nothing is left."""
    scene = world(role(principal_target(roles=1, groups=0)))
    limited(scene, RateLimiter("the directory", Limit(10, 1.2), scene.clock))
    results = await asyncio.gather(*(outcome(scene, number) for number in range(60)))
    refused = [each for each in results if isinstance(each, Throttled)]
    assert 0 < len(refused) < 60
    assert all(each.retry_after and each.retry_after > 0 for each in refused)
    assert 60 - len(refused) == sum(lease.state is State.ACTIVE for lease in scene.leases.rows.values())
    await ended(scene)


async def test_issues_go_on_while_a_big_sweep_drains() -> None:
    """Within a budget that the sweep would use up for minutes, an issue takes no longer than its own calls."""
    scene = world(role(principal_target(roles=1, groups=0), ttl=900))
    for _ in range(60):
        await issued(scene)
    limited(scene, RateLimiter("the directory", Limit(60, 2), scene.clock))
    scene.clock.jump(1000)
    sweeping = asyncio.ensure_future(swept(scene))
    waits = []
    for _ in range(10):
        await scene.clock.sleep(6)
        began = scene.clock.monotonic()
        await issued(scene)
        waits.append(scene.clock.monotonic() - began)
    assert not sweeping.done()
    assert 3 > max(waits), waits
    await sweeping
    await ended(scene)
