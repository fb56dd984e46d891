from __future__ import annotations

from typing import Any

import pytest

from shared.broker.configure.roles import delete_role, put_role
from shared.broker.inspect import may_issue, status
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.core.errors import Fault, Forbidden, RoleOutdated, Unreadable
from shared.core.lease import State
from shared.core.names import RoleName
from shared.core.protection import Protected
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import ADMINISTRATOR, ALICE, SCOPES, WATCHER, WEB, World, request, role, world
from tests.support.kinds import as_client_secret, read_role, store_role

OLD, BROKEN = RoleName("old"), RoleName("broken")
ADMIN = request(ADMINISTRATOR)
FAULTS = (Fault("surprise", "is not a known field"),)


def scene() -> World:
    """Beside a good role one that breaks a rule of today, and one that cannot be read."""
    made = world(role())
    made.roles.keep_document(OLD, store_role(role(name=OLD)) | {"surprise": 1})
    made.roles.keep_document(BROKEN, None)
    return made


async def test_nothing_is_issued_from_a_role_that_breaks_a_rule_of_today() -> None:
    """An administrator reads why, and everybody finds it in the audit record."""
    made = scene()
    with pytest.raises(RoleOutdated) as caught:
        await issued(made, role=OLD)
    with pytest.raises(RoleOutdated) as result:
        await issued(made, ADMIN, role=OLD)
    assert (("role_outdated", ()), FAULTS) == ((caught.value.stable_code, caught.value.faults), result.value.faults)
    assert ("surprise: is not a known field", 0) == (caught.value.audit_reason, len(made.leases.rows))
    assert {"roles.get", "generations.get", "access.version"} == set(made.calls.names())


async def test_a_role_that_cannot_be_read_is_refused_to_administrators_and_unknown_to_others() -> None:
    """Its bounds are not known: nobody else is let in."""
    with pytest.raises(Unreadable):
        await issued(scene(), ADMIN, role=BROKEN)
    with pytest.raises(Forbidden):
        await issued(scene(), role=BROKEN)


async def test_one_bad_role_leaves_the_others_alone() -> None:
    """Whoami, the list, issuing and reconciling go on."""
    made = scene()
    assert ("old", "web") == tuple(each.name for each in (await may_issue(made.ports, request())).roles)
    assert ["broken", "old", "web"] == [each.name for each in await made.ports.roles.list()]
    await issued(made)
    assert () == (await reconcile(made.ports, "r")).findings


@pytest.mark.parametrize(("caller", "result"), [(ADMINISTRATOR, FAULTS), (WATCHER, ())])
async def test_status_names_the_outdated_roles(caller: Any, result: Any) -> None:
    """An administrator reads what is wrong with each; those that cannot be read stand apart."""
    found = await status(scene().ports, request(caller))
    assert ([OLD], result) == ([*found.outdated], found.outdated[OLD])
    assert ([BROKEN], bool(result)) == ([*found.unreadable_roles], bool(found.unreadable_roles[BROKEN]))


async def test_live_leases_of_an_outdated_role_go_on() -> None:
    """They renew, are repeated under their key, and end."""
    made = world(role())
    first = await issue_once(made.ports, request(), IssueRequest(WEB), "k")
    made.roles.keep_document(WEB, store_role(role()) | {"surprise": 1})
    made.clock.jump(300)
    await renew(made.ports, request(), first.lease.id, None)
    again = await issue_once(made.ports, request(), IssueRequest(WEB), "k")
    assert first.lease.id == again.lease.id
    assert as_client_secret(first.credential).secret_id != as_client_secret(again.credential).secret_id
    with pytest.raises(RoleOutdated):
        await issue_once(made.ports, request(), IssueRequest(WEB), "another")
    await swept(made, after=2000)
    assert (State.ENDED, []) == (stored(made).state, made.leftovers())
    made.clock.jump(90000)
    with pytest.raises(RoleOutdated):
        await issue_once(made.ports, request(), IssueRequest(WEB), "k")


async def test_a_scope_that_has_been_protected_since_makes_a_role_outdated() -> None:
    """The setting is a rule of today as well."""
    made = world(role(), protected=Protected(scopes=(SCOPES[0],)))
    with pytest.raises(RoleOutdated) as caught:
        await issued(made, ADMIN)
    assert ["azure_roles[0].scope"] == [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize("name", [OLD, BROKEN])
async def test_an_outdated_role_is_written_again_or_deleted(name: RoleName) -> None:
    """As any other."""
    made = scene()
    document = {"type": "service_principal", "azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}]}
    bound = document | {"bound_service_principal_ids": [ALICE.object_id]}
    await put_role(made.ports, ADMIN, read_role(name, bound))
    await issued(made, role=name)
    other = scene()
    await delete_role(other.ports, ADMIN, name, revoking=False)
    found = await status(other.ports, ADMIN)
    assert name not in {*found.outdated, *found.unreadable_roles}
