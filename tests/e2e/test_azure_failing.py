"""Azure refusing, stalling or losing its answer mid-way: a clear code, and never an orphan."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")
SETTINGS = {"LEASEHOLD_SETTLE_SECONDS": "1"}
"""Everything is replicated at once here: what is absent is soon believed to be."""

STEPS = {
    "application": ("graph", "PATCH", r"/applications\(uniqueName="),
    "service principal": ("graph", "POST", r"/servicePrincipals$"),
    "secret": ("graph", "POST", r"/addPassword$"),
    "role assignment": ("arm", "PUT", r"/roleAssignments/"),
}
EFFECTS: dict[str, tuple[dict[str, Any] | str, set[int]]] = {
    "403": ({"status": 403, "code": "Authorization_RequestDenied"}, {201, 409}),
    "409": ({"status": 409, "code": "Directory_ConcurrencyViolation"}, {201, 409}),
    "429": ({"status": 429, "code": "TooManyRequests", "retry_after": 1}, {201}),
    "500": ({"status": 500, "code": "InternalServerError"}, {201}),
    "503": ({"status": 503, "code": "ServiceUnavailable"}, {201}),
    "answer lost after the effect": ("drop_after_effect", {201}),
}
UNDOING = {
    "assignment": ("arm", "/roleAssignments/"),
    "principal": ("graph", "/servicePrincipals/"),
    "application": ("graph", "/applications/"),
    "bin": ("graph", "/deletedItems/"),
}


def some_of(steps: Collection[str], ways: Collection[str]) -> list[tuple[str, str]]:
    """Half of all pairs: each step in half of the ways, and each way at half of the steps. The crash matrix has all of them."""
    pairs = ((step, how) for step in steps for how in ways)
    places = {name: place for names in (steps, ways) for place, name in enumerate(names)}
    return [(step, how) for step, how in pairs if (places[step] + places[how]) % 2 == 0]


def fault(step: tuple[str, str, str], effect: dict[str, Any] | str, times: int = 1) -> dict[str, Any]:
    """A rule of the control API."""
    service, method, path = step
    return {"service": service, "method": method, "path": path, "times": times, "effect": effect}


async def issue_despite(deployment: Deployment, rule: dict[str, Any]) -> httpx.Response:
    """An issue that meets the fault; a lease that comes of it is given back."""
    await deployment.faults(rule)
    web = await deployment.broker("vm-web")
    reply = await web.call("POST", "roles/app-reader/leases", {})
    await deployment.faults()
    if reply.status_code == 201:
        await web.must("DELETE", f"leases/{reply.json()['lease']['id']}")
    return reply


async def test_one_failure_while_issuing_leaves_a_lease_or_nothing(deployment: Deployment) -> None:
    """At each step, and in each way: what passes by itself is tried again; what does not has a stable code, and is undone."""
    before = await deployment.objects()
    for step, how in some_of(STEPS, EFFECTS):
        effect, statuses = EFFECTS[how]
        reply = await issue_despite(deployment, fault(STEPS[step], effect))
        assert reply.status_code in statuses, (step, how, reply.text)
        if reply.status_code != 201:
            assert reply.json()["code"] in {"azure_refused", "azure_conflict"}, (step, how)
            assert (await deployment.events(reply.json()["request_id"]))[-1]["outcome"] == "failed", (step, how)
    await deployment.settled()
    assert await deployment.objects() == before


async def test_a_lasting_refusal_is_told_at_once(deployment: Deployment) -> None:
    """409 with a constant sentence: what Azure said is for the log."""
    before = await deployment.objects()
    for step in ("application", "secret", "role assignment"):
        reply = await issue_despite(deployment, fault(STEPS[step], {"status": 403, "code": "WordsOfAzure"}, times=50))
        assert (reply.status_code, reply.json()["code"]) == (409, "azure_refused"), step
        assert "WordsOfAzure" not in reply.text
    await deployment.settled()
    assert await deployment.objects() == before


async def test_one_failure_while_revoking_only_delays_the_end(deployment: Deployment) -> None:
    """At each step, and in each way: the lease ends at once, or the sweep ends it; nothing is left."""
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    ways = ("403", "429", "500", "answer lost after the effect")
    cases = [(step, EFFECTS[how][0]) for step, how in some_of(UNDOING, ways)]
    made = [await web.must("POST", "roles/app-reader/leases", {}) for _ in cases]
    state = await deployment.visitor.control("GET", "state")
    assigned = {each["principal_id"]: each["name"] for each in state["role_assignments"]}
    applications = {each["client_id"]: each["object_id"] for each in state["applications"]}
    rules = []
    for (step, effect), answer in zip(cases, made, strict=True):
        credential = answer["credential"]
        service, prefix = UNDOING[step]
        target = {
            "assignment": assigned[credential["object_id"]],
            "application": applications[credential["client_id"]],
        }.get(step, credential["object_id"])
        rules.append(fault((service, "DELETE", prefix + target), effect))
    await deployment.faults(*rules)
    # One after the other: while a call that was not answered has not been answered the second time, others are put off.
    replies = [await web.call("DELETE", f"leases/{answer['lease']['id']}") for answer in made]
    assert {reply.status_code for reply in replies} <= {200, 202}, [reply.text for reply in replies]
    assert await deployment.visitor.control("GET", "faults") == []
    again = await asyncio.gather(*(web.call("DELETE", f"leases/{answer['lease']['id']}") for answer in made))
    assert {reply.status_code for reply in again} <= {200, 202}, [reply.text for reply in again]
    await deployment.settled()
    assert await deployment.objects() == before


async def test_an_ending_can_be_followed(deployment: Deployment) -> None:
    """The 202 leads, whatever host the request has named, to an address that is 202 until the lease has ended."""
    web = await deployment.broker("vm-web")
    lease = (await web.must("POST", "roles/legacy-app/leases", {}))["lease"]
    await deployment.faults(
        fault(("graph", "POST", "/removePassword$"), {"status": 400, "code": "Request_BadRequest"}, times=1000)
    )
    headers = {"authorization": f"Bearer {web.token}", "host": "evil.example", "x-forwarded-host": "evil.example"}
    result = await deployment.visitor.http.delete(f"{web.url}/api/v1/leases/{lease['id']}", headers=headers)
    assert (result.status_code, result.json()["state"]) == (202, "ending")
    assert result.headers["location"] == f"{deployment.stack.url}/api/v1/leases/{lease['id']}?until=ended"
    follow = {"authorization": f"Bearer {web.token}"}
    assert (await deployment.visitor.http.get(result.headers["location"], headers=follow)).status_code == 202
    assert (await deployment.visitor.http.get(result.headers["location"].partition("?")[0], headers=follow)).status_code == 200
    await deployment.faults()
    await web.must("DELETE", f"leases/{lease['id']}")
    ended = await deployment.visitor.http.get(result.headers["location"], headers=follow)
    assert (ended.status_code, ended.json()["state"]) == (200, "ended")


async def test_a_lost_subscription_ends_no_lease(deployment: Deployment) -> None:
    """404 ``SubscriptionNotFound`` proves nothing: the assignment stands, and so the lease is not told as ended."""
    admin, web = await deployment.broker("admin"), await deployment.broker("vm-web")
    document = {
        "type": "service_principal",
        "ready": "none",
        "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
        "permanently_delete": False,
        "bound_service_principal_ids": [deployment.object_id("vm-web")],
    }
    await admin.must("PUT", "roles/far", document)
    before = await deployment.objects()
    lease = (await web.must("POST", "roles/far/leases", {}))["lease"]
    standing = (await deployment.objects())["role_assignments"]
    lost = {"status": 404, "code": "SubscriptionNotFound"}
    await deployment.faults({"service": "arm", "path": "^/subscriptions/", "times": None, "effect": lost})
    for _ in range(2):
        result = await web.call("DELETE", f"leases/{lease['id']}")
        assert (result.status_code, result.json()["state"]) == (202, "ending")
        assert result.json()["last_error"] == f"azure_refused: SubscriptionNotFound at {deployment.app}"
    assert deployment.app in (await admin.must("POST", "reconcile"))["unread"]
    left = await deployment.objects()
    assert (left["role_assignments"], left["applications"]) == (standing, before["applications"])
    await deployment.faults()
    assert (await web.call("DELETE", f"leases/{lease['id']}")).status_code in {200, 202}
    await deployment.settled()
    assert (await deployment.objects())["role_assignments"] == before["role_assignments"]


async def test_a_secret_whose_answer_was_lost_is_found_again(deployment: Deployment) -> None:
    """On an existing application nothing but its display name leads to it."""
    before = await deployment.objects()
    await deployment.faults(fault(STEPS["secret"], "drop_after_effect"))
    reply = await (await deployment.broker("vm-web")).call("POST", "roles/legacy-app/leases", {})
    assert (reply.status_code, reply.json()["code"]) == (504, "azure_unreachable")
    await deployment.settled()
    assert await deployment.objects() == before


async def test_what_somebody_deleted_by_hand_is_no_obstacle(deployment: Deployment) -> None:
    """The lease ends all the same."""
    before = await deployment.objects()
    web = await deployment.broker("vm-web")
    answer = await web.must("POST", "roles/app-reader/leases", {})
    graph = deployment.stack.described["endpoints"]["graph"]
    body = {"identity": "leasehold", "resource": "https://graph.microsoft.com"}
    token = (await deployment.visitor.control("POST", "token", body))["access_token"]
    for path in (
        f"servicePrincipals/{answer['credential']['object_id']}",
        f"applications(appId='{answer['credential']['client_id']}')",
    ):
        deleted = await deployment.visitor.http.delete(f"{graph}/v1.0/{path}", headers={"authorization": f"Bearer {token}"})
        assert deleted.status_code == 204
    assert (await web.call("DELETE", f"leases/{answer['lease']['id']}")).status_code in {200, 202}
    await deployment.settled()
    assert await deployment.objects() == before


async def test_no_audit_no_credential(deployment: Deployment) -> None:
    """With storage gone there is no answer but a failure, and health says so."""
    web = await deployment.broker("vm-web")
    before = await deployment.objects()
    await deployment.stack.storage.stop()
    try:
        reply = await web.call("POST", "roles/app-reader/leases", {})
        health = await deployment.visitor.http.get(f"{deployment.stack.url}/api/v1/health")
    finally:
        await deployment.stack.storage.start()
    assert reply.status_code in {503, 504}
    assert health.status_code == 503
    assert await deployment.objects() == before
