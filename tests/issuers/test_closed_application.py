"""What is found out of an application before a role may make secrets on it."""

from __future__ import annotations

from shared.issuers.application_secret.schema import ApplicationSecretTarget
from tests.fakes.world import BROKER_APP_ID, EXISTING, secret_target, world


async def test_the_brokers_own_client_id_is_looked_for_among_the_owners() -> None:
    """And nobody else's."""
    scene = world()
    await scene.issuers.secrets.resolve(ApplicationSecretTarget(EXISTING))
    assert [(EXISTING, BROKER_APP_ID)] == [call.about for call in scene.calls.named("applications.is_owner")]


async def test_each_trial_names_another_secret() -> None:
    """Nobody can know it, and so nobody has it."""
    scene = world()
    scene.cloud.applications[EXISTING].owned = False
    for _ in range(2):
        assert secret_target(closed="denied", owned=False) == await scene.issuers.secrets.resolve(secret_target())
    assert 2 == len({call.about for call in scene.calls.named("applications.is_denied")})


async def test_an_application_that_carries_the_mark_is_looked_at_no_further() -> None:
    """That it is the broker's own says nothing in its favour."""
    scene = world()
    scene.cloud.applications[EXISTING].tags = ("leasehold",)
    assert secret_target(closed="marked") == await scene.issuers.secrets.resolve(secret_target())
    assert ["applications.read_application"] == [call.name for call in scene.calls.named("applications")]


async def test_what_was_known_before_does_not_count() -> None:
    """An application that is open again is told so."""
    assert secret_target() == await world().issuers.secrets.resolve(secret_target(closed="denied", owned=False))
