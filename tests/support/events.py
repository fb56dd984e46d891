"""Worlds in which an event of Azure's issues leases and ends them, and workers that take its message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from shared.broker.configure.event_rules import put_event_rule
from shared.broker.events.receive import receive
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.core.access.bounds import Bounds
from shared.core.access.policy import PolicyName
from shared.core.caller import Caller
from shared.core.events.event import encoded
from shared.core.names import ObjectId, Scope
from tests.broker.events.scenes import APP, DELETED, OTHER_APP, SITE, WRITTEN, bobs_role, document, event, gone, scene
from tests.fakes.world import ADMINISTRATOR, ALICE, WEB, World, guid, principal_target, request, role

_LASTS = 1800
"""Seconds of a lease: longer than a message waits for what a dead worker has left."""

type Action = Callable[[World], Awaitable[object]]


def sites(of: str = "rule:sites") -> World:
    """A site, a rule that issues to whatever is its identity, and one that revokes when it is deleted."""
    made = scene(of=bobs_role(ttl=_LASTS), sites=document(), gone=gone(of))
    for holder in (APP, OTHER_APP):
        made.callers.place(holder, SITE)
    at_site = tuple(replace(each, scope=Scope(SITE)) for each in principal_target(1).azure_roles)
    bounds = Bounds(service_principal_ids=frozenset({APP, OTHER_APP}))
    made.roles.keep(role(replace(principal_target(1), azure_roles=at_site), bounds=bounds, ttl=_LASTS, max_ttl=2 * _LASTS))
    return made


def identity(holder: ObjectId) -> Caller:
    """The site's identity, as it calls the broker itself."""
    return replace(ALICE, object_id=holder, app_id=guid(0x9F0))


async def asking_itself(world: World) -> Issued:
    """The site's identity asks for a lease that is granted something at the site."""
    return await issue(world.ports, request(identity(APP)), IssueRequest(WEB))


async def hearing_of_a_write(world: World) -> None:
    """A worker takes the message of it."""
    await _hearing(world, WRITTEN)


async def hearing_of_a_deletion(world: World) -> None:
    """The same of a deletion."""
    await _hearing(world, DELETED)


async def _hearing(world: World, kind: str) -> None:
    await receive(world.ports, "inv", encoded(event(kind, at=world.ports.now(), id=f"event-{kind}")), "m")


async def hearing_again(world: World) -> None:
    """Workers take what was put back."""
    for text in world.events.take():
        await receive(world.ports, "inv", text, "m")


def issued() -> World:
    """The site has its lease."""
    made = sites()
    made.run(lambda: hearing_of_a_write(made))
    made.clock.jump(200)
    return made


def replaced() -> World:
    """The same, and the site has another identity since."""
    made = issued()
    made.resources.put(SITE, OTHER_APP)
    return made


def deleted() -> World:
    """The same, and the site was deleted."""
    made = issued()
    made.resources.delete(SITE)
    return made


def watched() -> World:
    """A rule by holder, which an administrator has written."""
    made = sites("holder")
    made.run(lambda: put_event_rule(made.ports, request(ADMINISTRATOR), PolicyName("gone"), gone("holder") | {"enabled": True}))
    return made


def held() -> World:
    """The same, where the site's identity has a lease by the rule, and one that it has asked for."""
    made = watched()
    made.run(lambda: hearing_of_a_write(made))
    made.run(lambda: asking_itself(made))
    made.clock.jump(200)
    return made


def held_and_deleted() -> World:
    """The same, and the site was deleted."""
    made = held()
    made.resources.delete(SITE)
    return made


def granted_and_deleted() -> World:
    """A lease that is granted something at the site, which was deleted since."""
    made = sites("scope")
    made.run(lambda: asking_itself(made))
    made.clock.jump(200)
    made.resources.delete(SITE)
    return made


def unnoted() -> World:
    """Leases from before the rule by holder, whose holder nobody has noted."""
    made = sites("holder")
    made.run(lambda: asking_itself(made))
    made.clock.jump(200)
    return made
