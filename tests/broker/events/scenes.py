"""A broker with a role that gives to its holder, rules about web sites, and events of theirs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.broker.events.receive import receive
from shared.core.access.bounds import Bounds
from shared.core.access.facts import Principal
from shared.core.events.event import Event, encoded
from shared.core.events.event_rule import read_event_rule
from shared.core.events.lender import Lender
from shared.core.lease import Lease, State
from shared.core.names import ObjectId, RoleName
from shared.core.role import Role, Target
from shared.issuers.role_grant.schema import RoleGrantTarget
from tests.fakes.world import BOB, BROKER_APP_ID, SCOPES, SUBSCRIPTION, World, guid, principal_target, role, world

JIT = RoleName("jit")
SITE = f"{SCOPES[0]}/providers/Microsoft.Web/sites/web"
WRITTEN, DELETED = "Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"
APP, OTHER_APP = guid(0x900), guid(0x901)
"""The identity of the site, and that of the site made again."""
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def document(**changes: Any) -> dict[str, Any]:
    """A rule that issues to whatever site is written."""
    action = {"issue": {"role": "jit", "holder": "subject_identity"}}
    subject = SITE.replace("/web", "/*")
    return {"source": f"/subscriptions/{SUBSCRIPTION}", "types": [WRITTEN], "subject": subject, "action": action} | changes


def gone(of: str = "rule:sites") -> dict[str, Any]:
    """A rule that revokes when a site is deleted."""
    return document(types=[DELETED], action={"revoke": {"of": of}})


def bobs_role(target: Target | None = None, **more: Any) -> Role:
    """The role of the rules here. Bob may issue from it."""
    bobs = Bounds(service_principal_ids=frozenset({BOB.object_id}))
    return role(target or RoleGrantTarget(principal_target(1).azure_roles), name=JIT, bounds=bobs, max_ttl=3600, **more)


def scene(*, of: Role | None = None, publishing: bool = False, **rules: dict[str, Any]) -> World:
    """With these rules, of which Bob is the lender, and the site."""
    made = world(of or bobs_role(), publishing=publishing)
    for name, rule in (rules or {"sites": document()}).items():
        made.event_rules.keep(read_event_rule(name, rule, Lender.of(BOB)))
    for each in (BOB.object_id, APP, OTHER_APP):
        knows(made, each)
    made.ports = replace(made.ports, own_app_id=BROKER_APP_ID)
    made.resources.put(SITE, APP)
    return made


def knows(made: World, object_id: ObjectId) -> None:
    """The directory knows this principal."""
    made.callers.principals[object_id] = Principal("ManagedIdentity", ())


def event(kind: str = WRITTEN, subject: str = SITE, *, at: datetime, **changes: Any) -> Event:
    """An event of Azure's about the site."""
    fields: dict[str, Any] = {"id": "event-1", "source": f"/subscriptions/{SUBSCRIPTION}", "type": kind, "subject": subject}
    return Event(**{**fields, "time": "", "first_seen": at, **changes})


async def deliver(made: World, kind: str = WRITTEN, subject: str = SITE, **changes: Any) -> None:
    """One event, as the host delivers it."""
    await receive(made.ports, "inv-1", encoded(event(kind, subject, at=made.ports.now(), **changes)), "m-1")


async def deliver_all(made: World, *, pause: float = 0.0) -> None:
    """What waits in the queue, once."""
    made.clock.jump(pause)
    for text in made.events.take():
        await receive(made.ports, "inv-2", text, "m-2")


def active(made: World) -> list[Lease]:
    """The leases that are active, the oldest first."""
    return sorted((each for each in made.leases.rows.values() if each.state is State.ACTIVE), key=lambda each: each.id)


def codes(made: World) -> list[str]:
    """What was told of events, in order; an empty text for what was done."""
    return [each.code for each in made.audit.events if each.operation == "event"]
