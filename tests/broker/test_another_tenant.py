"""Identity is a tenant and an object id: the same object id in another tenant is somebody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.broker.inspect import list_leases, read_lease
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest
from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.core.errors import NotFound
from shared.core.idempotency_key import digest_of
from shared.core.lease import State
from shared.core.names import LeaseId
from shared.core.ports.leases import LeaseQuery
from tests.broker.scenes import issued, stored
from tests.fakes.world import ALICE, WEB, guid, request, role, world

NAMESAKE = replace(ALICE, tenant_id=guid(0x999))


async def test_a_namesake_of_another_tenant_holds_nothing() -> None:
    """It may neither read, list, renew nor revoke, not even when it asks for its own object id's."""
    scene = world(role())
    lease = (await issued(scene)).lease
    for work in (read_lease, revoke):
        with pytest.raises(NotFound):
            await work(scene.ports, request(NAMESAKE), lease.id)
    with pytest.raises(NotFound):
        await renew(scene.ports, request(NAMESAKE), lease.id, None)
    for query in (LeaseQuery(), LeaseQuery(holder=ALICE.object_id), LeaseQuery(role=WEB)):
        assert () == (await list_leases(scene.ports, request(NAMESAKE), query)).items
        assert [lease.id] == [each.id for each in (await list_leases(scene.ports, request(), query)).items]
    assert State.ACTIVE is stored(scene).state


async def test_a_namesakes_leases_take_no_room_on_a_page() -> None:
    """Before and behind the caller's own one: the page has that one."""
    scene = world(role())
    lease = (await issued(scene)).lease
    for ulid in ("0" * 26, "7" + "z" * 25):
        theirs = replace(lease, id=LeaseId.of(WEB, ulid), holder=replace(lease.known_holder, tenant_id=NAMESAKE.tenant_id))
        scene.leases.rows[theirs.id] = theirs
    page = await list_leases(scene.ports, request(), LeaseQuery(limit=1))
    assert [lease.id] == [each.id for each in page.items]


async def test_a_key_is_the_tenants_own() -> None:
    """The same text of a namesake stands for nothing of this caller's."""
    scene = world(role())
    first = await issue_once(scene.ports, request(), IssueRequest(WEB), "k")
    assert digest_of(ALICE, WEB, "k") != digest_of(NAMESAKE, WEB, "k")
    assert first.lease.key_digest == digest_of(ALICE, WEB, "k")
