"""Facts of callers over scripted answers of Graph and of Resource Manager, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from shared.cloud.arm.authorization import Arm
from shared.cloud.arm.locations import location_of
from shared.cloud.directory_facts import AzureFacts
from shared.cloud.graph.callers import CallersInGraph
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.limits import RateLimiters
from shared.core.access.configuration import Needs
from shared.core.access.facts import Principal, Unread
from shared.core.caller import Caller, CallerType
from shared.resilience.retry import Retry
from tests.cloud.graph_answers import ENDPOINT, PRINCIPAL, found
from tests.cloud.scripted import Bearer, Scripted, Step
from tests.cloud.test_arm_lists import Paged
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import SUBSCRIPTION, TENANT, guid

VM = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/app/providers/Microsoft.Compute/virtualMachines/web"
SYSTEM_ASSIGNED = Principal("ManagedIdentity", ("isExplicit=False", VM))
CALLER = Caller(PRINCIPAL, TENANT, CallerType.APPLICATION, "fingerprint")
PERSON = replace(CALLER, object_id=guid(0x77), kind=CallerType.USER)
PRINCIPALS, GROUPS, BOTH = Needs(principal=True), Needs(groups=True), Needs(principal=True, groups=True)


def principal(
    object_id: str = PRINCIPAL, kind: Any = "ManagedIdentity", names: Any = SYSTEM_ASSIGNED.alternative_names
) -> httpx.Response:
    """Graph's answer."""
    return found(id=object_id, servicePrincipalType=kind, alternativeNames=names)


def listed(*resources: object) -> tuple[int, object, dict[str, str]]:
    """Resource Manager's answer."""
    return 200, {"value": list(resources)}, {}


@dataclass
class Azure:
    """Facts over a Graph and a Resource Manager that answer as planned, in virtual time."""

    graph: Scripted = field(default_factory=Scripted)
    arm: Paged = field(default_factory=Paged)
    clock: FakeClock = field(default_factory=FakeClock)
    life: float = 300.0

    def __post_init__(self) -> None:
        """Connects."""
        calls = GraphCalls(ENDPOINT, Bearer(), self.graph.client(), FixedIds(), RateLimiters(self.clock))
        arm = Arm("https://arm.example/", Bearer(), self.arm, RateLimiters(self.clock))
        retry = Retry(self.clock, FixedIds())
        self.facts = AzureFacts(CallersInGraph(calls), lambda resource: location_of(arm, resource), retry, self.life)

    async def principal(self, *answers: Step, caller: Caller = CALLER) -> Principal | Unread | None:
        """What is said of the caller's principal after these answers of Graph's."""
        self.graph.will(*answers)
        return (await self.facts.read(caller, PRINCIPALS)).principal

    async def groups(self, *answers: Step, caller: Caller = CALLER) -> frozenset[str] | Unread | None:
        """The same of the caller's groups."""
        self.graph.will(*answers)
        return (await self.facts.read(caller, GROUPS)).groups

    async def location(
        self, *answers: tuple[int, object, dict[str, str]], resource: str = VM, caller: Caller = CALLER
    ) -> str | Unread | None:
        """The same of the location of a resource whose identity the caller is."""
        self.arm.left += answers
        return await self.facts.location(caller, Principal("ManagedIdentity", ("isExplicit=False", resource)))


def why(fact: object) -> str:
    """The sentence for the operator."""
    assert isinstance(fact, Unread)
    return fact.why
