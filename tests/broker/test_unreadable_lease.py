"""A lease whose row cannot be read, damaged or a later version's: it is not touched, it is told of, the others go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.broker.ending.poison import poison
from shared.broker.ending.resume import resume
from shared.broker.ending.sweep import end_due
from shared.broker.force import revoke_as_operator
from shared.broker.inspect import read_lease, status
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.core.errors import Unavailable, Unreadable
from shared.core.lease import State
from shared.core.message import Batch
from shared.core.names import LeaseId
from tests.broker.scenes import issued, swept
from tests.fakes.world import ADMINISTRATOR, WEB, World, guid, principal_target, request, role, secret_target, world

ADMIN = request(ADMINISTRATOR)


@pytest.fixture(params=["principal", "secret"])
async def scene(request: pytest.FixtureRequest) -> World:
    """Of two leases the first, which was issued under the key ``k``, cannot be read."""
    made = world(role(principal_target() if request.param == "principal" else secret_target()))
    first = await issue_once(made.ports, _alice(), IssueRequest(WEB), "k")
    await issued(made)
    made.leases.unreadable.add(first.lease.id)
    return made


_alice = request


def bad(scene: World) -> LeaseId:
    """The one that cannot be read."""
    (found,) = scene.leases.unreadable
    return found


def good(scene: World) -> LeaseId:
    """The other."""
    (found,) = set(scene.leases.rows) - scene.leases.unreadable
    return found


VERBS: dict[str, Callable[[World], Awaitable[object]]] = {
    "read": lambda it: read_lease(it.ports, _alice(), bad(it)),
    "renew": lambda it: renew(it.ports, _alice(), bad(it), None),
    "revoke": lambda it: revoke(it.ports, _alice(), bad(it)),
    "force": lambda it: revoke_as_operator(it.ports, ADMIN, bad(it), force=True),
    "repeat": lambda it: issue_once(it.ports, _alice(), IssueRequest(WEB), "k"),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_no_verb_touches_it(scene: World, verb: str) -> None:
    """Nor issues another in its place: what was asked for is refused, and all of it stays."""
    before = (dict(scene.leases.rows), scene.leftovers())
    with pytest.raises(Unreadable):
        await VERBS[verb](scene)
    assert before == (dict(scene.leases.rows), scene.leftovers())


async def test_a_sweep_ends_the_others_and_leaves_it(scene: World) -> None:
    """It stays due. When a version comes that can read it, it ends like any other."""
    done = await swept(scene, after=7200)
    assert (1, 1) == (done.ended, done.remaining)
    assert (State.ENDED, State.ACTIVE) == tuple(scene.leases.rows[each].state for each in (good(scene), bad(scene)))
    scene.leases.unreadable.clear()
    await swept(scene, after=60)
    assert ({State.ENDED}, []) == ({each.state for each in scene.leases.rows.values()}, scene.leftovers())


async def test_a_message_that_names_it_is_dealt_with(scene: World) -> None:
    """And one that failed too often moves the others alone."""
    batch = Batch(guid(77), (bad(scene), good(scene)))
    scene.clock.jump(7200)
    assert 1 == await poison(scene.ports, "q", batch)
    assert State.ACTIVE is scene.leases.rows[bad(scene)].state
    scene.clock.jump(7200)
    assert 1 == (await end_due(scene.ports, "q", batch)).ended


async def test_what_waits_for_azure_is_resumed_without_it(scene: World) -> None:
    """It is passed over among those that failed to end."""
    scene.leases.unreadable, damaged = set(), bad(scene)
    for name in ("directory.delete_principal", "authorization.unassign", "applications.remove_secret"):
        scene.calls.fail(name, Unavailable(status=503), times=40)
    await swept(scene, after=7200)
    scene.leases.unreadable = {damaged}
    assert [State.ENDING] * 2 == [each.state for each in scene.leases.rows.values()]
    assert 1 == await resume(scene.ports)


@pytest.mark.parametrize("state", [State.ACTIVE, State.ENDING])
async def test_reconciliation_takes_nothing_of_its(scene: World, state: State) -> None:
    """It may be live: what is in Azure stays. The run tells which lease it could not read."""
    scene.leases.rows[bad(scene)] = replace(scene.leases.rows[bad(scene)], state=state)
    scene.clock.jump(7200)
    before = scene.leftovers()
    run = await reconcile(scene.ports, "r")
    assert ((), (f"lease {bad(scene)}",), before) == (run.findings, run.unread, scene.leftovers())


async def test_reconciliation_ends_it_not_even_where_its_objects_are_gone(scene: World) -> None:
    """It looks missing from the lists, and cannot be looked at."""
    scene.cloud.applications.clear()
    scene.clock.jump(7200)
    run = await reconcile(scene.ports, "r")
    assert bad(scene) not in {each.lease for each in run.findings}
    assert State.ACTIVE is scene.leases.rows[bad(scene)].state


async def test_status_tells_of_it_as_long_as_it_cannot_be_read(scene: World) -> None:
    """Once a reconciliation has met it, or a sweep has left it for five minutes."""
    assert () == (await status(scene.ports, ADMIN)).unreadable_leases
    await reconcile(scene.ports, "r")
    assert (bad(scene),) == (await status(scene.ports, ADMIN)).unreadable_leases
    scene.leases.unreadable, damaged = set(), bad(scene)
    assert () == (await status(scene.ports, ADMIN)).unreadable_leases
    await reconcile(scene.ports, "r")
    scene.leases.unreadable = {damaged}
    await swept(scene, after=7200)
    found = await status(scene.ports, ADMIN)
    assert ((damaged,), ()) == (found.unreadable_leases, found.overdue)
