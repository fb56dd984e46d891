"""What is done to a broker in walks and schedules, and the worlds in which it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from shared.broker.configure.roles import delete_role, put_role
from shared.broker.ending.enqueue import enqueue
from shared.broker.ending.poison import poison
from shared.broker.ending.recall import recall
from shared.broker.ending.sweep import Summary, end_due, sweep, sweep_on_time
from shared.broker.force import revoke_as_operator
from shared.broker.issue.asking import AskedFor
from shared.broker.issue.collect import collect
from shared.broker.issue.idempotent import _Repeatable, issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.issue.prepare import prepare
from shared.broker.pool.fill import fill
from shared.broker.ports import Actor, Ports
from shared.broker.reconcile.reconcile import Reconciliation, reconcile
from shared.broker.renew import renew
from shared.broker.revoke import Revoking, revoke, revoke_role
from shared.broker.revoke_reaching import RevokingReaching, revoke_reaching
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Lease
from shared.core.message import Batch
from shared.core.names import LeaseId
from shared.core.ports.inventory import ScopeState
from shared.core.role import Role, Target
from shared.issuers.service_principal.target import ServicePrincipalTarget
from tests.fakes.world import ACCOUNT, ADMINISTRATOR, WEB, World, principal_target, request, role, world
from tests.support import holes
from tests.support.deliveries import delivered
from tests.support.every_kind import EVERY_KIND, ask_for, kinds_for
from tests.support.full import IS_FULL
from tests.support.kinds import read_role, write_role
from tests.support.pools import filling, of_one, standing, watching

type Action = Callable[[World], Awaitable[object]]

TARGETS = {name: each.target for name, each in EVERY_KIND.items()}
_WHOLE = {"service principal", "application secret", "role grant"}
WALKED = {name: each for name, each in TARGETS.items() if IS_FULL or name in _WHOLE}
"""Kinds of which every operation is struck: of the others those are that have to do with the credential."""
OTHER_TARGET = principal_target(roles=1, groups=0)
"""What the role is changed to."""
REACHED = ACCOUNT
"""A resource below the first scope of every role, or at that scope."""
HOLES = holes.target({"group": {"kind": "resource_group", "allowed": ["rg*"]}}, holes.GROUP_SCOPE)
"""What is filled and narrowed until it lies at ``REACHED``."""
LASTS = 300
"""Seconds of a lease."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One operation. ``scene``: the world that it needs, ``live`` if it does with any."""

    name: str
    action: Action
    verb: Callable[..., object]
    """The broker's function."""
    scene: str = "live"


def fresh(target: Target, lag: float = 0.0) -> World:
    """A role and nothing else. If it has holes, callers fill them, and narrow it."""
    made = world(role(target, ttl=LASTS, max_ttl=2 * LASTS, **delivered()), lag=lag, kinds=kinds_for(target))
    made.ask = AskedFor({"group": "rg0"}, REACHED) if target.parameters else AskedFor(credential=ask_for(target))
    return made


def without_target(target: Target) -> World:
    """A role with holes, and nothing where callers ask for something."""
    made = fresh(target)
    made.inventory.missing = {REACHED: ScopeState.NO_RESOURCE}
    return made


def with_lease(target: Target, lag: float = 0.0, *, age: float = 0.0) -> World:
    """A role and one active lease of that age in seconds."""
    made = fresh(target, lag)
    made.run(lambda: issuing(made))
    made.clock.jump(age)
    return made


def with_answer_lost(target: Target, lag: float = 0.0, *, age: float = 0.0) -> World:
    """A lease that was issued under a key so many seconds ago, and whose secret nobody has got."""
    made = fresh(target, lag)
    made.run(lambda: issuing_once(made))
    made.clock.jump(age)
    return made


def overdue(target: Target, lag: float = 0.0) -> World:
    """Three leases that are over."""
    made = fresh(target, lag)
    for _ in range(3):
        made.run(lambda: issuing(made))
    made.clock.jump(LASTS + 1.0)
    return made


def queued(target: Target, lag: float = 0.0) -> World:
    """The same, in the queue, two messages."""
    made = overdue(target, lag)
    made.run(lambda: enqueue(made.ports, list(made.leases.rows), together=2))
    return made


def recalled(target: Target, lag: float = 0.0, count: int = 2) -> World:
    """A role whose leases, nearly five minutes old, were revoked a moment ago."""
    made = fresh(target, lag)
    for _ in range(count):
        made.run(lambda: issuing(made))
    made.clock.jump(250)
    made.run(lambda: revoking_the_role(made))
    return made


def first(world: World) -> LeaseId:
    """The lease that the world was made with."""
    return min(world.leases.rows)


def only(world: World) -> LeaseId:
    """The one lease there is."""
    (lease_id,) = world.leases.rows
    return lease_id


async def issuing(world: World) -> Issued:
    """Alice issues."""
    return await issue(world.ports, request(), IssueRequest(WEB, ask=world.ask))


async def issuing_once(world: World) -> Issued:
    """Alice issues under her key, for the first time or again."""
    return await issue_once(world.ports, request(), IssueRequest(WEB, ask=world.ask), "alice-1")


async def issuing_in_vain(world: World) -> Issued:
    """Alice asks for what is not there, of which the model knows nothing."""
    return await issuing(world)


async def issuing_once_in_vain(world: World) -> Issued:
    """The same under her key."""
    return await issuing_once(world)


class _Elsewhere(_Repeatable):
    """A request whose lease lies in another partition than its key, as a lease does that was made before anybody asked."""

    def _key(self, former: str) -> IdempotencyKey:
        key = _Repeatable._key(self, former)
        while key.is_beside:
            key = replace(key, lease_id=LeaseId.of(self.wanted.role, self.ports.ids.ulid(self.ports.now())))
        return key


async def issue_elsewhere(ports: Ports, actor: Actor, wanted: IssueRequest, key: str) -> Issued:
    """As ``issue_once``, under a lease in another partition than the key."""
    found = await _Elsewhere.of(ports, actor, wanted, key).run()
    assert isinstance(found, Issued)
    return found


async def issuing_elsewhere(world: World) -> Issued:
    """Alice issues under her key, under a lease in another partition than the key."""
    return await issue_elsewhere(world.ports, request(), IssueRequest(WEB, ask=world.ask), "alice-1")


async def renewing(world: World) -> Lease:
    """Alice renews."""
    return await renew(world.ports, request(), first(world), LASTS)


async def revoking(world: World) -> Lease:
    """Alice revokes."""
    return await revoke(world.ports, request(), first(world))


async def revoking_all(world: World) -> None:
    """An administrator revokes whatever leases there are, one by one."""
    for lease_id in list(world.leases.rows):
        await revoke(world.ports, request(ADMINISTRATOR), lease_id)


async def forcing(world: World) -> Lease:
    """An operator ends the lease in any case."""
    return await revoke_as_operator(world.ports, request(ADMINISTRATOR), first(world), force=True)


async def forcing_all(world: World) -> None:
    """An operator ends whatever leases there are, in any case."""
    for lease_id in list(world.leases.rows):
        await revoke_as_operator(world.ports, request(ADMINISTRATOR), lease_id, force=True)


async def sweeping(world: World) -> Summary:
    """A sweep that somebody asked for."""
    return await sweep(world.ports, "sweep")


async def fanning_out(world: World) -> Summary:
    """The timer's sweep, as if there were more than a few due."""
    return await sweep_on_time(world.ports, "sweep", few=0)


async def taking_the_message(world: World) -> Summary:
    """A worker gets a message with the lease."""
    return await end_due(world.ports, "message", Batch("batch", (first(world),)))


async def taking_messages(world: World) -> None:
    """A worker takes every message that was ever sent, one after the other."""
    for batch in world.revocations.messages():
        await end_due(world.ports, "message", batch)


async def taking_the_poison(world: World) -> object:
    """A message with the lease has failed too often."""
    return await poison(world.ports, "poison", Batch("batch", (first(world),)))


async def taking_poison(world: World) -> None:
    """Every message that was ever sent has failed too often."""
    for batch in world.revocations.messages():
        await poison(world.ports, "poison", batch)


async def recalling(world: World) -> None:
    """A worker gets the messages by which revocations of whole roles begin."""
    for message in world.revocations.recalls():
        await recall(world.ports, "recall", message)


async def recalling_all(world: World) -> None:
    """The same, and then those that it has left to others."""
    await recalling(world)
    await taking_messages(world)


async def reconciling(world: World) -> Reconciliation:
    """The hourly run."""
    return await reconcile(world.ports, "run")


def is_changed(target: Target) -> bool:
    """Whether the role is as ``changing_the_role`` leaves it, whatever its kind of credential is."""
    other = OTHER_TARGET.credential
    return isinstance(target, ServicePrincipalTarget) and replace(target, credential=other) == OTHER_TARGET


async def changing_the_role(world: World) -> Role:
    """An administrator writes it anew, with another target."""
    # What callers say of the credential must still be of use.
    same = (each.target for each in EVERY_KIND.values() if each.ask and each.ask == world.ask.credential)
    credential = next((each.credential for each in same if isinstance(each, ServicePrincipalTarget)), OTHER_TARGET.credential)
    document = write_role(role(replace(OTHER_TARGET, credential=credential), ttl=LASTS, max_ttl=2 * LASTS))
    return (await put_role(world.ports, request(ADMINISTRATOR), read_role(WEB, document))).document


async def deleting_the_role(world: World) -> Revoking | None:
    """An administrator deletes it with its leases."""
    return await delete_role(world.ports, request(ADMINISTRATOR), WEB, revoking=True)


async def revoking_the_role(world: World) -> Revoking:
    """An administrator ends all its leases."""
    return await revoke_role(world.ports, request(ADMINISTRATOR), WEB)


async def revoking_what_reaches(world: World) -> RevokingReaching:
    """An administrator ends whatever reaches a resource below the role's first scope."""
    return await revoke_reaching(world.ports, request(ADMINISTRATOR), REACHED)


async def asking(world: World) -> Lease:
    """Alice asks for a lease, and does not wait for it."""
    found = await issue(world.ports, request(), IssueRequest(WEB, ask=world.ask), preference=Preference(wait=0))
    assert isinstance(found, Accepted)
    return found.lease


async def asking_once(world: World) -> Accepted:
    """The same under her key."""
    found = await issue_once(world.ports, request(), IssueRequest(WEB, ask=world.ask), "alice-1", Preference(wait=0))
    assert isinstance(found, Accepted)
    return found


async def preparing(world: World) -> Lease | None:
    """Alice asks, and a worker prepares the lease that she collects later."""
    return await prepare(world.ports, "message", (await asking(world)).id)


async def claiming(world: World) -> Issued:
    """Alice is handed out a lease of the pool, or a new one if it is gone."""
    return await issue(world.ports, request(), IssueRequest(WEB, ask=world.ask))


async def claiming_once(world: World) -> Issued:
    """The same under her key."""
    return await issue_once(world.ports, request(), IssueRequest(WEB, ask=world.ask), "alice-1")


async def collecting(world: World) -> Issued | Accepted:
    """Alice collects the lease that is prepared for her."""
    return await collect(world.ports, request(), first(world), Preference())


async def taking_up(world: World) -> Lease | None:
    """A worker takes the message of the lease that Alice waits for."""
    return await prepare(world.ports, "message", first(world))


async def revoking_as_admin(world: World) -> Lease:
    """An administrator revokes the lease, be it Alice's or nobody's."""
    return await revoke(world.ports, request(ADMINISTRATOR), first(world))


def pooled(target: Target, lag: float = 0.0, *, age: float = 0.0) -> World:
    """A role with one lease in its pool, of that age in seconds."""
    return _made_by(standing, of_one(target), lag, age)


def prepared(target: Target, lag: float = 0.0, *, age: float = 0.0) -> World:
    """A role with one lease that Alice has not collected yet."""
    return _made_by(preparing, target, lag, age)


def changed(made: World) -> World:
    """The same world, in which an administrator has changed the role."""
    made.run(lambda: changing_the_role(made))
    return made


def once_collected(target: Target, lag: float = 0.0) -> World:
    """A lease that Alice has collected a minute ago."""
    made = prepared(target, lag, age=60)
    made.run(lambda: collecting(made))
    made.clock.jump(60)
    return made


def waiting(target: Target, lag: float = 0.0, *, age: float = 0.0) -> World:
    """A role with one lease that waits for a worker to take its message."""
    return _made_by(asking, target, lag, age)


def _made_by(action: Action, target: Target, lag: float, age: float) -> World:
    made = fresh(target, lag)

    async def work() -> object:
        return await action(made)

    made.run(work)
    made.clock.jump(age)
    return made


VERBS = (
    Verb("issue", issuing, issue),
    Verb("issue under a key", issuing_once, issue_once, "fresh"),
    Verb("issue under a key elsewhere", issuing_elsewhere, issue_once, "fresh"),
    Verb("repeat", issuing_once, issue_once),
    Verb("renew", renewing, renew),
    Verb("revoke", revoking, revoke),
    Verb("force", forcing, revoke_as_operator),
    Verb("sweep", sweeping, sweep, "due"),
    Verb("fan out", fanning_out, sweep_on_time, "due"),
    Verb("message", taking_the_message, end_due, "due"),
    Verb("poison", taking_the_poison, poison, "due"),
    Verb("recall", recalling, recall, "revoked"),
    Verb("reconcile", reconciling, reconcile),
    Verb("change role", changing_the_role, put_role),
    Verb("delete role", deleting_the_role, delete_role),
    Verb("revoke role", revoking_the_role, revoke_role),
    Verb("revoke reaching", revoking_what_reaches, revoke_reaching),
)
"""Each verb of the broker, as the model (``tests.model``) names it."""

LIVES = (
    Verb("fill", filling, fill, "empty pool"),
    Verb("ask", asking, issue, "fresh"),
    Verb("claim", claiming, issue, "pooled"),
    Verb("claim under a key", claiming_once, issue_once, "pooled"),
    Verb("claim to collect", asking, issue, "pooled"),
    Verb("watch", watching, fill, "pooled"),
    Verb("collect", collecting, collect, "prepared"),
    Verb("take up", taking_up, prepare, "waiting"),
)
"""What happens to leases that are pooled, prepared or queued."""
OF_POOLS = {"fill", "claim", "claim under a key", "claim to collect", "watch"}
"""Those of kinds that have pools."""
