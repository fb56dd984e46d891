"""Orphans in Azure are found and removed over real HTTP; what another broker or a person has made stays."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.core import ownership
from shared.core.names import LeaseId
from tests.e2e.conftest import SETTLE, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")
GROUPS = True  # the recycle bin's lists take the wider permissions

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
LOST = LeaseId.parse("app-reader.01jmdgfw000000000000000000")
THEIRS = LeaseId.parse("app-reader.01jmdgfw111111111111111111")
_OLD = 7200.0
"""Seconds; the grace is an hour."""


@dataclass(slots=True)
class Hand:
    """Somebody who works in Azure past the broker."""

    deployment: Deployment
    identity: str

    async def graph(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One call to Microsoft Graph."""
        return await self._call("https://graph.microsoft.com", "graph", method, f"/v1.0{path}", body, headers)

    async def application(self, lease_id: LeaseId) -> tuple[str, str]:
        """Makes what a lease makes: the ids of the application and of its service principal."""
        name = ownership.unique_name(lease_id)
        body = {"displayName": name, "tags": [ownership.TAG], "signInAudience": "AzureADMyOrg"}
        made = await self.graph("PATCH", f"/applications(uniqueName='{name}')", body, prefer="create-if-missing")
        principal = await self.graph("POST", "/servicePrincipals", {"appId": made["appId"]})
        ends = {"endDateTime": f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}
        await self.graph("POST", f"/applications/{made['id']}/addPassword", {"passwordCredential": ends})
        return made["id"], principal["id"]

    async def assign(self, name: str, principal: str, description: str) -> None:
        """Assigns Reader on the resource group."""
        definition = f"{self.deployment.app}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
        properties = {
            "roleDefinitionId": definition,
            "principalId": principal,
            "principalType": "ServicePrincipal",
            "description": description,
        }
        path = f"{self.deployment.app}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01"
        await self._call("https://management.azure.com", "arm", "PUT", path, {"properties": properties}, {})

    async def _call(self, resource: str, service: str, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        visitor = self.deployment.visitor
        answer = await visitor.control("POST", "token", {"identity": self.identity, "resource": resource})
        sent = {"authorization": f"Bearer {answer['access_token']}", **headers}
        url = f"{self.deployment.stack.described['endpoints'][service]}{path}"
        reply = await visitor.http.request(method, url, json=body, headers=sent)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else None


def age(deployment: Deployment) -> None:
    """Everything in the local Azure is two hours older."""
    world = deployment.stack.cloud.world
    for application in world.directory.applications.values():
        application.created -= _OLD
    for assignment in world.tree.role_assignments.values():
        assignment.created -= _OLD


async def names(deployment: Deployment) -> tuple[set[str], set[str], set[str]]:
    """Object ids of applications, of what is in the recycle bin, and names of role assignments."""
    state = await deployment.objects()
    return (
        {each["object_id"] for each in state["applications"]},
        {each["object_id"] for each in state["deleted_items"]},
        {each["name"] for each in state["role_assignments"]},
    )


async def test_what_the_broker_has_lost_sight_of_is_removed_and_lookalikes_stay(deployment: Deployment) -> None:
    """A dry run tells of all of it and touches nothing; a run removes the broker's own."""
    other = {"name": "other-broker", "kind": "user_assigned", "app_roles": ["Application.ReadWrite.OwnedBy"]}
    await deployment.visitor.control("POST", "identities", other)
    broker, neighbour = Hand(deployment, "leasehold"), Hand(deployment, "other-broker")
    ours, principal = await broker.application(LOST)
    theirs, _ = await neighbour.application(THEIRS)
    vanished, theirs_too, by_hand = ownership.assignment_name(LOST, 1), str(uuid4()), str(uuid4())
    await broker.assign(ownership.assignment_name(LOST, 0), principal, ownership.assignment_description(LOST))
    await broker.assign(vanished, str(uuid4()), ownership.assignment_description(LOST))
    await broker.assign(theirs_too, str(uuid4()), ownership.assignment_description(THEIRS))
    await broker.assign(by_hand, str(uuid4()), "for the night shift")
    admin = await deployment.broker("admin")
    assert (await admin.must("POST", "reconcile?dry_run=true"))["findings"] == []
    age(deployment)
    before = await deployment.objects()
    would = await admin.must("POST", "reconcile?dry_run=true")
    assert await deployment.objects() == before
    assert [("application", "would_remove"), ("assignment", "would_remove")] == [
        (each["kind"], each["result"]) for each in would["findings"]
    ]
    reply = await admin.call("POST", "reconcile")
    assert {"removed"} == {each["result"] for each in reply.json()["findings"]}, reply.text
    applications, binned, assignments = await names(deployment)
    assert {ours, principal}.isdisjoint(applications | binned)
    assert theirs in applications
    assert {theirs_too, by_hand} == assignments & {theirs_too, by_hand, vanished, ownership.assignment_name(LOST, 0)}
    result = await deployment.events(reply.headers["x-request-id"])
    assert ["reconcile"] * 3 == [event["operation"] for event in result]
    assert (await admin.must("GET", "status"))["reconciliation"]["summary"]["removed"] == 2
    assert (await admin.must("POST", "reconcile"))["findings"] == []


async def test_a_lease_whose_application_somebody_deleted_ends(deployment: Deployment) -> None:
    """With the reason; a living lease beside it goes on."""
    web, admin = await deployment.broker("vm-web"), await deployment.broker("admin")
    gone = await web.must("POST", "roles/app-reader/leases", {})
    lives = await web.must("POST", "roles/app-reader/leases", {})
    path = f"/applications(appId='{gone['credential']['client_id']}')"
    await Hand(deployment, "leasehold").graph("DELETE", path)
    await asyncio.sleep(SETTLE + 1)
    done = await admin.must("POST", "reconcile")
    assert [("lease", gone["lease"]["id"], "ended")] == [
        (each["kind"], each["lease"], each["result"]) for each in done["findings"]
    ]
    states = {lease["id"]: lease["state"] for lease in await deployment.leases(admin)}
    assert ("ended", "active") == (states[gone["lease"]["id"]], states[lives["lease"]["id"]])
    events = (await admin.must("GET", f"audit?lease={gone['lease']['id']}"))["events"]
    assert ("end", "vanished") in [(event["operation"], event.get("reason")) for event in events]
    await web.must("DELETE", f"leases/{lives['lease']['id']}")
