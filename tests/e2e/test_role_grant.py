"""Just-in-time access over HTTP: a caller reads what it was granted, as itself, and is refused after the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from local.sample import ACCOUNTS
from local.visitor import Broker
from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROLE = "read-reports"
ACCOUNT = ACCOUNTS["app"]


async def blob(deployment: Deployment, identity: str) -> int:
    """The status of a read of a blob, with the identity's own token."""
    wanted = {"identity": identity, "resource": "https://storage.azure.com"}
    token = (await deployment.visitor.control("POST", "token", wanted))["access_token"]
    url = f"{deployment.stack.described['endpoints']['blob']}/{ACCOUNT}/reports/today.txt"
    headers = {"authorization": f"Bearer {token}", "x-ms-version": "2024-11-04"}
    return (await deployment.visitor.http.get(url, headers=headers)).status_code


async def written(deployment: Deployment, **more: Any) -> dict[str, Any]:
    """The role, as an administrator writes it. With a hole, and open to two machines."""
    account = f"{deployment.app}/providers/Microsoft.Storage/storageAccounts/{{account}}"
    document = {
        "type": "role_grant",
        "ttl": "1h",
        "parameters": {"account": {"kind": "storage_account", "allowed": [ACCOUNT]}},
        "azure_roles": [{"role_name": "Storage Blob Data Reader", "scope": account}],
        "bound_service_principal_ids": [deployment.object_id("vm-web"), deployment.object_id("fn-orders")],
    }
    answer: dict[str, Any] = await (await deployment.broker("admin")).must("PUT", f"roles/{ROLE}", document | more)
    return answer


async def ended(broker: Broker, lease: dict[str, Any], change: Callable[[], Awaitable[object]]) -> None:
    """The lease has ended, by that change."""
    await change()
    for _ in range(100):
        if (await broker.must("GET", f"leases/{lease['id']}"))["state"] == "ended":
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the lease has not ended")


async def test_a_caller_reads_what_it_was_granted_and_is_refused_after_the_end(deployment: Deployment) -> None:
    """With no credential but its own. A second lease of the same is refused, and names the first."""
    await written(deployment)
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    ask = {"parameters": {"account": ACCOUNT}}
    assert 403 == await blob(deployment, "vm-web")

    made = await web.must("POST", f"roles/{ROLE}/leases", ask)
    lease, credential = made["lease"], made["credential"]
    assert (deployment.object_id("vm-web"), []) == (credential["object_id"], credential["left_out"])
    assert lease["scopes"] == [each["scope"] for each in credential["role_assignments"]]
    assert 200 == await blob(deployment, "vm-web")
    assert 403 == await blob(deployment, "fn-orders")

    again = await web.call("POST", f"roles/{ROLE}/leases", ask)
    assert (409, "already_granted", lease["id"]) == (again.status_code, again.json()["code"], again.json()["lease"])
    renewed = await web.must("POST", f"leases/{lease['id']}/renew", {"increment": "2h"})
    assert renewed["expires_at"] > lease["expires_at"]

    await ended(web, lease, lambda: web.call("DELETE", f"leases/{lease['id']}"))
    assert 403 == await blob(deployment, "vm-web")
    assert before == await deployment.objects()


async def test_a_repeat_under_a_key_answers_the_same_and_changes_nothing_in_azure(deployment: Deployment) -> None:
    """The assignment is the one of before, to the second at which it was made."""
    web, ask = await deployment.broker("vm-web"), {"parameters": {"account": ACCOUNT}}
    once = await web.call("POST", f"roles/{ROLE}/leases", ask, idempotency_key="grant-1")
    between = await deployment.objects()
    again = await web.call("POST", f"roles/{ROLE}/leases", ask, idempotency_key="grant-1")
    assert (201, 201) == (once.status_code, again.status_code), again.text
    assert once.json()["credential"] == again.json()["credential"]
    assert between == await deployment.objects()
    await web.must("DELETE", f"leases/{once.json()['lease']['id']}")


async def test_what_an_operator_has_granted_stays_whatever_the_role_says(deployment: Deployment) -> None:
    """By hand, beside the broker: refused, or left out; and there after the end."""
    target = f"{deployment.app}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
    wanted = ("Reader", "Storage Blob Data Reader")
    held = {"identity": "vm-web", "role": wanted[1], "scope": target}
    await deployment.visitor.control("POST", "role-assignments", held)
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    document = {
        "type": "role_grant",
        "azure_roles": [{"role_name": name, "scope": target} for name in wanted],
        "bound_service_principal_ids": [deployment.object_id("vm-web")],
    }
    admin = await deployment.broker("admin")
    await admin.must("PUT", "roles/read-both", document)
    refused = await web.call("POST", "roles/read-both/leases")
    assert (409, "already_held") == (refused.status_code, refused.json()["code"])
    assert before == await deployment.objects()

    await admin.must("PUT", "roles/read-both", document | {"on_existing": "ignore"})
    made = await web.must("POST", "roles/read-both/leases")
    (made_here,), (left,) = made["credential"]["role_assignments"], made["credential"]["left_out"]
    assert ("already_held", target, target) == (left["code"], left["scope"], made_here["scope"])
    assert 200 == await blob(deployment, "vm-web")
    forced = await admin.call("POST", f"leases/{made['lease']['id']}/revoke?force=true")
    assert (200, "ended") == (forced.status_code, forced.json()["state"])
    assert before == await deployment.objects()
    assert 200 == await blob(deployment, "vm-web")
