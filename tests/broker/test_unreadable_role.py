"""A stored role that cannot be read, damaged or of a later version's form, at each way in: it stands in nobody's way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.broker.configure.roles import delete_role, get_role, put_role
from shared.broker.inspect import may_issue, role_if_issuable, status
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.broker.revoke import revoke, revoke_role
from shared.core.errors import Conflict, Forbidden, LeaseholdError, Unreadable
from shared.core.lease import State
from shared.core.names import RoleName
from shared.core.ports.documents import Version
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import ADMINISTRATOR, WATCHER, WEB, World, request, role, world
from tests.support.kinds import store_role, write_role

ADMIN, BAD = request(ADMINISTRATOR), RoleName("bad")
GOOD = store_role(role(name=BAD))
DAMAGE: dict[str, tuple[object, int]] = {
    "no JSON": (None, 1),
    "no object": ([], 1),
    "no type": ({**GOOD, "type": None}, 1),
    "unknown type": ({**GOOD, "type": "database_user"}, 1),
    "no target": ({"type": "application_secret"}, 1),
    "unknown scope": ({**GOOD, "azure_roles": [{"scope": "nowhere"}]}, 1),
    "later form": (GOOD, 2),
    "form that is none": (GOOD, 0),
}


@pytest.fixture(params=DAMAGE)
async def scene(request: pytest.FixtureRequest) -> World:
    """Beside a good role one that was good when it issued a lease under the key ``k``, and is damaged now."""
    made = world(role(), role(name=BAD))
    await issue_once(made.ports, _alice(), IssueRequest(BAD), "k")
    document, form = DAMAGE[request.param]
    made.roles.keep_document(BAD, document, form)
    made.clock.jump(60)
    return made


_alice = request


async def test_whoami_tells_of_the_others(scene: World) -> None:
    """And of a role that cannot be read as of one that is not there; an administrator is refused in the same words."""
    assert ["web"] == [each.name for each in (await may_issue(scene.ports, _alice())).roles]
    assert ["web"] == [each.name for each in (await may_issue(scene.ports, ADMIN)).roles]
    assert await role_if_issuable(scene.ports, ADMIN, BAD) is None
    assert "it cannot be read" == scene.audit.events[-1].reason
    assert await role_if_issuable(scene.ports, _alice(), WEB) is not None


async def test_it_is_listed_and_read_as_far_as_it_goes(scene: World) -> None:
    """By its name, and with the version by which it may be written again."""
    assert ["bad", "web"] == [each.name for each in await scene.ports.roles.list()]
    found = await get_role(scene.ports, BAD)
    assert (True, True) == (bool(found.version), "type" in write_role(found))


async def test_nothing_is_issued_from_it(scene: World) -> None:
    """An administrator may, and learns that it cannot be done; nobody else may, where its bounds cannot be read either."""
    with pytest.raises(Unreadable) as caught:
        await issued(scene, ADMIN, role=BAD)
    assert ("misconfigured", 1) == (caught.value.stable_code, len(scene.leases.rows))
    with pytest.raises((Unreadable, Forbidden)):
        await issued(scene, role=BAD)


async def test_the_others_issue(scene: World) -> None:
    """As ever."""
    assert State.ACTIVE is (await issued(scene)).lease.state


@pytest.mark.parametrize("digest", [None, ""], ids=["digest", "no digest"])
async def test_what_it_issued_gets_no_more(scene: World, digest: str | None) -> None:
    """Neither time nor a fresh secret: whether the role still grants the same cannot be told. The lease stays as it was."""
    if digest is not None:
        scene.leases.rows[stored(scene).id] = replace(stored(scene), target_digest=digest)
    before = stored(scene)
    refused: list[LeaseholdError] = []
    for attempt in (renew(scene.ports, ADMIN, before.id, None), issue_once(scene.ports, _alice(), IssueRequest(BAD), "k")):
        with pytest.raises((Conflict, Forbidden)) as caught:
            await attempt
        refused.append(caught.value)
    assert ("role_changed", before) == (refused[0].stable_code, stored(scene))


async def test_what_it_issued_is_revoked(scene: World) -> None:
    """By its holder; nothing is left."""
    assert State.ENDED is (await revoke(scene.ports, _alice(), stored(scene).id)).state
    assert [] == scene.leftovers()


async def test_what_it_issued_is_revoked_with_the_role(scene: World) -> None:
    """By the role's name, which is all that it takes."""
    assert 1 == (await revoke_role(scene.ports, ADMIN, BAD)).count
    await swept(scene)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def test_what_it_issued_ends_in_time(scene: World) -> None:
    """By the sweep."""
    await swept(scene, after=3600)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def test_reconciliation_goes_on(scene: World) -> None:
    """Its live lease is no orphan, and its document stays as it is."""
    before = scene.roles.contents()
    scene.clock.jump(7200)
    run = await reconcile(scene.ports, "r")
    assert ((), (), before) == (run.findings, run.unread, scene.roles.contents())


@pytest.mark.parametrize(("caller", "why"), [(ADMINISTRATOR, True), (WATCHER, False)], ids=["administrator", "auditor"])
async def test_status_tells_which_it_is(scene: World, caller: Any, *, why: bool) -> None:
    """And to administrators why."""
    found = await status(scene.ports, request(caller))
    assert ({BAD: why}, {}) == ({name: bool(faults) for name, faults in found.unreadable_roles.items()}, found.outdated)


async def test_it_is_written_over(scene: World) -> None:
    """Then it issues again."""
    former = await get_role(scene.ports, BAD)
    await put_role(scene.ports, ADMIN, role(name=BAD), expected=Version(former.version))
    assert State.ACTIVE is (await issued(scene, role=BAD)).lease.state
    assert {} == (await status(scene.ports, ADMIN)).unreadable_roles


async def test_it_is_deleted(scene: World) -> None:
    """With its leases, as any other."""
    await delete_role(scene.ports, ADMIN, BAD, revoking=True)
    assert ["web"] == [each.name for each in await scene.ports.roles.list()]
