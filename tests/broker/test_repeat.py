from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.ports import Timing
from shared.broker.revoke import revoke
from shared.core.caller import Caller
from shared.core.errors import Absent, Conflict, Forbidden, Gone, Locked, Pending, Throttled, TooMany, Unavailable, Unreachable
from shared.core.lease import State
from shared.core.role import Target
from tests.broker.scenes import stored, swept
from tests.fakes.calls import Died
from tests.fakes.world import ALICE, BOB, EXISTING_APP_ID, WEB, World, principal_target, request, role, secret_target, world
from tests.support.kinds import as_client_secret

TARGETS: dict[str, Target] = {"service principal": principal_target(), "application secret": secret_target()}
DAY = 86400.0


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    """Each kind of credential."""
    return TARGETS[request.param]


async def once(scene: World, key: str = "k", by: Caller = ALICE, **ask: Any) -> Issued:
    """An issue under a key."""
    return await issue_once(scene.ports, request(by), IssueRequest(**({"role": WEB} | ask)), key)


def works(scene: World, answer: Issued) -> bool:
    """Whether Entra takes the answer's secret."""
    credential = as_client_secret(answer.credential)
    return scene.cloud.signs_in(credential.client_id, credential.client_secret)


async def test_a_repeat_at_once_meets_a_replica_that_knows_nothing_yet(target: Target) -> None:
    """What was made a moment ago may be unknown there: that is doubted, and asked again."""
    scene = world(role(target))
    await once(scene)
    scene.calls.fail("directory.add_secret", Absent(status=404))
    scene.calls.fail("applications.add_secret", Absent(status=404))
    assert works(scene, await once(scene))


async def test_a_repeat_gets_the_same_lease_with_a_fresh_secret(target: Target) -> None:
    """The former secret is removed; nothing else of the credential changes."""
    scene = world(role(target))
    first = await once(scene)
    scene.clock.jump(200)
    second = await once(scene)
    assert first.lease.id == second.lease.id
    was, now = as_client_secret(first.credential), as_client_secret(second.credential)
    assert (was.client_id, was.object_id, was.subscription_id) == (now.client_id, now.object_id, now.subscription_id)
    assert was.secret_id != now.secret_id
    assert (False, True) == (works(scene, first), works(scene, second))
    assert [("issue", "done"), ("reissue", "done")] == scene.audit.told()


async def test_a_first_issue_costs_one_read_more_than_one_without_a_key() -> None:
    """The key is written with the lease."""
    with_key, without = world(role()), world(role())
    await once(with_key)
    await issue(without.ports, request(), IssueRequest(WEB))
    assert [*without.calls.names(), "leases.get"] == with_key.calls.names()


async def test_the_key_lies_in_the_leases_partition() -> None:
    """One transaction writes both."""
    scene = world(role())
    for number in range(40):
        await once(scene, key=f"key-{number}")
    shards = {(key.shard, key.lease_id.shard) for key in scene.leases.keys.values()}
    assert all(one == other for one, other in shards)
    assert len(shards) > 5


async def test_the_fresh_secret_ends_soon_after_the_leases_last_possible_end(target: Target) -> None:
    """As every secret does."""
    scene = world(role(target))
    await once(scene)
    scene.clock.jump(600)
    answer = await once(scene)
    stored = [each for app in scene.cloud.applications.values() for each in app.secrets.values()]
    latest = answer.lease.max_expires_at
    assert [True] == [latest < each.end <= latest + timedelta(minutes=10) for each in stored]


async def test_the_fresh_secret_is_tried_out_where_the_role_says_so() -> None:
    """And the lease says that it is ready."""
    scene = world(role(secret_target(ready="token")))
    await once(scene)
    assert (await once(scene)).lease.ready
    assert 2 == len(scene.calls.named("probe.signs_in"))


async def test_a_repeat_finds_its_application_when_the_role_names_another() -> None:
    """A lease from before it was kept what its role granted stays what it was issued as."""
    scene = world(role(secret_target()))
    lease = (await once(scene)).lease
    scene.leases.rows[lease.id] = replace(lease, target_digest="")
    scene.roles.keep(role(principal_target()))
    answer = await once(scene)
    assert (EXISTING_APP_ID, True) == (as_client_secret(answer.credential).client_id, works(scene, answer))


async def test_another_body_under_the_same_key_is_refused() -> None:
    """Naming the lease; its secret stays."""
    scene = world(role())
    first = await once(scene)
    for other in ({"ttl": 600}, {"reason": "else"}, {"metadata": {"a": "b"}}):
        with pytest.raises(Conflict, match=first.lease.id) as refused:
            await once(scene, **other)
        assert "idempotency_key_reused" == refused.value.stable_code
    assert works(scene, first)


async def test_a_key_is_bound_to_its_caller_and_its_role() -> None:
    """Others may use the same text."""
    other = WEB.parse("other")
    scene = world(role(), role(name=other))
    made = [await once(scene), await once(scene, by=BOB), await once(scene, role=other), await once(scene, key="K")]
    assert 4 == len({each.lease.id for each in made})
    assert all(works(scene, each) for each in made)


async def test_a_caller_that_may_no_longer_issue_gets_no_fresh_secret() -> None:
    """The decision is made anew."""
    scene = world(role())
    first = await once(scene)
    scene.roles.keep(role(bounds=role().bounds.__class__(application_ids=frozenset({BOB.object_id}))))
    with pytest.raises(Forbidden):
        await once(scene)
    assert works(scene, first)


async def test_a_key_is_kept_for_a_day() -> None:
    """Then it is free, whatever became of its lease."""
    scene = world(role(ttl=3 * 86400, max_ttl=3 * 86400))
    first = await once(scene)
    scene.clock.jump(DAY - 1)
    again = await once(scene)
    scene.clock.jump(1)
    later = await once(scene)
    assert first.lease.id == again.lease.id != later.lease.id
    assert works(scene, again)
    assert works(scene, later)


async def test_forgetting_a_lease_spares_the_key_that_another_has_taken_over() -> None:
    """Only its own goes with it."""
    scene = world(role(ttl=86400, max_ttl=86400), timing=Timing(retention=timedelta(days=1)))
    first = await once(scene)
    await revoke(scene.ports, request(), first.lease.id)
    scene.clock.jump(DAY + 1)
    second = await once(scene)
    assert 1 == (await swept(scene, after=400)).pruned
    assert [second.lease.id] == [key.lease_id for key in scene.leases.keys.values()] == list(scene.leases.rows)
    scene.clock.jump(DAY)
    await swept(scene)
    await swept(scene, after=DAY + 400)
    assert ({}, {}) == (scene.leases.keys, scene.leases.rows)


@pytest.mark.parametrize("expired", [False, True])
async def test_a_repeat_for_a_lease_that_has_ended_is_told_so(expired: bool, target: Target) -> None:  # noqa: FBT001
    """It is not issued again: by revocation, or by its time, swept or not."""
    scene = world(role(target))
    first = await once(scene)
    if expired:
        scene.clock.jump(901)
    else:
        await revoke(scene.ports, request(), first.lease.id)
    with pytest.raises(Gone, match=first.lease.id) as gone:
        await once(scene)
    assert "lease_ended" == gone.value.stable_code
    assert 1 == len(scene.leases.rows)


async def test_a_failed_issue_leaves_its_key_free(target: Target) -> None:
    """A caller that got an error repeats, and succeeds, even while the first attempt is still being undone."""
    scene = world(role(target))
    service = "authorization.assign" if target is TARGETS["service principal"] else "applications.add_secret"
    scene.calls.fail(service, Locked("no", status=409))
    scene.calls.fail("directory.delete_application", Unavailable("down", status=500), times=100)
    with pytest.raises(Locked):
        await once(scene)
    (failed,) = scene.leases.rows
    answer = await once(scene)
    assert works(scene, answer)
    assert answer.lease.id != failed


async def test_a_refusal_leaves_its_key_free() -> None:
    """No room: nothing was begun, and nothing is kept."""
    scene = world(role(max_leases=1))
    other = await once(scene, key="other")
    with pytest.raises(TooMany):
        await once(scene)
    assert 1 == len(scene.leases.keys)
    scene.clock.jump(300)
    await revoke(scene.ports, request(), other.lease.id)
    assert works(scene, await once(scene))


async def test_an_issue_whose_event_could_not_be_stored_leaves_its_key_free() -> None:
    """It was active for a moment, and was never answered."""
    scene = world(role())
    scene.calls.fail("audit.record", Unreachable("no answer"))
    with pytest.raises(Unreachable):
        await once(scene)
    assert works(scene, await once(scene))


async def test_a_repeat_waits_for_the_one_that_is_making_the_lease() -> None:
    """Both are answered; one secret stays."""
    scene = world(role(), latency=2.0)

    async def later() -> Issued:
        await scene.clock.sleep(5)
        return await once(scene)

    first, second = await together(once(scene), later())
    assert first.lease.id == second.lease.id
    assert 1 == works(scene, first) + works(scene, second)


async def together(*work: Any) -> list[Any]:
    """All at once."""
    return list(await asyncio.gather(*work))


def test_a_repeat_after_the_workers_death_makes_a_new_lease() -> None:
    """As soon as the dead worker's hold is over, without waiting for a sweep, which then undoes the first."""
    scene = world(role())
    scene.calls.fail_at(4, Died(), after=True)
    with pytest.raises(Died):
        scene.run(lambda: once(scene))
    scene.calls.revive()
    (dead,) = scene.leases.rows
    before, opened = scene.clock.monotonic(), len(scene.calls.named("leases.open"))
    answer = scene.run(lambda: once(scene))
    assert 2 == len(scene.calls.named("leases.open")) - opened, "first as if the key were new, and then anew"
    assert 19 < scene.clock.monotonic() - before < 25
    assert State.ENDING is stored(scene, dead).state
    assert (True, False) == (works(scene, answer), answer.lease.id == dead)
    scene.run(lambda: swept(scene))
    assert {answer.lease.id[4:]} == {name.rpartition(".")[2] for name in applications(scene)}


def applications(scene: World) -> list[str]:
    """The unique names of those that leases have made."""
    return [each.unique_name for each in scene.cloud.applications.values() if each.wanted]


async def test_the_key_of_an_active_lease_is_never_free() -> None:
    """Even where nobody has noted that it was handed out."""
    scene = world(role())
    first = await once(scene)
    scene.leases.rows[first.lease.id] = replace(stored(scene), handed_out=False)
    assert first.lease.id == (await once(scene)).lease.id


async def test_a_repeat_that_waits_too_long_is_asked_to_come_again() -> None:
    """It holds up nobody for longer than the platform lets it; the one at work is not disturbed."""
    scene = world(role(), timing=Timing(repeat=10), latency=8.0)

    async def later() -> str:
        await scene.clock.sleep(9)
        with pytest.raises(Pending):
            await once(scene)
        return "refused"

    first, _ = await together(once(scene), later())
    assert works(scene, first)


@pytest.mark.parametrize("call", ["add_secret", "remove_secret"])
async def test_a_failed_fresh_secret_fails_the_repeat_and_the_next_succeeds(call: str, target: Target) -> None:
    """No stray is left that somebody knows."""
    scene = world(role(target))
    service = "directory" if target is TARGETS["service principal"] else "applications"
    first = await once(scene)
    scene.clock.jump(300)
    scene.calls.fail(f"{service}.{call}", Throttled("later", retry_after=120))
    with pytest.raises(Throttled):
        await once(scene)
    assert works(scene, first)
    second = await once(scene)
    assert (False, True) == (works(scene, first), works(scene, second))
    assert 1 == sum(len(app.secrets) for app in scene.cloud.applications.values())


async def test_a_former_secret_that_is_gone_is_no_obstacle(target: Target) -> None:
    """Absence is success; that there may be several stays noted, for it was not met."""
    scene = world(role(target))
    await once(scene)
    scene.clock.jump(300)
    for app in scene.cloud.applications.values():
        app.secrets.clear()
    answer = await once(scene)
    assert works(scene, answer)
    assert stored(scene).maybe_more_secrets


async def test_a_lease_that_was_reissued_ends_like_any_other(target: Target) -> None:
    """At one go, with every secret gone."""
    scene = world(role(target))
    await once(scene)
    await once(scene)
    scene.clock.jump(300)
    ended = await revoke(scene.ports, request(), stored(scene).id)
    assert (State.ENDED, []) == (ended.state, scene.leftovers())


async def during(call: str, *, error: Exception | None = None) -> tuple[World, list[Issued], Issued | None]:
    """A first issue, and a whole repeat of it that comes in at that call; what each was answered."""
    ordinal = 1 + await _place(call)
    scene, others = world(role()), list[Issued]()

    async def other() -> None:
        others.append(await once(scene))

    scene.calls.meanwhile(ordinal, other)
    if error is None:
        return scene, others, await once(scene)
    scene.calls.fail_at(ordinal, error, after=True)
    with pytest.raises(type(error)):
        await once(scene)
    return scene, others, None


async def _place(call: str) -> int:
    scene = world(role())
    await once(scene)
    return scene.calls.names().index(call)


async def test_a_slow_first_request_never_answers_with_a_secret_that_was_replaced() -> None:
    """A repeat found the lease active before the first could answer: the first gets a fresh one in its turn."""
    scene, (other,), answer = await during("audit.record")
    assert answer is not None
    assert other.lease.id == answer.lease.id
    assert (False, True) == (works(scene, other), works(scene, answer))


async def test_a_first_request_that_fails_late_leaves_alone_what_a_repeat_has_handed_out() -> None:
    """It would take the credential from the caller that has it."""
    scene, (other,), _ = await during("audit.record", error=Unreachable("no answer"))
    assert works(scene, other)
    assert State.ACTIVE is stored(scene).state


async def test_a_worker_that_wakes_after_its_turn_spares_the_secret_of_the_next() -> None:
    """It looks for nothing any more, and removes its own alone."""
    scene = world(role())
    await once(scene)
    scene.clock.jump(300)
    for app in scene.cloud.applications.values():
        app.secrets.clear()
    await once(scene)
    assert stored(scene).maybe_more_secrets
    others: list[Issued] = []

    async def frozen() -> None:
        scene.clock.jump(61)
        others.append(await once(scene))

    # The repeat's own calls: role, version and generation, key taken, the same three, key, lease, turn, and then the secret.
    scene.calls.meanwhile(len(scene.calls.made) + 11, frozen)
    with pytest.raises(Unreachable):
        await once(scene)
    assert "directory.add_secret" in scene.calls.names()[-12:]
    assert [True] == [works(scene, each) for each in others]
    assert 1 == sum(len(app.secrets) for app in scene.cloud.applications.values())


async def test_a_fresh_secret_that_is_not_handed_out_goes_at_once(target: Target) -> None:
    """Where the former one cannot be removed: that stays, and works."""
    scene = world(role(target))
    first = await once(scene)
    scene.clock.jump(200)
    for call in ("directory.remove_secret", "applications.remove_secret"):
        scene.calls.fail(call, Locked())
    with pytest.raises(Locked):
        await once(scene)
    assert 1 == sum(len(application.secrets) for application in scene.cloud.applications.values())
    assert works(scene, first)
