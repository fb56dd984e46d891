"""Whom leases have made: noted before anybody has the credential, forgotten with the lease."""

from __future__ import annotations

from contextlib import suppress

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.leased_callers import Admission
from shared.core.errors import LeaseholdError, Unavailable
from shared.core.lease import State
from shared.issuers.service_principal.schema import ServicePrincipalFootprint, ServicePrincipalSchema
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.fakes.calls import Died
from tests.fakes.world import ALICE, WEB, World, request, role, secret_target, world
from tests.support.kinds import as_client_secret

DAY = 24 * 3600


async def test_whom_a_lease_has_made_is_noted_before_anybody_has_the_credential() -> None:
    """By both ids, and before the lease is active: from then on a repeat may hand it out."""
    scene = world(role())
    made = await issued(scene)
    credential = as_client_secret(made.credential)
    assert {credential.object_id, credential.client_id} == set(scene.leased.rows)
    assert {made.lease.id} == set(scene.leased.rows.values())
    assert scene.calls.names().index("leased.note") < scene.calls.names().index("leases.swap")


async def test_an_existing_application_stays_a_caller() -> None:
    """It is somebody's own."""
    scene = world(role(secret_target()))
    await issued(scene)
    assert {} == scene.leased.rows


async def test_nothing_is_issued_that_could_not_be_noted() -> None:
    """Storage fails: what was made is undone."""
    scene = world(role())
    scene.calls.fail("leased.note", Unavailable("down", status=500))
    with pytest.raises(Unavailable):
        await issued(scene)
    assert ([], State.ENDED) == (scene.leftovers(), stored(scene).state)


async def test_a_bug_in_looking_a_caller_up_is_not_taken_for_storage_that_does_not_answer() -> None:
    """It would be told to come again."""
    scene = world(role())
    scene.calls.fail("leased.find", ZeroDivisionError())  # type: ignore[arg-type]  # a bug is none of the broker's own errors
    with pytest.raises(ZeroDivisionError):
        await Admission(scene.leased, ALICE).granted()


async def test_a_repeat_notes_whom_an_older_version_has_not() -> None:
    """Before the fresh secret is made."""
    scene = world(role())
    await issue_once(scene.ports, request(), IssueRequest(WEB), "key")
    noted = dict(scene.leased.rows)
    scene.leased.rows.clear()
    scene.calls.made.clear()
    await issue_once(scene.ports, request(), IssueRequest(WEB), "key")
    assert noted == scene.leased.rows
    assert scene.calls.names().index("leased.note") < scene.calls.names().index("directory.add_secret")


def _lives(scene: World) -> Issued | None:
    """One worker's issue under the key, if it comes to an answer."""
    with suppress(Died, LeaseholdError):
        return scene.run(lambda: issue_once(scene.ports, request(), IssueRequest(WEB), "key"))
    return None


def test_wherever_a_worker_dies_no_credential_is_out_whose_principal_is_not_known() -> None:
    """The first issue dies at each of its calls in turn; the repeat under its key answers, or nobody does."""
    count, died = 0, True
    while died:
        scene, count = world(role()), count + 1
        scene.calls.fail_at(count, Died(), after=bool(count % 2))
        made = _lives(scene)
        died = scene.calls.dead
        if died:
            scene.calls.revive()
            scene.clock.jump(60)
            made = _lives(scene)
        if made is not None:
            credential = as_client_secret(made.credential)
            assert {credential.object_id, credential.client_id} <= set(scene.leased.rows)
    assert count > 10


async def test_they_are_forgotten_with_the_lease_and_not_before() -> None:
    """A deleted principal's token is good for a while."""
    scene = world(role())
    await issued(scene)
    await swept(scene, after=901)
    assert (State.ENDED, 2) == (stored(scene).state, len(scene.leased.rows))
    await swept(scene, after=6 * DAY)
    assert 2 == len(scene.leased.rows)
    await swept(scene, after=1.1 * DAY)
    assert ({}, {}) == (scene.leased.rows, scene.leases.rows)


async def test_a_sweep_that_dies_in_between_forgets_the_rest_next_time() -> None:
    """The lease's record goes last: it is what tells whom it has made."""
    scene = world(role())
    await issued(scene)
    await swept(scene, after=901)
    scene.calls.fail("leases.remove", Unavailable("down", status=500))
    await swept(scene, after=8 * DAY)
    assert ({}, 1) == (scene.leased.rows, len(scene.leases.rows))
    await swept(scene, after=60)
    assert {} == scene.leases.rows


async def test_a_lease_that_knows_nobody_forgets_nobody() -> None:
    """Nothing was made of it."""
    assert frozenset() == ServicePrincipalSchema().principals(ServicePrincipalFootprint("u"))


async def test_issuing_reads_and_writes_six_times_beside_azure() -> None:
    """Role, lease, role again, whom the lease has made, activation, audit; nothing waits for a generation or a version."""
    scene = world(role(), latency=1.0)
    await issued(scene)
    own = [(call.began, call.name) for call in scene.calls.made if call.service not in AZURE]
    names = [name for _, name in own if name not in {"generations.get", "access.version"}]
    assert ["roles.get", "leases.open", "roles.get", "leased.note", "leases.swap", "audit.record"] == names
    beside = {began for began, name in own if name == "generations.get"}
    assert beside == {began for began, name in own if name in {"roles.get", "audit.record"}}
