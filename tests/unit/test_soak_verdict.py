"""What the soak takes for a broken promise."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.lease import Cause, Lease, State
from tests.broker.scenes import issued
from tests.fakes.world import role, world
from tests.soak.seen import Held, Seen
from tests.soak.verdict import Verdict, _early, documented

HOUR = timedelta(hours=1)


@pytest.fixture
async def active() -> Lease:
    """A lease as an issue leaves it."""
    return (await issued(world(role()))).lease


def ended(lease: Lease, cause: Cause, after: timedelta) -> Lease:
    """The same, ended so long after its end was due."""
    return replace(lease, state=State.ENDED, cause=cause, ended_at=lease.expires_at + after)


def early(seen: Seen, *leases: Lease) -> list[str]:
    """What is found of these leases."""
    return list(_early(seen, {str(each.id): each for each in leases}))


def told(lease: Lease) -> Seen:
    """A holder was given it."""
    return Seen(given={str(lease.id): Held(str(lease.id), "web", {}, lease.expires_at)})


async def test_a_lease_that_expired_in_time_is_none(active: Lease) -> None:
    """Nor is one that somebody asked back."""
    assert [] == early(told(active), ended(active, Cause.EXPIRED, timedelta(seconds=5)))
    asked = told(active)
    asked.asked_back.add(str(active.id))
    assert [] == early(asked, ended(active, Cause.REVOKED, -HOUR))


@pytest.mark.parametrize(
    ("cause", "word"), [(Cause.EXPIRED, "expired at"), (Cause.REVOKED, "nobody"), (Cause.FAILED, "taken back")]
)
async def test_a_lease_that_ended_before_its_time_is_one(active: Lease, cause: Cause, word: str) -> None:
    """By whichever cause, when its holder had not asked for it."""
    (fault,) = early(told(active), ended(active, cause, -HOUR))
    assert word in fault


async def test_a_lease_that_was_given_and_has_no_record_is_one(active: Lease) -> None:
    """Nobody would end it."""
    assert 1 == len(early(told(active)))


async def test_a_renewal_that_was_answered_binds(active: Lease) -> None:
    """An end by the record's own, older time is early."""
    seen = told(active)
    seen.given[str(active.id)].renewed({"expires_at": (active.expires_at + HOUR).isoformat()})
    assert 1 == len(early(seen, ended(active, Cause.EXPIRED, timedelta(seconds=5))))


async def test_one_broken_promise_is_enough(active: Lease) -> None:
    """And a soak in which nothing happened shows nothing."""
    good = Verdict(replace(told(active), kills=1), Counter(), [], [], Counter(), [], Counter([True]))
    assert good.good
    assert not [
        bad
        for bad in (
            replace(good, orphans=["something"]),
            replace(good, early=["something"]),
            replace(good, live=["something"]),
            replace(good, states=Counter([State.STUCK])),
            replace(good, undocumented=Counter(["what"])),
            replace(good, seen=Seen()),
            replace(good, calls=Counter([False])),
        )
        if bad.good
    ]


def test_the_documented_codes_are_read() -> None:
    """From the headings of the document."""
    assert {"azure_throttled", "interrupted"} <= documented()
    assert "" not in documented()
