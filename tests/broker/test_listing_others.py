"""Listing the leases of others: by a policy, on a part of them, and while nobody knows whether one may."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.broker.inspect import list_leases
from shared.core.caller import Caller
from shared.core.errors import DirectoryUnavailable, Forbidden
from shared.core.names import RoleName
from shared.core.ports.leases import LeaseQuery
from tests.broker.scenes import issued
from tests.fakes.world import ALICE, BOB, WATCHER, World, application, guid, request, role, world
from tests.support.rights import give, keep_auth_role, keep_policy

OPERATOR = application(guid(0x440))


@pytest.fixture
async def scene() -> World:
    """Alice has a lease of two roles."""
    made = world(role(), role(name=RoleName("web-2")))
    for name in ("web", "web-2"):
        await issued(made, role=RoleName(name))
    return made


async def listed(scene: World, caller: Caller = OPERATOR) -> Sequence[str]:
    """The roles of the leases of Alice that the caller sees, when every worker has noticed what was stored."""
    scene.clock.jump(16)
    page = await list_leases(scene.ports, request(caller), LeaseQuery(holder=ALICE.object_id))
    return sorted(each.id.role for each in page.items)


async def test_a_part_of_them_by_a_pattern(scene: World) -> None:
    """The others are left out."""
    give(scene, OPERATOR, ("leases/web.*", "list"))
    assert ["web"] == await listed(scene)


async def test_what_a_deny_takes_away_is_left_out(scene: World) -> None:
    """A narrower deny leaves the rest."""
    give(scene, OPERATOR, ("leases/*", "list"), ("leases/web.*", "deny"))
    assert ["web-2"] == await listed(scene)


@pytest.mark.parametrize(
    "rules",
    [
        (),
        (("leases/*", "read"),),
        (("leases/*", "list"), ("leases/*", "deny")),
        (("leases/web.*", "list"), ("leases/w*", "deny")),
        (("leases/web.*", "list"), ("leases/web-2.*", "list"), ("leases/*", "deny")),
    ],
)
async def test_whoever_may_list_none_is_refused(scene: World, rules: tuple[tuple[str, str], ...]) -> None:
    """Another capability is none, and neither is one that is denied everywhere."""
    give(scene, OPERATOR, *rules or (("status", "read"),))
    with pytest.raises(Forbidden):
        await listed(scene)
    assert ["web", "web-2"] == await listed(scene, ALICE)
    assert ["web", "web-2"] == await listed(scene, WATCHER)


async def test_whoever_might_may_come_again(scene: World) -> None:
    """While Graph is away, nobody knows in which group Bob's machine is."""
    keep_policy(scene, "web", ("leases/web.*", "list"))
    keep_auth_role(scene, "machines", "web", bound_resource_groups=["app"])
    scene.callers.trouble = "down"
    with pytest.raises(DirectoryUnavailable):
        await listed(scene, BOB)
    assert ["web", "web-2"] == await listed(scene, ALICE)
