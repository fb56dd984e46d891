"""What an issuer makes of a call that fails, for each call whose answer may be that something is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.core.errors import Absent, Malformed, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.role import Target
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from shared.kinds.kind import Order
from tests.fakes.world import EXISTING, principal_target, secret_target, world
from tests.issuers.orders import Job

NOES: dict[str, Callable[[], Upstream]] = {
    "403": lambda: Refused("no right", status=403),
    "401": lambda: Refused("no token", status=401),
    "429": lambda: Throttled("busy", status=429, retry_after=1.0),
    "500": lambda: Unavailable("down", status=500),
    "silence": Unreachable,
    "garbage": lambda: Unavailable("the answer holds no JSON object", status=200),
}
_ALWAYS = 10_000
_WITH_THE_APPLICATION = ("directory.remove_member", "directory.delete_principal")
"""What these would have removed goes when the application goes."""
TARGETS: dict[str, Target] = {"principal": principal_target(2, 1), "secret": secret_target()}


async def _undo(job: Job) -> object:
    return await job.undo(fresh=False, seconds=60.0)


async def _undo_unknown(job: Job) -> object:
    """Of a worker that died before it had learnt any id."""
    job.footprint = job.issuer.plan(job.order)
    return await job.undo(fresh=False, seconds=60.0)


async def _undo_without_principal(job: Job) -> object:
    assert isinstance(job.footprint, ServicePrincipalFootprint)
    job.footprint = replace(job.footprint, principal_id=None)
    return await job.undo(fresh=False, seconds=60.0)


async def _remove_former(job: Job) -> object:
    return await job.issuer.remove_former(_secret_order(job), job.footprint, maybe_more=False)


async def _remove_several(job: Job) -> object:
    return await job.issuer.remove_former(_secret_order(job), job.footprint, maybe_more=True)


async def _rotate(job: Job) -> object:
    return await job.issuer.credential(_secret_order(job), job.footprint, lambda _: None)


async def _resolve(job: Job) -> object:
    return await job.issuer.resolve(job.target)


async def _resolve_unowned(job: Job) -> object:
    job.world.cloud.applications[EXISTING].owned = False
    return await job.issuer.resolve(job.target)


def _secret_order(job: Job) -> Order:
    return replace(job.order, deadline=job.world.ports.within(60.0), rotating=True)


_RESOLVING = (_resolve, _resolve_unowned)
CALLS: list[tuple[str, str, Callable[[Job], Awaitable[object]]]] = [
    ("principal", "directory.find_application", _undo_unknown),
    ("principal", "directory.find_principal", _undo_without_principal),
    ("principal", "authorization.unassign", _undo),
    ("principal", "directory.remove_member", _undo),
    ("principal", "directory.delete_principal", _undo),
    ("principal", "directory.delete_application", _undo),
    ("principal", "directory.purge", _undo),
    ("principal", "directory.remove_secret", _remove_former),
    ("principal", "directory.secrets_named", _remove_several),
    ("principal", "directory.read_group", _resolve),
    ("principal", "authorization.permissions_at", _resolve),
    ("principal", "authorization.definitions_named", _resolve),
    ("secret", "applications.remove_secret", _undo),
    ("secret", "applications.secrets_named", _undo_unknown),
    ("secret", "applications.remove_secret", _remove_former),
    ("secret", "applications.secrets_named", _remove_several),
    ("secret", "applications.read_application", _rotate),
    ("secret", "applications.read_application", _resolve),
    ("secret", "applications.is_denied", _resolve_unowned),
]


async def _minted(kind: str) -> Job:
    job = Job(world(), TARGETS[kind])
    await job.mint()
    return job


@pytest.mark.parametrize("no", NOES)
@pytest.mark.parametrize(("kind", "call", "verb"), CALLS)
async def test_a_call_that_fails_is_told_and_never_taken_for_an_absence(
    kind: str, call: str, verb: Callable[[Job], Awaitable[object]], no: str
) -> None:
    """The verb fails as the call did, and what it could not look for stands."""
    job = await _minted(kind)
    job.world.calls.fail(call, NOES[no](), times=_ALWAYS)
    with pytest.raises((Upstream, Malformed)) as failure:
        await verb(job)
    # Whoever writes a role is told which of its parts the broker may not see.
    unseen = verb in _RESOLVING and isinstance(NOES[no](), Refused)
    assert type(NOES[no]()) is type(failure.value) or (unseen and isinstance(failure.value, Malformed))
    assert job.world.leftovers() or call in _WITH_THE_APPLICATION


@pytest.mark.parametrize("no", NOES)
async def test_a_bin_that_cannot_be_emptied_is_told_though_nothing_was_deleted_just_now(no: str) -> None:
    """The second undo deletes nothing any more, and still has to empty the bin."""
    job = await _minted("principal")
    job.world.calls.fail("directory.purge", NOES[no](), times=_ALWAYS)
    for _ in range(2):
        with pytest.raises(Upstream) as failure:
            await _undo(job)
        assert type(NOES[no]()) is type(failure.value)
    assert job.world.leftovers()


@pytest.mark.parametrize("nth", [1, 2])
async def test_a_purge_that_fails_while_the_other_succeeds_is_told(nth: int) -> None:
    """Principal and application are purged one after the other: either failure counts, and either is mended later."""
    job = await _minted("principal")
    job.world.calls.fail("directory.purge", Refused("no right", status=403), nth=nth)
    with pytest.raises(Refused):
        await _undo(job)
    assert 1 == len(job.world.leftovers())
    await _undo(job)
    assert [] == job.world.leftovers()


@pytest.mark.parametrize("no", NOES)
@pytest.mark.parametrize("kind", TARGETS)
async def test_a_young_secret_that_was_missed_once_and_cannot_be_looked_for_again_is_told(kind: str, no: str) -> None:
    """A replica has not heard of it, and the next does not answer."""
    job = await _minted(kind)
    name = f"{'directory' if kind == 'principal' else 'applications'}.remove_secret"
    job.world.calls.fail(name, Absent("not yet", status=404))
    job.world.calls.fail(name, NOES[no](), times=_ALWAYS)
    with pytest.raises(Upstream) as failure:
        await job.issuer.remove_former(replace(_secret_order(job), fresh=True), job.footprint, maybe_more=False)
    assert type(NOES[no]()) is type(failure.value)


@pytest.mark.parametrize(("kind", "call", "verb"), CALLS)
async def test_an_absence_is_none_of_these(kind: str, call: str, verb: Callable[[Job], Awaitable[object]]) -> None:
    """The verb comes to its end, or says in its own words what is not there."""
    job = await _minted(kind)
    job.world.calls.fail(call, Absent("gone", status=404), times=_ALWAYS)
    try:
        result = await verb(job)
    except (Absent, Malformed):
        assert verb in (*_RESOLVING, _rotate, _remove_several) or call == "directory.purge"
    else:
        assert result in (True, False)
