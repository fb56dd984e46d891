"""Every operation of the broker, as the matrix strikes it, and how its world comes to rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from shared.broker.configure.roles import delete_role, put_role
from shared.broker.issue.asking import AskedFor
from shared.core.delivery import Delivery
from shared.core.errors import Refused, TooMany
from shared.core.lease import State
from shared.core.limits import Limits
from shared.core.role import Role, Target
from shared.kinds.role_document import read_role
from tests.crash import events, rotating, test_reconcile
from tests.crash.scenarios import fan_outs, forced, issuing_scenarios, lives, pools, scenarios
from tests.crash.walk import Scenario, live, require_nothing_left, require_owned, sweep_once
from tests.crash.ways import RETENTION
from tests.fakes.app_roles import ALL_GROUPS, USERS
from tests.fakes.vaults import VAULT
from tests.fakes.world import ADMINISTRATOR, ALICE, WEB, World, principal_target, request, role, world
from tests.support.deliveries import SHARED
from tests.support.every_kind import EVERY_KIND, ask_for, document_of, kinds_for, name_of
from tests.support.operations import (
    HOLES,
    LASTS,
    OTHER_TARGET,
    TARGETS,
    WALKED,
    Action,
    deleting_the_role,
    forcing,
    fresh,
    issuing,
    issuing_elsewhere,
    issuing_in_vain,
    issuing_once,
    issuing_once_in_vain,
    reconciling,
    revoking,
    revoking_the_role,
    revoking_what_reaches,
    sweeping,
    with_lease,
    without_target,
)
from tests.support.pools import filling, has_pool
from tests.support.toy_part import delivered, delivering, with_lockers

BOUND = {"bound_service_principal_ids": [ALICE.object_id]}
_TOLD = {
    "issue": "issue",
    "issue once": "issue",
    "issue once elsewhere": "issue",
    "renew": "renew",
    "revoke": "revoke",
    "revoke at once": "revoke",
    "poison": "stuck",
    "message": "end",
    "repeat": "reissue",
    "repeat at once": "reissue",
    "claim": "issue",
    "claim once": "issue",
    "claim to collect": "prepare",
    "fill": "fill",
    "claim of what was touched": "issue",
    "collect": "issue",
    "collect again": "reissue",
    "ask": "prepare",
    "ask under a key": "prepare",
    "revoke prepared": "revoke",
    "revoke queued": "revoke",
    "revoke role pooled": "revoke_role",
    "revoke reaching pooled": "revoke_reaching",
    "revoke reaching queued": "revoke_reaching",
    "reconcile pooled": "reconcile",
}
OF_GRAPH = principal_target(1, 0, ready="token", graph_app_roles=(USERS, ALL_GROUPS))
DELIVERED = ("service principal", "application secret")
"""Kinds whose credentials can be put into a vault."""
_TOLD_DELIVERED = {"repeat": "", "repeat at once": "", "take up": ""}
"""What is told is told before: where the credential lies is no secret."""
_HOURS = 4
"""Reconciliations after which an orphan is past its grace and removed."""


@dataclass(frozen=True, slots=True)
class Operation:
    """``told``: what the audit trail must say of it when it is answered as done; empty for what it tells lease by lease."""

    scenario: Scenario
    told: str
    rest: Callable[[World], None]


def all_operations() -> Iterator[tuple[str, Operation]]:
    """By name, for every kind."""
    for kind, target in TARGETS.items():
        if kind not in WALKED:
            for operation in _on_credentials(target):
                yield f"{operation.scenario.name}, {kind}", operation
            continue
        for operation in (
            *_on_leases(target),
            *_within_limits(target),
            *_in_parts(target),
            *_configurations(kind, target),
            *_reconciliations(target),
        ):
            yield f"{operation.scenario.name}, {kind}", operation
    for kind in DELIVERED:
        for operation in _delivered(TARGETS[kind]):
            yield f"{operation.scenario.name}, {kind}", operation
    for operation in _on_asks():
        yield f"{operation.scenario.name}, holes", operation
    yield from _of_events()
    # What else a principal gets is one call more: how an issue with it goes wrong says all of it.
    yield "issue, permissions of Graph", Operation(Scenario("issue", lambda: fresh(OF_GRAPH), issuing), "issue", at_once)


def _on_leases(target: Target) -> Iterator[Operation]:
    for scenario in scenarios(target):
        yield Operation(scenario, _TOLD.get(scenario.name, ""), at_once)
    for scenario in fan_outs(target):
        yield Operation(scenario, _TOLD.get(scenario.name, ""), when_tickets_are_over)
    of_pools = {each.name for each in pools(target)} if has_pool(target) else set[str]()
    for scenario in lives(target):
        yield Operation(scenario, _TOLD.get(scenario.name, ""), filled_again if scenario.name in of_pools else at_once)
    for scenario in forced(target):
        yield Operation(scenario, "revoke", at_once)
    yield Operation(Scenario("force revoke of what has failed", lambda: withstanding(target), forcing), "", force_ended)
    yield Operation(Scenario("retention", lambda: over(target), sweeping), "", at_once)
    yield Operation(Scenario("retention elsewhere", lambda: over(target, issuing_elsewhere), sweeping), "", at_once)


def _of_events() -> Iterator[tuple[str, Operation]]:
    for scenario, rest in (*events.scenarios(), *rotating.scenarios()):
        yield f"{scenario.name}, events", Operation(scenario, "", rest)


def _on_credentials(target: Target) -> Iterator[Operation]:
    """Those in which a credential is made, handed out or left to be collected."""
    named = {"collect", "collect again", "take up", "message lost", "claim"}
    for scenario in (*issuing_scenarios(target), *(each for each in lives(target) if each.name in named)):
        yield Operation(scenario, _TOLD.get(scenario.name, ""), filled_again if scenario.name == "claim" else at_once)


def _delivered(target: Target) -> Iterator[Operation]:
    """Those in which a credential is put into a vault, is there, or is taken out, under a name of its own and a shared one."""
    named = {"ask", "take up", "message lost", "claim", "claim once", "revoke queued"}
    every = [*scenarios(target), *(each for each in lives(target) if each.name in named), *forced(target)[:1]]
    for scenario in every:
        audited = (
            "revoke" if scenario.name == "force revoke" else _TOLD_DELIVERED.get(scenario.name, _TOLD.get(scenario.name, ""))
        )
        rest = filled_again if scenario.name.startswith("claim") else at_once
        yield Operation(scenario.delivered("delivered", Delivery((VAULT,))), audited, rest)
    for scenario in (each for each in every if each.name in {"issue", "renew", "revoke", "sweep", "take up"}):
        shared = scenario.delivered("delivered under a shared name", Delivery((VAULT,), SHARED))
        yield Operation(shared, _TOLD_DELIVERED.get(scenario.name, _TOLD.get(scenario.name, "")), at_once)


def _on_asks() -> Iterator[Operation]:
    """What asks with values, narrowed: as far as it differs from the same without."""
    for scenario in (*issuing_scenarios(HOLES), *(each for each in scenarios(HOLES) if each.name == "renew")):
        yield Operation(scenario, _TOLD[scenario.name], at_once)
    for name, action in (("issue", issuing_in_vain), ("issue once", issuing_once_in_vain)):
        yield Operation(Scenario(f"{name} for what is not there", lambda: without_target(HOLES), action), "", at_once)


def _within_limits(target: Target) -> Iterator[Operation]:
    for name, action in (("issue", issuing), ("issue once", issuing_once)):
        yield Operation(Scenario(f"{name} within limits", lambda: limited(target), action), "issue", locks_nobody_out)


def _in_parts(target: Target) -> Iterator[Operation]:
    yield Operation(Scenario("deliver", lambda: with_lockers(target), delivering), "issue", at_once)
    yield Operation(Scenario("revoke in parts", lambda: delivered(target, age=60), revoking), "revoke", at_once)
    yield Operation(Scenario("sweep in parts", lambda: delivered(target, age=LASTS + 1.0), sweeping), "", at_once)
    refused = Scenario("force revoke of a part", lambda: withstanding_in_part(target), forcing)
    yield Operation(refused, "", force_ended)


def _configurations(kind: str, target: Target) -> Iterator[Operation]:
    other = next(name for name in TARGETS if name != kind)
    empty = Scenario("put role", lambda: world(kinds=kinds_for(target)), putting(kind))
    yield Operation(empty, "put_role", configured(putting(kind), kind))
    change = Scenario("change role", lambda: with_lease(target, age=60), putting(other))
    yield Operation(change, "put_role", configured(putting(other), other))
    yield Operation(Scenario("delete role", lambda: fresh(target), deleting), "delete_role", configured(deleting, ""))
    ending = Scenario("delete role with its leases", lambda: two_leases(target), deleting_the_role)
    yield Operation(ending, "delete_role", configured(deleting_the_role, "", ends_all=True))
    yield Operation(Scenario("revoke role", lambda: two_leases(target), revoking_the_role), "revoke_role", at_once)
    reaching = Scenario("revoke reaching", lambda: two_leases(target), revoking_what_reaches)
    yield Operation(reaching, "revoke_reaching", ends_all_that_reaches)


def _reconciliations(target: Target) -> Iterator[Operation]:
    def rest(world: World) -> None:
        test_reconcile.require_theirs(world, target)
        test_reconcile.require_only_theirs(world, target)

    for name, make in (("a lost record", test_reconcile.lost), ("deleted by hand", test_reconcile.deleted)):
        scenario = Scenario(f"reconcile {name}", lambda make=make: make(target), reconciling)  # type: ignore[misc]
        yield Operation(scenario, "reconcile", rest)


def withstanding(target: Target) -> World:
    """A lease that Azure has refused to undo once."""
    made = with_lease(target, age=200)
    made.calls.fail(EVERY_KIND[name_of(target)].undoes, Refused())
    made.run(lambda: live(made, revoking))
    return made


def withstanding_in_part(target: Target) -> World:
    """A lease of which one of two parts was undone, and the other was refused."""
    made = delivered(target, age=200)
    made.calls.fail(EVERY_KIND[name_of(target)].undoes, Refused())
    made.run(lambda: live(made, revoking))
    return made


def over(target: Target, issuing: Action = issuing) -> World:
    """An ended lease whose retention is over."""
    made = fresh(target)
    made.run(lambda: live(made, issuing))
    made.clock.jump(200)
    made.run(lambda: revoking(made))
    made.clock.jump(RETENTION.total_seconds())
    return made


def limited(target: Target) -> World:
    """A role and a broker with every limit that there is: one lease for all, one for each caller, two asks a minute."""
    capped = role(target, ttl=LASTS, max_ttl=2 * LASTS, max_leases=1, max_leases_per_caller=1)
    return world(capped, limits=Limits(max_leases_per_caller=1, issues_per_minute=2), kinds=kinds_for(target))


def two_leases(target: Target) -> World:
    """A role with two active leases, a minute old."""
    made = with_lease(target)
    made.run(lambda: issuing(made))
    made.clock.jump(60)
    return made


def putting(kind: str) -> Action:
    """An admin writes the role, of that type from now on."""

    async def put(world: World) -> Role:
        document = document_of(kind) | BOUND
        return (await put_role(world.ports, request(ADMINISTRATOR), read_role(world.ports.kinds, WEB, document))).document

    return put


async def deleting(world: World) -> None:
    """An admin deletes the role, which has no leases."""
    await delete_role(world.ports, request(ADMINISTRATOR), WEB, revoking=False)


def at_once(world: World) -> None:
    """Nothing is ever without a lease, and sweeps alone end them all."""
    require_owned(world)
    require_nothing_left(world)


def filled_again(world: World) -> None:
    """Whoever comes next fills the pool and reconciles: nothing is without a lease, and in the end nothing is left."""
    require_owned(world)
    sweep_once(world)
    for action in (filling, reconciling):
        world.run(lambda action=action: live(world, action))  # type: ignore[misc]
        require_owned(world)
    world.clock.jump(60)
    world.run(lambda: live(world, filling))
    assert sum(lease.is_for_pool for lease in world.leases.rows.values()) <= 1, "more than the pool wants"
    world.roles.keep(role(OTHER_TARGET, ttl=LASTS, max_ttl=2 * LASTS))
    at_once(world)


def ends_all_that_reaches(world: World) -> None:
    """The admin repeats it: nothing that was granted something at a scope is in use then, or can be renewed."""
    require_owned(world)
    world.run(lambda: live(world, revoking_what_reaches))
    assert not any(lease.state.is_open and world.ports.kinds.scopes_of(lease.footprint) for lease in world.leases.rows.values())
    at_once(world)


def locks_nobody_out(world: World) -> None:
    """Whatever has happened, the next one is served when the sweeps have been there, and takes all the room there is."""
    at_once(world)
    world.run(lambda: issuing(world))
    with pytest.raises(TooMany):
        world.run(lambda: issuing(world))
    at_once(world)


def when_tickets_are_over(world: World) -> None:
    """The same, by sweeps alone, when no message is waited for any more.

    A stuck lease is tried every hour or so. At the first try a replica of the recycle bin may be behind.
    """
    require_owned(world)
    world.clock.jump(5400)
    sweep_once(world)
    require_owned(world)
    world.clock.jump(5400)
    require_nothing_left(world)


def force_ended(world: World) -> None:
    """What an operator has let go of is named in the audit trail, and the reconciliation removes it later."""
    result = " ".join(event.reason for event in world.audit.events if event.operation == "force_revoke")
    if not result:
        at_once(world)
    assert all(thing.owner in result for thing in world.leftovers())
    for _ in range(_HOURS):
        world.clock.jump(3600)
        sweep_once(world)
        test_reconcile.reconcile_once(world)
    assert [] == world.leftovers()


def configured(again: Action, kind: str, *, ends_all: bool = False) -> Callable[[World], None]:
    """The admin repeats it: the role is then as wanted, ``kind`` or gone, whatever there was before; and issues work."""

    def rest(world: World) -> None:
        require_owned(world)
        world.run(lambda: live(world, again))
        stored = world.run(lambda: world.ports.roles.get(WEB))
        assert kind == (name_of(stored.target) if stored else "")
        if ends_all:
            generation = world.generations.rows[WEB].number
            assert not any(lease.under(generation).state is State.ACTIVE for lease in world.leases.rows.values())
        if stored is not None:
            world.ask = AskedFor(credential=ask_for(stored.target))
            world.run(lambda: issuing(world))
        require_nothing_left(world)

    return rest
