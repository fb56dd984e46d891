"""Where a worker dies over a delivered lease: what lies in the vault then, and that the next one takes it out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from shared.broker.revoke import revoke
from shared.core.errors import Absent, Refused
from shared.core.lease import Lease, State
from tests.broker.scenes import issued, stored, swept
from tests.fakes.calls import Died
from tests.fakes.vaults import VAULT
from tests.fakes.world import World, request
from tests.support.deliveries import SHARED, lying, to_a_vault

type Work = Callable[[World], Awaitable[object]]

NAMES = pytest.mark.parametrize("name", [pytest.param("lh-{role}-{ulid}", id="its own"), pytest.param(SHARED, id="shared")])
_LOCK_IS_OVER = 100.0
_MOST_SWEEPS = 6


def made(name: str) -> World:
    """A role whose leases lie under such a name."""
    return to_a_vault(name=name)


def delivered(name: str) -> World:
    """With a lease that is active."""
    world = made(name)
    asyncio.run(issued(world))
    return world


def two() -> World:
    """With two leases of one holder, the older first."""
    world = delivered(SHARED)
    world.clock.jump(1)
    asyncio.run(issued(world))
    return world


def revoked(world: World, number: int = 0) -> Awaitable[object]:
    """Its holder revokes that lease."""
    return revoke(world.ports, request(), sorted(world.leases.rows)[number])


def died(make: Callable[[], World], work: Work, after: str) -> World:
    """A worker dies right after the last call of that name. Then there is another one."""
    undisturbed = make()
    asyncio.run(_done(undisturbed, work))
    world = make()
    before = len(world.calls.made)
    ordinal = max(each.ordinal for each in undisturbed.calls.made if each.name == after and each.ordinal > before)
    world.calls.fail_at(ordinal, Died(), after=True)
    with suppress(Died):
        asyncio.run(_done(world, work))
    assert world.calls.dead, f"there is no call {after}"
    world.calls.revive()
    return world


async def _done(world: World, work: Work) -> None:
    await work(world)


def swept_until_over(world: World, lease: Lease) -> None:
    """Sweeps come by. What a worker may have made that has died is looked for twice."""
    for _ in range(_MOST_SWEEPS):
        asyncio.run(swept(world, after=_LOCK_IS_OVER))
        if stored(world, lease.id).state is State.ENDED:
            return
    raise AssertionError(f"the lease is {stored(world, lease.id).state}")


def taken_out(world: World, lease: Lease) -> None:
    """Nobody reads what the lease has put there."""
    with pytest.raises((Absent, Refused)):
        lying(world, lease)
    assert [] == world.leftovers()


@NAMES
def test_what_was_put_and_is_not_stored_is_taken_out(name: str) -> None:
    """The lease names the vault and the secret, and not yet its version: versions are met by their tag."""
    world = died(lambda: made(name), issued, "vaults.set_secret")
    lease = stored(world)
    assert (State.PLANNED, "") == (lease.state, lease.delivery and lease.delivery.version)
    (secret,) = world.vaults.secrets_of[VAULT].values()
    assert [lease.id] == [each.shown.tags["lease"] for each in secret.versions]
    swept_until_over(world, lease)
    assert [] == world.leftovers()
    assert name != SHARED or [False] == [each.shown.is_enabled for each in secret.versions]


@NAMES
def test_a_lease_of_which_nobody_was_told_lies_there_until_its_end(name: str) -> None:
    """The worker died between activation and audit. Nobody was answered; the lease expires like any other."""
    world = died(lambda: made(name), issued, "leases.swap")
    lease = stored(world)
    assert State.ACTIVE is lease.state
    assert [] == world.audit.events
    assert lying(world, lease)
    asyncio.run(swept(world, after=lease.ttl + 1))
    assert State.ENDED is stored(world).state
    taken_out(world, lease)


def test_what_was_deleted_and_not_purged_is_purged() -> None:
    """The next attempt finds no secret of that name, and does not take that for the end."""
    world = died(lambda: delivered("lh-{role}-{ulid}"), revoked, "vaults.delete")
    lease = stored(world)
    assert State.ENDING is lease.state
    assert {} != world.vaults.secrets_of[VAULT]
    swept_until_over(world, lease)
    assert {} == world.vaults.secrets_of[VAULT]
    taken_out(world, lease)


@NAMES
def test_what_was_taken_out_and_is_not_stored_is_no_error(name: str) -> None:
    """Absence is success, and so is a version that is disabled already."""
    last = "vaults.update" if name == SHARED else "vaults.purge"
    world = died(lambda: delivered(name), revoked, last)
    swept_until_over(world, stored(world))
    lease = stored(world)
    assert 0 == lease.attempts
    taken_out(world, lease)


@pytest.mark.parametrize("first", [0, 1], ids=["the older first", "the newer first"])
@pytest.mark.parametrize("call", ["vaults.update", "leases.swap"])
def test_two_leases_under_one_name_end_in_either_order(first: int, call: str) -> None:
    """The worker dies over the first: in the vault it is over, or all of it is. The other's version stays until its own end."""
    world = died(two, lambda world: revoked(world, first), call)
    one, other = (stored(world, sorted(world.leases.rows)[number]) for number in (first, 1 - first))
    swept_until_over(world, one)
    assert State.ACTIVE is stored(world, other.id).state
    with pytest.raises(Refused, match="SecretDisabled"):
        lying(world, one)
    assert lying(world, other)
    asyncio.run(_done(world, lambda world: revoked(world, 1 - first)))
    taken_out(world, other)
