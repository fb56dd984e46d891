"""What the broker tells others of: each move of a lease, changes to roles, and pools that are low."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from shared.broker.configure.auth_roles import delete_auth_role
from shared.broker.configure.event_rules import delete_event_rule, put_event_rule
from shared.broker.configure.events import tell_pending
from shared.broker.configure.roles import delete_role, put_role
from shared.broker.ending.poison import poison
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.broker.revoke import revoke, revoke_role
from shared.core.access.auth_role import AuthRole
from shared.core.access.bounds import Bounds
from shared.core.access.policy import PolicyName
from shared.core.errors import Conflict, LostRace, Refused, Unavailable
from shared.core.lease import Lease, State
from shared.core.message import Batch
from shared.core.outgoing.schema import event_schema
from shared.core.pool import Filling
from shared.core.ports.documents import ANY
from tests.broker.events.scenes import SITE, gone
from tests.broker.scenes import issued, stored, swept
from tests.fakes.calls import Died
from tests.fakes.world import ADMINISTRATOR, ALICE, TENANT, WEB, World, principal_target, request, role, world
from tests.support.every_kind import TOKENS
from tests.support.kinds import read_role, write_role
from tests.support.operations import preparing
from tests.support.pools import fill_up, pooled_target

SCHEMA = jsonschema_rs.Draft202012Validator(event_schema())


@pytest.fixture
def scene() -> World:
    """A broker that tells, and a role with leases of an hour."""
    return world(role(ttl=3600, max_ttl=7200), publishing=True)


def waiting(scene: World) -> list[dict[str, Any]]:
    """The events that were written, the oldest first, each as it is published. A sweep may have published some."""
    same = {"specversion": "1.0", "source": "/leasehold/x", "datacontenttype": "application/json", "dataschema": "/schema"}
    written = [*scene.topic.published, *(json.loads(each.text) for each in scene.outbox.rows.values())]
    found = [{**same, **each} for each in written]
    for event in found:
        SCHEMA.validate(event)
    return found


def told(scene: World) -> list[str]:
    """Their types, without what all of them begin with."""
    return [event["type"].removeprefix("leasehold.") for event in waiting(scene)]


def forget(scene: World) -> None:
    """What was told so far."""
    scene.outbox.rows.clear()
    scene.topic.published.clear()


def of_lease(lease: Lease, **more: Any) -> dict[str, Any]:
    """What every event of a lease tells."""
    return {
        "lease": lease.id,
        "role": "web",
        "type": "service_principal",
        "holder": {"object_id": ALICE.object_id, "tenant_id": TENANT},
        "issued_at": "2026-03-02T09:00:00.000Z",
        "expires_at": "2026-03-02T10:00:00.000Z",
        **more,
    }


async def test_a_broker_without_a_topic_writes_no_event() -> None:
    """And its leases are due at their ends."""
    scene = world(role(ttl=3600))
    lease = (await issued(scene)).lease
    await revoke(scene.ports, request(), lease.id)
    assert ({}, lease.expires_at) == (scene.outbox.rows, lease.due_at)


async def test_an_issue_is_told_with_the_lease_and_nothing_of_its_caller_s_words(scene: World) -> None:
    """Neither secret, metadata nor reason."""
    found = await issued(scene, metadata={"build": "no-word-of-it"}, reason="nor-of-this")
    (event,) = waiting(scene)
    assert of_lease(found.lease, ready=found.lease.ready) == event["data"]
    assert ("leasehold.lease.issued", f"roles/web/leases/{found.lease.id}") == (event["type"], event["subject"])
    assert "no-word-of-it" not in json.dumps(event)
    assert "nor-of-this" not in json.dumps(event)


async def test_a_caller_waits_for_no_event() -> None:
    """Issue, renewal and revocation make the same calls as without events, whatever the topic does."""
    calls = []
    for publishing in (False, True):
        scene = world(role(ttl=3600, max_ttl=7200), publishing=publishing)
        scene.topic.down = Unavailable()
        lease = (await issued(scene)).lease
        await renew(scene.ports, request(), lease.id, 7000)
        await revoke(scene.ports, request(), lease.id)
        calls.append(sorted(scene.calls.names()))
    assert calls[0] == calls[1]


async def test_a_failed_issue_is_not_told(scene: World) -> None:
    """Nobody was given anything."""
    scene.calls.fail("authorization.assign", Refused(), times=9)
    with pytest.raises(Refused):
        await issued(scene)
    await swept(scene, after=600)
    assert (State.ENDED, []) == (stored(scene).state, told(scene))


async def test_an_event_is_stored_with_the_move_or_not_at_all(scene: World) -> None:
    """A worker that loses the race has moved nothing, and tells of nothing."""
    lease = (await issued(scene)).lease
    forget(scene)
    scene.calls.fail("leases.swap", LostRace(), times=9)
    with pytest.raises(Conflict):
        await renew(scene.ports, request(), lease.id, 7000)
    assert (lease.expires_at, []) == (stored(scene).expires_at, told(scene))


async def test_a_lease_is_told_of_when_two_thirds_of_its_life_are_over_and_once(scene: World) -> None:
    """It goes on as before, until its end."""
    lease = (await issued(scene)).lease
    forget(scene)
    await swept(scene, after=2399)
    assert [] == told(scene)
    await swept(scene, after=1)
    await swept(scene, after=60)
    (event,) = waiting(scene)
    assert "leasehold.lease.expiring" == event["type"]
    assert of_lease(lease, renewable=lease.renewable, max_expires_at="2026-03-02T11:00:00.000Z") == event["data"]
    assert (State.ACTIVE, lease.expires_at) == (stored(scene).state, stored(scene).due_at)
    await swept(scene, after=1140)
    assert State.ENDED is stored(scene).state


async def test_a_renewal_is_told_and_the_new_end_is_told_of_again(scene: World) -> None:
    """The new end is two thirds of the way ahead, from the renewal on."""
    lease = (await issued(scene)).lease
    await swept(scene, after=2400)
    forget(scene)
    await renew(scene.ports, request(), lease.id, 3000)
    (event,) = waiting(scene)
    assert "2026-03-02T10:00:00.000Z" == event["data"]["former_expires_at"]
    assert "2026-03-02T10:30:00.000Z" == event["data"]["expires_at"]
    await swept(scene, after=1999)
    assert ["lease.renewed"] == told(scene)
    await swept(scene, after=1)
    assert ["lease.renewed", "lease.expiring"] == told(scene)


async def test_a_renewal_that_moves_no_end_is_not_told_and_leaves_what_is_due(scene: World) -> None:
    """The end is told of all the same."""
    lease = (await issued(scene)).lease
    forget(scene)
    await renew(scene.ports, request(), lease.id, 600)
    assert (lease.due_at, []) == (stored(scene).due_at, told(scene))
    await swept(scene, after=2400)
    assert ["lease.expiring"] == told(scene)


async def test_a_lease_whose_role_was_revoked_ends_instead_of_being_told_of(scene: World) -> None:
    """Also if both come due at once, and the event says that it was the role."""
    await issued(scene)
    forget(scene)
    scene.clock.jump(2400)
    await revoke_role(scene.ports, request(ADMINISTRATOR), WEB)
    await swept(scene)
    assert ["lease.ended"] == told(scene)
    assert "role_revoked" == waiting(scene)[0]["data"]["cause"]


async def test_a_lease_that_a_sweep_finds_after_its_end_is_ended_at_once(scene: World) -> None:
    """It is too late to tell that its end is near."""
    await issued(scene)
    forget(scene)
    await swept(scene, after=3600)
    assert ["lease.ended"] == told(scene)
    assert ("expired", None) == tuple(waiting(scene)[0]["data"][name] for name in ("cause", "residual_until"))


async def test_poison_leaves_a_lease_alone_that_is_only_to_be_told_of(scene: World) -> None:
    """It is no failure to end it."""
    lease = (await issued(scene)).lease
    scene.clock.jump(2400)
    assert 0 == await poison(scene.ports, "poison", Batch("batch", (lease.id,)))
    assert State.ACTIVE is stored(scene).state


async def test_the_end_of_a_token_is_told_until_which_it_stays_good() -> None:
    """As a signature, whatever happens to the lease."""
    scene = world(role(principal_target(1, 0, credential=TOKENS), ttl=3600), publishing=True)
    lease = (await issued(scene)).lease
    await revoke(scene.ports, request(), lease.id)
    event = waiting(scene)[-1]
    assert lease.tokens_until is not None
    assert ("revoked", lease.tokens_until.isoformat(timespec="milliseconds")[:19]) == (
        event["data"]["cause"],
        event["data"]["residual_until"][:19],
    )


async def test_a_prepared_lease_that_nobody_collects_is_told_of(scene: World) -> None:
    """Its holder was answered 202: that is all that anybody knew of it."""
    scene = world(role(ttl=3600), publishing=True)
    await preparing(scene)
    assert [] == told(scene)
    await swept(scene, after=1000)
    assert ["uncollected"] == [event["data"]["cause"] for event in waiting(scene)]


async def test_an_issue_that_fails_after_it_was_told_is_told_as_ended(scene: World) -> None:
    """The audit trail cannot be written: the lease ends, and nobody was handed out anything."""
    scene.calls.fail("audit.record", Unavailable(), times=1)
    with pytest.raises(Unavailable):
        await issued(scene)
    await swept(scene, after=600)
    assert ["lease.ended", "lease.issued"] == sorted(told(scene))
    assert ["failed"] == [each["data"]["cause"] for each in waiting(scene) if each["type"].endswith("ended")]


async def test_a_stuck_lease_is_told_once_with_the_code_and_what_may_remain(scene: World) -> None:
    """By ids alone, so that somebody can look; and its end is told when it comes."""
    lease = (await issued(scene)).lease
    scene.calls.fail("authorization.unassign", Refused("its words", status=403), times=99)
    await revoke(scene.ports, request(), lease.id)
    forget(scene)
    for _ in range(12):
        await swept(scene, after=5400)
    (event,) = waiting(scene)
    assert ("azure_refused", [*scene.ports.kinds.remains(stored(scene))]) == (
        event["data"]["last_error"],
        event["data"]["may_remain"],
    )
    assert "its words" not in json.dumps(event)
    scene.calls.heal()
    await swept(scene, after=5400)
    assert ["lease.stuck", "lease.ended"] == told(scene)


async def test_a_written_role_is_told_with_its_fields_and_no_value(scene: World) -> None:
    """And who has written it."""
    document = write_role(role(ttl=1800, max_ttl=7000))
    await put_role(scene.ports, request(ADMINISTRATOR), read_role(WEB, document))
    (event,) = waiting(scene)
    assert {
        "document": "roles/web",
        "name": "web",
        "deleted": False,
        "who": {"object_id": ADMINISTRATOR.object_id, "tenant_id": TENANT},
        "more_fields": False,
    } == {name: event["data"][name] for name in event["data"] if name != "fields"}
    assert {"ttl", "max_ttl"} <= {*event["data"]["fields"]}
    assert "7000" not in json.dumps(event)


async def test_a_deleted_role_is_told(scene: World) -> None:
    """Nothing is left of it that could tell."""
    await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=False)
    (event,) = waiting(scene)
    assert ("leasehold.role.changed", True) == (event["type"], event["data"]["deleted"])


async def test_an_event_rule_is_told_as_a_role_is(scene: World) -> None:
    """When it is written, and when it is deleted. The names of fields are all that is told of it."""
    await put_event_rule(scene.ports, request(ADMINISTRATOR), PolicyName("gone"), gone("scope"))
    await delete_event_rule(scene.ports, request(ADMINISTRATOR), PolicyName("gone"))
    written, deleted = waiting(scene)
    assert ["leasehold.role.changed"] * 2 == [written["type"], deleted["type"]]
    assert ["event-rules/gone"] * 2 == [written["subject"], deleted["data"]["document"]]
    assert [False, True] == [written["data"]["deleted"], deleted["data"]["deleted"]]
    assert {"types", "subject", "action"} <= {*written["data"]["fields"]}
    assert SITE not in json.dumps(written)


async def test_an_event_rule_whose_writer_has_died_is_told_by_the_reconciliation() -> None:
    """At every call: if it is stored, it is told once."""
    for ordinal in range(1, 20):
        made = world(role(ttl=3600, max_ttl=7200), publishing=True)
        made.calls.fail_at(ordinal, Died(), after=True)
        try:
            await put_event_rule(made.ports, request(ADMINISTRATOR), PolicyName("gone"), gone("scope"))
        except Died:
            made.calls.revive()
        else:
            break
        await reconcile(made.ports, "run")
        assert {} == made.event_rules.pending
        assert (["role.changed"] if await made.ports.event_rules.list() else []) == told(made)
    assert 3 < ordinal < 19


async def test_a_role_that_is_written_as_it_was_is_not_told(scene: World) -> None:
    """Nothing has changed."""
    document = write_role(role(ttl=1800))
    for _ in range(2):
        await put_role(scene.ports, request(ADMINISTRATOR), read_role(WEB, document))
    assert ["role.changed"] == told(scene)


async def test_other_documents_are_not_told(scene: World) -> None:
    """Who may do what is nobody's affair outside."""
    made = AuthRole(name="readers", bounds=Bounds(service_principal_ids=frozenset({ALICE.object_id})), policies=())
    await scene.access.auth_roles.put(made, expected=ANY)
    await delete_auth_role(scene.ports, request(ADMINISTRATOR), PolicyName("readers"))
    assert [] == told(scene)


async def test_a_change_whose_worker_has_died_is_told_by_the_reconciliation_under_one_id(scene: World) -> None:
    """At every call after the write: the event of the change waits beside the document."""
    document = write_role(role(ttl=1800))
    for ordinal in range(1, 20):
        made = world(role(ttl=3600, max_ttl=7200), publishing=True)
        made.calls.fail_at(ordinal, Died(), after=True)
        try:
            await put_role(made.ports, request(ADMINISTRATOR), read_role(WEB, document))
        except Died:
            made.calls.revive()
        else:
            break
        await reconcile(made.ports, "run")
        changed = made.roles.pending == {} and await made.ports.roles.get(WEB)
        assert changed
        assert (["role.changed"] if changed.ttl == 1800 else []) == told(made)
    await tell_pending(scene.ports)


async def test_a_low_pool_is_told_once_until_it_was_full_again() -> None:
    """As the log tells it each minute."""
    scene = world(role(pooled_target(4)), publishing=True)
    scene.calls.fail("directory.upsert_application", Refused(status=403), times=99)
    await fill_up(scene)
    scene.clock.jump(601)
    for _ in range(3):
        await fill_up(scene)
    (event,) = [each for each in waiting(scene) if each["type"] == "leasehold.pool.low"]
    assert ({"role": "web", "ready": 0, "wanted": 4}, "roles/web") == (
        {name: event["data"][name] for name in ("role", "ready", "wanted")},
        event["subject"],
    )
    scene.calls.heal()
    scene.clock.jump(3600)
    await fill_up(scene, rounds=3)
    assert not (await scene.pools.fillings()).get(WEB, Filling()).low_told


async def test_a_pool_is_filled_although_its_event_cannot_be_stored() -> None:
    """It is told with the next filling."""
    scene = world(role(pooled_target(4)), publishing=True)
    scene.calls.fail("outbox.add", Unavailable(), times=1)
    scene.calls.fail("directory.upsert_application", Refused(status=403), times=99)
    await fill_up(scene)
    scene.clock.jump(601)
    await fill_up(scene)
    assert [] == told(scene)
    await fill_up(scene)
    assert ["pool.low"] == told(scene)
