"""What has kept other brokers' leases from ending, each as a test of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import combinations

import pytest

from shared.broker.issue.issue import Issued
from shared.broker.revoke import revoke
from shared.core.errors import Absent, Locked, Refused, Unavailable
from shared.core.lease import Lease, State
from shared.core.role import Target
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.broker.scenes import issued, stored, swept
from tests.fakes.world import EXISTING, GROUPS, SCOPES, World, principal_target, request, role, secret_target, world
from tests.peers.deaths import looked_after

LOCKED = str(SCOPES[0])


async def leased(target: Target | None = None) -> tuple[World, Issued]:
    """A world with one active lease, old enough for absence to be believed."""
    made = world(role(target or principal_target(roles=2, groups=1)))
    lease = await issued(made)
    made.clock.jump(400)
    return made, lease


async def test_a_recycle_bin_that_was_emptied_after_the_deletion_never_keeps_a_lease_from_ending() -> None:
    """Defect: the deletion worked, the purge found nothing, and every repeat then met a 404 at its first step, for ever."""
    made, lease = await leased()
    made.calls.fail("directory.purge", Unavailable("the bin is down", status=500), times=1000)
    assert State.ENDING is (await revoke(made.ports, request(), lease.lease.id)).state
    made.cloud.bin.clear()
    made.calls._troubles.clear()
    await looked_after(made)
    assert [] == made.leftovers()


async def test_a_purge_that_answers_404_forever_never_keeps_a_lease_from_ending() -> None:
    """Defect: the same, with a bin that denies what was deleted a moment ago."""
    made, lease = await leased()
    made.calls.fail("directory.purge", Absent("no such item", status=404), times=1000)
    await revoke(made.ports, request(), lease.lease.id)
    await looked_after(made)
    assert State.ENDED is stored(made).state


REFUSABLE = [
    "authorization.unassign",
    "directory.remove_member",
    "directory.delete_principal",
    "directory.delete_application",
    "directory.purge",
]


@pytest.mark.parametrize("call", [*REFUSABLE, "applications.remove_secret"])
async def test_a_removal_that_azure_refuses_is_never_swallowed(call: str) -> None:
    """Defect: a removal failed, nobody looked at the failure, and the record went while the object stayed."""
    made, lease = await leased(secret_target() if call.startswith("applications") else None)
    made.calls.fail(call, Refused("you may not", status=403, azure_code="AuthorizationFailed"))
    await revoke(made.ports, request(), lease.lease.id)
    after: Lease = stored(made)
    assert (State.ENDING, 1) == (after.state, after.attempts)
    where = f" at {SCOPES[0]}" if call == "authorization.unassign" else ""
    assert f"azure_refused: AuthorizationFailed{where}" == after.last_error
    assert ("end", "failed") in made.audit.told()
    await looked_after(made)
    assert [] == made.leftovers()


def _unassign(made: World) -> None:
    made.cloud.assignments.clear()


def _empty_groups(made: World) -> None:
    for members in made.cloud.groups.values():
        members.clear()


def _delete_group(made: World) -> None:
    made.cloud.groups.pop(GROUPS[0], None)


def _delete_principal(made: World) -> None:
    for object_id in [each.object_id for each in made.cloud.principals.values() if each.unique_name]:
        made.cloud.delete_principal(object_id)


def _delete_application(made: World) -> None:
    for object_id in [each.object_id for each in made.cloud.applications.values() if each.wanted]:
        made.cloud.delete_application(object_id)


def _delete_scope(made: World) -> None:
    made.cloud.assignments.clear()
    made.cloud.lost_scopes.update(SCOPES)


def _empty_bin(made: World) -> None:
    made.cloud.bin.clear()


BY_HAND: list[Callable[[World], None]] = [
    _unassign,
    _empty_groups,
    _delete_group,
    _delete_principal,
    _delete_application,
    _delete_scope,
    _empty_bin,
]
SOME = [some for count in range(1, len(BY_HAND) + 1) for some in combinations(BY_HAND, count)]


def swept_after(deleted: Sequence[Callable[[World], None]]) -> World:
    """A world with one lease, of which all that was deleted by hand, swept once when it was over."""
    made = world(role(principal_target(roles=2, groups=1)))
    made.run(lambda: issued(made))
    for by_hand in deleted:
        by_hand(made)
    made.run(lambda: swept(made, after=1000))
    return made


def test_whatever_was_deleted_by_hand_the_lease_ends_at_its_first_sweep() -> None:
    """Pain: a lease whose objects somebody had deleted could not be revoked any more. Here: in all 127 combinations."""
    for deleted in SOME:
        made = swept_after(deleted)
        assert State.ENDED is stored(made).state, [each.__name__ for each in deleted]
        assert [] == made.leftovers(), [each.__name__ for each in deleted]


@pytest.mark.parametrize("gone", ["secret", "application"])
async def test_a_secret_or_an_application_deleted_by_hand_is_no_obstacle(gone: str) -> None:
    """Pain: the same, for a secret on an existing application."""
    made, lease = await leased(secret_target())
    application = made.cloud.applications[EXISTING]
    application.secrets.clear()
    if gone == "application":
        made.cloud.delete_application(application.object_id)
    assert State.ENDED is (await revoke(made.ports, request(), lease.lease.id)).state


async def test_the_recycle_bin_is_empty_when_a_lease_has_ended() -> None:
    """Pain: soft-deleted applications counted against the tenant's quota until nobody could create anything."""
    made, lease = await leased(principal_target())
    footprint = stored(made).footprint
    assert isinstance(footprint, ServicePrincipalFootprint)
    assert footprint.purge, "the default"
    await revoke(made.ports, request(), lease.lease.id)
    assert {} == made.cloud.bin
    assert 2 == len([call for call in made.calls.names() if call == "directory.purge"]), "the principal and the application"


async def test_a_resource_lock_is_named_and_does_not_keep_the_principal(caplog: pytest.LogCaptureFixture) -> None:
    """Pain: a lock on the scope stopped the revocation at its first step, so that the credential worked on."""
    caplog.set_level(logging.WARNING)
    made, lease = await leased()
    sentence = f"The scope '{LOCKED}/x' cannot perform delete operation because following scope(s) are locked: '{LOCKED}'."
    locked = Locked(sentence, status=409, azure_code="ScopeLocked")
    made.calls.fail("authorization.unassign", locked, times=2)
    await revoke(made.ports, request(), lease.lease.id)
    after = stored(made)
    assert State.ENDING is after.state
    assert f"azure_scope_locked: ScopeLocked at {LOCKED}" == after.last_error
    assert LOCKED in caplog.text
    assert {"assignment"} == {thing.kind for thing in made.leftovers()}, "the principal is gone, and with it the credential"
    await looked_after(made)
    assert [] == made.leftovers(), "the assignment is tried again"


async def test_a_failure_that_lasts_for_days_is_tried_for_days() -> None:
    """Defect: after a handful of attempts a lease was given up, and its objects were nobody's any more."""
    made, lease = await leased()
    made.calls.fail("directory.delete_application", Refused("no", status=403), times=40)
    await revoke(made.ports, request(), lease.lease.id)
    for _ in range(72):
        await swept(made, after=3600)
    assert State.ENDED is stored(made).state
    assert [] == made.leftovers()
