"""Filling pools: who gets how many, what ends, what waits, and what is told."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.configure.roles import delete_role
from shared.broker.ending.sweep import sweep
from shared.broker.inspect import status
from shared.broker.issue.prepare import prepare
from shared.broker.pool.fill import fill, refill
from shared.broker.revoke import revoke_role
from shared.core.azure_role import AzureRole
from shared.core.directory import NewKey
from shared.core.errors import Refused, Throttled, Unreachable
from shared.core.lease import Cause, State
from shared.core.names import LeaseId, RoleName
from shared.core.pool import MOST_OF_A_ROLE, MOST_OF_A_RUN, Pool
from shared.kinds.pooling import pool_digest
from shared.resilience.tasks import all_of
from tests.fakes.cloud_state import Application
from tests.fakes.world import ADMINISTRATOR, WEB, World, request, role, world
from tests.support.every_kind import CERTIFICATES, FEDERATED, TOKENS
from tests.support.pools import fill_up, in_state, pooled_target, take_messages

API = RoleName("api")
DENIED = Refused("no", status=403, azure_code="Authorization_RequestDenied")


def made_for(scene: World) -> Counter[str]:
    """How many leases there are that are nobody's and not ended, by role."""
    return Counter(lease.id.role for lease in scene.leases.rows.values() if lease.is_for_pool)


def keys_of(application: Application) -> list[NewKey]:
    """The certificates that it takes."""
    return [application.wanted.key] if application.wanted and application.wanted.key else []


async def test_a_lease_that_comes_to_stand_in_the_pool_while_it_is_counted_is_counted() -> None:
    """At whichever call of the count. Otherwise one too many would be made."""
    for call in range(1, 20):
        scene = world(role(pooled_target(2)))
        await fill(scene.ports, "timer")

        async def take(scene: World = scene) -> None:
            await take_messages(scene)

        scene.calls.meanwhile(len(scene.calls.made) + call, take)
        done = await fill(scene.ports, "timer")
        await take_messages(scene)
        assert (0, 2) == (done.opened, len(in_state(scene, State.POOLED))), call


@pytest.mark.parametrize("credential", [TOKENS, FEDERATED, CERTIFICATES], ids=lambda each: each.name)
@pytest.mark.parametrize("ready", ["none", "token", "access"])
async def test_a_pool_is_filled_without_a_credential(credential: Any, ready: str) -> None:
    """Everything else is made, and seen to work as far as the role asks. The broker alone is trusted."""
    scene = world(role(pooled_target(2, credential=credential, ready=ready, pool=Pool(2, max_age=3600))))
    done = await fill_up(scene)
    assert 2 == done.opened
    leases = in_state(scene, State.POOLED)
    assert [(None, False)] * 2 == [(each.holder, each.handed_out) for each in leases]
    assert all(each.due_at == each.made_by + timedelta(seconds=3600) for each in leases)
    assert {ready != "none"} == {each.ready_at is not None for each in leases}
    applications = [each for each in scene.cloud.applications.values() if each.wanted is not None]
    assert [([], ["lh-broker"], [])] * 2 == [([*each.secrets], [*each.trusted], keys_of(each)) for each in applications]
    assert 2 == len(scene.cloud.assignments)
    assert 2 == sum(map(len, scene.cloud.groups.values()))
    assert {lease.id for lease in leases} == {hint.lease for hint in scene.pools.rows.values()}
    assert [("fill", "done")] * 2 == [event for event in scene.audit.told() if event[0] == "fill"]
    assert {*scene.leased.rows} >= {each for lease in leases for each in scene.ports.kinds.principals(lease)}


async def test_full_pools_cost_no_call_to_azure() -> None:
    """Until it is time to look at what stands in them: then one for ten."""
    scene = world(role(pooled_target(10)))
    await fill_up(scene, rounds=3)
    assert 10 == len(in_state(scene, State.POOLED))
    scene.calls.made.clear()
    for _ in range(10):
        scene.clock.jump(60)
        assert 0 == (await fill(scene.ports, "timer")).opened
    azure = ("directory.", "authorization.", "sign_in.", "inventory.")
    assert ["sign_in.subject", "directory.look_at"] == [name for name in scene.calls.names() if name.startswith(azure)]


async def test_whose_largest_share_is_missing_comes_first_and_none_takes_all() -> None:
    """At most four of a role in one run, and ten in all."""
    roles = [role(pooled_target(20), RoleName(f"r{number}")) for number in range(4)]
    scene = world(*roles, role(pooled_target(1), WEB))
    assert MOST_OF_A_RUN == (await fill(scene.ports, "timer")).opened
    made = made_for(scene)
    assert 1 == made[WEB]
    assert max(made.values()) <= MOST_OF_A_ROLE
    await take_messages(scene)
    await fill_up(scene, rounds=9)
    assert {**{each.name: 20 for each in roles}, WEB: 1} == made_for(scene)


async def test_two_fillings_at_once_make_no_more_than_is_missing() -> None:
    """Of one role, one worker at a time opens leases."""
    scene = world(role(pooled_target(2)))
    await all_of(*(fill(scene.ports, "timer") for _ in range(3)), *(refill(scene.ports, "worker", WEB) for _ in range(3)))
    assert {WEB: 2} == made_for(scene)


async def test_a_filling_that_died_in_its_turn_is_followed_by_the_next() -> None:
    """Half a minute later."""
    scene = world(role(pooled_target(2)))
    await scene.ports.pools.change_filling(WEB, lambda it: it.taken_up(scene.ports.now()))
    assert 0 == (await fill(scene.ports, "timer")).opened
    scene.clock.jump(31)
    assert 2 == (await fill(scene.ports, "timer")).opened


async def test_lost_hints_are_mended_and_stale_ones_forgotten() -> None:
    """Where a pool seems to be short of leases. What stands already is not made again."""
    scene = world(role(pooled_target(2)))
    await fill_up(scene)
    stood = dict(scene.pools.rows)
    scene.pools.rows.clear()
    assert 0 == (await fill_up(scene)).opened
    assert stood == scene.pools.rows
    first, second = in_state(scene, State.POOLED)
    await scene.leases.swap(first.ending(Cause.DRAINED, scene.ports.now(), scene.ports.now()), former=first)
    scene.pools.rows = {key: hint for key, hint in scene.pools.rows.items() if hint.lease == first.id}
    assert 1 == (await fill_up(scene)).opened
    assert second.id in {hint.lease for hint in scene.pools.rows.values()}
    assert first.id not in {hint.lease for hint in scene.pools.rows.values()}


CHANGES: dict[str, dict[str, Any]] = {
    "assigned": {"pool": Pool(2, assigned=False)},
    "groups": {"azure_groups": ()},
    "permanently_delete": {"permanently_delete": False},
    "ready": {"ready": "access"},
    "tags": {"tags": ("team:web",)},
    "sign_in_audience": {"sign_in_audience": "AzureADMultipleOrgs"},
    "credential": {"credential": FEDERATED},
    "no pool": {"pool": Pool(0)},
}
KEEPS: dict[str, dict[str, Any]] = {
    "max_age": {"pool": Pool(2, max_age=120)},
    "larger": {"pool": Pool(3)},
    "token_scopes": {"credential": replace(TOKENS, token_scopes=TOKENS.token_scopes[:1])},
}


@pytest.mark.parametrize("name", [*CHANGES, *KEEPS])
async def test_what_the_role_is_made_of_drains_its_pool_and_nothing_else_does(name: str) -> None:
    """The next filling ends what does not fit, the sweep undoes it, and what fits is made."""
    target = pooled_target(2, credential=TOKENS)
    scene = world(role(target))
    await fill_up(scene)
    before = {lease.id for lease in in_state(scene, State.POOLED)}
    changed = role(replace(target, **(CHANGES | KEEPS)[name]), ttl=600, max_ttl=1200, max_leases=7)
    scene.roles.keep(changed)
    done = await fill_up(scene)
    after = {lease.id for lease in in_state(scene, State.POOLED)}
    if name in KEEPS:
        assert (0, True) == (done.drained, before <= after)
        return
    assert (2, set()) == (done.drained, before & after)
    await sweep(scene.ports, "sweep")
    assert changed.target.pool.size == len(after)  # type: ignore[attr-defined]
    assert {Cause.DRAINED} == {scene.leases.rows[each].cause for each in before}
    assert {State.ENDED} == {scene.leases.rows[each].state for each in before}


async def test_of_what_is_too_many_the_oldest_ends() -> None:
    """The role has become smaller."""
    scene = world(role(pooled_target(1)))
    await fill_up(scene)
    (oldest,) = in_state(scene, State.POOLED)
    scene.clock.jump(60)
    scene.roles.keep(role(pooled_target(2)))
    await fill_up(scene)
    scene.roles.keep(role(pooled_target(1)))
    assert 1 == (await fill_up(scene)).drained
    assert (State.ENDING, Cause.DRAINED) == (scene.leases.rows[oldest.id].state, scene.leases.rows[oldest.id].cause)


async def test_what_is_too_old_ends_and_another_is_made() -> None:
    """By the sweep at its ``max_age``, or by the filling if the role's has become shorter."""
    scene = world(role(pooled_target(1, pool=Pool(1, max_age=600))))
    await fill_up(scene)
    scene.clock.jump(601)
    await sweep(scene.ports, "sweep")
    assert not in_state(scene, State.POOLED)
    await fill_up(scene)
    (younger,) = in_state(scene, State.POOLED)
    scene.roles.keep(role(pooled_target(1, pool=Pool(1, max_age=60))))
    scene.clock.jump(61)
    assert 1 == (await fill_up(scene)).drained
    assert Cause.DRAINED is scene.leases.rows[younger.id].cause


async def test_the_pool_of_a_deleted_role_drains() -> None:
    """Nothing else would end it before its ``max_age``."""
    scene = world(role(pooled_target(2)))
    await fill_up(scene)
    await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=False)
    assert 2 == (await fill_up(scene)).drained
    await sweep(scene.ports, "sweep")
    assert [] == scene.leftovers()
    assert {} == scene.pools.filled


async def test_after_a_revocation_the_pool_fills_anew() -> None:
    """What stood in it ends with the role's other leases."""
    scene = world(role(pooled_target(2)))
    await fill_up(scene)
    before = {lease.id for lease in in_state(scene, State.POOLED)}
    await revoke_role(scene.ports, request(ADMINISTRATOR), WEB)
    await fill_up(scene)
    await sweep(scene.ports, "sweep")
    after = {lease.id for lease in in_state(scene, State.POOLED)}
    assert (2, set()) == (len(after), before & after)
    assert {Cause.REVOKED} == {scene.leases.rows[each].cause for each in before}


async def test_a_role_that_changes_while_a_lease_is_made_ends_the_lease() -> None:
    """Whoever takes its message looks at the role once more."""
    scene = world(role(pooled_target(1)))
    await fill(scene.ports, "timer")
    scene.roles.keep(role(pooled_target(1, permanently_delete=False)))
    await take_messages(scene)
    assert not in_state(scene, State.POOLED)
    assert {Cause.DRAINED} == {lease.cause for lease in scene.leases.rows.values()}


async def test_a_failing_role_waits_and_hungers_no_other() -> None:
    """Twice as long each time, and it is told in ``status``."""
    scene = world(role(pooled_target(1)), role(pooled_target(1), API))
    scene.calls.fail("directory.upsert_application", DENIED)
    await fill_up(scene, rounds=3)
    made = {lease.id.role for lease in in_state(scene, State.POOLED)}
    assert 1 == len(made)
    (failing,) = {WEB, API} - made
    found = (await status(scene.ports, request(ADMINISTRATOR))).pools
    assert "azure_refused" == found[failing].failing
    opened = len(scene.leases.rows)
    await fill_up(scene)
    assert opened == len(scene.leases.rows)
    scene.clock.jump(1000)
    await fill_up(scene)
    assert {WEB, API} == {lease.id.role for lease in in_state(scene, State.POOLED)}
    assert "" == (await status(scene.ports, request(ADMINISTRATOR))).pools[failing].failing


async def test_what_is_not_proven_in_time_is_undone_and_tried_again_later() -> None:
    """As a caller's preparation is."""
    scene = world(role(pooled_target(1, ready="token")))
    scene.calls.fail("sign_in.signs_in", Unreachable("no answer"), times=99)
    await fill_up(scene)
    scene.clock.jump(901)
    await sweep(scene.ports, "sweep")
    assert 1 == scene.pools.filled[WEB].failures
    assert "not_proven" == scene.pools.filled[WEB].last_error


async def test_azures_limits_delay_what_is_made() -> None:
    """It is no failure, and no other lease is opened meanwhile."""
    scene = world(role(pooled_target(1)))
    scene.calls.fail("directory.upsert_application", Throttled("slow down", retry_after=20), times=50)
    await fill_up(scene)
    assert {WEB: 1} == made_for(scene)
    assert 0 == scene.pools.filled[WEB].failures
    await fill(scene.ports, "timer")
    assert {WEB: 1} == made_for(scene)


async def test_a_message_that_could_not_be_sent_is_the_sweeps() -> None:
    """Or the next filling's."""
    scene = world(role(pooled_target(1)))
    scene.calls.fail("fillings.send", Unreachable("no answer"), times=1)
    await fill_up(scene)
    scene.clock.jump(61)
    await sweep(scene.ports, "sweep")
    await take_messages(scene)
    assert 1 == len(in_state(scene, State.POOLED))


async def test_a_timer_that_was_dead_for_a_day_goes_on() -> None:
    """What has become too old meanwhile has ended, and the pool is full again."""
    scene = world(role(pooled_target(2, pool=Pool(2, max_age=3600))))
    await fill_up(scene)
    scene.clock.jump(86400)
    await sweep(scene.ports, "sweep")
    await fill_up(scene)
    assert 2 == len(in_state(scene, State.POOLED))
    assert 2 == len(scene.pools.rows)


async def test_a_broken_role_is_not_filled_and_keeps_what_it_has() -> None:
    """Nothing is issued from it until it is written again."""
    target = pooled_target(2)
    gone = tuple(replace(each, gone=True) for each in target.azure_roles)
    scene = world(role(replace(target, azure_roles=gone)))
    assert 0 == (await fill_up(scene)).opened


async def test_a_pool_that_is_low_for_long_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """For an alert: less than half, for ten minutes."""
    scene = world(role(pooled_target(4)))
    scene.calls.fail("directory.upsert_application", DENIED, times=99)
    caplog.set_level(logging.ERROR)
    await fill_up(scene)
    assert "pool_low" not in caplog.text
    scene.clock.jump(601)
    await fill_up(scene)
    assert "pool_low role=web ready=0 wanted=4" in caplog.text


async def test_status_tells_of_each_pool() -> None:
    """What stands, what is made, what is wanted, and since when."""
    scene = world(role(pooled_target(3)), role(pooled_target(0), API))
    await fill(scene.ports, "timer")
    first, second = (each for each in scene.fillings.take()[:2])
    found = (await status(scene.ports, request(ADMINISTRATOR))).pools
    assert {WEB: (0, 3, 3, None)} == {name: (it.ready, it.filling, it.wanted, it.oldest) for name, it in found.items()}
    for lease_id in (first, second):
        assert isinstance(lease_id, LeaseId)
        await prepare(scene.ports, "worker", lease_id)
    pool = (await status(scene.ports, request(ADMINISTRATOR))).pools[WEB]
    assert (2, 1, 3, in_state(scene, State.POOLED)[0].ready_at) == (pool.ready, pool.filling, pool.wanted, pool.oldest)


async def test_the_digest_knows_definitions_by_what_they_were_resolved_to() -> None:
    """Two names of one definition are the same; another definition is not."""
    scene = world(role(pooled_target(1)))
    target = pooled_target(1)
    (one,) = target.azure_roles
    other = AzureRole(one.scope, one.role_name, definition_id=f"{one.definition_id[:-2]}ff", powers=one.powers)
    kinds = scene.ports.kinds
    assert pool_digest(kinds, role(target)) != pool_digest(kinds, role(replace(target, azure_roles=(other,))))


async def test_a_role_of_which_only_leases_for_the_pool_are_made_can_be_deleted() -> None:
    """Nobody holds anything, and nothing is revoked."""
    scene = world(role(pooled_target(2)))
    await fill(scene.ports, "timer")
    assert 0 == (await revoke_role(scene.ports, request(ADMINISTRATOR), WEB)).count
    await fill(scene.ports, "timer")
    await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=False)
    await take_messages(scene)
    assert not {each.state for each in scene.leases.rows.values()} & {State.PLANNED, State.POOLED}
    assert [] == scene.leftovers()
