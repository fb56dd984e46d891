"""The demo's second story: one role, many targets. Two applications, each with its own storage account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.sample import ACCOUNTS
from local.telling import REPLICAS, hold, until

if TYPE_CHECKING:
    from local.telling import Telling
    from local.visitor import Broker

_STORAGE = "https://storage.azure.com/.default"
_FIVE = ("client_id", "client_secret", "tenant_id", "subscription_id", "expires_at")
"""What an SDK of Azure needs, and when it ends."""
_CREATED, _FORBIDDEN, _OK = 201, 403, 200
_WEB, _BATCH = ("vm-web", "app"), ("vm-batch", "data")
"""A machine, and its resource group."""


async def tell(story: Telling) -> None:
    """From the role with holes to the machine's own group. Raises ``StepFailedError``."""
    await _an_operator_leaves_holes(story)
    leases = [await _leases_its_own(story, *each) for each in (_WEB, _BATCH)]
    await _is_refused_at_the_others(story, leases[0][1])
    own = await _gets_into_its_own_group(story)
    for machine, lease in ((_WEB, leases[0][0]), (_BATCH, leases[1][0]), (_BATCH, own)):
        await (await story.broker_as(machine[0])).must("DELETE", f"leases/{lease['id']}")


async def _an_operator_leaves_holes(story: Telling) -> None:
    story.say("One role for many storage accounts: an operator leaves holes in its scope, and says who may fill in what.")
    admin = await story.broker_as("admin")
    sample = await admin.must("GET", "roles/dynamic-credentials-role")
    role = {name: value for name, value in sample.items() if name not in {"name", "bound_service_principal_ids"}}
    await admin.must("PUT", "roles/storage-reader", role)
    story.note(f"scope: {role['azure_roles'][0]['scope'].partition('/resourceGroups')[2]}")
    machine = story.cloud["identities"]["vm-web"]["object_id"]
    callers = {"bound_service_principal_ids": [machine]}
    for group, bounds in (("app", callers), ("data", await admin.must("GET", "auth-roles/data-machines"))):
        rule = {"path": "roles/storage-reader/leases", "capabilities": ["issue"], "parameters": {"resource_group": [group]}}
        await admin.must("PUT", f"policies/{group}-storage", {"rules": [rule]})
        wanted = {name: value for name, value in bounds.items() if name.startswith("bound_")}
        policies = [*bounds.get("policies", ()), f"{group}-storage"]
        await admin.must("PUT", f"auth-roles/{group}-machines", {**wanted, "policies": policies})
        story.note(f"policy {group}-storage: {json.dumps(rule['parameters'])}")


async def _leases_its_own(story: Telling, machine: str, group: str) -> tuple[dict[str, Any], str]:
    account = ACCOUNTS[group]
    story.say(f"The machine {machine} asks for the storage account that it needs, {account}, and reads a blob in it.")
    reply = await _ask(story, machine, group, account)
    hold(reply.status_code == _CREATED, reply.text)
    lease, credential = reply.json()["lease"], reply.json()["credential"]
    story.note(f"granted at ...{lease['scopes'][0].partition('/resourceGroups')[2]}")
    story.note(f"the answer has {', '.join(name for name in _FIVE if credential[name])}")
    token, _ = await until(lambda: story.token(credential, _STORAGE))
    blob, seconds = await until(lambda: _blob(story, token, account, _OK))
    story.note(f"blob storage answers after {seconds:.1f} s: {blob}")
    return lease, token


async def _is_refused_at_the_others(story: Telling, token: str) -> None:
    story.say("The machine vm-web tries the other application's account: by Leasehold, and by its own credential.")
    account = ACCOUNTS["data"]
    refused = await _ask(story, "vm-web", "data", account)
    hold(refused.status_code == _FORBIDDEN, refused.text)
    story.note(f"Leasehold answers 403: {refused.json()['detail']}")
    code = await _blob(story, token, account, _FORBIDDEN)
    hold(code == "AuthorizationPermissionMismatch", code)
    story.note(f"blob storage answers 403: {code}")


async def _gets_into_its_own_group(story: Telling) -> dict[str, Any]:
    story.say("Another role is filled with a fact about its caller: a machine gets into its own resource group.")
    admin = await story.broker_as("admin")
    scope = f"/subscriptions/{story.cloud['subscription_id']}/resourceGroups/{{group}}"
    group = {"kind": "resource_group", "from": "caller.resource_group", "allowed": ["app", "data"]}
    role = {
        "type": "service_principal",
        "ready": "none",
        "parameters": {"group": group},
        "azure_roles": [{"role_name": "Reader", "scope": scope}],
        "bound_subscription_ids": [story.cloud["subscription_id"]],
    }
    await admin.must("PUT", "roles/own-group", role)
    batch: Broker = await story.broker_as("vm-batch")
    lease: dict[str, Any] = (await batch.must("POST", "roles/own-group/leases", {}))["lease"]
    hold(lease["parameters"] == {"group": "data"}, lease)
    story.note(f"vm-batch gave no name, and was granted {lease['scopes'][0].partition('/resourceGroups')[2]}")
    given = await batch.call("POST", "roles/own-group/leases", {"parameters": {"group": "app"}})
    story.note(f"another group is no answer: {given.status_code} {given.json()['errors'][0]['message']}")
    return lease


async def _ask(story: Telling, machine: str, group: str, account: str) -> Any:
    broker = await story.broker_as(machine)
    asked = {"resource_group": group, "storage_account_name": account}
    return await broker.call("POST", "roles/storage-reader/leases", {"parameters": asked})


async def _blob(story: Telling, token: str, account: str, wanted: int) -> str | None:
    """The blob, or the code of the refusal; ``None`` while some replica's answer is of another status."""
    url = f"{story.cloud['endpoints']['blob']}/{account}/reports/today.txt"
    headers = {"authorization": f"Bearer {token}", "x-ms-version": "2024-11-04"}
    replies = [await story.visitor.http.get(url, headers=headers) for _ in range(REPLICAS)]
    if any(reply.status_code != wanted for reply in replies):
        return None
    reply = replies[0]
    return reply.text if wanted == _OK else str(reply.headers["x-ms-error-code"])
