"""Roles ``application_secret`` on whose application no secret can be made: refused when written, and named once known."""

from __future__ import annotations

from typing import Any

import pytest

from shared.broker.configure.roles import put_role
from shared.broker.inspect import status
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.rules import cautions
from shared.core.errors import Absent, Malformed, PreconditionFailed, Refused, RoleOutdated, Unavailable
from shared.core.names import RoleName
from tests.broker.scenes import AZURE, issued
from tests.fakes.world import ADMINISTRATOR, ALICE, EXISTING, WATCHER, WEB, World, request, role, secret_target, world
from tests.support.kinds import read_role

ADMIN = request(ADMINISTRATOR)
OTHER = RoleName("other")


async def put(scene: World, **more: Any) -> Any:
    """An admin writes a role on the application that is there."""
    document = {
        "type": "application_secret",
        "application_object_id": EXISTING,
        "bound_service_principal_ids": [ALICE.object_id],
    }
    return (await put_role(scene.ports, ADMIN, read_role(WEB, document), **more)).document


def lose(scene: World) -> None:
    """Somebody takes the application from the broker."""
    scene.cloud.applications[EXISTING].owned = False


def add_mark(scene: World) -> None:
    """Somebody gives the application the broker's tag."""
    scene.cloud.applications[EXISTING].tags = ("leasehold",)


def open_again(scene: World) -> None:
    """The application is as it was."""
    scene.cloud.applications[EXISTING].owned, scene.cloud.applications[EXISTING].tags = True, ()


CLOSED = {"lost": lose, "marked": add_mark}


def asked(scene: World) -> list[str]:
    """What was asked of Azure."""
    return [call.name for call in scene.calls.made if call.service in AZURE]


async def outdated(scene: World) -> dict[str, list[str]]:
    """The paths of what is wrong, by role, as an admin reads them."""
    found = (await status(scene.ports, ADMIN)).outdated
    return {name: [fault.path for fault in faults] for name, faults in found.items()}


@pytest.mark.parametrize("dry_run", [True, False])
async def test_an_application_that_the_broker_may_not_change_is_refused_when_the_role_is_written(*, dry_run: bool) -> None:
    """With the field and with what to do; nothing is stored, and nothing was made."""
    scene = world()
    lose(scene)
    with pytest.raises(Malformed) as caught:
        await put(scene, dry_run=dry_run)
    (fault,) = caught.value.faults
    assert ("unresolvable", "application_object_id", True, True) == (
        *(caught.value.stable_code, fault.path),
        *("owner" in fault.message, "permission" in fault.message),
    )
    assert ((), {}) == (await scene.ports.roles.list(), scene.cloud.applications[EXISTING].secrets)


async def test_whether_the_broker_owns_the_application_is_one_call_and_nothing_is_tried() -> None:
    """Whoever owns it may change it."""
    scene = world()
    stored = await put(scene)
    assert (["applications.read_application", "applications.is_owner"], ()) == (
        asked(scene),
        cautions(scene.ports, stored),
    )


async def test_an_application_that_another_permission_reaches_is_taken_with_a_warning() -> None:
    """Only Entra ID knows what reaches it; the warning is in the audit trail as well."""
    scene = world()
    lose(scene)
    scene.cloud.reaches_all = True
    stored = await put(scene)
    assert [("application_object_id", "not_an_owner")] == [(each.path, each.code) for each in cautions(scene.ports, stored)]
    assert "application_object_id: not_an_owner" == scene.audit.events[-1].reason
    await issued(scene)


@pytest.mark.parametrize("name", ["applications.is_owner", "applications.is_denied"])
async def test_an_application_that_goes_while_it_is_looked_at_is_not_there(name: str) -> None:
    """As if it had gone before."""
    scene = world()
    lose(scene)
    scene.calls.fail(name, Absent("x", status=404))
    with pytest.raises(Malformed, match="no such application"):
        await put(scene)


@pytest.mark.parametrize("owned", [True, False])
async def test_owners_that_the_broker_may_not_read_say_nothing(*, owned: bool) -> None:
    """What Entra ID lets it do decides."""
    scene = world()
    scene.cloud.applications[EXISTING].owned = owned
    scene.calls.fail("applications.is_owner", Refused("x", status=403))
    if owned:
        await put(scene)
        await issued(scene)
    else:
        with pytest.raises(Malformed):
            await put(scene)


@pytest.mark.parametrize("what", CLOSED)
async def test_a_role_whose_application_is_closed_is_named_after_the_next_reconciliation(what: str) -> None:
    """It refuses to issue, without a call to Azure; a dry run changes nothing."""
    scene = world()
    await put(scene)
    CLOSED[what](scene)
    await reconcile(scene.ports, "r", dry_run=True)
    assert {} == await outdated(scene)
    await reconcile(scene.ports, "r")
    assert {WEB: ["application_object_id"]} == await outdated(scene)
    before = len(asked(scene))
    with pytest.raises(RoleOutdated) as caught:
        await issued(scene, ADMIN)
    assert (["application_object_id"], before) == ([fault.path for fault in caught.value.faults], len(asked(scene)))
    (event,) = [each for each in scene.audit.events if each.operation == "read_application"]
    assert (WEB, True, True) == (event.role, EXISTING in event.reason, caught.value.faults[0].message in event.reason)


@pytest.mark.parametrize("what", CLOSED)
@pytest.mark.parametrize("by", ["reconciliation", "writing"])
async def test_an_application_that_is_open_again_is_leased_again(what: str, by: str) -> None:
    """From the next reconciliation on, or as soon as the role is written."""
    scene = world()
    await put(scene)
    CLOSED[what](scene)
    await reconcile(scene.ports, "r")
    open_again(scene)
    await (reconcile(scene.ports, "r") if by == "reconciliation" else put(scene))
    assert {} == await outdated(scene)
    await issued(scene)
    result = [each.reason for each in scene.audit.events if each.operation == "read_application"]
    assert (2 if by == "reconciliation" else 1) == len(result)


async def test_the_first_issue_that_is_refused_makes_the_status_tell() -> None:
    """No hour passes, and no other issue begins in vain."""
    scene = world()
    await put(scene)
    lose(scene)
    with pytest.raises(Refused):
        await issued(scene)
    assert {WEB: ["application_object_id"]} == await outdated(scene)
    with pytest.raises(RoleOutdated):
        await issued(scene)


async def test_a_refusal_that_is_not_the_applications_leaves_the_role_as_it_was() -> None:
    """The broker owns the application: what Entra ID has refused was something else."""
    scene = world()
    await put(scene)
    scene.calls.fail("applications.add_secret", Refused("x", status=403))
    with pytest.raises(Refused):
        await issued(scene)
    assert {} == await outdated(scene)
    await issued(scene)


@pytest.mark.parametrize(("caller", "result"), [(ADMINISTRATOR, ["application_object_id"]), (ALICE, [])])
async def test_the_first_issue_on_an_application_that_came_to_carry_the_mark_tells_administrators_why(
    caller: Any, result: list[str]
) -> None:
    """Everybody finds it in the audit record, and the status names the role from then on."""
    scene = world()
    await put(scene)
    add_mark(scene)
    with pytest.raises(RoleOutdated) as caught:
        await issued(scene, request(caller))
    assert (result, True) == (
        [fault.path for fault in caught.value.faults],
        caught.value.audit_reason.startswith("application_object_id: the application was made for a lease"),
    )
    assert ({}, {WEB: ["application_object_id"]}) == (scene.leases.rows, await outdated(scene))
    assert {WEB: ()} == (await status(scene.ports, request(WATCHER))).outdated


@pytest.mark.parametrize(("caller", "result"), [(ADMINISTRATOR, ["application_object_id"]), (ALICE, [])])
async def test_a_repeat_on_an_application_that_came_to_carry_the_mark_tells_administrators_why(
    caller: Any, result: list[str]
) -> None:
    """The lease keeps what it has, and the status names the role from then on."""
    scene = world()
    await put(scene)
    await issue_once(scene.ports, request(caller), IssueRequest(WEB), "k")
    add_mark(scene)
    with pytest.raises(RoleOutdated) as caught:
        await issue_once(scene.ports, request(caller), IssueRequest(WEB), "k")
    assert result == [fault.path for fault in caught.value.faults]
    assert {WEB: ["application_object_id"]} == await outdated(scene)


async def test_an_application_is_looked_at_once_however_many_roles_name_it() -> None:
    """Each of the roles is told; those of other types ask nothing."""
    scene = world(role(secret_target()), role(secret_target(ready="token"), name=OTHER), role(name=RoleName("plain")))
    lose(scene)
    await reconcile(scene.ports, "r")
    assert 1 == len(scene.calls.named("applications.is_denied"))
    assert {OTHER: ["application_object_id"], WEB: ["application_object_id"]} == await outdated(scene)
    (stored,) = [each.target for each in await scene.ports.roles.list() if each.name == OTHER]
    assert secret_target(ready="token", closed="denied", owned=False) == stored


UNKNOWN = {
    "down": (Unavailable("x", status=503), (f"application {EXISTING}",)),
    "gone": (Absent("x", status=404), ()),
}
"""What reading the application meets, and what is told as unread."""


@pytest.mark.parametrize("answer", UNKNOWN)
async def test_an_application_that_cannot_be_looked_at_now_changes_nothing(answer: str) -> None:
    """A role that was refused stays so, and one that issued goes on."""
    failure, unread = UNKNOWN[answer]
    for closed in (True, False):
        scene = world()
        await put(scene)
        if closed:
            lose(scene)
            await reconcile(scene.ports, "r")
        scene.calls.fail("applications.read_application", failure)
        assert unread == (await reconcile(scene.ports, "r")).unread
        assert ({WEB: ["application_object_id"]} if closed else {}) == await outdated(scene)


async def test_a_place_that_could_not_be_read_is_told_once() -> None:
    """Whoever looks for secrets there meets the same."""
    scene = world()
    await put(scene)
    for name in ("inventory.secrets_on", "applications.read_application"):
        scene.calls.fail(name, Unavailable("x", status=503))
    assert (f"application {EXISTING}",) == (await reconcile(scene.ports, "r")).unread


async def test_a_role_that_was_written_meanwhile_is_not_touched() -> None:
    """Whoever wrote it has looked at the application."""
    scene = world()
    await put(scene)
    lose(scene)
    scene.calls.fail("roles.put", PreconditionFailed())
    await reconcile(scene.ports, "r")
    assert {} == await outdated(scene)
    assert "read_application" not in {each.operation for each in scene.audit.events}


async def test_an_issue_whose_role_cannot_be_noted_fails_as_it_would_have() -> None:
    """The next reconciliation notes it."""
    scene = world()
    await put(scene)
    lose(scene)
    scene.calls.fail("roles.put", Unavailable("x", status=503))
    with pytest.raises(Refused):
        await issued(scene)
    assert {} == await outdated(scene)
