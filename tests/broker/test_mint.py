"""Minting: what an issuer prepares, and the credential that is added beside it."""

from __future__ import annotations

from typing import Any, Never

import pytest

from shared.core.errors import Conflict, Refused
from shared.core.lease import Cause, State
from shared.issuers.service_principal.issuer import ServicePrincipalIssuer
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import World, role, secret_target, world


@pytest.fixture
def scene() -> World:
    """A role on service principals, and calls that take two seconds."""
    return world(role(), latency=2.0)


async def test_the_credential_is_added_beside_what_is_still_prepared(scene: World) -> None:
    """As soon as there is an application; and the lease keeps what both have learned."""
    await issued(scene)
    (secret,), (principal,) = (scene.calls.named(f"directory.{name}") for name in ("add_secret", "create_principal"))
    assert secret.began == principal.began
    held = scene.ports.kinds.write_footprint(stored(scene).footprint)
    assert all(held[name] for name in ("application_id", "app_id", "principal_id", "secret_id"))


@pytest.mark.parametrize("name", ["directory.add_secret", "directory.create_principal", "authorization.assign"])
async def test_if_either_fails_the_other_comes_to_its_end_before_anything_is_undone(scene: World, name: str) -> None:
    """Else it would be made after the undo had looked."""
    scene.calls.fail(name, Refused())
    with pytest.raises(Refused):
        await issued(scene)
    made = [*scene.calls.named("authorization.assign"), *scene.calls.named("directory.add_secret")]
    undone = scene.calls.named("directory.delete_application")
    assert undone
    assert max(call.over or 0.0 for call in made) <= min(call.began for call in undone)
    await swept(scene, after=400)
    assert [] == scene.leftovers()


async def test_a_credential_that_is_refused_once_something_was_prepared_leaves_nothing(
    scene: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is not forgotten as if nothing had been made."""

    async def refusing(*_: Any) -> Never:
        raise Conflict("no room", code="application_full")

    monkeypatch.setattr(ServicePrincipalIssuer, "credential", refusing)
    with pytest.raises(Conflict):
        await issued(scene)
    assert Cause.FAILED is stored(scene).cause
    await swept(scene, after=400)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def test_a_credential_that_is_refused_before_anything_was_made_leaves_no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody had asked."""
    monkeypatch.setattr("shared.issuers.application_secret.issuer.MOST_CREDENTIALS", 0)
    made = world(role(secret_target()))
    with pytest.raises(Conflict):
        await issued(made)
    assert {} == made.leases.rows
