"""The real broker over the local Azure in one process; its stores in memory, its time virtual, its workers mortal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from local.cloud.tenant.directory import Application
from shared.broker.configure.roles import put_role
from shared.broker.issue.asking import AskedFor
from shared.broker.issue.prepare import prepare
from shared.broker.pool.fill import fill
from shared.broker.ports import Ports, Timing
from shared.cloud.access_probe import AccessProbe
from shared.cloud.arm.authorization import Arm
from shared.cloud.delegation_keys import StorageDelegationKeys
from shared.cloud.entra.lease_sign_in import AssertionSignIn
from shared.cloud.entra.probe import TokenProbe
from shared.cloud.entra.sign_in import TokenEndpoint
from shared.cloud.graph.app_roles import AppRolesInGraph
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.directory import Graph
from shared.cloud.inventory import AzureLists
from shared.cloud.limits import RateLimiters
from shared.core.delivery import DEFAULT_NAME
from shared.core.errors import LeaseholdError, LostRace
from shared.core.lease import Lease, State
from shared.core.names import LeaseId, ObjectId, RoleName, Scope
from shared.issuers.application_secret.issuer import ApplicationSecretIssuer
from shared.issuers.application_secret.lock import ApplicationLock
from shared.issuers.key_vault_secret.courier import KeyVaultCourier
from shared.issuers.key_vault_secret.footprint import VaultSecretSchema
from shared.issuers.service_principal.broker_trust import NAME
from shared.issuers.service_principal.graph_app_roles import GraphPermissions
from shared.issuers.service_principal.issuer import ServicePrincipalIssuer
from shared.issuers.service_principal.means import Federation
from shared.kinds.part import LazyPart
from shared.kinds.role_document import read_role
from shared.resilience.retry import Retry
from tests.fakes.app_roles import ALLOWED
from tests.fakes.calls import Calls, Died
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.cloud_state import CloudState
from tests.fakes.leases import MemoryLeases
from tests.fakes.memory import MemoryBroker
from tests.fakes.vaults import VAULT, FakeVaults
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, EXCHANGE, RESOURCES, TENANT, Issuers, request
from tests.machine.azure import ARM, ENTRA, GRAPH, Azure, Bearer, Wire, client_of
from tests.support.deliveries import SHARED
from tests.support.every_kind import EVERY_KIND, document_of
from tests.support.grants import EachToAnother
from tests.support.kinds import names_in

PRINCIPALS = RoleName.parse("web")
SECRETS = RoleName.parse("legacy")
GRANTS = RoleName.parse("just-in-time")
MORE = {RoleName.parse(name): name for name, sample in EVERY_KIND.items() if sample.is_brought}
"""Roles of the kinds that tests bring, and the names of these. What they make is in no Azure."""
DELIVERED = {RoleName.parse("delivered"): DEFAULT_NAME, RoleName.parse("delivered-by-name"): SHARED}
"""Roles whose credentials are put into a vault, with the names that they get there."""
LATER = (PRINCIPALS, SECRETS, GRANTS, *DELIVERED, *MORE)
"""Roles whose leases callers collect later."""
TEAMS = RoleName.parse("teams")
"""A role with a hole, for the groups ``data``, which is there, and ``gone``, which is not."""
ROLES = (*LATER, TEAMS)
SIGNED = "storage sas"
POOLED = {
    RoleName.parse(f"pooled-{kind.replace(' ', '-')}"): kind
    for kind in ("service principal", "token", "federated", "certificate", SIGNED)
}
"""Roles with a pool of one lease, by the names of their kinds."""
WITHOUT_SECRETS = {RoleName.parse(f"{name}s"): name for name in ("token", "federated", "certificate")} | {
    RoleName.parse("signed"): SIGNED
}
"""Roles whose credentials are none, by the names of their kinds. They are there once somebody configures them."""
FEDERATED = RoleName.parse("pooled-federated")
TTL, MAX_TTL = 600, 7200
_POOL_AGE = 900

type FaultAt = tuple[int, bool]
"""Where a worker dies: at the call of that number since it began, after its effect or before."""
type Action = Callable[[Ports], Awaitable[object]]


class WallClock(FakeClock):
    """The broker's: its wall clock may be wrong by ``astray`` seconds; what passes is right."""

    def __init__(self) -> None:
        super().__init__()
        self.astray = 0.0

    def now(self) -> datetime:
        """See the base class."""
        return super().now() + timedelta(seconds=self.astray)


@dataclass(kw_only=True)
class BrokerOnAzure(MemoryBroker):
    """One broker and one Azure, and what the machine sees and commands of them."""

    opened: Callable[[Calls], MemoryLeases] = MemoryLeases
    profile: str = "none"
    """How the local Azure replicates."""
    seed: int = 1
    """What its chance follows from."""
    clock: WallClock = field(default_factory=WallClock)
    ids: FixedIds = field(default_factory=FixedIds)
    calls: Calls = field(init=False)
    died: bool = False
    """Whether the last worker did."""
    seen: dict[LeaseId, Lease] = field(default_factory=dict)
    """Every lease ever met, as it last stood."""
    binned: set[str] = field(default_factory=set)
    """Unique names of what somebody put into the recycle bin before the broker had learned its id: no lease leads there, and
    the reconciliation alone finds it."""
    touched: set[LeaseId] = field(default_factory=set)
    """Leases at whose objects somebody's hand has been."""
    hurried: set[LeaseId] = field(default_factory=set)
    """Leases that were young when the wall clock was set forth while replicas were behind: what a replica does not show is
    taken for absent too early, and the reconciliation alone finds it."""

    def __post_init__(self) -> None:
        """Furnishes it, and keeps a role of each kind."""
        self.calls = Calls(self.clock)
        super().__post_init__()
        self.leases = self.opened(self.calls)
        self.azure = Azure(self.calls)
        self.azure.add_account()
        self.elsewhere = CloudState(self.clock, self.ids)
        self.vaults = FakeVaults(self.calls, self.elsewhere, self.clock, ObjectId(self.azure.world.tenant_id))
        for name in (*ROLES, *POOLED):
            self.configure(name)
        self.before = self.azure.inventory()
        self.azure.world.consistency.configure(self.profile, seed=self.seed)

    def set_wall_clock(self, astray: float) -> None:
        """It is wrong by so much from now on."""
        if self.profile != "none" and astray > self.clock.astray:
            now, settle = self.clock.now(), timedelta(seconds=Timing().settle)
            unsettled = (lease for lease in self.leases.rows.values() if lease.state.is_live and now < lease.made_by + settle)
            self.hurried.update(lease.id for lease in unsettled)
        self.clock.astray = astray

    @property
    def needs_reconciling(self) -> bool:
        """Whether there may be what the reconciliation alone finds."""
        return bool(self.binned or self.hurried)

    def configure(self, name: RoleName, ttl: int = TTL) -> None:
        """An administrator writes the role."""
        document = self._documents()[name] | {"ttl": ttl, "max_ttl": MAX_TTL}
        self.do(lambda ports: put_role(ports, request(ADMINISTRATOR), read_role(ports.kinds, name, document)))

    def _documents(self) -> dict[RoleName, dict[str, Any]]:
        bounds = {"bound_service_principal_ids": [ALICE.object_id, BOB.object_id]}
        scope = f"/subscriptions/{self.azure.world.subscription_id}/resourceGroups/data"
        roles = [{"role_name": "Reader", "scope": scope}]
        groups = [{"object_id": self.azure.readers.id}]
        more: dict[RoleName, dict[str, Any]] = {
            role: {**bounds, **document_of(name), "ready": "token"} for role, name in MORE.items()
        }
        hole = {"group": {"kind": "resource_group", "allowed": ["data", "gone"], "default": "data"}}
        filled = [{"role_name": "Reader", "scope": scope.replace("/data", "/{group}")}]
        on_data = {"azure_roles": roles, "azure_groups": groups, "ready": "token"}
        given = dict.fromkeys((*WITHOUT_SECRETS.values(), *POOLED.values()), on_data) | {SIGNED: self._of_the_account()}
        more |= {role: {**bounds, **document_of(name), **given[name]} for role, name in WITHOUT_SECRETS.items()}
        pool = {"size": 1, "max_age": _POOL_AGE}
        more |= {role: {**bounds, **document_of(name), **given[name], "pool": pool} for role, name in POOLED.items()}
        # This one's leases stand there without any right.
        more[FEDERATED]["pool"] = pool | {"assigned": False}
        vault = {"type": "key_vault", "vaults": [VAULT]}
        for role, name in DELIVERED.items():
            made = "service principal" if name == DEFAULT_NAME else "application secret"
            more[role] = {**bounds, **document_of(made), "ready": "token", "delivery": vault | {"name": name}}
            if made == "service principal":
                more[role] |= {"azure_roles": roles, "azure_groups": groups}
            else:
                more[role]["application_object_id"] = self.azure.legacy.id
        return more | {
            TEAMS: bounds | {"type": "service_principal", "ready": "none", "azure_roles": filled, "parameters": hole},
            GRANTS: bounds | {"type": "role_grant", "azure_roles": roles},
            PRINCIPALS: bounds | {"type": "service_principal", "ready": "none", "azure_roles": roles, "azure_groups": groups},
            SECRETS: bounds | {"type": "application_secret", "application_object_id": self.azure.legacy.id, "ready": "token"},
        }

    def _of_the_account(self) -> dict[str, Any]:
        account = self.azure.account
        delegator = {"role_name": "Storage Blob Delegator", "scope": account}
        container = f"{account}/blobServices/default/containers/reports"
        return {"azure_roles": [delegator, {"role_name": "Storage Blob Data Reader", "scope": container}], "ready": "token"}

    def ask(self, role: RoleName, group: str, below: str) -> AskedFor:
        """What a caller asks of a role: of one with a hole a group, or what lies below it; of one with a pool a credential."""
        if role != TEAMS:
            return AskedFor(credential=EVERY_KIND[POOLED[role]].ask if role in POOLED else {})
        scope = f"/subscriptions/{self.azure.world.subscription_id}/resourceGroups/{group}{below}"
        return AskedFor({"group": group}, Scope.parse(scope) if below else None)

    def do(self, action: Action, death: FaultAt | None = None) -> object:
        """One worker does it, and may die of it; what the deed gives, or the broker's refusal."""
        if death is not None:
            ordinal, after = death
            self.calls.fail_at(len(self.calls.made) + ordinal, Died(), after=after)
        self.died = False
        try:
            return asyncio.run(self._life(action))
        except Died:
            self.died = True
            return None
        finally:
            self.calls.revive()
            self.seen.update(self.leases.rows)

    async def _life(self, action: Action) -> object:
        async with self.worker() as ports:
            try:
                return await self._until_death(action(ports))
            except LostRace:
                raise AssertionError("a lost race left the broker") from None
            except LeaseholdError as refusal:
                return refusal

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Ports]:
        """One worker of the broker: the product's own adapters and issuers, on this Azure."""
        async with client_of(self.azure) as client:
            graph = GraphCalls(GRAPH, Bearer(self.azure), client, self.ids, limiters := RateLimiters(self.clock))
            arm = Arm(ARM, Bearer(self.azure), Wire(self.azure), limiters)
            tenant = ObjectId(self.azure.world.tenant_id)
            entra, scope = TokenEndpoint(client, ENTRA, tenant), f"{ARM}/.default"
            signing_in = AssertionSignIn(entra, Bearer(self.azure), self.clock, EXCHANGE.audience, scope)
            access = AccessProbe(client, signing_in, self.clock, limiters, ARM)
            yield self._ports(graph, arm, TokenProbe(client, self.clock, ENTRA, tenant, scope), signing_in, access)

    async def _until_death(self, action: Awaitable[object]) -> object:
        """What the deed gives. The loop's end cancels what a dead worker leaves, none of whose calls gets through any more."""
        self.azure.death = asyncio.Event()
        work, death = asyncio.ensure_future(action), asyncio.create_task(self.azure.death.wait())
        await asyncio.wait({work, death}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Died
        return await work

    def _ports(self, calls: GraphCalls, arm: Arm, probe: TokenProbe, signing_in: AssertionSignIn, access: AccessProbe) -> Ports:
        retry, graph = Retry(self.clock, self.ids), Graph(calls)
        tenant, own = ObjectId(self.azure.world.tenant_id), ObjectId(self.azure.broker.client_id)
        locks, inventory = ApplicationLock(self.locks, self.clock, self.ids), AzureLists(calls, arm, own, retry)
        exchange = replace(EXCHANGE, issuer=f"{ENTRA}/{tenant}/v2.0")
        federation = Federation(
            signing_in, exchange, own, RESOURCES, StorageDelegationKeys(access.client, signing_in, self.clock)
        )
        product = Issuers(
            ServicePrincipalIssuer(
                *(graph, arm, inventory, probe, retry, tenant, federation),
                access=access,
                graph_permissions=GraphPermissions(AppRolesInGraph(calls), ALLOWED),
            ),
            ApplicationSecretIssuer(graph, locks, inventory, probe, retry, tenant, own, frozenset()),
            EachToAnother(arm, inventory, retry, TENANT),
        )
        more = (make for name in MORE.values() for make in EVERY_KIND[name].kinds)
        courier = KeyVaultCourier(self.vaults, retry, "vault.azure.net")
        parts = (LazyPart(VaultSecretSchema(), lambda: courier),)
        self.kinds = self.roles.kinds = product.kinds(*(make(self.calls, self.elsewhere) for make in more), parts=parts)
        return self.ports_with(self.kinds, inventory, courier=courier, home=tenant)

    async def fill(self, ports: Ports) -> None:
        """The timer fills the pools, and a worker makes what was opened, now or before."""
        await fill(ports, "timer")
        for lease in [*self.leases.rows.values()]:
            if lease.is_for_pool and lease.is_queued:
                await prepare(ports, "message", lease.id)

    def trusting(self) -> list[str]:
        """Leases that stand in a pool, and whose application somebody can sign in as. Nobody's hand has been at them."""
        pooled = [each for each in self.leases.rows.values() if each.state is State.POOLED and each.id not in self.touched]
        names = {str(name) for lease in pooled for name in names_in(self.kinds, lease.footprint)}
        applications = [each for each in self.azure.world.directory.applications.values() if each.unique_name in names]
        return [str(each.unique_name) for each in applications if not _trusts_the_broker_alone(each)]

    def orphans(self) -> list[str]:
        """What is in Azure beyond the fixtures, without a row of a lease that has not ended and names it.

        It may be without one if the reconciliation alone finds it.
        """
        hurried = self._names(self.seen[each] for each in self.hurried)
        unknown = [(kind, found) for kind, found in self.nameless() if not hurried & found]
        return [f"{kind} {found}" for kind, found in unknown if not (kind == "deleted_items" and self.binned & found)]

    def nameless(self) -> list[tuple[str, set[str]]]:
        """What is in Azure beyond the fixtures, as ``things``, and no lease that has not ended names it."""
        named = self._names(lease for lease in self.leases.rows.values() if lease.state.is_live)
        return [(kind, found) for kind, found in self.things() if not named & found]

    def _names(self, leases: Iterable[Lease]) -> set[str]:
        return {name for lease in leases for part in lease.parts for name in names_in(self.kinds, part)}

    def things(self) -> list[tuple[str, set[str]]]:
        """What is in Azure beyond the fixtures: its kind, and the names and ids by which a footprint may know it."""
        now = self.azure.inventory()
        found = [
            (kind, {str(value) for key, value in each.items() if key in _TELLING and value})
            for kind in _KINDS
            for each in now[kind]
            if each not in self.before[kind]
        ]
        members = {member for group in now["groups"] for member in group["members"]}
        former = {member for group in self.before["groups"] for member in group["members"]}
        found += [("member", {member} | self._of_principal(member)) for member in sorted(members - former)]
        others = [(thing.kind, {thing.owner}) for thing in self.elsewhere.things()]
        return [(kind, known | self._of_client(known)) for kind, known in found] + others

    def _of_principal(self, object_id: str) -> set[str]:
        found = self.azure.world.directory.service_principals.get(object_id)
        return {found.app_id} if found else set()

    def _of_client(self, known: set[str]) -> set[str]:
        """The unique names of applications, be they in the recycle bin, of which either id is known."""
        found = self.azure.world.directory.applications.values()
        return {str(each.unique_name) for each in found if {each.id, each.app_id} & known and each.unique_name}


def _trusts_the_broker_alone(application: Application) -> bool:
    credentials = application.passwords or application.certificates
    return not credentials and [NAME] == [each.name for each in application.federated.values()]


_KINDS = ("applications", "deleted_items", "service_principals", "secrets", "role_assignments")
_TELLING = {"object_id", "client_id", "unique_name", "name", "display_name", "holder_id"}
