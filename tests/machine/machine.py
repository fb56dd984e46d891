"""The state machine: whatever may happen to a broker, in any order, and what must hold all the same."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.broker.configure.roles import delete_role
from shared.broker.ending.sweep import sweep
from shared.broker.issue.collect import collect
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.issue.prepare import prepare
from shared.broker.ports import Ports
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.core.caller import Caller
from shared.core.lease import Lease, State
from shared.core.life import WITH_HOLDER
from shared.core.names import LeaseId, RoleName
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, request
from tests.machine.by_hand import TAMPERINGS
from tests.machine.on_azure import LATER, POOLED, ROLES, Action, BrokerOnAzure, FaultAt

_SWEEP_INTERVAL = timedelta(seconds=60)
_A_WEEK = 8 * 86400.0
_LONGEST_WAIT = 5400.0
"""Seconds until a lease that is stuck is tried again, jitter included."""
_RECONCILIATIONS = 2
_TOO_MANY = 20
_ANSWERS = ((403, "Forbidden"), (409, "Conflict"), (429, "TooManyRequests"), (500, "Internal"), (503, "ServiceUnavailable"))
_EFFECTS = st.one_of(
    st.sampled_from(_ANSWERS).map(lambda it: {"status": it[0], "code": it[1]}),
    st.sampled_from(["drop_after_effect", "timeout"]),
)

_HANDED_OUT = ("issue", "reissue", "deliver")
"""What the trail says when a credential reaches somebody."""
PICKED = st.sampled_from((*ROLES, *POOLED))
COLLECTED = st.sampled_from((*LATER, *POOLED))
TARGETS = st.tuples(st.sampled_from(["data", "gone"]), st.sampled_from(["", "/providers/Microsoft.Storage/storageAccounts/x"]))
"""What a caller asks for where a role has a hole: a group, and what lies below it."""
CALLERS = st.sampled_from([ALICE, BOB])
PICKS = st.integers(0, 3)
DEATHS = st.none() | st.tuples(st.integers(1, 30), st.booleans())
"""Where the worker of an operation dies, if it does: at the call of that number, after its effect or before."""


class Machine(RuleBasedStateMachine):
    """One broker's days. Rules that need a lease take one of those there are, whatever its state."""

    def __init__(self, on_azure: BrokerOnAzure | None = None) -> None:
        super().__init__()
        self.on_azure = on_azure or BrokerOnAzure()
        self.given: set[LeaseId] = set()
        """Leases whose credential has reached a caller."""
        self.swept_at: datetime | None = None
        """When a sweep last came to its end, on the wall clock as it has been since."""
        for role in ROLES:
            self.issue_or_repeat(role, ALICE, "one", None)

    @rule(role=PICKED, caller=CALLERS, ttl=st.sampled_from([None, 300, 7200]), where=TARGETS, death=DEATHS)
    def issue(self, role: RoleName, caller: Caller, ttl: int | None, where: tuple[str, str], death: FaultAt | None) -> None:
        """A caller asks once."""
        wanted = IssueRequest(role, ttl, ask=self.on_azure.ask(role, *where))
        self._take(lambda ports: issue(ports, request(caller), wanted), death)

    @rule(role=PICKED, caller=CALLERS, key=st.sampled_from(["one", "two"]), death=DEATHS)
    def issue_or_repeat(self, role: RoleName, caller: Caller, key: str, death: FaultAt | None) -> None:
        """A caller asks under a key, for the first time or again."""
        wanted = self._wanted(role)
        self._take(lambda ports: issue_once(ports, request(caller), wanted, key), death)

    @rule(death=DEATHS)
    def fill(self, death: FaultAt | None) -> None:
        """The third timer's work, and that of a worker that takes its messages."""
        self.on_azure.do(self.on_azure.fill, death)

    @precondition(lambda self: self._in_state(State.POOLED))
    @rule(caller=CALLERS, key=st.sampled_from(["", "one", "two"]), to_collect=st.booleans(), death=DEATHS)
    def claim(self, caller: Caller, key: str, *, to_collect: bool, death: FaultAt | None) -> None:
        """A caller is given a lease of the pool, and its credential at once or later."""
        wanted = self._wanted(self._in_state(State.POOLED)[0].id.role)
        preference = Preference(wait=0) if to_collect else None
        self._take(lambda ports: _issue(ports, caller, wanted, key, preference), death)

    @rule(role=COLLECTED, caller=CALLERS, queued=st.booleans(), death=DEATHS)
    def prepare(self, role: RoleName, caller: Caller, *, queued: bool, death: FaultAt | None) -> None:
        """A caller asks for a lease that it collects later. A worker prepares it at once, or the lease waits for one."""
        wanted = self._wanted(role)
        self._take(lambda ports: _ask(ports, caller, wanted, queued=queued), death)

    @precondition(lambda self: self._in_state(State.PLANNED))
    @rule(death=DEATHS)
    def take_up(self, death: FaultAt | None) -> None:
        """A worker takes the message of a lease that waits, or comes too late for it."""
        lease = self._in_state(State.PLANNED)[0]
        self.on_azure.do(lambda ports: prepare(ports, "message", lease.id), death)

    @precondition(lambda self: self._in_state(State.PREPARED))
    @rule(death=DEATHS)
    def collect(self, death: FaultAt | None) -> None:
        """A holder collects what is prepared for it."""
        lease = self._in_state(State.PREPARED)[0]
        self._take(lambda ports: collect(ports, request(_holder(lease)), lease.id, Preference()), death)

    @precondition(lambda self: self.on_azure.leases.rows)
    @rule(pick=PICKS, seconds=st.sampled_from([60, 600, 7200]), death=DEATHS)
    def renew(self, pick: int, seconds: int, death: FaultAt | None) -> None:
        """A holder wants more time."""
        lease = self._picked(pick)
        self.on_azure.do(lambda ports: renew(ports, request(_holder(lease)), lease.id, seconds), death)

    @precondition(lambda self: self.on_azure.leases.rows)
    @rule(pick=PICKS, death=DEATHS)
    def revoke(self, pick: int, death: FaultAt | None) -> None:
        """A holder gives a lease back."""
        lease = self._picked(pick)
        self.on_azure.do(lambda ports: revoke(ports, request(_holder(lease)), lease.id), death)

    @rule(seconds=st.sampled_from([1.0, 10.0, 60.0, 300.0, 700.0, 3600.0, 14400.0]))
    def tick(self, seconds: float) -> None:
        """Time passes."""
        self.on_azure.clock.jump(seconds)

    @rule(astray=st.sampled_from([-3600.0, -300.0, -30.0, 0.0, 30.0, 300.0, 3600.0]))
    def set_wall_clock(self, astray: float) -> None:
        """The broker's wall clock jumps, and is that wrong from now on."""
        self.on_azure.set_wall_clock(astray)
        self.swept_at = None

    @rule(service=st.sampled_from(["graph", "arm", "entra"]), effect=_EFFECTS, skip=st.integers(0, 5))
    def fault(self, service: str, effect: object, skip: int) -> None:
        """A call of that service will fail, or its answer be lost."""
        self.on_azure.azure.world.faults.add([{"service": service, "effect": effect, "skip": skip}])

    @precondition(lambda self: self.on_azure.leases.rows)
    @rule(pick=PICKS, tampering=st.sampled_from(sorted(TAMPERINGS)))
    def delete_by_hand(self, pick: int, tampering: str) -> None:
        """Somebody deletes something of a lease's."""
        lease = self._picked(pick)
        footprint = lease.footprint
        self.on_azure.touched.add(lease.id)
        if isinstance(footprint, ServicePrincipalFootprint) and not (footprint.application_id and footprint.principal_id):
            self.on_azure.binned.add(footprint.unique_name)
        TAMPERINGS[tampering](self.on_azure.azure, footprint)

    @rule(death=DEATHS)
    def sweep(self, death: FaultAt | None) -> None:
        """The timer's work."""
        self.on_azure.do(lambda ports: sweep(ports, "sweep"), death)
        if not self.on_azure.died:
            self.swept_at = self.on_azure.clock.now()

    @rule(death=DEATHS)
    def reconcile(self, death: FaultAt | None) -> None:
        """The other timer's work."""
        self.on_azure.do(lambda ports: reconcile(ports, "reconcile"), death)

    @rule(role=PICKED, removed=st.booleans(), ttl=st.sampled_from([300, 600, 3600]), death=DEATHS)
    def reconfigure(self, role: RoleName, *, removed: bool, ttl: int, death: FaultAt | None) -> None:
        """An administrator may remove the role, and its leases with it; and writes it, with another ttl."""
        if removed:
            actor = request(ADMINISTRATOR)
            self.on_azure.do(lambda ports: delete_role(ports, actor, role, revoking=True), death)
        self.on_azure.configure(role, ttl)

    @invariant()
    def nothing_is_without_a_lease_that_names_it(self) -> None:
        """Neither an object, nor what lies in the recycle bin, nor a secret."""
        orphans = self.on_azure.orphans()
        assert [] == orphans, f"without a live lease: {orphans}"

    @invariant()
    def no_two_leases_share_a_principal(self) -> None:
        """Nor an application."""
        ids = [each for lease in self.on_azure.leases.rows.values() for each in _own(lease)]
        assert len(ids) == len(set(ids))

    @invariant()
    def whatever_is_held_has_a_holder(self) -> None:
        """And nothing that is in a pool."""
        rows = self.on_azure.leases.rows.values()
        assert all(lease.holder is not None for lease in rows if lease.state in WITH_HOLDER)
        assert all(lease.holder is None for lease in rows if lease.state is State.POOLED)

    @invariant()
    def nobody_can_sign_in_as_what_stands_in_a_pool(self) -> None:
        """But the broker itself."""
        assert [] == self.on_azure.trusting()

    @invariant()
    def no_lease_lives_past_its_end_and_a_sweep(self) -> None:
        """One that had ended when a sweep last ended is no longer alive, and none comes back to life."""
        if self.swept_at is not None:
            active = [lease for lease in self.on_azure.leases.rows.values() if lease.state is State.ACTIVE]
            assert [] == [lease.id for lease in active if lease.expires_at < self.swept_at - _SWEEP_INTERVAL]

    def teardown(self) -> None:
        """Nothing goes wrong any more, and time passes: then all is as before."""
        self.on_azure.azure.world.faults.replace([])
        self.on_azure.set_wall_clock(0.0)
        self._settle()
        for _ in range(_RECONCILIATIONS if self.on_azure.needs_reconciling else 0):
            self.on_azure.clock.jump(_LONGEST_WAIT)
            self.on_azure.do(lambda ports: reconcile(ports, "reconcile"))
        assert self.on_azure.before == self.on_azure.azure.inventory()
        assert [] == [*self.on_azure.elsewhere.things()]
        self._require_told()
        self.on_azure.clock.jump(_A_WEEK)
        self.on_azure.do(lambda ports: sweep(ports, "sweep"))
        # A worker may have died between a key and its lease.
        self.on_azure.do(lambda ports: reconcile(ports, "reconcile"))
        assert ({}, {}) == (self.on_azure.leases.rows, self.on_azure.leases.keys)

    def _wanted(self, role: RoleName) -> IssueRequest:
        return IssueRequest(role, ask=self.on_azure.ask(role, "data", ""))

    def _take(self, action: Action, death: FaultAt | None) -> None:
        answer = self.on_azure.do(action, death)
        if isinstance(answer, Issued):
            self.given.add(answer.lease.id)

    def _in_state(self, state: State) -> list[Lease]:
        found = (lease for lease in self.on_azure.leases.rows.values() if lease.state is state)
        return sorted(found, key=lambda lease: lease.planned_at)

    def _picked(self, pick: int) -> Lease:
        rows = sorted(self.on_azure.leases.rows.values(), key=lambda lease: (not lease.state.is_live, lease.planned_at))
        return rows[pick % len(rows)]

    def _settle(self) -> None:
        for _ in range(_TOO_MANY):
            self.on_azure.clock.jump(_LONGEST_WAIT)
            self.on_azure.do(lambda ports: sweep(ports, "sweep"))
            self.nothing_is_without_a_lease_that_names_it()
            if all(lease.state is State.ENDED for lease in self.on_azure.leases.rows.values()):
                return
        raise AssertionError(f"never ends: {list(self.on_azure.leases.rows.values())}")

    def _require_told(self) -> None:
        result = {(event.lease, event.operation) for event in self.on_azure.audit.events if event.outcome == "done"}
        ended = [lease.id for lease in self.on_azure.seen.values() if lease.state is State.ENDED]
        assert [] == [each for each in ended if (each, "end") not in result], "ended, and nobody told"
        assert [] == [each for each in self.given if not result & {(each, operation) for operation in _HANDED_OUT}], (
            "given in silence"
        )


async def _issue(ports: Ports, caller: Caller, wanted: IssueRequest, key: str, preference: Preference | None) -> object:
    """A caller asks, under a key if there is one."""
    if key:
        return await issue_once(ports, request(caller), wanted, key, preference)
    return await issue(ports, request(caller), wanted, preference=preference)


async def _ask(ports: Ports, caller: Caller, wanted: IssueRequest, *, queued: bool) -> object:
    """A caller asks, and does not wait. Unless the lease is ``queued``, a worker takes its message at once."""
    answer = await issue(ports, request(caller), wanted, preference=Preference(wait=0))
    if not queued and isinstance(answer, Accepted):
        await prepare(ports, "message", answer.lease.id)
    return answer


def _holder(lease: Lease) -> Caller:
    """Who may do something with it: an administrator, as long as nobody holds it."""
    holder = lease.holder
    return ADMINISTRATOR if holder is None else next(each for each in (ALICE, BOB) if each.object_id == holder.object_id)


def _own(lease: Lease) -> list[str]:
    footprint = lease.footprint
    if not isinstance(footprint, ServicePrincipalFootprint):
        return []
    return [str(each) for each in (footprint.application_id, footprint.app_id, footprint.principal_id) if each]
