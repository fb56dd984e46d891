"""Who may have what, over HTTP: a virtual machine comes with the token that it already has, and is let in by where it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from local.visitor import Broker
from tests.e2e.conftest import Deployment, stable

pytestmark = pytest.mark.asyncio(loop_scope="session")

SENTENCE = "You have no right to this, or it does not exist."
ASKS = ("issue reports", "revoke leases/reports.1", "read audit", "write sweep")


@dataclass(frozen=True, slots=True)
class Machine:
    """A virtual machine that calls the broker with its own token, which its identity endpoint has given it."""

    object_id: str
    broker: Broker

    async def issue(self, role: str = "reports") -> Any:
        """The answer to an issue."""
        return await self.broker.call("POST", f"roles/{role}/leases", {})


@dataclass(slots=True)
class Story:
    """The people of the story: an operator, and two machines of the same kind in two resource groups."""

    deployment: Deployment
    operator: Broker
    inside: Machine
    outside: Machine

    @property
    def auth_role(self) -> dict[str, Any]:
        """Who: whatever runs in the resource group ``app``."""
        subscription = self.deployment.stack.described["subscription_id"]
        return {"bound_subscription_ids": [subscription], "bound_resource_groups": ["app"], "policies": ["report-readers"]}

    async def explain(self, object_id: str, **asked: str) -> dict[str, Any]:
        """What the operator reads."""
        answer: dict[str, Any] = await self.operator.must("POST", "explain", {"object_id": object_id, **asked})
        return answer


async def machine(deployment: Deployment, name: str, group: str) -> Machine:
    """Makes a virtual machine in a resource group, and asks its instance metadata service for a token."""
    scope = deployment.app.rpartition("/")[0]
    resource = f"{scope}/{group}/providers/Microsoft.Compute/virtualMachines/{name}"
    body = {"name": name, "kind": "system_assigned", "resource_id": resource}
    made = await deployment.visitor.control("POST", "identities", body)
    reply = await deployment.visitor.http.get(
        f"{made['imds_base']}/metadata/identity/oauth2/token",
        params={"api-version": "2018-02-01", "resource": deployment.audience},
        headers={"Metadata": "true"},
    )
    reply.raise_for_status()
    return Machine(str(made["object_id"]), deployment.with_token(reply.json()["access_token"]))


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def story(running: Deployment) -> AsyncIterator[Story]:
    """The operator has written a role without bounds, an auth role and a policy. No host starts or ends meanwhile."""
    hosts = [host.pid for host in running.stack.hosts]
    operator = await running.broker("admin")
    found = Story(
        running, operator, await machine(running, "vm-inside", "app"), await machine(running, "vm-outside", "elsewhere")
    )
    role = {"type": "service_principal", "ready": "none", "azure_roles": [{"role_name": "Reader", "scope": running.app}]}
    await operator.must("PUT", "roles/reports", role)
    policy = {"rules": [{"path": "roles/reports/leases", "capabilities": ["issue"]}]}
    await operator.must("PUT", "policies/report-readers", policy)
    await operator.must("PUT", "auth-roles/report-machines", found.auth_role)
    yield found
    assert hosts == [host.pid for host in running.stack.hosts]


async def test_a_machine_of_the_group_leases_with_its_own_token(deployment: Deployment, story: Story) -> None:
    """It works in Azure, and the trail says which rule has let the machine in."""
    answer = await story.inside.issue()
    assert 201 == answer.status_code, answer.text
    lease = answer.json()["lease"]
    assert story.inside.object_id == lease["holder"]["object_id"]
    (event,) = await deployment.events(answer.headers["x-request-id"])
    line = {"policy": "report-readers", "rule": 0, "path": "roles/reports/leases", "capability": "issue"}
    assert ("issue", "done", line) == (event["operation"], event["outcome"], event["decided_by"])
    who = await story.inside.broker.must("GET", "whoami")
    assert (["report-machines"], ["reports"]) == (who["auth_roles"], [each["name"] for each in who["roles"]])
    await story.inside.broker.must("DELETE", f"leases/{lease['id']}")


async def test_the_same_machine_elsewhere_is_refused_and_learns_nothing(story: Story) -> None:
    """Its answer is that for a role that is not there, to the letter; ``whoami`` tells no more."""
    known, unknown = await story.outside.issue(), await story.outside.issue("nothing-like-it")
    assert [403, 403] == [known.status_code, unknown.status_code]
    assert ("forbidden", SENTENCE) == (known.json()["code"], known.json()["detail"])
    assert stable(known) == stable(unknown)
    assert {*known.headers} == {*unknown.headers}
    who = await story.outside.broker.must("GET", "whoami")
    assert ([], []) == (who["auth_roles"], who["roles"])
    asked = [await story.outside.broker.must("GET", f"whoami?role={name}") for name in ("reports", "nothing-like-it")]
    assert {(False, SENTENCE)} == {(each["may_issue"], each["detail"]) for each in asked}
    assert 403 == (await story.outside.broker.call("POST", "explain", {"role": "reports"})).status_code


async def test_the_operator_learns_why(deployment: Deployment, story: Story) -> None:
    """By the machine's object id, and by the id of the refused request."""
    found = await story.explain(story.outside.object_id, role="reports")
    assert ("denied", None) == (found["decision"], found["decided_by"])
    (auth_role,) = found["auth_roles"]
    assert {
        "name": "report-machines",
        "outcome": "not matched",
        "failed": [{"kind": "bound_resource_groups", "wanted": ["app"], "has": ["elsewhere"]}],
    } == auth_role
    assert "allowed" == (await story.explain(story.inside.object_id, role="reports"))["decision"]

    refused = await story.outside.issue()
    (event,) = await deployment.events(refused.json()["request_id"])
    assert ("issue", "refused", "forbidden") == (event["operation"], event["outcome"], event["code"])
    assert story.outside.object_id == event["caller"]["object_id"]
    assert "auth role report-machines: bound_resource_groups wants app, has elsewhere" in event["reason"]
    trail = (await story.operator.must("GET", "audit?limit=1000"))["events"]
    asked = [each["reason"] for each in trail if each["operation"] == "explain" and each["outcome"] == "done"]
    assert f"issue roles/reports/leases for {story.outside.object_id} of" in asked[0]


async def test_a_change_is_in_force_with_the_next_request(deployment: Deployment, story: Story) -> None:
    """A second group lets the other machine in, a deny takes it away, and so does the former document. Nothing restarts."""
    wider = {**story.auth_role, "bound_resource_groups": ["app", "elsewhere"]}
    await story.operator.must("PUT", "auth-roles/report-machines", wider)
    made = await story.outside.issue()
    assert 201 == made.status_code, made.text
    closed = {"rules": [{"path": "roles/reports/leases", "capabilities": ["deny"]}]}
    await story.operator.must("PUT", "policies/closed", closed)
    await story.operator.must("PUT", "auth-roles/closed", {**wider, "policies": ["closed"]})
    assert [403, 403] == [(await each.issue()).status_code for each in (story.inside, story.outside)]
    explained = await story.explain(story.inside.object_id, role="reports")
    assert {"policy": "closed", "rule": 0, "path": "roles/reports/leases", "capability": "deny"} == explained["decided_by"]
    lease = made.json()["lease"]["id"]
    renewed = await story.outside.broker.call("POST", f"leases/{lease}/renew", {})
    assert (403, "forbidden") == (renewed.status_code, renewed.json()["code"])
    assert 200 == (await story.outside.broker.call("GET", f"leases/{lease}")).status_code
    await story.outside.broker.must("DELETE", f"leases/{lease}")
    await story.operator.must("DELETE", "auth-roles/closed")
    await story.operator.must("PUT", "auth-roles/report-machines", story.auth_role)
    answers = [await each.issue() for each in (story.inside, story.outside)]
    assert [201, 403] == [each.status_code for each in answers]
    assert story.inside.object_id in {each["holder"]["object_id"] for each in await deployment.leases(story.operator)}


async def test_every_question_is_answered_as_before_a_loss(deployment: Deployment, story: Story) -> None:
    """Export, wipe, import: of both machines and of the people, whatever they ask for."""
    people = map(deployment.object_id, ("admin", "auditor"))
    subjects = [story.inside.object_id, story.outside.object_id, *people]

    async def answers() -> list[Any]:
        calls = [{"object_id": subject, "ask": ask} for subject in subjects for ask in ASKS]
        found = [await story.operator.call("POST", "explain", body) for body in calls]
        return [each.json() if each.is_success else stable(each) for each in found]

    before, exported = await answers(), await story.operator.must("GET", "export")
    nothing: dict[str, Any] = {"form": 1, "policies": {}, "roles": {}, "auth_roles": {}}
    await story.operator.must("PUT", "import?prune=true&revoke=true", nothing)
    wiped = await answers()
    assert "role_not_found" == wiped[0]["code"]
    await story.operator.must("PUT", "import", exported)
    assert before == await answers()
    assert ["allowed", "denied"] == [(await story.explain(each, role="reports"))["decision"] for each in subjects[:2]]
