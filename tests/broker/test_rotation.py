"""A secret that replaces another is proven while the former one still works, for longer than a turn lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.revoke import revoke
from shared.core.errors import ConcurrentChange, Gone, LostRace, Unavailable
from shared.core.lease import State
from shared.core.names import ObjectId
from shared.core.role import Target
from shared.core.secret import Secret
from tests.fakes.calls import MadeCall
from tests.fakes.cloud import FakeProbe
from tests.fakes.world import WEB, World, principal_target, request, role, secret_target, world
from tests.support.kinds import as_client_secret

TARGETS: dict[str, Target] = {
    "service principal": principal_target(ready="token"),
    "application secret": secret_target(ready="token"),
}


@pytest.fixture(params=TARGETS)
def scene(request: pytest.FixtureRequest) -> World:
    """A role that wants its secrets proven."""
    return world(role(TARGETS[request.param], ttl=3600))


async def once(scene: World) -> Issued:
    """Alice asks under her key, or again."""
    return await issue_once(scene.ports, request(), IssueRequest(WEB), "k")


def proof_takes(scene: World, seconds: float, then: Callable[[], Awaitable[object]] | None = None) -> None:
    """From now on; ``then`` happens while it lasts."""
    asked = FakeProbe.signs_in

    class Slow(FakeProbe):
        async def signs_in(
            self, client_id: ObjectId, secret: Secret, *, deadline: float, since: datetime | None = None
        ) -> bool:
            left = deadline - scene.clock.monotonic()
            await scene.clock.sleep(min(seconds, left))
            if then is not None:
                await then()
            return seconds < left and await asked(self, client_id, secret, deadline=deadline, since=since)

    probe = Slow(scene.calls, scene.cloud)
    principals, secrets = scene.issuers.principals, scene.issuers.secrets
    scene.issuers = replace(scene.issuers, principals=replace(principals, probe=probe), secrets=replace(secrets, probe=probe))
    scene.ports = replace(scene.ports, kinds=scene.issuers.kinds())


def secrets_that_work(scene: World) -> list[str]:
    """The texts of all secrets in Azure."""
    return [stored.text for each in scene.cloud.applications.values() for stored in each.secrets.values()]


async def test_both_secrets_live_until_the_new_one_is_proven(scene: World) -> None:
    """And one afterwards."""
    first = await once(scene)
    scene.clock.jump(200)
    seen: list[int] = []

    def watch(call: MadeCall) -> None:
        if call.name == "probe.signs_in":
            seen.append(len(secrets_that_work(scene)))

    scene.calls.watch = watch
    second = await once(scene)
    assert [2] == seen
    assert [as_client_secret(second.credential).client_secret.reveal()] == secrets_that_work(scene)
    assert as_client_secret(first.credential).secret_id != as_client_secret(second.credential).secret_id
    assert second.lease.ready


@pytest.mark.parametrize("trouble", [False, True])
async def test_a_proof_may_take_longer_than_a_turn(scene: World, *, trouble: bool) -> None:
    """The turn is renewed: nobody comes in between, and the one who waits gets its own secret after it.

    A renewal that storage refuses is made up for by the next.
    """
    await once(scene)
    scene.clock.jump(200)
    proof_takes(scene, 80)
    if trouble:
        scene.calls.fail("leases.swap", Unavailable(), nth=3)
    began = scene.clock.monotonic()
    one, other = await asyncio.gather(once(scene), once(scene))
    assert one.lease.ready
    assert other.lease.ready
    assert 160 <= scene.clock.monotonic() - began < 170
    last = max(one, other, key=lambda answer: answer.lease.rotations)
    assert [as_client_secret(last.credential).client_secret.reveal()] == secrets_that_work(scene)


async def test_a_secret_that_is_not_proven_in_time_is_handed_out_as_pending(scene: World) -> None:
    """The former one is gone then as well."""
    await once(scene)
    scene.clock.jump(200)
    proof_takes(scene, 10_000)
    began = scene.clock.monotonic()
    answer = await once(scene)
    assert not answer.lease.ready
    assert 190 == pytest.approx(scene.clock.monotonic() - began, abs=1)
    assert [as_client_secret(answer.credential).client_secret.reveal()] == secrets_that_work(scene)


async def test_a_worker_that_dies_while_proving_keeps_the_next_for_a_turn_at_most(scene: World) -> None:
    """Its sign of life is a minute old by then."""
    await once(scene)
    scene.clock.jump(200)
    proof_takes(scene, 150)
    dying = asyncio.ensure_future(once(scene))
    await scene.clock.sleep(100)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    proof_takes(scene, 0)
    began = scene.clock.monotonic()
    answer = await once(scene)
    assert scene.clock.monotonic() - began <= 65
    assert [as_client_secret(answer.credential).client_secret.reveal()] == secrets_that_work(scene)


async def test_a_lease_that_ends_while_its_new_secret_is_proven_hands_none_out(scene: World) -> None:
    """And leaves none."""
    first = await once(scene)
    scene.clock.jump(200)
    proof_takes(scene, 50, then=lambda: revoke(scene.ports, request(), first.lease.id))
    with pytest.raises((Gone, LostRace)):
        await once(scene)
    assert State.ENDING is scene.leases.rows[first.lease.id].state  # looked at once more: a secret may have been on its way
    assert [] == secrets_that_work(scene)


async def test_a_turn_is_renewed_each_third_of_it_while_a_secret_is_proven(scene: World) -> None:
    """Two renewals may fail before anybody else comes in."""
    await once(scene)
    scene.clock.jump(200)
    proof_takes(scene, 70)
    began, before = scene.clock.monotonic(), len(scene.calls.named("leases.swap"))
    await once(scene)
    marked, *renewed, _, _ = [call.began - began for call in scene.calls.named("leases.swap")[before:]]
    assert 0 == marked
    assert [20, 40, 60] == pytest.approx(renewed)


async def test_after_the_proof_there_is_a_whole_turn_for_what_is_left(scene: World) -> None:
    """To remove the former secret and to store the fresh one, however long the proof has taken."""
    await once(scene)
    scene.clock.jump(200)
    proof_takes(scene, 19)
    left: list[float] = []

    def watch(call: MadeCall) -> None:
        (lease,) = scene.leases.rows.values()
        if call.name.endswith("remove_secret") and lease.rotating_until is not None:
            left.append((lease.rotating_until - scene.clock.now()).total_seconds())

    scene.calls.watch = watch
    await once(scene)
    assert [60.0] == left


@pytest.mark.parametrize(("failures", "patient"), [(3, True), (30, False)])
async def test_after_the_proof_there_is_half_a_turn_for_trying_again(scene: World, failures: int, *, patient: bool) -> None:
    """No call begins in the other half."""
    await once(scene)
    scene.clock.jump(200)
    proof_takes(scene, 50)
    for name in ("directory.remove_secret", "applications.remove_secret"):
        scene.calls.fail(name, ConcurrentChange(), times=failures)
    began = scene.clock.monotonic()
    if patient:
        assert (await once(scene)).lease.ready
        return
    with pytest.raises(ConcurrentChange):
        await once(scene)
    tried = [call.began - began for call in scene.calls.named("applications") + scene.calls.named("directory")]
    assert 70 < max(tried) <= 50 + 2 * 30
