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
from shared.core.errors import (
    Conflict,
    LeaseholdError,
    LostRace,
    Refused,
    Unavailable,
    Unreachable,
    Unreadable,
    Upstream,
)
from shared.core.lease import State
from shared.core.names import RoleName
from shared.core.ports.secret_names import SecretName
from shared.core.role import Role
from tests.broker.scenes import issued, swept
from tests.fakes.clock import START
from tests.fakes.vaults import VAULT
from tests.fakes.world import WEB, World, principal_target, request, role, world
from tests.support.deliveries import lying, to_a_vault

NAME = "database"
OTHER = RoleName("other")
_MAKES = ("directory.upsert_", "directory.create_", "directory.add_", "authorization.assign")
"""What calls are named like that make something in Azure."""
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


CHANGES = [
    pytest.param(_another_role, OTHER, id="another role"),
    pytest.param(_another_target, "web", id="another target"),
]


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


def _world(*, used: bool = False) -> World:
    """``used``: the name was claimed by a lease that has ended, for the same as is asked for next."""
    world = to_a_vault(name=NAME)

    async def use() -> None:
        await revoke(world.ports, request(), (await issued(world)).lease.id)

    if used:
        world.run(use)
    return world


def _calls_of_an_issue(*, used: bool = False) -> list[str]:
    """What an issue calls with which no other meets, in order."""
    world = _world(used=used)
    began = len(world.calls.made)
    world.run(lambda: issued(world))
    return world.calls.names()[began:]


async def _meeting(world: World, ordinal: int, change: Change, other: str) -> list[str]:
    """Another ask comes whole before the call of that number takes effect. Returns what became of the two, its own first."""
    results: list[str] = []

    async def come() -> None:
        change(world)
        results.append(await _ask(world.coworker(), other))

    world.calls.meanwhile(len(world.calls.made) + ordinal, come)
    first = await _ask(world)
    await swept(world, after=200)
    return [*results, first]


_PUT = _calls_of_an_issue().index("vaults.set_secret") + 1
"""The number of the call that puts the version there."""


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(("change", "other"), CHANGES)
def test_of_two_asks_that_differ_one_delivers_whoever_comes_first(change: Change, other: str, *, used: bool) -> None:
    """At any call of the first, the other ask comes whole. Nobody ever reads two roles, or two targets, by the name."""
    seen: set[tuple[str, ...]] = set()
    for ordinal, _ in enumerate(_calls_of_an_issue(used=used), 1):
        world = _world(used=used)
        results = world.run(lambda world=world, ordinal=ordinal: _meeting(world, ordinal, change, other))  # type: ignore[misc]
        seen.add(tuple(results))
        assert min(1, results.count("issued")) == len(_readable(world)), f"the other came at call {ordinal}: {results}"
    # Each of the two may be the one, unless versions of the first one's role lie there already.
    late = set() if used and other == OTHER else {("issued", "secret_name_taken")}
    assert {("secret_name_taken", "issued"), *late} <= seen


@pytest.mark.parametrize(("change", "other"), CHANGES)
async def test_asks_that_differ_step_by_step_never_both_deliver(change: Change, other: str) -> None:
    """Both are under way at once."""
    world = to_a_vault(name=NAME)
    world.calls.latency = 0.01
    first = asyncio.ensure_future(_ask(world))
    await world.clock.sleep(0.05)
    change(world)
    results = await asyncio.gather(first, _ask(world.coworker(), other))
    assert 1 == results.count("issued"), results
    assert 1 == len(_readable(world))


async def test_what_delivers_later_is_refused_although_the_claim_has_come_back() -> None:
    """Another ask has had the name in between, and has delivered under it: what the claim says is not enough."""
    world = to_a_vault(name=NAME)
    name = SecretName(VAULT, NAME)

    async def others() -> None:
        mine = await world.ports.secret_names.find(name)
        assert mine is not None
        theirs = await world.ports.secret_names.claim(name, replace(mine, target_digest="another"), former=mine)
        await world.ports.secret_names.claim(name, mine, former=theirs)

    world.calls.meanwhile(_PUT, others)
    assert "secret_name_taken" == await _ask(world)
    await swept(world, after=600)
    assert [] == world.leftovers()


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


def _prepared(world: World, come: Callable[[], Awaitable[None]] | None = None, ordinal: int = 0) -> list[str]:
    """A lease for which nobody waits is asked for and made; somebody comes at that call of its worker's."""

    async def work() -> list[str]:
        asked = await issue(world.ports, request(), IssueRequest(WEB, ask=world.ask), preference=Preference(wait=0))
        began = len(world.calls.made)
        if come is not None:
            world.calls.meanwhile(began + ordinal, come)
        await prepare(world.ports, "worker", asked.lease.id)
        made = world.calls.names()[began:]
        await swept(world, after=200)
        return made

    return world.run(work)


def test_a_lease_for_which_nobody_waits_holds_its_name_as_well() -> None:
    """Its worker finds that another role has come meanwhile, and undoes what it has put there."""
    for ordinal, _ in enumerate(_prepared(to_a_vault(name=NAME)), 1):
        world, results = to_a_vault(name=NAME), list[str]()

        async def come(world: World = world, results: list[str] = results) -> None:
            _another_role(world)
            results.append(await _ask(world.coworker(), OTHER))

        _prepared(world, come, ordinal)
        active = [lease.id.role for lease in world.leases.rows.values() if lease.state is State.ACTIVE]
        assert 1 == len(active), f"the other came at call {ordinal}: {results}"
        assert active == [role for role, _ in _readable(world)]


async def test_a_worker_makes_nothing_under_a_name_that_is_taken() -> None:
    """It looks at the name first, as an ask does for which somebody waits."""
    world = to_a_vault(name=NAME)
    await issued(world)
    _another_target(world)
    asked = await issue(world.ports, request(), IssueRequest(WEB, ask=world.ask), preference=Preference(wait=0))
    began, standing = len(world.calls.made), world.leftovers()
    await prepare(world.ports, "worker", asked.lease.id)
    assert {"secret_name_taken"} == {world.leases.rows[asked.lease.id].failed_with}
    assert [] == [name for name in world.calls.names()[began:] if name.startswith(_MAKES)]
    assert standing == world.leftovers()


async def test_a_claim_that_cannot_be_read_refuses_the_ask_and_leaves_nothing() -> None:
    """A later version of the broker has written it."""
    world = to_a_vault(name=NAME)
    world.calls.fail("secret_names.find", Unreadable("of form 9"))
    with pytest.raises(Unreadable):
        await issued(world)
    await swept(world, after=600)
    assert [] == world.leftovers()


async def test_many_who_change_the_name_at_once_are_told_so() -> None:
    """Nobody waits for the others for ever."""
    world = to_a_vault(name=NAME)
    world.calls.fail("secret_names.claim", LostRace("another"), times=1000)
    with pytest.raises(Conflict) as refused:
        await issued(world)
    assert "secret_name_taken" == refused.value.stable_code


@pytest.mark.parametrize("error", [Refused(status=403, azure_code="ForbiddenByFirewall"), Unavailable(status=500)], ids=repr)
async def test_a_vault_that_shows_no_versions_leaves_no_lease(error: Upstream) -> None:
    """Nothing was made, and nothing was put there: there is nothing to wait for until the vault answers again."""
    made = world(_role())
    made.calls.fail("vaults.versions", error, times=1000)
    with pytest.raises(type(error)):
        await issue(made.ports, request(), IssueRequest(WEB))
    assert not made.leases.rows
    assert [] == made.leftovers()
