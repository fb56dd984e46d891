"""The name of a shared secret: whoever reads by it reads what one role grants, and one grant of it, in any order of events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.issue.preparations import Preference
from shared.broker.issue.prepare import prepare
from shared.broker.revoke import revoke
from shared.core.delivery import Delivery
from shared.core.errors import Conflict, LeaseholdError, Unreachable, Unreadable
from shared.core.names import RoleName
from shared.core.ports.secret_names import SecretName
from shared.core.role import Role
from tests.broker.scenes import issued, swept
from tests.fakes.clock import START
from tests.fakes.vaults import VAULT
from tests.fakes.world import World, principal_target, request, role
from tests.support.deliveries import lying, to_a_vault

NAME = "database"
OTHER = RoleName("other")
type Change = Callable[[World], None]


def _role(name: str = "web", scope: int = 0) -> Role:
    target = principal_target(1 + scope, 0, ready="token")
    return replace(
        role(target, ttl=300, max_ttl=600, delivery=Delivery((VAULT,), NAME), delivers_since=START), name=RoleName(name)
    )


def _another_role(world: World) -> None:
    """As if two roles had been written at once, before anybody looked for that."""
    world.roles.keep(_role(OTHER, 1))


def _another_target(world: World) -> None:
    world.roles.keep(_role(scope=1))


CHANGES = [pytest.param(_another_role, id="another role"), pytest.param(_another_target, id="another target")]


def _readable(world: World) -> set[tuple[str, str]]:
    """The roles and targets of the leases whose versions can be read now."""
    secret = world.vaults.secrets_of.get(VAULT, {}).get(NAME)
    tags = [each.shown.tags for each in secret.versions if each.shown.is_enabled] if secret is not None else []
    leases = [next(lease for lease in world.leases.rows.values() if lease.id == each["lease"]) for each in tags]
    return {(each.id.role, each.target_digest) for each in leases}


async def _ask(world: World, name: str = "web") -> str:
    """Returns what became of it."""
    try:
        made = await issue(world.ports, request(), IssueRequest(RoleName(name), ask=world.ask))
    except LeaseholdError as failure:
        return failure.stable_code
    assert isinstance(made, Issued)
    return "issued"


async def _calls_of_an_issue(change: Change) -> int:
    world = to_a_vault(name=NAME)
    change(world)
    began = len(world.calls.made)
    await issued(world)
    return len(world.calls.made) - began


@pytest.mark.parametrize("change", CHANGES)
async def test_two_asks_that_differ_never_both_deliver_whoever_comes_first(change: Change) -> None:
    """The other ask comes whole at any call of the first. At most one lease of the two is there, and only it can be read."""
    calls = await _calls_of_an_issue(lambda _: None)
    seen: set[tuple[str, str]] = set()
    for ordinal in range(1, calls + 1):
        world = to_a_vault(name=NAME)
        other = OTHER if change is _another_role else "web"
        results: list[str] = []

        async def come(world: World = world, other: str = other, results: list[str] = results) -> None:
            change(world)
            results.append(await _ask(world.coworker(), other))

        world.calls.meanwhile(ordinal, come)
        results.append(await _ask(world))
        await swept(world, after=700)
        seen.add((results[0], results[-1]))
        assert 1 >= results.count("issued"), f"both delivered, the other at call {ordinal}: {results}"
        assert 1 >= len(_readable(world))
    # Either may be the one.
    assert {("secret_name_taken", "issued"), ("issued", "secret_name_taken")} <= seen


@pytest.mark.parametrize("change", CHANGES)
async def test_asks_that_differ_step_by_step_never_both_deliver(change: Change) -> None:
    """Both are under way at once."""
    world = to_a_vault(name=NAME)
    world.calls.latency = 0.01
    first = asyncio.ensure_future(_ask(world))
    await asyncio.sleep(0)
    change(world)
    results = await asyncio.gather(first, _ask(world.coworker(), OTHER if change is _another_role else "web"))
    assert 1 >= results.count("issued")
    assert 1 >= len(_readable(world))


async def test_what_delivers_later_is_refused_although_the_claim_has_come_back() -> None:
    """Another ask has had the name in between, and has delivered under it: it is not enough that the claim is the same again."""
    world = to_a_vault(name=NAME)
    name = SecretName(VAULT, NAME)

    async def others() -> None:
        mine = await world.ports.secret_names.find(name)
        theirs = await world.ports.secret_names.claim(name, replace(mine, target_digest="another"), former=mine)  # type: ignore[type-var]
        await world.ports.secret_names.claim(name, mine, former=theirs)  # type: ignore[arg-type]

    ordinal = next(call.ordinal for call in await _made_by_an_issue() if call.name == "vaults.set_secret")
    world.calls.meanwhile(ordinal, others)
    assert "secret_name_taken" == await _ask(world)
    await swept(world, after=600)
    assert [] == world.leftovers()


async def _made_by_an_issue() -> list[object]:
    world = to_a_vault(name=NAME)
    await issued(world)
    return [*world.calls.made]


async def test_a_claim_whose_lease_was_never_made_keeps_nobody_out() -> None:
    """A worker that died behind it, or an ask that was refused."""
    world = to_a_vault(name=NAME)
    world.calls.fail("vaults.versions", Unreachable(), times=1000)
    with pytest.raises(Unreachable):
        await issued(world)
    world.calls.heal()
    await swept(world, after=600)
    _another_target(world)
    assert lying(world, (await issued(world)).lease)


async def test_a_name_whose_leases_have_ended_is_free_for_what_is_granted_now() -> None:
    """One list more is made: who is refused must not take the name from those who work under it."""
    world = to_a_vault(name=NAME)
    lease = (await issued(world)).lease
    _another_target(world)
    assert "secret_name_taken" == await _ask(world)
    assert lease.id == world.secret_names.rows[SecretName(VAULT, NAME).key].lease
    await revoke(world.ports, request(), lease.id)
    began = len(world.calls.made)
    await issued(world)
    called = [call.name for call in world.calls.made[began:] if call.service == "vaults"]
    assert ["vaults.versions", "vaults.versions", "vaults.set_secret"] == called


async def test_leases_that_are_granted_the_same_share_a_claim() -> None:
    """Each takes a read of it, and writes nothing."""
    world = to_a_vault(name=NAME)
    await issued(world)
    await issued(world)
    assert 1 == len(world.calls.named("secret_names.claim"))


async def test_asks_that_differ_by_their_values_make_no_third_call() -> None:
    """The claim tells what the vault would have to be asked for."""
    world = to_a_vault(name=NAME)
    await issued(world)
    assert ["vaults.versions", "vaults.set_secret"] == [call.name for call in world.calls.named("vaults")]


async def test_a_lease_for_which_nobody_waits_holds_its_name_as_well() -> None:
    """Its worker finds that another target has come meanwhile, and undoes what it has put there."""
    world = to_a_vault(name=NAME)
    asked = await issue(world.ports, request(), IssueRequest(RoleName("web"), ask=world.ask), preference=Preference(wait=0))
    assert asked.lease is not None
    world.roles.keep(_role(OTHER, 1))
    results: list[str] = []

    async def come() -> None:
        results.append(await _ask(world.coworker(), OTHER))

    worker = to_a_vault(name=NAME)
    again = await issue(worker.ports, request(), IssueRequest(RoleName("web"), ask=world.ask), preference=Preference(wait=0))
    await prepare(worker.ports, "worker", again.lease.id)
    put = next(call.ordinal for call in worker.calls.made if call.name == "vaults.set_secret")
    world.calls.meanwhile(put, come)
    await prepare(world.ports, "worker", asked.lease.id)
    await swept(world, after=700)
    assert 1 >= len(_readable(world))


async def test_a_claim_that_cannot_be_read_refuses_the_ask_and_leaves_nothing() -> None:
    """A later version of the broker has written it."""
    world = to_a_vault(name=NAME)
    world.calls.fail("secret_names.find", Unreadable("of form 9"))
    with pytest.raises(Unreadable):
        await issued(world)
    await swept(world, after=600)
    assert [] == world.leftovers()


def _always(_: World) -> Awaitable[None] | None:
    return None


async def test_many_who_change_the_name_at_once_are_told_so() -> None:
    """Nobody waits for the others for ever."""
    world = to_a_vault(name=NAME)
    from shared.core.errors import LostRace

    world.calls.fail("secret_names.claim", LostRace("another"), times=1000)
    with pytest.raises(Conflict) as refused:
        await issued(world)
    assert "secret_name_taken" == refused.value.stable_code
