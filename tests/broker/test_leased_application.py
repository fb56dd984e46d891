"""A role ``application_secret`` may not point at what a lease has made."""

from __future__ import annotations

import pytest

from shared.broker.configure.roles import put_role
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest
from shared.broker.revoke import revoke
from shared.core.errors import Malformed, RoleOutdated
from shared.core.lease import State
from shared.core.names import ObjectId, RoleName
from tests.broker.scenes import issued, stored, swept
from tests.fakes.cloud_state import Application
from tests.fakes.world import ADMINISTRATOR, ALICE, EXISTING, WEB, World, guid, request, role, secret_target, world
from tests.support.kinds import read_role

SECRETS = RoleName("secrets")
LEASE_NAME = f"leasehold-other.{'0' * 26}"
MARKED = {
    "unique name": Application(guid(0x500), guid(0x501), LEASE_NAME),
    "tag": Application(guid(0x500), guid(0x501), "", tags=("leasehold",)),
}


async def put(scene: World, application: ObjectId) -> None:
    """An administrator writes such a role."""
    document = {"type": "application_secret", "application_object_id": application}
    bounds = {"bound_service_principal_ids": [ALICE.object_id]}
    await put_role(scene.ports, request(ADMINISTRATOR), read_role(SECRETS, document | bounds))


async def test_an_application_that_a_lease_made_is_no_target() -> None:
    """It goes when its lease ends, and the secret would outlive its holder's right to it."""
    scene = world(role())
    await issued(scene)
    (made,) = [each for each in scene.cloud.applications.values() if each.wanted]
    with pytest.raises(Malformed) as caught:
        await put(scene, made.object_id)
    assert ("protected_target", ["application_object_id"]) == (
        caught.value.stable_code,
        [fault.path for fault in caught.value.faults],
    )


@pytest.mark.parametrize("part", MARKED)
async def test_what_carries_a_part_of_the_mark_is_no_target(part: str) -> None:
    """Another broker's, or one whose lease is forgotten."""
    scene = world()
    scene.cloud.applications[guid(0x500)] = MARKED[part]
    with pytest.raises(Malformed):
        await put(scene, guid(0x500))


@pytest.mark.parametrize("part", MARKED)
async def test_a_stored_role_that_names_one_issues_nothing(part: str) -> None:
    """It may be from before this was looked at."""
    scene = world(role(secret_target()))
    scene.cloud.applications[EXISTING].unique_name = MARKED[part].unique_name
    scene.cloud.applications[EXISTING].tags = MARKED[part].tags
    with pytest.raises(RoleOutdated):
        await issued(scene)
    assert ({}, {}) == (scene.leases.rows, scene.cloud.applications[EXISTING].secrets)


@pytest.mark.parametrize("part", MARKED)
async def test_a_repeat_for_a_lease_on_one_gets_no_fresh_secret(part: str) -> None:
    """The lease may be from before this was looked at. It keeps what it has, and ends as any other."""
    scene = world(role(secret_target()))
    first = await issue_once(scene.ports, request(), IssueRequest(WEB), "k")
    secrets = set(scene.cloud.applications[EXISTING].secrets)
    scene.cloud.applications[EXISTING].unique_name = MARKED[part].unique_name
    scene.cloud.applications[EXISTING].tags = MARKED[part].tags
    with pytest.raises(RoleOutdated) as caught:
        await issue_once(scene.ports, request(), IssueRequest(WEB), "k")
    assert "application_object_id" in caught.value.audit_reason
    assert (secrets, None) == (set(scene.cloud.applications[EXISTING].secrets), stored(scene).rotating_until)
    await revoke(scene.ports, request(), first.lease.id)
    await swept(scene, after=1000)
    assert (State.ENDED, {}) == (stored(scene).state, scene.cloud.applications[EXISTING].secrets)


async def test_any_other_application_is_a_target() -> None:
    """Also one that is called alike."""
    scene = world()
    scene.cloud.applications[EXISTING].unique_name = "leasehold-tools"
    await put(scene, EXISTING)
    await issued(scene, role=SECRETS)
