"""Whether a scope is there: what Azure's answers say of it, and for how long that is believed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from shared.cloud.arm.authorization import Arm
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.inventory import AzureLists
from shared.cloud.limits import RateLimiters
from shared.core import ownership
from shared.core.names import Scope
from shared.core.ports.inventory import ScopeState
from shared.resilience.retry import Retry
from tests.cloud.adapters import Adapters
from tests.cloud.graph_answers import CLIENT, ENDPOINT
from tests.cloud.scripted import Bearer, Scripted
from tests.cloud.test_inventory import LEASE, census_of
from tests.cloud.test_repeating import Service
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import SCOPES

NAME = ownership.assignment_name(LEASE, 0)
ACCOUNT = Scope(f"{SCOPES[0]}/providers/Microsoft.Storage/storageAccounts/logs1")


def lists(*steps: Any) -> tuple[AzureLists, Scripting, FakeClock]:
    """The inventory of a broker whose Resource Manager answers so."""
    clock, service = FakeClock(), Scripting({"bearer-of-tests"}, (200, b"{}"), steps=list(steps))
    arm = Arm("https://arm.example", Bearer(), service, RateLimiters(clock))
    graph = GraphCalls(ENDPOINT, Bearer(), Scripted().client(), FixedIds(), RateLimiters(clock))
    return AzureLists(graph, arm, CLIENT, Retry(clock, FixedIds())), service, clock


def refusal(status: int, code: str) -> tuple[int, bytes]:
    """An error of Resource Manager's."""
    return status, json.dumps({"error": {"code": code, "message": "because"}}).encode()


@dataclass
class Scripting(Service):
    """Answers each call with the next step, and keeps the addresses."""

    steps: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def send(self, request: Any, **more: Any) -> Any:
        """One answer, or silence."""
        self.asked.append(f"{request.method} {request.url}")
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        self.success = step
        return await super().send(request, **more)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ((200, json.dumps({"id": "x", "name": NAME, "properties": {}}).encode()), ScopeState.THERE),
        (refusal(404, "RoleAssignmentNotFound"), ScopeState.THERE),
        (refusal(404, "ResourceGroupNotFound"), ScopeState.NO_GROUP),
        (refusal(404, "ResourceNotFound"), ScopeState.NO_RESOURCE),
        (refusal(404, "SubscriptionNotFound"), ScopeState.UNKNOWN),
        (refusal(404, "NotFound"), ScopeState.UNKNOWN),
        ((404, b"<html>"), ScopeState.UNKNOWN),
        (refusal(403, "AuthorizationFailed"), ScopeState.REFUSED),
        (refusal(403, "ResourceNotFound"), ScopeState.REFUSED),
        (refusal(400, "BadRequest"), ScopeState.UNKNOWN),
        (refusal(409, "Conflict"), ScopeState.UNKNOWN),
        (refusal(429, "TooManyRequests"), ScopeState.UNKNOWN),
        (refusal(500, "InternalServerError"), ScopeState.UNKNOWN),
        (refusal(503, "ServiceUnavailable"), ScopeState.UNKNOWN),
        (ServiceRequestError("no way there"), ScopeState.UNKNOWN),
        (ServiceResponseError("no answer"), ScopeState.UNKNOWN),
    ],
    ids=str,
)
async def test_azures_code_says_what_is_there(step: Any, expected: ScopeState) -> None:
    """Any other code, a failure or silence says nothing. One call is made, by the assignment's own name."""
    inventory, service, _ = lists(step)
    assert expected is await inventory.scope_state(ACCOUNT, NAME)
    (asked,) = service.asked
    assert f"{ACCOUNT}/providers/Microsoft.Authorization/roleAssignments/{NAME}" in asked
    assert asked.startswith("GET ")


async def test_only_what_is_there_is_remembered_and_for_a_minute() -> None:
    """In whatever case it is asked for."""
    there = refusal(404, "RoleAssignmentNotFound")
    inventory, service, clock = lists(there, there)
    for scope in (ACCOUNT, Scope(ACCOUNT.replace("logs1", "LOGS1")), ACCOUNT):
        assert ScopeState.THERE is await inventory.scope_state(scope, NAME)
    clock.jump(59)
    await inventory.scope_state(ACCOUNT, NAME)
    assert 1 == len(service.asked)
    clock.jump(2)
    await inventory.scope_state(ACCOUNT, NAME)
    assert 2 == len(service.asked)


async def test_a_callers_own_resource_is_remembered_as_long_as_facts_are() -> None:
    """Apart from targets: what is there as one need not be asked for as the other, and the lives differ."""
    there = refusal(404, "RoleAssignmentNotFound")
    inventory, service, clock = lists(there, there, there)
    for jump, calls in ((0, 1), (299, 1), (2, 2)):
        clock.jump(jump)
        assert ScopeState.THERE is await inventory.resource_state(ACCOUNT, NAME)
        assert calls == len(service.asked)
    await inventory.scope_state(ACCOUNT, NAME)
    assert 3 == len(service.asked)


@pytest.mark.parametrize("step", [refusal(404, "ResourceNotFound"), refusal(403, "AuthorizationFailed"), refusal(500, "X")])
async def test_what_is_not_there_is_asked_for_again(step: Any) -> None:
    """It may be made any moment."""
    inventory, service, _ = lists(step, step, refusal(404, "RoleAssignmentNotFound"))
    states = [await inventory.scope_state(ACCOUNT, NAME) for _ in range(3)]
    assert (ScopeState.THERE, 3) == (states[2], len(service.asked))
    assert ScopeState.THERE not in states[:2]


async def test_against_the_local_cloud(adapters: Adapters) -> None:
    """A group that is there, a resource in it that is not, and a group that is not.

    The broker has rights in its own group alone. Azure asks for rights first: of no other group it says whether it is there.
    """
    inventory, group = census_of(adapters), adapters.scope
    parent, _, _ = group.rpartition("/")
    gone = Scope(f"{parent}/nowhere")
    found = {
        scope: await inventory.scope_state(scope, NAME)
        for scope in (
            group,
            gone,
            Scope(f"{gone}/providers/Microsoft.Storage/storageAccounts/x1y"),
            Scope(f"{group}/providers/Microsoft.Storage/storageAccounts/nothere"),
        )
    }
    assert [ScopeState.THERE, ScopeState.REFUSED, ScopeState.REFUSED, ScopeState.NO_RESOURCE] == [*found.values()]
    adapters.fail("arm", 500, "InternalServerError")
    assert ScopeState.UNKNOWN is await inventory.scope_state(gone, NAME)
