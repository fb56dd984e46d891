"""The facts of callers, in memory and in the local Azure alike: whose identity a caller is, its groups, its location."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pytest

from shared.cloud.arm.locations import location_of
from shared.cloud.directory_facts import AzureFacts
from shared.cloud.graph.callers import CallersInGraph
from shared.core.access.configuration import Needs
from shared.core.access.facts import Principal, Unread
from shared.core.caller import Caller, CallerType
from shared.core.names import ObjectId
from shared.resilience.retry import Retry
from tests.cloud.adapters import Adapters
from tests.cloud.test_against_local_cloud import broker_token
from tests.fakes.callers import FakeCallers
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import guid

PRINCIPALS, GROUPS = Needs(principal=True), Needs(groups=True)
CALLER_GROUPS = ("Application.Read.All", "GroupMember.Read.All", "User.ReadBasic.All")
"""What ``infra/entra.sh permissions --caller-groups`` gives beside the rest."""
TYPES = {
    "a virtual machine": "Microsoft.Compute/virtualMachines/one",
    "a uniform scale set": "Microsoft.Compute/virtualMachineScaleSets/one",
    "a function app": "Microsoft.Web/sites/one",
    "a slot of a function app": "Microsoft.Web/sites/one/slots/blue",
    "a logic app": "Microsoft.Logic/workflows/one",
    "a cluster": "Microsoft.ContainerService/managedClusters/one",
}
USER_ASSIGNED = "Microsoft.ManagedIdentity/userAssignedIdentities/one"


class Place(Protocol):
    """Where callers are known."""

    subscription: str
    facts: AzureFacts

    def identity(self, resource_id: str, location: str, *, explicit: bool = False) -> Caller:
        """Makes a resource with a managed identity. The broker may read the resource if it lies in the group ``app``."""
        ...

    def member(self, *, person: bool, groups: int) -> tuple[Caller, frozenset[str]]:
        """Makes somebody who is in a group, and in the groups above it, and the ids of them all."""
        ...

    def let_groups_be_read(self) -> None:
        """Gives the broker the permissions for that."""
        ...

    def forget(self, caller: Caller) -> None:
        """Deletes the caller."""
        ...

    def asked(self) -> int:
        """How often Graph and Resource Manager were called."""
        ...


@dataclass
class InMemory:
    """Satisfies ``Place``."""

    subscription: str = guid(2)
    callers: FakeCallers = field(default_factory=lambda: FakeCallers(Calls(FakeClock())))

    def __post_init__(self) -> None:
        """Nothing is remembered yet."""
        self.facts = self.callers.facts()

    def identity(self, resource_id: str, location: str, *, explicit: bool = False) -> Caller:
        """See ``Place``."""
        shown = resource_id.replace("/resourceGroups/", "/resourcegroups/")
        self.callers.place(guid(0x900), shown, location, explicit=explicit)
        if "/resourceGroups/app/" not in resource_id:
            del self.callers.locations[shown]
        return Caller(guid(0x900), guid(1), CallerType.APPLICATION, "")

    def member(self, *, person: bool, groups: int) -> tuple[Caller, frozenset[str]]:
        """See ``Place``."""
        made = frozenset(guid(0x1000 + number) for number in range(groups))
        self.callers.memberships[guid(0x901)] = made
        return Caller(guid(0x901), guid(1), CallerType.USER if person else CallerType.APPLICATION, ""), made

    def let_groups_be_read(self) -> None:
        """It always may."""

    def forget(self, caller: Caller) -> None:
        """See ``Place``."""
        self.callers.principals.pop(caller.object_id, None)
        self.callers.memberships.pop(caller.object_id, None)

    def asked(self) -> int:
        """See ``Place``."""
        return len(self.callers.calls.made)


@dataclass
class InAzure:
    """Satisfies ``Place``."""

    adapters: Adapters

    def __post_init__(self) -> None:
        """As the broker's own identity."""
        document = self.adapters.cloud.document
        self.subscription = document["subscription_id"]
        self._tenant = ObjectId(document["tenant_id"])
        arm = self.adapters.arm
        self.facts = AzureFacts(
            CallersInGraph(self.adapters.graph._calls),
            lambda resource_id: location_of(arm, resource_id),
            Retry(FakeClock(), FixedIds()),
            300.0,
        )

    def _control(self, path: str, **body: Any) -> Any:
        return self.adapters.cloud.control("POST", path, body)

    def identity(self, resource_id: str, location: str, *, explicit: bool = False) -> Caller:
        """See ``Place``."""
        kind = "user_assigned" if explicit else "system_assigned"
        made = self._control("identities", name="one", kind=kind, resource_id=resource_id, location=location)
        return Caller(ObjectId(made["object_id"]), self._tenant, CallerType.APPLICATION, "")

    def member(self, *, person: bool, groups: int) -> tuple[Caller, frozenset[str]]:
        """See ``Place``."""
        made = self._control("identities", name="somebody", kind="user" if person else "application")
        found: list[str] = []
        for number in range(groups):
            group = self._control("groups", name=f"group {number}", members=[found[-1] if found else "somebody"])
            found.append(group["object_id"])
        kind = CallerType.USER if person else CallerType.APPLICATION
        return Caller(ObjectId(made["object_id"]), self._tenant, kind, ""), frozenset(found)

    def let_groups_be_read(self) -> None:
        """See ``Place``."""
        self._control("app-roles", identity="leasehold", app_roles=list(CALLER_GROUPS))

    def forget(self, caller: Caller) -> None:  # noqa: ARG002 - it lies in that group
        """See ``Place``: with the group of resources that holds it, by an owner of the subscription."""
        cloud = self.adapters.cloud
        scope = f"/subscriptions/{self.subscription}"
        self._control("role-assignments", identity="admin", role="Owner", scope=scope)
        token = cloud.token("admin", "https://management.azure.com")
        address = f"{cloud.endpoints['arm']}{scope}/resourceGroups/app?api-version=2021-04-01"
        assert 202 == cloud.http.delete(address, headers={"Authorization": f"Bearer {token}"}).status_code

    def asked(self) -> int:
        """See ``Place``."""
        return len([*self.adapters.calls("graph"), *self.adapters.calls("arm")])


@pytest.fixture(params=["memory", "local Azure"])
def place(request: pytest.FixtureRequest, adapters: Adapters) -> Place:
    """The same tests in both."""
    return InMemory() if request.param == "memory" else InAzure(adapters)


def resource_of(place: Place, group: str, kind: str) -> str:
    """The id of a resource."""
    return f"/subscriptions/{place.subscription}/resourceGroups/{group}/providers/{kind}"


def shown(resource: str) -> str:
    """How the directory writes the id."""
    return resource.replace("/resourceGroups/", "/resourcegroups/")


@pytest.mark.parametrize("kind", TYPES)
async def test_a_system_assigned_identity_leads_to_its_resource_and_location(place: Place, kind: str) -> None:
    """Whatever the type of the resource. The location is its own, and not its group's."""
    resource = resource_of(place, "app", TYPES[kind])
    caller = place.identity(resource, "northeurope")
    principal = (await place.facts.read(caller, PRINCIPALS)).principal
    assert Principal("ManagedIdentity", ("isExplicit=False", shown(resource))) == principal
    assert isinstance(principal, Principal)
    assert ("northeurope", 2) == (await place.facts.location(caller, principal), place.asked())


async def test_a_user_assigned_identity_is_its_own_resource(place: Place) -> None:
    """And not the machine that carries it."""
    resource = resource_of(place, "app", USER_ASSIGNED)
    caller = place.identity(resource, "uksouth", explicit=True)
    principal = (await place.facts.read(caller, PRINCIPALS)).principal
    assert Principal("ManagedIdentity", ("isExplicit=True", shown(resource))) == principal
    assert isinstance(principal, Principal)
    assert "uksouth" == await place.facts.location(caller, principal)


async def test_the_location_of_what_the_broker_may_not_read_is_unknown(place: Place) -> None:
    """Its principal is known all the same."""
    caller = place.identity(resource_of(place, "elsewhere", TYPES["a function app"]), "uksouth")
    principal = (await place.facts.read(caller, PRINCIPALS)).principal
    assert isinstance(principal, Principal)
    assert isinstance(await place.facts.location(caller, principal), Unread)


async def test_a_deleted_identity_is_absent_when_its_life_in_memory_is_over(place: Place) -> None:
    """Until then, what is remembered holds."""
    caller = place.identity(resource_of(place, "app", TYPES["a function app"]), "uksouth")
    remembered = (await place.facts.read(caller, PRINCIPALS)).principal
    place.forget(caller)
    assert remembered == (await place.facts.read(caller, PRINCIPALS)).principal
    place.facts._retry.clock.jump(300)  # type: ignore[attr-defined] # in both it is a test's own
    assert None is (await place.facts.read(caller, PRINCIPALS)).principal


@pytest.mark.parametrize("person", [False, True])
async def test_groups_are_all_that_a_caller_is_in(place: Place, person: bool) -> None:  # noqa: FBT001 - a parameter
    """Directly, and through other groups."""
    place.let_groups_be_read()
    caller, groups = place.member(person=person, groups=3)
    assert groups == (await place.facts.read(caller, GROUPS)).groups


async def test_whoever_is_not_there_is_in_no_directory(place: Place) -> None:
    """That is known: there is no such principal, and there are no groups of it."""
    place.let_groups_be_read()
    nobody = Caller(guid(0x999), guid(1), CallerType.APPLICATION, "")
    read = await place.facts.read(nobody, replace(PRINCIPALS, groups=True))
    assert (None, None) == (read.principal, read.groups)


async def test_fifty_requests_cost_one_call_in_the_life_of_a_fact(place: Place) -> None:
    """At the same time, and one after the other."""
    caller = place.identity(resource_of(place, "app", TYPES["a virtual machine"]), "uksouth")
    before = place.asked()
    for _ in range(2):
        await asyncio.gather(*(place.facts.read(caller, PRINCIPALS) for _ in range(50)))
    assert 1 == place.asked() - before


# In the local Azure alone


@pytest.mark.parametrize("missing", CALLER_GROUPS)
async def test_each_permission_for_callers_groups_is_needed(adapters: Adapters, missing: str) -> None:
    """Without it, somebody's groups cannot be read, and the operator reads what to run."""
    azure = InAzure(adapters)
    given = [each for each in CALLER_GROUPS if each != missing]
    azure._control("app-roles", identity="leasehold", app_roles=given)
    caller, _ = azure.member(person=missing != "Application.Read.All", groups=1)
    groups = (await azure.facts.read(caller, GROUPS)).groups
    assert isinstance(groups, Unread)
    assert "run infra/entra.sh permissions --caller-groups" in groups.why


async def test_a_token_with_too_many_groups_leads_to_the_directory(adapters: Adapters) -> None:
    """The token says that there are more, and where; the broker asks its own directory."""
    azure = InAzure(adapters)
    azure.let_groups_be_read()
    member, groups = azure.member(person=True, groups=2)
    caller = await adapters.verifier.verify(broker_token(adapters, "somebody", overage=True))
    assert (member.object_id, True, frozenset()) == (caller.object_id, caller.has_more_groups, caller.groups)
    assert groups == (await azure.facts.read(caller, GROUPS)).groups


async def test_an_owner_may_forge_alternative_names_and_proves_nothing(adapters: Adapters) -> None:
    """An application is not a managed identity, whatever it calls itself."""
    azure, cloud = InAzure(adapters), adapters.cloud
    machine = shown(resource_of(azure, "app", TYPES["a virtual machine"]))
    made = azure._control("identities", name="forger", kind="application", app_roles=["Application.ReadWrite.All"])
    token = cloud.token("forger", "https://graph.microsoft.com")
    address = f"{cloud.endpoints['graph']}/v1.0/servicePrincipals/{made['object_id']}"
    reply = cloud.http.patch(address, json={"alternativeNames": [machine]}, headers={"Authorization": f"Bearer {token}"})
    assert 204 == reply.status_code
    caller = Caller(ObjectId(made["object_id"]), azure._tenant, CallerType.APPLICATION, "")
    principal = (await azure.facts.read(caller, PRINCIPALS)).principal
    assert Principal("Application", (machine,)) == principal
    assert isinstance(principal, Principal)
    assert None is principal.resource_id


TROUBLES: dict[str, tuple[object, str]] = {
    "forbidden": ({"status": 403, "code": "Authorization_RequestDenied"}, "forbids the broker"),
    "throttled": ({"status": 429, "code": "TooManyRequests", "retry_after": 60}, "limits the broker's requests"),
    "down": ("drop_after_effect", "does not answer in time"),
    "failing": ({"status": 500, "code": "InternalServerError"}, "500 InternalServerError"),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_a_directory_in_trouble_lets_nobody_in(adapters: Adapters, name: str) -> None:
    """What is remembered serves on for its life. Then nothing is known, until the directory is back."""
    azure = InAzure(adapters)
    clock: Any = azure.facts._retry.clock
    effect, why = TROUBLES[name]
    caller = azure.identity(resource_of(azure, "app", TYPES["a virtual machine"]), "uksouth")
    known = (await azure.facts.read(caller, PRINCIPALS)).principal
    adapters.trouble("graph", effect, times=100)
    clock.jump(299)
    assert known == (await azure.facts.read(caller, PRINCIPALS)).principal
    clock.jump(1)
    read = (await azure.facts.read(caller, PRINCIPALS)).principal
    assert isinstance(read, Unread)
    assert why in read.why
    adapters.cloud.control("DELETE", "faults")
    clock.jump(60)
    if name != "throttled":  # the rate limiter goes by the machine's clock, and keeps Azure's word for a minute
        assert known == (await azure.facts.read(caller, PRINCIPALS)).principal


# In memory alone


@pytest.mark.parametrize("trouble", ["down", "failing", "lying", "throttled", "forbidden", "slow"])
async def test_trouble_in_memory_is_met_as_in_azure(trouble: Any) -> None:
    """Within ten seconds of virtual time nothing is known, and as soon as the trouble is over, all is known again."""
    place = InMemory()
    caller = place.identity(resource_of(place, "app", TYPES["a function app"]), "uksouth")
    begun: Callable[[], float] = place.callers.calls.clock.monotonic
    start = begun()
    if trouble == "slow":
        place.callers.seconds = 11
    else:
        place.callers.trouble = trouble
    assert isinstance((await place.facts.read(caller, PRINCIPALS)).principal, Unread)
    assert begun() - start <= 10
    place.callers.seconds, place.callers.trouble = 0, ""
    assert isinstance((await place.facts.read(caller, PRINCIPALS)).principal, Principal)
