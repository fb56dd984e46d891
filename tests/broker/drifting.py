"""What the tests of reconciling begin with."""

from __future__ import annotations

from shared.broker.reconcile.reconcile import Reconciliation, Result, reconcile
from shared.core.directory import NewApplication
from shared.core.names import LeaseId
from shared.core.role import Target
from tests.broker.scenes import issued
from tests.fakes.world import (
    World,
    principal_target,
    role,
    secret_target,
    world,
)

HOUR = 3600.0
TARGETS: list[Target] = [principal_target(roles=2, groups=2), secret_target()]
LONG_AGO = LeaseId.parse("web.01jmdgfw000000000000000000")
"""A lease of which this broker has never heard."""


def scene(target: Target | None = None, **more: object) -> World:
    """A role whose leases last for long."""
    return world(role(target or TARGETS[0], ttl=6 * 3600, max_ttl=6 * 3600), **more)  # type: ignore[arg-type]


async def reconciled(made: World, after: float = 0.0, *, dry_run: bool = False) -> Reconciliation:
    """A run of the timer's, some seconds later."""
    made.clock.jump(after)
    return await reconcile(made.ports, "run", dry_run=dry_run)


async def orphaned(made: World) -> LeaseId:
    """A lease whose record is lost, with everything that it has made."""
    lease = (await issued(made)).lease
    del made.leases.rows[lease.id]
    return lease.id


def results(done: Reconciliation) -> list[tuple[str, Result]]:
    """What was found, and what became of it."""
    return [(each.type, each.result) for each in done.findings]


def lookalike(made: World, unique_name: str, display_name: str, *tags: str) -> None:
    """An application that somebody made, as broker unless it is called strange."""
    made.cloud.upsert_application(NewApplication(unique_name, display_name, "AzureADMyOrg", tags, "by hand"))


async def deleted_by_hand(made: World) -> None:
    """Somebody deletes the application, so that it is in the bin with its principal, and its assignments."""
    for application in [each for each in made.cloud.applications.values() if each.unique_name]:
        made.cloud.delete_application(application.object_id)
    made.cloud.assignments.clear()
