from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.core.role import Target
from shared.core.secret import Secret
from tests.contract.on_azure import ROLES, job_on_azure
from tests.fakes.app_roles import ALL_GROUPS, USERS
from tests.fakes.world import principal_target, world
from tests.issuers.orders import Job
from tests.support.every_kind import EVERY_KIND, kinds_for
from tests.support.kinds import names_in

TARGETS: dict[str, Target] = {name: each.target for name, each in EVERY_KIND.items()} | {
    "service principal": principal_target(3, 2),
    "permissions of Graph": principal_target(1, 0, graph_app_roles=(USERS, ALL_GROUPS)),
}


IN_MEMORY, ON_AZURE = "in memory", "on the local Azure"
WHERE = [*((IN_MEMORY, name) for name in TARGETS), *((ON_AZURE, name) for name in ROLES)]


@pytest.fixture(params=WHERE, ids=", ".join)
async def job(request: pytest.FixtureRequest) -> AsyncIterator[Job[Any]]:
    """One order of each kind, in a world of its own."""
    where, name = request.param
    if where == IN_MEMORY:
        yield Job(world(kinds=kinds_for(TARGETS[name])), TARGETS[name])
    else:
        async with job_on_azure(ROLES[name]) as made:
            yield made


async def test_planning_is_repeatable_and_touches_nothing(job: Job[Any]) -> None:
    """The same order, the same names."""
    assert job.footprint == job.issuer.plan(job.order)
    assert [] == job.world.calls.made


async def test_the_plan_covers_everything_that_is_made(job: Job[Any]) -> None:
    """Before the first effect it names each object."""
    planned = names_in(job.world.ports.kinds, job.footprint)
    await job.mint()
    assert job.world.leftovers()
    assert [] == [thing for thing in job.world.leftovers() if not planned & job.world.names_of(thing)]


async def test_minting_only_adds_to_the_footprint(job: Job[Any]) -> None:
    """Whatever is noted says the same as the plan, and more."""
    planned = job.footprint
    await job.mint()
    assert job.footprint == job.noted[-1]
    write = job.kind.schema.write_footprint
    for note in job.noted:
        message = {name: value for name, value in write(planned).items() if value not in (None, [])}
        assert message == {name: write(note)[name] for name in message}


async def test_undo_from_the_final_footprint_leaves_nothing(job: Job[Any]) -> None:
    """And says that it met everything."""
    await job.mint()
    assert await job.undo()
    assert [] == job.world.leftovers()


async def test_undo_from_the_plan_alone_leaves_nothing(job: Job[Any]) -> None:
    """The worker died with what it had learned."""
    planned = job.footprint
    await job.mint()
    job.footprint = planned
    assert await job.undo()
    assert [] == job.world.leftovers()


async def test_undo_of_nothing_succeeds(job: Job[Any]) -> None:
    """And says that it did not meet everything."""
    assert not await job.undo()


async def test_undo_twice_succeeds(job: Job[Any]) -> None:
    """The second time there is nothing."""
    await job.mint()
    await job.undo()
    assert not await job.undo()
    assert [] == job.world.leftovers()


async def test_minting_twice_is_undone_once() -> None:
    """A repeat finds its own work: one application, whose two secrets go with it."""
    job = Job(world(), TARGETS["service principal"])
    await job.mint()
    once = job.world.leftovers()
    await job.mint()
    assert once == job.world.leftovers()
    assert await job.undo()
    assert [] == job.world.leftovers()


async def test_undo_leaves_other_leases_alone(job: Job[Any]) -> None:
    """Each undoes its own."""
    other = Job(job.world, job.target)
    await other.mint()
    before = job.world.leftovers()
    await job.mint()
    await job.undo()
    assert before == job.world.leftovers()


async def test_the_secret_is_in_the_credential_and_nowhere_else(job: Job[Any]) -> None:
    """Not in a footprint, a note or a text of any of them."""
    credential = await job.mint()
    for secret in (each.reveal() for each in credential.fields().values() if isinstance(each, Secret)):
        assert secret not in repr([credential, job.noted, job.order, job.world.calls.made])
