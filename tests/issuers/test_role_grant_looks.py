"""Roles that are granted to the lease's holder: what is looked at, and what is not called at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.core.errors import Malformed
from shared.issuers.role_grant.schema import RoleGrantTarget
from tests.fakes.world import DEFINITION, SCOPES, guid, principal_target, world
from tests.issuers.test_role_grant import by_hand, job
from tests.support.grants import grant_target


async def test_a_lease_stands_while_all_that_it_has_made_is_there() -> None:
    """What was left out does not count: it is not the lease's."""
    one = job(2, on_existing="ignore")
    theirs = by_hand(one.world, 1)
    await one.mint()
    del one.world.cloud.assignments[theirs]
    assert await one.issuer.stands(one.footprint)
    one.world.cloud.assignments.clear()
    assert not await one.issuer.stands(one.footprint)
    one.world.cloud.lost_scopes.add(SCOPES[0])
    assert not await one.issuer.stands(one.footprint)


async def test_a_credential_is_proven_by_a_look() -> None:
    """At what there is. That it counts already, only the holder's own calls can show."""
    one = job()
    credential = await one.mint()
    deadline = one.world.ports.within(10)
    assert (await one.issuer.prove(one.order, credential, deadline=deadline)).works
    one.world.cloud.assignments.clear()
    assert not (await one.issuer.prove(one.order, credential, deadline=deadline)).works


async def test_a_repeat_gives_the_same_without_a_call() -> None:
    """There is nothing to rotate, and nothing of before to remove."""
    one = job()
    first = await one.mint()
    one.world.calls.made.clear()
    order = replace(one.order, rotating=True)
    again = await one.issuer.credential(order, one.footprint, lambda _: None)
    assert await one.issuer.remove_former(order, one.footprint, maybe_more=True)
    assert ([], first, None) == (one.world.calls.made, again.credential, again.credential_id)
    with pytest.raises(TypeError):
        one.kind.schema.with_credential(one.footprint, guid(1))


async def test_a_name_that_means_nothing_is_the_documents_fault() -> None:
    """As for service principals."""
    scene = world()
    target = RoleGrantTarget((replace(grant_target(1).azure_roles[0], role_name="Raeder", definition_id=""),))
    with pytest.raises(Malformed) as caught:
        await scene.issuers.grants.resolve(target)
    assert ["azure_roles[0].role_name"] == [fault.path for fault in caught.value.faults]
    named = RoleGrantTarget((replace(grant_target(1).azure_roles[0], definition_id=""),))
    assert DEFINITION == (await scene.issuers.grants.resolve(named)).azure_roles[0].definition_id


async def test_a_target_of_another_kind_is_a_mistake_of_the_brokers() -> None:
    """No caller can bring it about."""
    one = job()
    with pytest.raises(TypeError):
        one.issuer.plan(replace(one.order, target=principal_target()))
