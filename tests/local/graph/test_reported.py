"""Refusals that users of Microsoft Graph reported, provoked in the local one: same status, code and sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from local.cloud.disturbances.consistency import Delay, Profile
from local.cloud.engine.http import Reply
from tests.local.graph.calls import ABSENT, Client, Tenant
from tests.local.parity.records import FOLDER

TRUST = {"name": "main", "issuer": "https://issuer.example", "subject": "job", "audiences": ["api://AzureADTokenExchange"]}
NEW = {"displayName": "one"}
NOT_VERIFIED = {None, "<not shown>"}
"""What a report that does not show the status or the code has in its place."""
LEFT_OUT = {
    503: "the older status of Directory_ConcurrencyViolation comes from a fault asked for",
    "(identity protection)": "identity protection is not implemented",
    "/directoryRoles (inside $batch)": "directory roles are not implemented",
}


def _long_secret(tenant: Tenant, client: Client) -> Reply:
    tenant.graph.limits.configure({"password_lifetime_seconds": 60})
    return client.post(f"/applications/{tenant.application().id}/addPassword")


def _crowded(tenant: Tenant, client: Client) -> Reply:
    tenant.world.consistency.configure("typical")
    url = f"/applications/{tenant.application().id}/addPassword"
    return [client.post(url) for _ in "ab"][1]


def _same_trust_name(tenant: Tenant, client: Client) -> Reply:
    url = f"/applications/{tenant.application().id}/federatedIdentityCredentials"
    return [client.post(url, TRUST) for _ in "ab"][1]


def _same_trust(tenant: Tenant, client: Client) -> Reply:
    url = f"/applications/{tenant.application().id}/federatedIdentityCredentials"
    return [client.post(url, TRUST | {"name": name}) for name in ("first", "second")][1]


def _second_principal(tenant: Tenant, client: Client) -> Reply:
    return client.post("/servicePrincipals", {"appId": tenant.principal().app_id})


def _no_application(_tenant: Tenant, client: Client) -> Reply:
    return client.post("/servicePrincipals", {"appId": ABSENT})


def _foreign(tenant: Tenant, _client: Client) -> Reply:
    tenant.world.consistency.profile = Profile("slow", {("application", "graph"): Delay(10, 10.001, 10)}, {})
    broker = tenant.client("Application.ReadWrite.OwnedBy")
    app = broker.post("/applications", NEW).body["appId"]
    replies = (broker.post("/servicePrincipals", {"appId": app}) for _ in range(50))
    return next(reply for reply in replies if reply.status == 403)


def _missing(_tenant: Tenant, client: Client) -> Reply:
    return client.patch(f"/applications/{ABSENT}", NEW)


def _bad_reference(tenant: Tenant, client: Client) -> Reply:
    body = {"principalId": ABSENT, "resourceId": ABSENT, "appRoleId": ABSENT}
    return client.post(f"/servicePrincipals/{tenant.principal().id}/appRoleAssignedTo", body)


def _member_twice(tenant: Tenant, client: Client) -> Reply:
    body = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{tenant.user().id}"}
    url = f"/groups/{tenant.group().id}/members/$ref"
    return [client.post(url, body) for _ in "ab"][1]


def _full(tenant: Tenant, _client: Client) -> Reply:
    tenant.graph.limits.configure({"objects_per_creator": 1})
    broker = tenant.client("Application.ReadWrite.OwnedBy")
    return [broker.post("/applications", NEW) for _ in "ab"][1]


def _too_large(tenant: Tenant, client: Client) -> Reply:
    tenant.graph.limits.configure({"credentials_per_object": 1})
    url = f"/servicePrincipals/{tenant.principal().id}/addPassword"
    return [client.post(url) for _ in "ab"][1]


def _no_secret(tenant: Tenant, client: Client) -> Reply:
    return client.post(f"/applications/{tenant.application().id}/removePassword", {"keyId": ABSENT})


def _same_uri(_tenant: Tenant, client: Client) -> Reply:
    return [client.post("/applications", NEW | {"identifierUris": ["api://one"]}) for _ in "ab"][1]


PROVOKED: dict[str, Callable[[Tenant, Client], Reply]] = {
    "Credential lifetime exceeds": _long_secret,
    "Error due to concurrent requests": _crowded,
    "FederatedIdentityCredential with name": _same_trust_name,
    "The combination of issuer and subject": _same_trust,
    "The service principal cannot be created": _second_principal,
    "The appId": _no_application,
    "When using this permission": _foreign,
    "Resource '": _missing,
    "Not a valid reference update": _bad_reference,
    "One or more added object references": _member_twice,
    "The directory object quota limit": _full,
    "The size of the object": _too_large,
    "No password credential found": _no_secret,
    "Another object with the same value": _same_uri,
}
"""What provokes each refusal, by how its sentence begins."""


def _reports() -> list[Any]:
    file = FOLDER / "reported_errors.json"
    if not file.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no recordings of reported_errors"), id="absent")]
    reports = json.loads(file.read_text(encoding="utf-8"))
    return [pytest.param(item, id=f"{item['source']} {item['path']}") for item in reports if item["topic"] == "graph"]


@pytest.mark.parametrize("report", _reports())
def test_refuses_as_reported(report: dict[str, Any]) -> None:
    """Places that a report leaves open, such as ``<appId>``, may be anything."""
    if reason := LEFT_OUT.get(report["status"]) or LEFT_OUT.get(report["path"]):
        pytest.skip(reason)
    expected = report["response_body"]["error"]
    provoke = next(act for start, act in PROVOKED.items() if expected["message"].startswith(start))
    tenant = Tenant()
    everything = ("Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "Group.ReadWrite.All")
    reply = provoke(tenant, tenant.client(*everything))
    assert report["status"] in {reply.status, *NOT_VERIFIED}
    assert expected["code"] in {reply.body["error"]["code"], *NOT_VERIFIED}
    sentence = re.sub(r"<[^>]+>|\\\.\\\.\\\.", ".*", re.escape(expected["message"]))
    assert re.match(sentence, reply.body["error"]["message"])
