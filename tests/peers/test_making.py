"""What has made other brokers lose what they made, or fail to make it, each as a test of its own."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta

import pytest

from shared.broker.configure.roles import put_role
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.revoke import revoke
from shared.core.errors import AmbiguousRefusal, ConcurrentChange, Malformed, Refused, TooMany, Unavailable, Upstream
from shared.core.lease import State
from shared.core.protection import Protected
from shared.core.role import Target
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.crash.walk import require_nothing_left
from tests.fakes.world import (
    ADMINISTRATOR,
    EXISTING,
    EXISTING_APP_ID,
    WEB,
    World,
    principal_target,
    request,
    role,
    secret_target,
    world,
)
from tests.issuers.orders import Job
from tests.peers.deaths import died_after
from tests.support.kinds import read_role
from tests.triggers.app import App


def test_a_crash_between_adding_a_secret_and_writing_it_down_leaves_no_secret() -> None:
    """Defect: a secret on an existing application was recorded after it was made; a crash in between left it for ten years."""
    made = died_after(secret_target(), "applications.add_secret")
    assert ["secret"] == [thing.kind for thing in made.leftovers()], "it was made"
    assert State.PLANNED is stored(made).state
    require_nothing_left(made)


def test_a_crash_right_after_the_application_was_made_leaves_none() -> None:
    """Defect: the note for the roll-back was written after the application was made; a crash in between orphaned it."""
    made = died_after(principal_target(), "directory.upsert_application")
    assert ["application"] == [thing.kind for thing in made.leftovers()], "it was made"
    require_nothing_left(made)


@pytest.mark.parametrize("call", ["directory.create_principal", "authorization.assign", "directory.add_member"])
def test_a_crash_after_any_later_step_leaves_nothing(call: str) -> None:
    """Pain: assignments and principals without a lease, until a subscription's limit was reached."""
    made = died_after(principal_target(), call)
    assert made.leftovers(), "it was made"
    require_nothing_left(made)


@pytest.mark.parametrize("target", [principal_target(), secret_target()])
async def test_a_client_that_hangs_up_leaves_nothing(target: Target) -> None:
    """Pain: a client that disconnected in the middle left an application without a lease."""
    made = world(role(target), latency=2.0)
    work = asyncio.create_task(issue(made.ports, request(), IssueRequest(WEB)))
    await made.clock.sleep(7)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await swept(made, after=21)
    await swept(made, after=400)
    assert [] == made.leftovers()


@pytest.mark.parametrize(
    ("failure", "tries"),
    [(Unavailable("down", status=500), 2), (Refused("no", status=400, azure_code="Request_BadRequest"), 1)],
)
async def test_a_secret_that_cannot_be_added_changes_nothing_about_the_principal(failure: Upstream, tries: int) -> None:
    """Defect: a failed addPassword deleted the principal and made it anew, whose name was then taken."""
    job = Job(world(role()), principal_target())
    job.world.calls.fail("directory.add_secret", failure)
    with suppress(Refused):
        await job.mint()
    names = job.world.calls.names()
    assert (tries, 1) == (names.count("directory.add_secret"), names.count("directory.create_principal"))
    assert not [name for name in names if "delete" in name or "purge" in name]


async def test_a_real_403_is_told_at_once_and_its_cause_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Defect: a missing permission was taken for slow replication, and ended minutes later as a timeout without a cause."""
    caplog.set_level(logging.INFO)
    app = App(world(role()))
    refusal = Refused("Insufficient privileges (request r-77)", status=403, azure_code="Authorization_RequestDenied")
    app.world.calls.fail("directory.upsert_application", refusal, times=99)
    began = app.world.clock.monotonic()
    answer = await app.call("POST", "/api/v1/roles/web/leases")
    assert (409, "azure_refused") == (answer.status, answer.code)
    assert 1 == app.world.calls.names().count("directory.upsert_application")
    assert began == app.world.clock.monotonic(), "nobody was kept waiting"
    assert "Insufficient privileges (request r-77)" in caplog.text


async def test_a_403_about_a_fresh_application_is_doubted_for_less_than_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """The one exception: Graph says 403 of an application that it does not know yet. If it stays, its cause is told."""
    caplog.set_level(logging.INFO)
    app = App(world(role()))
    doubt = AmbiguousRefusal("The application is not in this tenant", status=403, azure_code="Authorization_RequestDenied")
    app.world.calls.fail("directory.create_principal", doubt, times=999)
    began = app.world.clock.monotonic()
    answer = await app.call("POST", "/api/v1/roles/web/leases", headers={"prefer": "wait=200"})
    assert answer.status >= 500
    assert 30 <= app.world.clock.monotonic() - began <= 60
    assert "The application is not in this tenant" in caplog.text
    assert [] == app.world.leftovers()


@pytest.mark.parametrize("lag", [5.0, 20.0, 40.0])
async def test_a_principal_is_made_though_its_application_is_not_known_yet(lag: float) -> None:
    """Pain: creating a service principal failed now and then, whenever replication was slower than usual."""
    made = world(role(), lag=lag)
    assert State.ACTIVE is (await issued(made)).lease.state


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("directory.upsert_application", "Directory_QuotaExceeded"),
        ("authorization.assign", "RoleAssignmentLimitExceeded"),
    ],
)
async def test_a_full_directory_or_subscription_is_told_at_once_and_leaves_nothing(call: str, code: str) -> None:
    """Pain: at a quota's end half-made credentials piled up, and made it worse."""
    made = world(role())
    made.calls.fail(call, Refused("full", status=400, azure_code=code))
    with pytest.raises(Refused):
        await issued(made)
    assert 1 == made.calls.names().count("directory.upsert_application")
    assert [] == made.leftovers()


async def test_two_changes_of_one_application_that_meet_are_both_made() -> None:
    """Pain: two clients of one application met, and one of them failed with a conflict."""
    made = world(role(secret_target()))
    meet: Upstream = ConcurrentChange("busy", status=409, azure_code="Directory_ConcurrencyViolation")
    made.calls.fail("applications.add_secret", meet, times=3)
    lease = await issued(made)
    assert 1 == len([thing for thing in made.leftovers() if thing.kind == "secret"])
    made.clock.jump(400)
    made.calls.fail("applications.remove_secret", meet, times=3)
    assert State.ENDED is (await revoke(made.ports, request(), lease.lease.id)).state
    assert [] == made.leftovers()


@pytest.mark.parametrize("target", [principal_target(), secret_target()])
async def test_a_secret_ends_by_itself_soon_after_its_lease_can_last(target: Target) -> None:
    """Pain: a secret that a broker had lost worked for ten years."""
    made = world(role(target, ttl=900, max_ttl=3600))
    lease = await issued(made)
    (end,) = [stored.end for application in made.cloud.applications.values() for stored in application.secrets.values()]
    assert lease.lease.max_expires_at <= end <= lease.lease.max_expires_at + timedelta(minutes=15)


@pytest.mark.parametrize("own", [EXISTING, EXISTING_APP_ID])
async def test_a_role_that_targets_the_broker_itself_is_refused(own: object) -> None:
    """Defect: whoever might write a role could mint credentials of the broker's own identity."""
    made: World = world(protected=Protected(frozenset({own})))  # type: ignore[arg-type]  # both are object ids
    document = {"type": "application_secret", "application_object_id": EXISTING}
    with pytest.raises(Malformed) as refused:
        await put_role(made.ports, request(ADMINISTRATOR), read_role(WEB, document))
    assert "protected_target" == refused.value.stable_code


async def test_a_role_has_a_cap_that_costs_no_call_to_azure() -> None:
    """Pain: one client in a loop filled the store and the directory for all."""
    made = world(role(max_leases=3))
    for _ in range(3):
        await issued(made)
    before = len([call for call in made.calls.made if call.service in AZURE])
    with pytest.raises(TooMany):
        await issued(made)
    assert before == len([call for call in made.calls.made if call.service in AZURE])
    assert 3 == len(made.leases.rows)
