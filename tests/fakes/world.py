"""A broker on fakes: its stores, an Azure with some fixtures, time and chance; and the people of the tests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from local.cloud.disturbances.consistency import Consistency
from shared.broker.issue.asking import AskedFor
from shared.broker.ports import Actor, Ports, Timing
from shared.core.access.bounds import Bounds
from shared.core.azure_role import AzureRole
from shared.core.blob_rights import DELEGATE
from shared.core.caller import ADMIN, AUDITOR, Caller, CallerType
from shared.core.definition import Definition, Permission, Powers
from shared.core.limits import Limits
from shared.core.names import ObjectId, RoleName, Scope
from shared.core.protection import Protected
from shared.core.role import Role, Target
from shared.issuers.application_secret.issuer import ApplicationSecretIssuer
from shared.issuers.application_secret.lock import ApplicationLock
from shared.issuers.application_secret.schema import ApplicationSecretSchema, ApplicationSecretTarget
from shared.issuers.key_vault_secret.courier import KeyVaultCourier
from shared.issuers.key_vault_secret.footprint import VaultSecretSchema
from shared.issuers.role_grant.issuer import RoleGrantIssuer
from shared.issuers.role_grant.schema import RoleGrantSchema
from shared.issuers.service_principal.choice import CredentialChoice
from shared.issuers.service_principal.graph_app_roles import GraphPermissions
from shared.issuers.service_principal.issuer import ServicePrincipalIssuer
from shared.issuers.service_principal.means import Federation
from shared.issuers.service_principal.resources import TokenResources
from shared.issuers.service_principal.schema import ServicePrincipalSchema, ServicePrincipalTarget
from shared.kinds.kind import Kind
from shared.kinds.part import LazyPart, Part
from shared.kinds.registry import Kinds
from shared.kinds.sign_in import TokenExchange
from shared.resilience.outages import Outages
from shared.resilience.retry import Retry
from shared.settings.tokens import Tokens
from tests.fakes.access import WarmView
from tests.fakes.app_roles import ALLOWED, FakeAppRoles
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.cloud import FakeAccess, FakeApplications, FakeAuthorization, FakeDirectory, FakeLeaseSignIn, FakeProbe
from tests.fakes.cloud_state import Application, CloudState, Principal, Thing
from tests.fakes.delegation import FakeDelegationKeys
from tests.fakes.inventory import FakeInventory
from tests.fakes.loop import StillLoop
from tests.fakes.memory import MemoryBroker
from tests.fakes.vaults import FOREIGN_VAULT, FakeVaults


def guid(number: int) -> ObjectId:
    """A GUID that is easy to tell from others."""
    return ObjectId.parse(f"{number:08x}-0000-4000-8000-000000000000")


TENANT = guid(1)
SUBSCRIPTION = guid(2)
OTHER_TENANT = guid(9)
GROUPS = tuple(guid(0x100 + index) for index in range(8))
SCOPES = tuple(Scope.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg{index}") for index in range(8))
DEFINITION = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{guid(3)}"
EXISTING = guid(0x200)
EXISTING_APP_ID = guid(0x201)
EXISTING_PRINCIPAL = guid(0x202)
BROKER, BROKER_APP_ID = guid(0x300), guid(0x301)
WEB = RoleName.parse("web")
EXCHANGE = TokenExchange(f"https://login.microsoftonline.com/{TENANT}/v2.0", "api://AzureADTokenExchange")
RESOURCES = TokenResources.of(Tokens().hosts, ["https://api.example.net"], never=["api://leasehold"], graph=Tokens().graph)


def application(object_id: ObjectId, **more: Any) -> Caller:
    """A verified caller that is an application."""
    return Caller(object_id, TENANT, CallerType.APPLICATION, f"fingerprint-{object_id[:8]}", **more)


ALICE = application(guid(0x400), app_id=guid(0x401), name="alice")
BOB = application(guid(0x410), app_id=guid(0x411))
ADMINISTRATOR = application(guid(0x420), app_roles=frozenset({ADMIN}))
WATCHER = application(guid(0x430), app_roles=frozenset({AUDITOR}))


def request(caller: Caller = ALICE, request_id: str = "req-1") -> Actor:
    """A request of that caller."""
    return Actor(caller, request_id)


READS = Definition(DEFINITION, "Reader", (Permission(("*/read",)),)).powers
"""Of the definition that roles assign here."""
DELEGATOR, BLOBS = (DEFINITION.replace(guid(3), guid(number)) for number in (4, 5))
DELEGATES = (Permission((DELEGATE,)),)
_BLOB = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
WRITES_BLOBS = (Permission(data_actions=tuple(f"{_BLOB}/{verb}" for verb in ("read", "write", "add/action", "delete"))),)
ACCOUNT = Scope.parse(f"{SCOPES[0]}/providers/Microsoft.Storage/storageAccounts/acme")
CONTAINER = Scope.parse(f"{ACCOUNT}/blobServices/default/containers/reports")


def principal_target(roles: int = 2, groups: int = 1, **more: Any) -> ServicePrincipalTarget:
    """A resolved target with so many role assignments and groups."""
    wanted = tuple(AzureRole(scope, "Reader", definition_id=DEFINITION, powers=READS) for scope in SCOPES[:roles])
    return ServicePrincipalTarget(azure_roles=wanted, azure_groups=GROUPS[:groups], **more)


def sas_target(*scopes: Scope, **more: Any) -> ServicePrincipalTarget:
    """A resolved target that signs for blobs: one may get keys at the account, and write at these scopes or the container."""
    delegator = AzureRole(ACCOUNT, "Storage Blob Delegator", definition_id=DELEGATOR, powers=_powers(DELEGATOR, DELEGATES))
    powers = _powers(BLOBS, WRITES_BLOBS)
    writers = tuple(
        AzureRole(each, "Storage Blob Data Contributor", definition_id=BLOBS, powers=powers) for each in scopes or (CONTAINER,)
    )
    wanted: dict[str, Any] = {"azure_roles": (delegator, *writers), "credential": CredentialChoice("storage_sas")}
    return ServicePrincipalTarget(**wanted | more)


def _powers(definition_id: str, permissions: tuple[Permission, ...]) -> Powers:
    return Definition(definition_id, "", permissions).powers


def secret_target(**more: Any) -> ApplicationSecretTarget:
    """A resolved target on the application that is there already."""
    return ApplicationSecretTarget(EXISTING, app_id=EXISTING_APP_ID, principal_id=EXISTING_PRINCIPAL, **more)


def role(target: Target | None = None, name: RoleName = WEB, **more: Any) -> Role:
    """A role from which Alice and Bob may issue."""
    bounds = Bounds(service_principal_ids=frozenset({ALICE.object_id, BOB.object_id}))
    return Role(name=name, target=target or principal_target(), **({"bounds": bounds} | more))


@dataclass(frozen=True, slots=True)
class Issuers:
    """The product's own, for tests that look into one of them."""

    principals: ServicePrincipalIssuer
    secrets: ApplicationSecretIssuer
    grants: RoleGrantIssuer

    def kinds(self, *more: Kind, parts: Iterable[Part] = ()) -> Kinds:
        """The product's kinds with these issuers, and more; and what else a lease may have beside its credential."""
        return Kinds(
            Kind(ServicePrincipalSchema(), lambda: self.principals),
            Kind(ApplicationSecretSchema(), lambda: self.secrets),
            Kind(RoleGrantSchema(), lambda: self.grants),
            *more,
            parts=parts,
        )


type MakeKind = Callable[[Calls, CloudState], Kind]
"""Makes a kind of credential that a test brings, for a world with these."""
type MakePart = Callable[[Calls, CloudState], Part]
"""Makes what a test's leases may have beside their credentials."""


@dataclass
class World(MemoryBroker):
    """One broker and its outside, and what a test sees and commands of it. Make it with ``world``."""

    cloud: CloudState
    make_kinds: tuple[MakeKind, ...] = ()
    make_parts: tuple[MakePart, ...] = ()
    ask: AskedFor = AskedFor()  # noqa: RUF009 - it is frozen
    """What callers ask for here."""
    ports: Ports = field(init=False)
    issuers: Issuers = field(init=False)
    inventory: FakeInventory = field(init=False)
    vaults: FakeVaults = field(init=False)

    def leftovers(self) -> list[Thing]:
        """What is in Azure beside the fixtures."""
        return sorted(self.cloud.things(), key=repr)

    def names_of(self, leftover: Thing) -> frozenset[str]:
        """By which a footprint may know it."""
        return frozenset({leftover.owner})

    def guarding(self, *scopes: Scope) -> ServicePrincipalIssuer:
        """The issuer of a broker that protects these."""
        return replace(self.issuers.principals, protected=scopes)

    def coworker(self) -> World:
        """Another worker of the same broker: its own memory, and the same stores, Azure, time and line to the outside."""
        other = copy(self)
        other.issuers = _issuers(other, self.ports.protected)
        view, facts = WarmView(other.access, other.roles, other.event_rules, other.clock), other.callers.facts()
        courier = _courier(other)
        other.ports = replace(
            self.ports, kinds=_kinds(other), courier=courier, outages=Outages(), access_view=view, directory=facts
        )
        return other

    def run[T](self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """One worker's life, in an event loop of its own: what is under way when it ends ends with it."""
        return StillLoop().complete(work())


@dataclass(frozen=True, slots=True)
class Replicas:
    """How Azure replicates in a world: a profile of the local Azure's, and the seed of its chance."""

    profile: str = "none"
    seed: int = 1

    def on(self, clock: FakeClock) -> Consistency | None:
        """By that clock."""
        if self.profile == "none":
            return None
        made = Consistency(clock.monotonic, Random(self.seed))
        made.configure(self.profile, seed=self.seed)
        return made


_AT_ONCE = Replicas()
REPLICAS: ContextVar[Replicas] = ContextVar("replicas", default=_AT_ONCE)
"""Of the worlds that are made from now on: walks run under several."""


def world(
    *roles: Role,
    lag: float = 0.0,
    latency: float = 0.0,
    timing: Timing | None = None,
    protected: Protected | None = None,
    limits: Limits | None = None,
    kinds: Iterable[MakeKind] = (),
    parts: Iterable[MakePart] = (),
    publishing: bool = False,
) -> World:
    """A furnished world in which these roles are kept, with these kinds of credential beside the product's own.

    ``parts``: what leases may have beside their credentials. ``publishing``: whether the broker publishes events.
    """
    clock, ids = FakeClock(), FixedIds()
    calls, cloud = Calls(clock, latency), CloudState(clock, ids, lag, REPLICAS.get().on(clock))
    calls.arriving = cloud.arriving
    made = World(clock, ids, calls, cloud, tuple(kinds), tuple(parts))
    _furnish(cloud)
    made.inventory = FakeInventory(calls, cloud, BROKER)
    made.vaults = FakeVaults(calls, cloud, clock, TENANT)
    made.vaults.tenants[FOREIGN_VAULT] = OTHER_TENANT
    made.issuers = _issuers(made, protected or Protected())
    made.roles.kinds = _kinds(made)
    for each in roles:
        made.roles.keep(each)
    made.ask = AskedFor(credential=_ask_for(roles))
    made.ports = made.ports_with(
        made.roles.kinds,
        made.inventory,
        courier=_courier(made),
        timing=timing or Timing(),
        protected=protected or Protected(),
        home=TENANT,
        limits=limits or Limits(),
        tenants=frozenset({TENANT, OTHER_TENANT}),
        publishing=publishing,
    )
    return made


def _ask_for(roles: Iterable[Role]) -> Mapping[str, Any]:
    """What callers must say of the credential, if the first role wants to hear something."""
    from tests.support.every_kind import ask_for  # noqa: PLC0415 - it needs worlds itself

    return next((ask_for(each.target) for each in roles), {})


def _furnish(cloud: CloudState) -> None:
    cloud.groups = {group: set() for group in GROUPS}
    cloud.definitions = {
        "Reader": (DEFINITION,),
        "Storage Blob Delegator": (DELEGATOR,),
        "Storage Blob Data Contributor": (BLOBS,),
    }
    cloud.permissions = {DELEGATOR: DELEGATES, BLOBS: WRITES_BLOBS}
    cloud.applications[EXISTING] = Application(EXISTING, EXISTING_APP_ID, "")
    cloud.principals[EXISTING_PRINCIPAL] = Principal(EXISTING_PRINCIPAL, EXISTING_APP_ID, "")


def _kinds(made: World) -> Kinds:
    kinds = (make(made.calls, made.cloud) for make in made.make_kinds)
    more = [make(made.calls, made.cloud) for make in made.make_parts]
    return made.issuers.kinds(*kinds, parts=[LazyPart(VaultSecretSchema(), lambda: _courier(made)), *more])


def _courier(made: World) -> KeyVaultCourier:
    return KeyVaultCourier(made.vaults, Retry(made.clock, made.ids), "vault.azure.net")


def _issuers(made: World, protected: Protected) -> Issuers:
    retry, probe = Retry(made.clock, made.ids), FakeProbe(made.calls, made.cloud)
    directory, authorization = FakeDirectory(made.calls, made.cloud), FakeAuthorization(made.calls, made.cloud)
    applications = FakeApplications(made.calls, made.cloud)
    sign_in = FakeLeaseSignIn(made.calls, made.cloud, BROKER, EXCHANGE)
    delegation = FakeDelegationKeys(made.calls, made.cloud, sign_in)
    federation = Federation(sign_in, EXCHANGE, BROKER_APP_ID, RESOURCES, delegation)
    locks = ApplicationLock(made.locks, made.clock, made.ids)
    return Issuers(
        ServicePrincipalIssuer(
            *(directory, authorization, made.inventory, probe, retry, TENANT, federation),
            access=FakeAccess(made.calls, made.cloud, sign_in.presented),
            graph_permissions=GraphPermissions(FakeAppRoles(made.calls, made.cloud), ALLOWED),
        ),
        ApplicationSecretIssuer(applications, locks, made.inventory, probe, retry, TENANT, BROKER_APP_ID, protected.identities),
        RoleGrantIssuer(authorization, made.inventory, retry, TENANT, protected),
    )
