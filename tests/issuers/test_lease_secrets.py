"""The secrets of a lease, on an application that a replica may not know yet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.core.errors import Absent
from tests.fakes.world import principal_target, world
from tests.issuers.orders import Job


async def _minted() -> Job:
    """A service principal with its secret."""
    job = Job(world(), principal_target())
    await job.mint()
    return job


async def test_a_fresh_application_that_is_not_listed_is_asked_for_again() -> None:
    """The replica that answers the list may not know it, although others have added secrets to it."""
    job = await _minted()
    job.world.calls.fail("directory.secrets_named", Absent("Request_ResourceNotFound", status=404), times=2)
    order = replace(job.order, deadline=job.world.ports.within(60.0), rotating=True, fresh=True)

    await job.issuer.remove_former(order, job.footprint, maybe_more=True)

    assert [] == [each for each in job.world.cloud.applications.values() if each.secrets]


async def test_an_old_application_that_is_not_listed_is_gone() -> None:
    """Nothing is asked for twice."""
    job = await _minted()
    job.world.calls.fail("directory.secrets_named", Absent("Request_ResourceNotFound", status=404), times=1)
    order = replace(job.order, deadline=job.world.ports.within(60.0), rotating=True, fresh=False)

    with pytest.raises(Absent):
        await job.issuer.remove_former(order, job.footprint, maybe_more=True)
