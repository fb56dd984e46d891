"""Leases for which nobody waits are proven in turns, so that none holds the workers while others wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.inspect import status
from shared.broker.issue.prepare import SLOW, prepare
from shared.broker.pool.fill import fill
from shared.broker.revoke import revoke
from shared.core.lease import State
from shared.core.names import ObjectId
from shared.core.readiness.verdicts import Verdict, Word
from shared.resilience.rounds import Rounds
from tests.broker.preparing import asked, taken
from tests.broker.scenes import AZURE, stored, swept
from tests.fakes.cloud import FakeLeaseSignIn
from tests.fakes.world import ADMINISTRATOR, WEB, World, principal_target, request, role, world
from tests.support.pools import in_state, pooled_target, take_messages

PROVEN = principal_target(1, 0, ready="token")
BEAT = 20 / 3
"""Seconds between two beats of a lock."""


@dataclass
class Replicas:
    """Entra ID refuses every sign-in until ``known_at``. ``seconds``: of one sign-in."""

    known_at: float
    seconds: float = 0.1


@contextmanager
def entra(replicas: Replicas) -> Iterator[None]:
    """The broker's own sign-ins go by whole rounds, as the product's do."""

    async def signs_in(self: FakeLeaseSignIn, client_id: ObjectId, *, deadline: float, since: datetime | None = None) -> bool:
        clock = self.calls.clock
        assert since is not None

        async def attempt() -> Verdict:
            await clock.sleep(replicas.seconds)
            await self.calls.through("sign_in.signs_in", lambda: None, client_id)
            return Verdict(Word.YES if clock.monotonic() >= replicas.known_at else Word.NOT_YET)

        return await Rounds(clock, attempt, deadline, "a sign-in").pass_all()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeLeaseSignIn, "signs_in", signs_in)
        yield


def writes(scene: World) -> list[str]:
    """The calls that make something in Azure."""
    return [call.name for call in scene.calls.made if call.service in AZURE]


async def test_a_lease_that_does_not_work_yet_goes_back_behind_the_others() -> None:
    """After twenty seconds: a worker is free for whoever waits. What is made is not made again."""
    scene = world(role(PROVEN))
    await asked(scene)
    began = scene.clock.monotonic()
    with entra(Replicas(known_at=began + 30)):
        await taken(scene)
        assert 15 < scene.clock.monotonic() - began <= 20
        lease = stored(scene)
        assert (State.PLANNED, True, 2) == (lease.state, lease.is_queued, len(scene.preparations.leases()))
        made = writes(scene)
        await taken(scene)
    assert State.PREPARED is stored(scene).state
    assert made == writes(scene)


async def test_a_proof_that_comes_to_pass_is_not_cut_off() -> None:
    """However slow the sign-ins are: a turn ends at a refusal alone. Twenty of them take a minute here."""
    scene = world(role(PROVEN))
    await asked(scene)
    with entra(Replicas(known_at=scene.clock.monotonic() + 10, seconds=3)):
        await taken(scene)
    assert State.PREPARED is stored(scene).state


async def test_a_worker_stops_when_its_lease_is_another_s() -> None:
    """It was revoked. The worker learns of it with the next beat of its lock, and not when its time is over."""
    scene = world(role(PROVEN))
    await asked(scene)
    began = scene.clock.monotonic()

    async def revoked() -> float:
        await scene.clock.sleep(8)
        await revoke(scene.ports, request(), stored(scene).id)
        return scene.clock.monotonic()

    async def worked() -> float:
        await taken(scene)
        return scene.clock.monotonic()

    with entra(Replicas(known_at=began + 1000)):
        at, ended = await asyncio.gather(revoked(), worked())
    assert ended - at <= BEAT + scene.ports.timing.inline_undo
    tried = [call for call in scene.calls.made if call.name == "sign_in.signs_in"]
    assert len(tried) <= (8 + BEAT) / 2 + 1
    await swept(scene, after=300)
    await swept(scene, after=300)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def test_a_slow_lease_has_a_turn_a_minute() -> None:
    """It would otherwise be a third of all that workers do, for a quarter of an hour."""
    scene = world(role(PROVEN))
    await asked(scene)
    with entra(Replicas(known_at=scene.clock.monotonic() + 9000)):
        while scene.clock.monotonic() < 1000 + SLOW:
            await taken(scene)
        scene.preparations.take()
        await taken(scene)
        assert [] == scene.preparations.leases()
        await swept(scene, after=61)
    assert [stored(scene).id] == scene.preparations.leases()


async def test_leases_for_pools_do_not_wait_in_one_queue_with_callers() -> None:
    """The host takes from each queue as if there were no other. A claimed lease is a caller's."""
    scene = world(role(pooled_target(1, ready="none")))
    await fill(scene.ports, "timer")
    assert (1, []) == (len(scene.fillings.leases()), scene.preparations.messages())
    await take_messages(scene)
    await asked(scene)
    assert (1, [WEB]) == (len(scene.preparations.leases()), scene.fillings.messages())


async def test_the_sweep_sends_the_message_of_a_lease_for_a_pool_to_the_pools_queue() -> None:
    """It was lost."""
    scene = world(role(pooled_target(1)))
    await fill(scene.ports, "timer")
    scene.fillings.take()
    await swept(scene, after=61)
    assert (1, []) == (len(scene.fillings.leases()), scene.preparations.messages())


async def test_status_tells_of_a_pool_whose_leases_are_not_seen_to_work() -> None:
    """After two minutes, not after a quarter of an hour. It is forgotten once one works."""
    scene = world(role(pooled_target(1)))
    await fill(scene.ports, "timer")

    async def failing() -> Any:
        return (await status(scene.ports, request(ADMINISTRATOR))).pools[WEB].failing

    with entra(Replicas(known_at=scene.clock.monotonic() + 200)):
        (lease,) = in_state(scene, State.PLANNED)
        await prepare(scene.ports, "worker", lease.id)
        assert "" == await failing()
        scene.clock.jump(SLOW)
        await prepare(scene.ports, "worker", lease.id)
        assert "not_proven" == await failing()
        assert 0 == scene.pools.filled[WEB].failures
        scene.clock.jump(61)
        await sweep(scene.ports, "sweep")
        await take_messages(scene)
    assert ("", 1) == (await failing(), len(in_state(scene, State.POOLED)))
