"""Every call of the API, as a client sees it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LEASE_KEYS = {
    "id", "role", "type", "state", "holder", "issued_at", "expires_at", "max_expires_at", "renewable", "ttl", "metadata",
    "ready", "scopes",
}  # fmt: skip


async def issue(deployment: Deployment, role: str = "app-reader", body: Any = None) -> dict[str, Any]:
    """A lease and its credential, for vm-web."""
    web = await deployment.broker("vm-web")
    reply = await web.call("POST", f"roles/{role}/leases", {} if body is None else body)
    assert reply.status_code == 201, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


async def test_issues_a_service_principal_with_its_lease(deployment: Deployment) -> None:
    """201, with the shapes of the contract."""
    web = await deployment.broker("vm-web")
    reply = await web.call("POST", "roles/app-reader/leases", {"ttl": "20m", "reason": "a test", "metadata": {"run": "7"}})
    assert reply.status_code == 201
    lease, credential = reply.json()["lease"], reply.json()["credential"]
    assert reply.headers["location"] == f"/api/v1/leases/{lease['id']}"
    assert reply.headers["x-request-id"]
    assert reply.headers["cache-control"] == "no-store"
    assert set(lease) == LEASE_KEYS
    assert re.fullmatch(r"app-reader\.[0-9a-hjkmnp-tv-z]{26}", lease["id"])
    assert (lease["role"], lease["type"], lease["state"]) == ("app-reader", "service_principal", "active")
    assert lease["holder"]["object_id"] == deployment.object_id("vm-web")
    assert (lease["ttl"], lease["metadata"], lease["renewable"]) == (1200, {"run": "7"}, True)
    assert all(INSTANT.fullmatch(lease[name]) for name in ("issued_at", "expires_at", "max_expires_at"))
    assert credential["type"] == "service_principal"
    assert credential["tenant_id"] == deployment.stack.described["tenant_id"]
    assert credential["subscription_id"] == deployment.stack.described["subscription_id"]
    assert {"client_id", "client_secret", "object_id", "secret_id", "expires_at"} <= set(credential)


async def test_issues_a_secret_on_an_existing_application_and_removes_that_secret_alone(deployment: Deployment) -> None:
    """The application stays, with the secrets that it had."""
    before = await deployment.objects()
    answer = await issue(deployment, "legacy-app")
    during = await deployment.objects()
    assert set(during["secrets"]) - set(before["secrets"]) == {answer["credential"]["secret_id"]}
    web = await deployment.broker("vm-web")
    assert (await web.call("DELETE", f"leases/{answer['lease']['id']}")).status_code == 200
    assert await deployment.objects() == before


async def test_the_secret_ends_by_itself_just_past_its_lease(deployment: Deployment) -> None:
    """Entra's end date is after the lease's last possible end, and at most a quarter of an hour after it."""
    from datetime import datetime, timedelta  # noqa: PLC0415 - one test's

    answer = await issue(deployment)
    state = await deployment.visitor.control("GET", "state")
    secret = next(each for each in state["secrets"] if each["key_id"] == answer["credential"]["secret_id"])
    end = datetime.fromisoformat(secret["end"])
    last = datetime.fromisoformat(answer["lease"]["max_expires_at"])
    assert last <= end <= last + timedelta(minutes=15)


async def test_reads_and_lists_the_callers_own_leases(deployment: Deployment) -> None:
    """A holder sees its own; an auditor sees them all."""
    lease = (await issue(deployment))["lease"]
    web, auditor, stranger = [await deployment.broker(name) for name in ("vm-web", "auditor", "stranger")]
    assert await web.must("GET", f"leases/{lease['id']}") == lease
    # A list shows what its index rows have.
    del lease["scopes"]
    assert lease in await deployment.leases(web)
    assert (
        lease
        in (
            await auditor.must("GET", f"leases?role=app-reader&holder={deployment.object_id('vm-web')}&state=active&limit=1000")
        )["leases"]
    )
    assert await deployment.leases(stranger) == []


async def test_pages_through_a_listing(deployment: Deployment) -> None:
    """Pages of one hold what one page holds, in its order."""
    for _ in range(3):
        await issue(deployment)
    web = await deployment.broker("vm-web")
    whole = [lease["id"] for lease in await deployment.leases(web)]
    paged, cursor = [], ""
    while True:
        page = await web.must("GET", f"leases?state=all&limit=1{cursor}")
        paged += [lease["id"] for lease in page["leases"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert paged == whole
    assert paged == sorted(paged, key=lambda each: each.partition(".")[2], reverse=True)


async def test_renews_up_to_the_last_possible_end(deployment: Deployment) -> None:
    """An increment beyond it is cut."""
    lease = (await issue(deployment))["lease"]
    web = await deployment.broker("vm-web")
    longer = await web.must("POST", f"leases/{lease['id']}/renew", {"increment": "1h"})
    longest = await web.must("POST", f"leases/{lease['id']}/renew", {"increment": "30d"})
    assert lease["expires_at"] < longer["expires_at"] < longest["expires_at"]
    assert longest["expires_at"] == lease["max_expires_at"]


async def test_revoking_twice_is_harmless(deployment: Deployment) -> None:
    """200 both times, and the lease stays ended."""
    lease = (await issue(deployment))["lease"]
    web = await deployment.broker("vm-web")
    first, second = [await web.call("DELETE", f"leases/{lease['id']}") for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["state"] == "ended"
    late = await web.call("POST", f"leases/{lease['id']}/renew", {})
    assert (late.status_code, late.json()["code"]) == (409, "lease_not_active")


async def test_writes_reads_and_deletes_a_role_with_etags(deployment: Deployment) -> None:
    """Created once, replaced when unchanged since it was read, deleted."""
    admin = await deployment.broker("admin")
    document = {"type": "service_principal", "ready": "none", "azure_roles": [{"role_name": "Reader", "scope": deployment.app}]}
    created = await admin.call("PUT", "roles/etagged", document, if_none_match="*")
    again = await admin.call("PUT", "roles/etagged", document, if_none_match="*")
    replaced = await admin.call("PUT", "roles/etagged", document | {"ttl": "5m"}, if_match=created.headers["etag"])
    stale = await admin.call("PUT", "roles/etagged", document, if_match=created.headers["etag"])
    assert [each.status_code for each in (created, again, replaced, stale)] == [201, 412, 200, 412]
    read = await admin.call("GET", "roles/etagged")
    assert (read.json()["ttl"], read.headers["etag"]) == (300, replaced.headers["etag"])
    assert "etagged" in [role["name"] for role in (await admin.must("GET", "roles"))["roles"]]
    deleted = await admin.call("DELETE", "roles/etagged")
    assert deleted.status_code in {200, 204}
    assert (await admin.call("GET", "roles/etagged")).status_code == 404


async def test_a_dry_run_looks_names_up_and_changes_nothing(deployment: Deployment) -> None:
    """A role definition that does not exist is found out; a good role is not stored."""
    admin = await deployment.broker("admin")
    good = {"type": "service_principal", "ready": "none", "azure_roles": [{"role_name": "Reader", "scope": deployment.app}]}
    bad = {
        "type": "service_principal",
        "ready": "none",
        "azure_roles": [{"role_name": "No Such Role", "scope": deployment.app}],
    }
    assert (await admin.call("PUT", "roles/dry?dry_run=true", good)).status_code == 200
    refused = await admin.call("PUT", "roles/dry?dry_run=true", bad)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, "azure_roles[0].role_name")
    assert (await admin.call("GET", "roles/dry")).status_code == 404


async def test_a_role_with_live_leases_is_deleted_only_with_them(deployment: Deployment) -> None:
    """409, then ``revoke=true`` ends them."""
    admin = await deployment.broker("admin")
    document = {"type": "service_principal", "ready": "none", "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
                "bound_service_principal_ids": [deployment.object_id("vm-web")]}  # fmt: skip
    await admin.must("PUT", "roles/going", document)
    lease = (await issue(deployment, "going"))["lease"]
    refused = await admin.call("DELETE", "roles/going")
    assert (refused.status_code, refused.json()["code"]) == (409, "role_has_leases")
    assert (await admin.call("DELETE", "roles/going?revoke=true")).is_success
    await deployment.settled()
    assert (await admin.must("GET", f"leases/{lease['id']}"))["state"] == "ended"


async def test_a_role_has_no_more_live_leases_than_it_may(deployment: Deployment) -> None:
    """429 with Retry-After beyond ``max_leases``."""
    admin, web = await deployment.broker("admin"), await deployment.broker("vm-web")
    reader = {"role_name": "Reader", "scope": deployment.app}
    document = {"type": "service_principal", "ready": "none", "azure_roles": [reader], "max_leases": 1,
                "bound_service_principal_ids": [deployment.object_id("vm-web")]}  # fmt: skip
    await admin.must("PUT", "roles/single", document)
    lease = (await issue(deployment, "single"))["lease"]
    second = await web.call("POST", "roles/single/leases", {})
    assert (second.status_code, second.json()["code"]) == (429, "too_many_leases")
    assert int(second.headers["retry-after"]) > 0
    await web.must("DELETE", f"leases/{lease['id']}")
    assert (await web.call("POST", "roles/single/leases", {})).status_code == 201


async def test_tells_a_caller_what_it_may_issue(deployment: Deployment) -> None:
    """And nothing of what it may not: why not is for the audit trail."""
    result = await (await deployment.broker("stranger")).must("GET", "whoami")
    assert result["caller"]["object_id"] == deployment.object_id("stranger")
    assert result["roles"] == []
    refused = await (await deployment.broker("stranger")).call("GET", "whoami?role=app-reader")
    assert refused.json()["may_issue"] is False
    (event,) = await deployment.events(refused.headers["x-request-id"])
    assert "app-reader" == event["role"]
    assert event["reason"].startswith("not matched: bound_service_principal_ids; inline: bound_service_principal_ids wants ")


async def test_health_is_open_and_says_nothing_more(deployment: Deployment) -> None:
    """For probes."""
    reply = await deployment.visitor.http.get(f"{deployment.stack.url}/api/v1/health")
    assert (reply.status_code, list(reply.json())) == (200, ["status"])


async def test_status_and_audit_are_for_auditors(deployment: Deployment) -> None:
    """An auditor reads both, a holder neither."""
    await issue(deployment)
    auditor, web = await deployment.broker("auditor"), await deployment.broker("vm-web")
    assert (await auditor.must("GET", "status"))["leases"]["as_of"]
    assert (await auditor.must("GET", "audit?limit=1"))["next"] is not None
    assert [(await web.call("GET", path)).status_code for path in ("status", "audit")] == [403, 403]
    assert (await auditor.call("POST", "sweep")).status_code == 403


async def test_the_contract_is_served(deployment: Deployment) -> None:
    """OpenAPI, its page, and the page of problems, for anybody."""
    answers = [
        await deployment.visitor.http.get(f"{deployment.stack.url}/api/v1/{page}")
        for page in ("openapi.json", "docs", "problems")
    ]
    assert [each.status_code for each in answers] == [200, 200, 200]
    assert answers[0].json()["openapi"].startswith("3.")


async def test_a_role_name_from_a_role_may_be_an_id(deployment: Deployment) -> None:
    """``role_id`` names the definition itself."""
    admin = await deployment.broker("admin")
    reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
    subscription = f"/subscriptions/{deployment.stack.described['subscription_id']}"
    role_id = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{reader}"
    document = {"type": "service_principal", "ready": "none", "azure_roles": [{"role_id": role_id, "scope": deployment.app}],
                "bound_service_principal_ids": [deployment.object_id("vm-web")]}  # fmt: skip
    await admin.must("PUT", "roles/by-id", document)
    answer = await issue(deployment, "by-id")
    state = await deployment.visitor.control("GET", "state")
    assigned = [each for each in state["role_assignments"] if each["principal_id"] == answer["credential"]["object_id"]]
    assert [each["scope"] for each in assigned] == [deployment.app]
