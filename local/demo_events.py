"""The demo's fifth story: nobody asks. A site is made, finds its credential in a key vault, and loses it with its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.sample import ACCOUNTS
from local.telling import hold, until

if TYPE_CHECKING:
    import httpx

    from local.telling import Telling

_ROLE, _MADE, _GONE, _SITE = "site-app", "sites-made", "sites-deleted", "shop"
_STORAGE = "https://storage.azure.com/.default"
_VAULT = "https://app.vault.azure.net"
_WRITTEN, _DELETED = "Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"
_OK, _FORBIDDEN, _DONE = 200, 403, (200, 201, 204)


async def tell(story: Telling) -> None:
    """From the rule to the deletion. Raises ``StepFailedError``."""
    scope = f"/subscriptions/{story.cloud['subscription_id']}/resourceGroups/app"
    site = f"{scope}/providers/Microsoft.Web/sites/{_SITE}"
    await _an_operator_writes_rules(story, scope, site)
    name = await _a_site_is_made(story, scope, site)
    credential = await _the_site_reads(story, name)
    await _the_site_is_deleted(story, site, name, credential)


async def _an_operator_writes_rules(story: Telling, scope: str, site: str) -> None:
    story.say("An operator says: whatever site is made here gets a credential, in a key vault, for as long as it is there.")
    admin, control = await story.broker_as("admin"), story.visitor.control
    account = f"{scope}/providers/Microsoft.Storage/storageAccounts/{ACCOUNTS['app']}"
    role = {
        "type": "service_principal",
        "ready": "none",
        "azure_roles": [{"role_name": "Storage Blob Data Reader", "scope": account}],
        "delivery": {"type": "key_vault", "vaults": [_VAULT], "name": "app-{holder}"},
    }
    await admin.must("PUT", f"roles/{_ROLE}", role)
    rule = {"source": scope, "subject": f"{site.rpartition('/')[0]}/*"}
    issue = {"issue": {"role": _ROLE, "ttl": "1h", "holder": "subject_identity", "delivery": {"vault": _VAULT}}}
    await admin.must("PUT", f"event-rules/{_MADE}", rule | {"types": [_WRITTEN], "action": issue})
    await admin.must("PUT", f"event-rules/{_GONE}", rule | {"types": [_DELETED], "action": {"revoke": {"of": f"rule:{_MADE}"}}})
    await control("POST", "topics", {"name": "changes", "kind": "system", "source": scope})
    to_broker = {"name": "to-leasehold", "topic": "changes", "schema": "EventGridSchema", "destination": {"queue": "events"}}
    await control("POST", "subscriptions", to_broker | {"types": [_WRITTEN, _DELETED]})
    story.note(f"rule {_MADE}: {json.dumps(issue)}")


async def _a_site_is_made(story: Telling, scope: str, site: str) -> str:
    story.say("A pipeline makes a site. It asks Leasehold for nothing: Event Grid tells of the site.")
    await story.visitor.control("POST", "role-assignments", {"identity": "admin", "role": "Contributor", "scope": scope})
    wanted = {"location": "westeurope", "identity": {"type": "SystemAssigned"}}
    await until(lambda: _changed(story, "PUT", site, wanted))
    lease, seconds = await until(lambda: _lease(story, "active"))
    principal = lease["holder"]["object_id"]
    story.note(f"{seconds:.1f} s later the site's own identity, {principal}, holds {lease['id']}")
    return f"app-{principal}"


async def _the_site_reads(story: Telling, name: str) -> dict[str, Any]:
    story.say("The site reads the secret that has its identity in its name, and with it the storage account.")
    place = f"/subscriptions/{story.cloud['subscription_id']}/resourceGroups/app/providers/Microsoft.KeyVault/vaults/app"
    grant = {"identity": _SITE, "role": "Key Vault Secrets User", "scope": f"{place}/secrets/{name}"}
    await story.visitor.control("POST", "role-assignments", grant)
    reply, _ = await until(lambda: _secret(story, _SITE, name, _OK))
    credential: dict[str, Any] = json.loads(reply.json()["value"])
    story.note(f"{_VAULT}/secrets/{name} has {', '.join(sorted(credential))}")
    token, _ = await until(lambda: story.token(credential, _STORAGE))
    blob, seconds = await until(lambda: _blob(story, token))
    story.note(f"blob storage answers after {seconds:.1f} s: {blob}")
    return credential


async def _the_site_is_deleted(story: Telling, site: str, name: str, credential: dict[str, Any]) -> None:
    story.say("The pipeline deletes the site. Event Grid tells of that as well.")
    await until(lambda: _changed(story, "DELETE", site))
    lease, seconds = await until(lambda: _lease(story, "ended"))
    story.note(f"{seconds:.1f} s later {lease['id']} is ended")
    message, seconds = await until(lambda: story.refusal(credential))
    story.note(f"Entra ID does not take the secret any more, after {seconds:.1f} s: {message}")
    reader = {"identity": "auditor", "role": "Key Vault Secrets User"}
    scope = f"/subscriptions/{story.cloud['subscription_id']}/resourceGroups/app"
    await story.visitor.control("POST", "role-assignments", reader | {"scope": scope})
    reply, _ = await until(lambda: _disabled(story, name))
    story.note(f"and nobody reads it in the vault: {reply}")
    admin = await story.broker_as("admin")
    for path in (f"event-rules/{_GONE}", f"event-rules/{_MADE}", f"roles/{_ROLE}"):
        await admin.must("DELETE", path)


async def _changed(story: Telling, method: str, resource: str, body: Any = None) -> bool | None:
    """Whether Resource Manager has done it; ``None`` while it does not know of the pipeline's right."""
    token = await story.visitor.token("admin", "https://management.azure.com")
    url = f"{story.cloud['endpoints']['arm']}{resource}?api-version=2024-04-01"
    reply = await story.visitor.http.request(method, url, json=body, headers={"authorization": f"Bearer {token}"})
    hold(reply.status_code in (*_DONE, _FORBIDDEN), reply.text)
    return reply.status_code in _DONE or None


async def _lease(story: Telling, state: str) -> dict[str, Any] | None:
    """The role's lease in that state. Sweeps come, as a timer has them come."""
    admin = await story.broker_as("admin")
    await admin.must("POST", "sweep")
    found = (await admin.must("GET", f"leases?role={_ROLE}&state={state}"))["leases"]
    return found[0] if found else None


async def _secret(story: Telling, identity: str, name: str, wanted: int) -> httpx.Response | None:
    token = await story.visitor.token(identity, "https://vault.azure.net")
    url = f"{story.cloud['endpoints']['key_vault']}/app/secrets/{name}?api-version=7.4"
    reply = await story.visitor.http.get(url, headers={"authorization": f"Bearer {token}"})
    return reply if reply.status_code == wanted else None


async def _disabled(story: Telling, name: str) -> str | None:
    """What the vault says of a version that is disabled; ``None`` while it refuses for want of a right."""
    reply = await _secret(story, "auditor", name, _FORBIDDEN)
    code = reply.json()["error"]["innererror"]["code"] if reply is not None else ""
    return f"403 {code}" if code == "SecretDisabled" else None


async def _blob(story: Telling, token: str) -> str | None:
    url = f"{story.cloud['endpoints']['blob']}/{ACCOUNTS['app']}/reports/today.txt"
    headers = {"authorization": f"Bearer {token}", "x-ms-version": "2024-11-04"}
    reply = await story.visitor.http.get(url, headers=headers)
    return reply.text if reply.status_code == _OK else None
