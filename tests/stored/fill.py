"""Fills a store by the verbs of the version that runs, and keeps it as files: ``python -m tests.stored.fill NAME``.

Run it once, with the code of a version that writes a form of which there is no sample yet (a worktree of that version, with
this file and ``kept_store.py`` in it). The files are never written again: ``digests.json`` holds their digests.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from azure.data.tables.aio import TableServiceClient

from local.storage.storage import Azurite
from shared.broker.configure.events import change_event
from shared.broker.configure.roles import put_role
from shared.broker.ending.enqueue import enqueue
from shared.broker.ending.sweep import sweep
from shared.broker.issue.asking import AskedFor
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.pool.fill import fill as fill_pools
from shared.broker.ports import Ports
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.broker.revoke import revoke, revoke_role
from shared.cloud.storage.access_table import TableAccess
from shared.cloud.storage.application_lock_table import TableApplicationLocks
from shared.cloud.storage.tables import connect
from shared.core.access.auth_role import read_auth_role
from shared.core.access.policy import PolicyName, read_policy, write_policy
from shared.core.application_lock import LockRecord
from shared.core.errors import Forbidden, Refused
from shared.core.events.event_rule import read_event_rule
from shared.core.events.lender import Lender
from shared.core.footprint import Assignment
from shared.core.lease import Cause, Lease, State
from shared.core.limits import Limits
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.ports.documents import ABSENT
from shared.core.ports.leases import LeaseQuery
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from shared.issuers.role_grant.footprint import RoleGrantFootprint
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.fakes.cloud_state import Granted
from tests.fakes.vaults import VAULT
from tests.fakes.world import (
    ADMINISTRATOR,
    ALICE,
    BOB,
    DEFINITION,
    EXISTING,
    GROUPS,
    OTHER_TENANT,
    SCOPES,
    SUBSCRIPTION,
    TENANT,
    World,
    request,
)
from tests.stored.access_documents import AUTH_ROLES, EVENT_RULES, POLICIES, UNTOLD, keep_events
from tests.stored.kept_store import HERE, TABLES, RunningClock, world_over
from tests.stored.left_in_azure import left_in
from tests.stored.told import told
from tests.support import holes, pooling
from tests.support.deliveries import SHARED
from tests.support.every_kind import EVERY_KIND
from tests.support.kinds import read_role
from tests.support.operations import issue_elsewhere
from tests.support.pools import take_messages

WIDE = (f"/subscriptions/{SUBSCRIPTION}", "/providers/Microsoft.Management/managementGroups/all")
"""A subscription and a management group."""
NARROWED = f"{holes.FILLED}/blobServices/default/containers/box"
WITHOUT_SECRETS, SIGNED = {"tokens": "token", "workloads": "federated", "certified": "certificate"}, "storage sas"
DELIVERED: dict[str, dict[str, Any]] = {"delivered": {}, "by-name": {"name": SHARED, "format": "env"}}
_IN_A_VAULT = {"type": "key_vault", "vaults": [VAULT]}
_BOTH = {"bound_service_principal_ids": [ALICE.object_id, BOB.object_id]}


def _on(*scopes: int, **more: Any) -> dict[str, Any]:
    roles = [{"role_name": "Reader", "scope": SCOPES[each]} for each in scopes]
    return {"type": "service_principal", "azure_roles": roles, **_BOTH, **more}


def _of_kind(name: str) -> dict[str, Any]:
    """A role whose credential is no secret."""
    fields = ("credential", "token_scopes", "federated_identities")
    return _on(6, ready="token", **{field: value for field, value in EVERY_KIND[name].document.items() if field in fields})


DOCUMENTS: dict[str, dict[str, Any]] = {
    "web": _on(0, 1, azure_groups=[{"object_id": GROUPS[0]}], ready="none"),
    "legacy": {"type": "application_secret", "application_object_id": EXISTING, "ready": "token", **_BOTH},
    "locked": _on(7),
    "capped": _on(2, max_leases=3),
    "recalled": _on(3),
    "shared": _on(5, max_leases=3, max_leases_per_caller=2),
    "wide": _on(azure_roles=[{"role_name": "Reader", "scope": each} for each in WIDE]),
    "teams": {**holes.document(), **_BOTH},
    "own": {**holes.document(holes.OWN_GROUP, holes.GROUP_SCOPE, narrowing="refuse"), **_BOTH},
    "jit": {**_on(4, 6), "type": "role_grant", "on_existing": "ignore"},
    **{what: _of_kind(kind) for what, kind in WITHOUT_SECRETS.items()},
    "signed": {"type": "service_principal", **EVERY_KIND[SIGNED].document, **_BOTH},
    **{what: _on(6, delivery=_IN_A_VAULT | name) for what, name in DELIVERED.items()},
    "ready": _on(6, ready="token", pool={"size": 1, "max_age": "1h"}),
    "directory": _on(6, graph_app_roles=["User.Read.All", "Group.Read.All"], ready="token"),
    "grouped": {"type": "service_principal", "azure_groups": [{"object_id": GROUPS[1]}], "bound_app_roles": ["Reports"]},
    "everything": _on(
        4,
        ttl=600,
        max_ttl=7200,
        renewable=False,
        permanently_delete=False,
        ready="token",
        tags=["team"],
        bound_application_ids=[ALICE.app_id],
        bound_tenant_ids=[TENANT, OTHER_TENANT],
    ),
}


@dataclass(slots=True)
class Filling:
    """One store while it is filled. ``leases``: which is which; ``keys``: under what some can be asked for again."""

    service: TableServiceClient
    world: World
    leases: dict[str, LeaseId] = field(default_factory=dict)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    async def issue(self, what: str, role: str, **more: Any) -> Lease:
        """A lease of Alice's."""
        made = await issue(self.world.ports, request(), IssueRequest(RoleName(role), **more))
        self.leases[what] = made.lease.id
        return made.lease

    async def issue_under(
        self, what: str, role: str, key: str, times: int = 1, issuing: Callable[..., Awaitable[Issued]] = issue_once
    ) -> None:
        """The same under a key, and so many times in all."""
        for _ in range(times):
            made = await issuing(self.world.ports, request(), IssueRequest(RoleName(role)), key)
            self.leases[what] = made.lease.id
        self.keys[what] = (role, key)

    async def keep(self, what: str, making: Awaitable[Lease | Issued]) -> None:
        """A lease that is made so."""
        made = await making
        self.leases[what] = (made.lease if isinstance(made, Issued) else made).id

    async def move(self, what: str, change: Callable[[Lease], Lease]) -> None:
        """As a worker that died behind this write leaves it."""
        found = await self.world.ports.leases.get(self.leases[what])
        assert found is not None
        await self.world.ports.leases.swap(change(found), former=found)


async def fill_account(service: TableServiceClient) -> Filling:
    """Rows of every kind, in tables of an empty account."""
    filling = Filling(service, world_over(service, RunningClock()))
    await _fill(filling)
    return filling


async def fill_with_lives(service: TableServiceClient) -> Filling:
    """The same, and leases that no version before the third form of a lease can read."""
    filling = Filling(service, world_over(service, RunningClock()))
    for name in ("web", "legacy"):
        await put_role(filling.world.ports, request(ADMINISTRATOR), read_role(RoleName(name), DOCUMENTS[name]))
    await _what_nobody_took(filling)
    await _fill(filling)
    await _what_waits(filling)
    return filling


async def _what_nobody_took(filling: Filling) -> None:
    """A lease that was pooled for too long, and one that was not collected."""
    ports = filling.world.ports
    await filling.keep("drained", pooling.fill(ports, RoleName("web")))
    await filling.keep("uncollected", pooling.prepare(ports, request(), RoleName("web")))
    filling.world.clock.jump(1000)
    await sweep(ports, "s")


async def _what_waits(filling: Filling) -> None:
    """Leases in a pool, claimed from it, prepared, being collected, being made for a pool, in a queue."""
    ports, web, legacy = filling.world.ports, RoleName("web"), RoleName("legacy")
    await filling.keep("unclaimed", pooling.fill(ports, web))
    await filling.keep("claimed", pooling.claim(ports, request(), web))
    assert filling.leases.pop("unclaimed") == filling.leases["claimed"]
    await filling.keep("unclaimed", pooling.fill(ports, web))
    await filling.keep("claimed_to_collect", pooling.claim_to_collect(ports, request(), web))
    assert filling.leases.pop("unclaimed") == filling.leases["claimed_to_collect"]
    await filling.keep("pooled", pooling.fill(ports, web))
    await filling.keep("prepared", pooling.prepare(ports, request(), web))
    await filling.keep("prepared_secret", pooling.prepare(ports, request(), legacy))
    await filling.keep("collecting", pooling.prepare(ports, request(), legacy))
    until = ports.now() + timedelta(seconds=60)
    await filling.move("collecting", lambda lease: lease.collecting(until))
    await filling.keep("queued", pooling.enqueue(ports, request(), web))
    await filling.keep("filling", pooling.enqueue(ports, request(), web))
    await filling.move("filling", lambda lease: replace(lease, holder=None))
    filling.world.clock.jump(1)


async def _configure(ports: Ports) -> None:
    for name, document in DOCUMENTS.items():
        await put_role(ports, request(ADMINISTRATOR), read_role(RoleName(name), document))
    for name, document in POLICIES.items():
        await ports.policies.put(read_policy(name, document), expected=ABSENT)
    for name, document in AUTH_ROLES.items():
        await ports.auth_roles.put(read_auth_role(name, document), expected=ABSENT)
    for name, document in EVENT_RULES.items():
        await ports.event_rules.put(read_event_rule(name, document, Lender.of(ADMINISTRATOR)), expected=ABSENT)


async def _fill(filling: Filling) -> None:
    ports, cloud, clock = filling.world.ports, filling.world.cloud, filling.world.clock
    await _configure(ports)
    await _what_is_over(filling)
    await keep_events(ports)
    await filling.issue("ending", "locked")
    cloud.locked_scopes.add(SCOPES[7])
    await revoke(ports, request(), filling.leases["ending"])
    await revoke_role(ports, request(ADMINISTRATOR), RoleName("grouped"))
    await sweep(ports, "s")
    await filling.issue("live", "web", metadata={"run": "nightly é"}, reason="nightly")
    await renew(ports, request(), filling.leases["live"], 3000)
    await filling.issue("live_secret", "legacy")
    await filling.issue("capped", "capped")
    await filling.issue("wide", "wide")
    await filling.issue("filled", "teams", ask=holes.asking(**holes.VALUES))
    await filling.issue("filled_and_narrowed", "teams", ask=holes.asking(NARROWED, **holes.VALUES))
    for what, kind in {**WITHOUT_SECRETS, "signed": SIGNED}.items():
        await filling.issue(what, what, ask=AskedFor(credential=EVERY_KIND[kind].ask))
    await _what_is_delivered(filling)
    await filling.issue("reads_users", "directory")
    await filling.issue_under("repeated_token", "tokens", "run-5", times=2)
    await filling.issue("narrowed", "recalled", ask=holes.asking(f"{SCOPES[3]}/{holes.STORAGE}/logs1"))
    await _what_stands_ready(filling)
    await _what_is_granted(filling)
    await _what_is_counted(filling)
    async with told(filling.world):
        await filling.issue("told", "web")
    await filling.issue_under("keyed", "web", "run-1")
    await filling.issue_under("repeated", "web", "run-2", times=2)
    await filling.issue_under("repeated_secret", "legacy", "run-3", times=2)
    await filling.issue_under("elsewhere", "web", "run-4", issuing=issue_elsewhere)
    await _in_parts(filling)
    await _what_workers_left(filling)
    await filling.issue("recalled", "recalled")
    await revoke_role(ports, request(ADMINISTRATOR), RoleName("recalled"))
    await enqueue(ports, [filling.leases["recalled"]])
    lock = LockRecord(EXISTING, ports.ids.guid(), ports.now() + timedelta(seconds=10))
    await TableApplicationLocks(filling.service, ports.ids).take(lock, former=None)
    await TableAccess(filling.service, packed_from=1).load()
    clock.jump(1)


async def _what_stands_ready(filling: Filling) -> None:
    """A pool with a lease in it, which has failed before."""
    ports = filling.world.ports
    filling.world.calls.fail("directory.upsert_application", Refused("no", status=403))
    await fill_pools(ports, "timer")
    await take_messages(filling.world)
    filling.world.clock.jump(30)
    await fill_pools(ports, "timer")
    await take_messages(filling.world)
    pooled, failed = (await ports.leases.list(LeaseQuery(role=RoleName("ready")))).items
    assert State.POOLED is pooled.state
    filling.leases |= {"stands_ready": pooled.id, "never_stood": failed.id}


async def _what_is_delivered(filling: Filling) -> None:
    """Under a name of its own, and under a shared one in a vault that does not know of a renewal. There a rule has rotated."""
    for what in DELIVERED:
        await filling.issue(what, what)
    by = await filling.world.ports.event_rules.get(PolicyName("sites-rotate"))
    succeeded = await filling.issue("succeeded", "by-name", by_rule=by, rotates=True)
    await filling.issue("successor", "by-name", by_rule=by, rotates=True, succeeds=succeeded.id)
    await filling.move("succeeded", lambda lease: lease.succeeded())
    filling.world.vaults.refusing[VAULT] = "ForbiddenByFirewall"
    await renew(filling.world.ports, request(), filling.leases["by-name"], 1800)


async def _what_is_granted(filling: Filling) -> None:
    """A lease of roles that its holder has, one of which the holder had already, and one that is half made."""
    ports, assignments = filling.world.ports, filling.world.cloud.assignments
    held = Assignment(SCOPES[6], "66666666-0000-4000-8000-000000000000")
    assignments[held] = Granted(DEFINITION, ALICE.object_id, None, "by hand")
    await filling.issue("granted", "jit")
    del assignments[held]
    made = await issue(ports, request(BOB), IssueRequest(RoleName("jit")))
    filling.leases["half_granted"] = made.lease.id
    footprint = made.lease.footprint
    assert isinstance(footprint, RoleGrantFootprint)
    first, second = footprint.grants
    del assignments[second.assignment]
    left = replace(footprint, made=(first.name,), granted=False)
    now = ports.now()
    await filling.move("half_granted", lambda it: replace(it.knowing(left), state=State.PLANNED, handed_out=False, due_at=now))


async def _what_is_counted(filling: Filling) -> None:
    """A caller with a cap of its own, and what it has asked for of late: it was refused once."""
    ports = filling.world.ports
    filling.world.ports = replace(ports, limits=Limits(max_leases_per_caller=100, issues_per_minute=120))
    await filling.issue("counted", "shared")
    with suppress(Forbidden):
        await filling.issue("refused", "nobodys")
    filling.world.ports = ports


async def _what_is_over(filling: Filling) -> None:
    """A lease that is stuck, one whose application somebody deleted, one that was revoked, one whose subject was deleted."""
    ports, cloud, clock = filling.world.ports, filling.world.cloud, filling.world.clock
    await filling.issue("stuck", "locked", ttl=60)
    cloud.locked_scopes.add(SCOPES[7])
    for _ in range(9):
        clock.jump(1400)
        await sweep(ports, "s")
    vanished = await filling.issue("vanished", "web", ttl=14000)
    assert isinstance(vanished.footprint, ServicePrincipalFootprint) and vanished.footprint.application_id is not None  # noqa: PT018
    cloud.delete_application(vanished.footprint.application_id)
    clock.jump(3 * 3600)
    await reconcile(ports, "r")
    await filling.issue("ended", "web")
    clock.jump(600)
    await revoke(ports, request(), filling.leases["ended"])
    now = (await filling.issue("bereft", "web")).planned_at
    await filling.move("bereft", lambda lease: lease.ending(Cause.SUBJECT_GONE, now, now))
    clock.jump(600)
    await sweep(ports, "s")
    cloud.locked_scopes.clear()


async def _in_parts(filling: Filling) -> None:
    """Leases of two parts; of one lease the second part is undone. No delivery exists yet: the second is another kind's."""
    cloud, now = filling.world.cloud, filling.world.ports.now()
    secrets: dict[str, ObjectId] = {}
    for what in ("in_parts", "half_undone"):
        lease = await filling.issue(what, "web")
        secrets[what] = cloud.add_secret(EXISTING, lease.id, now + timedelta(days=1)).key_id
        more = ApplicationSecretFootprint(EXISTING, lease.id, secrets[what])
        await filling.move(what, lambda it, more=more: replace(it, parts=(*it.parts, more)))  # type: ignore[misc]
    del cloud.applications[EXISTING].secrets[secrets["half_undone"]]
    await filling.move("half_undone", lambda it: it.ending(Cause.REVOKED, now, now).without([1]))


async def _what_workers_left(filling: Filling) -> None:
    """Leases that were in the hands of workers that have died: being made, ended, given a fresh secret. And policies that are
    stored, of which the audit trail has no event yet.
    """
    ports, now = filling.world.ports, filling.world.ports.now()
    for name, document in UNTOLD.items():
        written = read_policy(name, document)
        event = change_event(ports, request(ADMINISTRATOR), "put_policy", f"policies/{name}", None, write_policy(written))
        await ports.policies.put(written, expected=ABSENT, event=event)
    await filling.issue("rotating", "web")
    await filling.move("rotating", lambda lease: lease.rotating(now + timedelta(seconds=60)))
    await filling.issue("held", "web")
    await filling.move("held", lambda lease: lease.ending(Cause.REVOKED, now, now + timedelta(seconds=20)))
    like = await filling.issue("orphaned", "web")
    await filling.move("orphaned", lambda lease: replace(lease, state=State.PLANNED, handed_out=False, due_at=now))
    assert like.state is State.ACTIVE
    filling.leases["planned"] = filling.leases.pop("orphaned")


async def fill(name: str) -> None:
    """Writes the folder ``written_by_<name>``, which must not be there."""
    folder = HERE / f"written_by_{name}"
    folder.mkdir()
    async with Azurite() as storage, connect(storage.connection_string) as service:
        filling = await fill_with_lives(service)
        for table in TABLES:
            rows = [dict(row) async for row in service.get_table_client(table).list_entities()]
            _write(folder / f"{table}.json", rows)
    _write(folder / "azure.json", left_in(filling.world.cloud))
    _write(folder / "queue.json", filling.world.revocations.texts)
    about: dict[str, Any] = {"taken_at": filling.world.ports.now().isoformat(), "leases": filling.leases}
    about |= {"keys": filling.keys, "documents": DOCUMENTS}
    about |= {"auth_roles": AUTH_ROLES, "policies": POLICIES | UNTOLD}
    about |= {"event_rules": EVENT_RULES}
    _write(folder / "about.json", about)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(fill(sys.argv[1]))
