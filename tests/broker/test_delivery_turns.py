"""A lease that is delivered is proven in turns like any other for which nobody waits, although its credential is made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from shared.broker.issue.preparations import Accepted
from shared.broker.revoke import revoke
from shared.core.errors import Unavailable
from shared.core.lease import State
from shared.core.names import ObjectId
from shared.core.readiness.verdicts import Verdict, Word
from shared.core.secret import Secret
from shared.resilience.rounds import Rounds
from tests.broker.preparing import asked, taken
from tests.broker.scenes import stored, swept
from tests.fakes.cloud import FakeProbe
from tests.fakes.own_identity import SYSTEM_ASSIGNED
from tests.fakes.world import World, principal_target, request, secret_target
from tests.support.deliveries import lying, to_a_vault

BEAT = 20 / 3
"""Seconds between two beats of a lock."""
PRINCIPAL = principal_target(1, 0, ready="token")
EXISTING = secret_target(ready="token")


@dataclass
class Replicas:
    """Entra ID takes a secret so many seconds after it was first tried."""

    after: float
    first_tried: dict[str, float] = field(default_factory=dict)


@contextmanager
def entra(replicas: Replicas) -> Iterator[None]:
    """Sign-ins with a secret go by whole rounds, as the product's do. Each takes a tenth of a second."""

    async def signs_in(
        self: FakeProbe, client_id: ObjectId, secret: Secret, *, deadline: float, since: datetime | None = None
    ) -> bool:
        clock = self.calls.clock
        began = replicas.first_tried.setdefault(secret.reveal(), clock.monotonic())
        assert since is None or since <= clock.now()

        async def attempt() -> Verdict:
            await clock.sleep(0.1)
            held = await self.calls.through("probe.signs_in", lambda: self.state.signs_in(client_id, secret), client_id)
            return Verdict(Word.YES if held and clock.monotonic() >= began + replicas.after else Word.NOT_YET)

        return await Rounds(clock, attempt, deadline, "a sign-in").pass_all()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeProbe, "signs_in", signs_in)
        yield


def not_trusted(target: Any) -> World:
    """A broker whose own identity is system-assigned: it sees nothing of a lease before there is a secret."""
    scene = to_a_vault(target)
    scene.cloud.broker = SYSTEM_ASSIGNED
    return scene


def secrets(scene: World) -> list[str]:
    """Those that applications hold."""
    return [each.text for app in scene.cloud.applications.values() for each in app.secrets.values()]


async def turn(scene: World) -> float:
    """A worker takes the lease up. Returns for how long it was at it, in seconds."""
    began = scene.clock.monotonic()
    await taken(scene)
    return scene.clock.monotonic() - began


@pytest.mark.parametrize("target", [pytest.param(PRINCIPAL, id="principal"), pytest.param(EXISTING, id="application")])
async def test_a_credential_that_is_not_seen_to_work_gives_way_to_the_others(target: Any) -> None:
    """After twenty seconds. It is removed; the next turn makes another one, and delivers that."""
    scene = not_trusted(target)
    assert isinstance(await asked(scene), Accepted)
    with entra(Replicas(after=60)):
        assert 15 < await turn(scene) <= 20
    lease = stored(scene)
    assert (State.PLANNED, True, 2) == (lease.state, lease.is_queued, len(scene.preparations.leases()))
    assert ([], []) == (secrets(scene), scene.calls.named("vaults.set_secret"))
    with entra(Replicas(after=5)):
        await turn(scene)
    lease = stored(scene)
    assert (State.ACTIVE, True) == (lease.state, lease.ready)
    (secret,) = secrets(scene)
    assert secret in lying(scene, lease)


async def test_what_an_earlier_turn_has_seen_is_not_looked_at_again() -> None:
    """The principal was seen to work by the broker's own link. Only its secret was not."""
    scene = to_a_vault(PRINCIPAL)
    await asked(scene)
    with entra(Replicas(after=60)):
        await turn(scene)
    seen = len(scene.calls.named("sign_in.signs_in"))
    made = [call.name for call in scene.calls.made if call.name.startswith("directory.")]
    with entra(Replicas(after=5)):
        await turn(scene)
    again = [call.name for call in scene.calls.made if call.name.startswith("directory.")][len(made) :]
    assert (State.ACTIVE, seen) == (stored(scene).state, len(scene.calls.named("sign_in.signs_in")))
    assert {"directory.add_secret", "directory.secrets_named", "directory.remove_secret"} >= {*again}


async def test_a_lease_that_never_works_holds_no_worker_for_long_and_ends() -> None:
    """A minute at most. In the end everything is undone."""
    scene = not_trusted(PRINCIPAL)
    await asked(scene)
    turns = list[float]()
    with entra(Replicas(after=9000)):
        while stored(scene).state is State.PLANNED:
            scene.preparations.take()
            turns.append(await turn(scene))
            await swept(scene, after=16)
            assert len(turns) < 60
    assert 40 < max(turns) <= 60
    await swept(scene, after=300)
    await swept(scene, after=300)
    lease = stored(scene)
    assert (State.ENDED, "not_proven") == (lease.state, lease.failed_with)
    assert [] == scene.leftovers()


async def test_a_slow_lease_has_longer_turns() -> None:
    """A fresh secret that needs half a minute would never be seen to work in turns of twenty seconds."""
    scene = not_trusted(EXISTING)
    await asked(scene)
    scene.clock.jump(240)
    scene.preparations.take()
    with entra(Replicas(after=30)):
        await turn(scene)
    assert State.ACTIVE is stored(scene).state


async def test_a_worker_stops_when_its_lease_was_revoked() -> None:
    """It learns of that with the next beat of its lock, and puts nothing into the vault."""
    scene = not_trusted(PRINCIPAL)
    await asked(scene)

    async def revoked() -> None:
        await scene.clock.sleep(8)
        await revoke(scene.ports, request(), stored(scene).id)

    with entra(Replicas(after=9000)):
        await asyncio.gather(revoked(), taken(scene))
    assert len(scene.calls.named("probe.signs_in")) <= (8 + BEAT) / 2 + 1
    await swept(scene, after=300)
    await swept(scene, after=300)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())
    assert [] == scene.calls.named("vaults.set_secret")


async def test_a_credential_that_could_not_be_removed_is_removed_by_the_next_turn() -> None:
    """Microsoft Graph has failed just then."""
    scene = not_trusted(EXISTING)
    await asked(scene)
    scene.calls.fail("applications.remove_secret", Unavailable(status=500), times=100)
    with entra(Replicas(after=60)):
        await turn(scene)
    scene.calls.heal()
    assert 1 == len(secrets(scene))
    with entra(Replicas(after=5)):
        await turn(scene)
    (secret,) = secrets(scene)
    assert (State.ACTIVE, True) == (stored(scene).state, secret in lying(scene, stored(scene)))
