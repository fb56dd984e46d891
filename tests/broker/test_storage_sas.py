"""Leases that hand out a user delegation SAS: at once from a pool, and later where storage has to hear of an assignment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.broker.configure.roles import put_role
from shared.broker.ending.sweep import sweep
from shared.broker.issue.asking import AskedFor
from shared.broker.issue.collect import collect
from shared.broker.issue.dry_run import would_issue
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.revoke import revoke
from shared.core.definition import Permission
from shared.core.errors import Conflict, Malformed, NotReplicated, RoleOutdated
from shared.core.lease import State
from shared.core.names import Scope
from shared.core.pool import Pool
from shared.issuers.service_principal.storage_sas import StorageSasCredential
from tests.broker.scenes import stored
from tests.fakes.world import (
    ACCOUNT,
    ADMINISTRATOR,
    BLOBS,
    DELEGATOR,
    SCOPES,
    WEB,
    World,
    request,
    role,
    sas_target,
    world,
)
from tests.support.every_kind import works
from tests.support.kinds import read_role, write_role
from tests.support.pools import fill_up, in_state, take_messages

RAW = AskedFor(credential={"container": "raw"})


def scene_of(*scopes: Any, **more: Any) -> World:
    """A role that signs for these; by default for one container."""
    return world(role(sas_target(*scopes, **{"ready": "token"} | more), max_ttl=14 * 86_400, ttl=3600))


async def once(scene: World, ask: AskedFor | None = None, key: str = "k") -> Issued:
    """Alice asks under a key, and waits."""
    made = await issue_once(scene.ports, request(), IssueRequest(WEB, ask=ask or AskedFor()), key)
    assert isinstance(made, Issued)
    return made


def writes(scene: World) -> list[str]:
    """What was changed in Azure."""
    return [call.name for call in scene.calls.made if call.service in {"directory", "authorization"}]


def sas_of(made: Issued) -> StorageSasCredential:
    """What was handed out."""
    assert isinstance(made.credential, StorageSasCredential)
    return made.credential


async def pooled(*, assigned: bool | None) -> World:
    """A role whose pool is full."""
    scene = scene_of(pool=Pool(1, assigned=assigned))
    await fill_up(scene)
    assert 1 == len(in_state(scene, State.POOLED))
    scene.calls.made.clear()
    return scene


async def test_from_a_pool_it_takes_no_write_to_azure() -> None:
    """A sign-in, and a call to the account."""
    scene = await pooled(assigned=True)
    made = await once(scene)
    assert [] == writes(scene)
    assert ["sign_in.token", "blobs.key"] == [each for each in scene.calls.names() if each.startswith(("sign_in", "blobs"))]
    assert made.lease.ready
    assert works(scene, made.credential)


async def test_a_pool_of_a_role_that_writes_is_assigned_at_the_claim() -> None:
    """Unless the role says otherwise: then storage has to hear of it, and the answer may come later."""
    scene = await pooled(assigned=None)
    made = await once(scene)
    assert {"authorization.assign"} == {*writes(scene)}
    assert works(scene, made.credential)


async def test_what_storage_has_not_heard_of_is_answered_later() -> None:
    """202, and then collected: the signature is made at that moment, and is nowhere before."""
    scene = scene_of()
    scene.calls.fail("blobs.key", NotReplicated("not yet"), times=999)
    accepted = await issue(scene.ports, request(), IssueRequest(WEB), preference=Preference(wait=20))
    assert isinstance(accepted, Accepted)
    await take_messages(scene)
    assert State.PREPARED is stored(scene).state
    again = await collect(scene.ports, request(), accepted.lease.id, Preference(wait=10))
    assert isinstance(again, Accepted)
    scene.calls.heal()
    made = await collect(scene.ports, request(), accepted.lease.id, Preference(wait=10))
    assert isinstance(made, Issued)
    assert works(scene, made.credential)


async def test_a_repeat_gets_a_fresh_one_of_the_same_container() -> None:
    """The same lease, and nothing changes in Azure; another container is another ask."""
    scene = scene_of(ACCOUNT)
    first = await once(scene, RAW)
    before = writes(scene)
    scene.clock.jump(600)
    again = await once(scene, RAW)
    assert (first.lease.id, before) == (again.lease.id, writes(scene))
    assert "raw" == sas_of(again).place.container
    assert sas_of(first).sas_token != sas_of(again).sas_token
    collected = await collect(scene.ports, request(), first.lease.id, Preference())
    assert isinstance(collected, Issued)
    assert "raw" == sas_of(collected).place.container
    with pytest.raises(Conflict):
        await once(scene, AskedFor(credential={"container": "reports"}))


async def test_of_a_long_lease_it_lasts_seven_days() -> None:
    """And of a renewed one: whoever collects again gets another."""
    scene = scene_of()
    made = await once(scene)
    week = scene.ports.now() + timedelta(days=7)
    assert week - timedelta(minutes=6) < sas_of(made).ends_at < week
    assert sas_of(made).ends_at == stored(scene).tokens_until
    scene.clock.jump(86_400 / 48)
    again = await once(scene)
    assert sas_of(made).ends_at < sas_of(again).ends_at == stored(scene).tokens_until


async def test_ends_with_its_lease() -> None:
    """Its signer's assignments are taken away first; what is left of it is a text until its own end."""
    scene = scene_of()
    made = await once(scene)
    assert works(scene, made.credential)
    scene.calls.made.clear()
    ended = await revoke(scene.ports, request(), made.lease.id)
    assert not works(scene, made.credential)
    assert "authorization.unassign" == writes(scene)[0]
    assert sas_of(made).ends_at == ended.residual_until
    scene.clock.jump(3600)
    await sweep(scene.ports, "timer")
    assert [] == scene.leftovers()


@pytest.mark.parametrize(
    ("scopes", "ask", "path"),
    [
        ((ACCOUNT,), AskedFor(), "container"),
        ((ACCOUNT,), AskedFor(within=ACCOUNT), "container"),
        ((), RAW, "container"),
        ((ACCOUNT,), AskedFor(within=Scope(f"{ACCOUNT}/queueServices/default/queues/q")), "within"),
    ],
)
async def test_an_ask_of_which_nothing_could_be_signed_makes_nothing(scopes: Any, ask: AskedFor, path: str) -> None:
    """It is told before anything is made, in a dry run too."""
    scene = scene_of(*scopes)
    for asking in (issue, would_issue):
        with pytest.raises(Malformed) as caught:
            await asking(scene.ports, request(), IssueRequest(WEB, ask=ask))
        assert ("not_signable", [path]) == (caught.value.stable_code, [fault.path for fault in caught.value.faults])
    assert ({}, []) == (scene.leases.rows, scene.leftovers())


async def test_a_role_is_judged_by_what_its_definitions_allow_now() -> None:
    """When it is written; and hourly, for definitions change."""
    scene = scene_of()
    document = write_role(role(sas_target(ready="token")))
    admin = request(ADMINISTRATOR)
    await put_role(scene.ports, admin, read_role(WEB, document))
    await once(scene)
    scene.cloud.permissions[DELEGATOR] = (Permission(("*/read",)),)
    with pytest.raises(Malformed) as caught:
        await put_role(scene.ports, admin, read_role(WEB, document))
    assert "not_signable" == caught.value.stable_code
    scene.clock.jump(3600)
    await reconcile(scene.ports, "run")
    with pytest.raises(RoleOutdated):
        await once(scene, key="another")


async def test_letters_follow_the_definition_of_today() -> None:
    """Of a weaker one, a fresh signature has less. That is no other role: storage looks at the assignments anyway."""
    scene = scene_of()
    await put_role(scene.ports, request(ADMINISTRATOR), read_role(WEB, write_role(role(sas_target(ready="token")))))
    first = await once(scene)
    reading = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
    scene.cloud.permissions[BLOBS] = (Permission(data_actions=(reading,)),)
    await reconcile(scene.ports, "run")
    again = await once(scene)
    assert ("racwdl", "rl") == (sas_of(first).place.permissions, sas_of(again).place.permissions)


async def test_a_role_above_accounts_is_warned_of_when_it_is_written() -> None:
    """Every ask has to say which account it means."""
    scene = scene_of()
    document = write_role(role(sas_target(SCOPES[0])))
    written = await put_role(scene.ports, request(ADMINISTRATOR), read_role(WEB, document))
    assert "needs_within" in {caution.code for caution in written.warnings}
