"""The access configuration as one worker sees it."""

from __future__ import annotations

import asyncio

from shared.broker.configure.roles import put_role
from shared.core.access.auth_role import AuthRole
from shared.core.access.bounds import Bounds
from tests.fakes.world import ADMINISTRATOR, World, request, role, secret_target, world

ROBOTS = AuthRole("robots", Bounds(app_roles=frozenset({"Robot"})))


async def seen(made: World, *, fresh: bool = False) -> list[str]:
    """The auth roles that a worker sees."""
    return [each.name for each in (await made.ports.access_view.current(fresh=fresh)).auth_roles()]


async def test_a_version_is_believed_for_fifteen_seconds() -> None:
    """Then one point read tells whether anything has changed. Only a change is read."""
    made = world(role())
    assert [] == await seen(made)
    made.access.auth_roles.keep(ROBOTS)
    made.calls.made.clear()
    made.clock.jump(14.9)
    assert ([], []) == (await seen(made), made.calls.names())
    made.clock.jump(0.2)
    assert ["robots"] == await seen(made)
    assert ["access.version", "access.load", "roles.list", "event_rules.list"] == made.calls.names()
    made.clock.jump(16)
    made.calls.made.clear()
    assert (["robots"], ["access.version"]) == (await seen(made), made.calls.names())


async def test_who_asks_for_a_fresh_one_misses_no_change() -> None:
    """Whatever is believed."""
    made = world(role())
    await seen(made)
    made.access.auth_roles.keep(ROBOTS)
    assert ["robots"] == await seen(made, fresh=True)


async def test_a_workers_own_change_is_in_force_at_its_next_request() -> None:
    """Although another worker believes what was."""
    made = world(role())
    other = made.coworker()
    await seen(made)
    await seen(other)
    made.access.auth_roles.keep(ROBOTS)
    made.ports.access_view.changed()
    assert (["robots"], []) == (await seen(made), await seen(other))


async def test_a_change_during_a_look_at_the_version_is_not_missed() -> None:
    """The look may have seen the version before the change: it is not believed."""
    made = world(role())
    await seen(made)
    made.clock.jump(16)
    made.calls.latency, made.calls.answers_travel = 1.0, True
    looking = asyncio.ensure_future(seen(made))
    await asyncio.sleep(0)

    async def change() -> None:
        await made.clock.sleep(1.5)
        made.access.auth_roles.keep(ROBOTS)
        made.ports.access_view.changed()

    await asyncio.gather(looking, change())
    assert ["robots"] == await seen(made)


async def test_the_bounds_of_a_role_are_seen_at_the_next_request_whatever_was_seen_meanwhile() -> None:
    """Another request may look at the version just before that changes."""
    twin, made = world(), world()
    for each in (twin, made):
        await seen(each)
    await put_role(twin.ports, request(ADMINISTRATOR), role(secret_target()))
    (touch,) = twin.calls.named("access.touch")
    made.calls.meanwhile(touch.ordinal, made.ports.access_view.current)
    await put_role(made.ports, request(ADMINISTRATOR), role(secret_target()))
    assert role().bounds == (await made.ports.access_view.current()).inline_bounds("web")
