"""One role, many targets, over HTTP: the README's role, and the request of an application that names what it needs."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from azure.identity import ClientSecretCredential

from local.host.process import ROOT
from local.sample import ACCOUNTS
from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROLE = "dynamic-credentials-role"
FIVE = ("client_id", "client_secret", "tenant_id", "subscription_id", "expires_at")
ACCOUNT = ACCOUNTS["app"]


def from_the_readme(deployment: Deployment) -> tuple[dict[str, Any], dict[str, Any]]:
    """The role's document and the request, as the README has them for pasting."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    document = re.search(rf"roles/{ROLE} .*?<<EOF\n(.*?)\nEOF\n", text, re.DOTALL)
    request = re.search(rf"^lease {ROLE} '(.*?)'", text, re.DOTALL | re.MULTILINE)
    assert document is not None
    assert request is not None
    written = document[1].replace("$subscription", deployment.stack.described["subscription_id"])
    return json.loads(written.replace("$web", deployment.object_id("vm-web"))), json.loads(request[1])


async def blob(deployment: Deployment, credential: dict[str, Any], account: str) -> tuple[int, str]:
    """Reads a blob as an SDK would: the credential's fields, and a token for storage."""
    endpoints = deployment.stack.described["endpoints"]
    client = ClientSecretCredential(
        *(credential["tenant_id"], credential["client_id"], credential["client_secret"]),
        authority=endpoints["entra"],
        disable_instance_discovery=True,
        connection_verify=deployment.visitor.ca_bundle,
    )
    token = await asyncio.to_thread(client.get_token, "https://storage.azure.com/.default")
    client.close()
    url, headers = f"{endpoints['blob']}/{account}/reports/today.txt", {"authorization": f"Bearer {token.token}"}
    answer = await deployment.visitor.http.get(url, headers={**headers, "x-ms-version": "2024-11-04"})
    return answer.status_code, answer.text


async def test_the_readmes_role_serves_the_documents_request_at_first_try(deployment: Deployment) -> None:
    """By a managed identity, with ``resource_group`` and ``storage_account_name``. Its own account, and no other."""
    document, request = from_the_readme(deployment)
    assert {"resource_group", "storage_account_name"} == set(request["parameters"])
    await (await deployment.broker("admin")).must("PUT", f"roles/{ROLE}", document)
    web = await deployment.broker("vm-web")
    answer = await web.must("POST", f"roles/{ROLE}/leases", request)
    credential = answer["credential"]
    assert all(credential[name] for name in FIVE)
    assert [f"{deployment.app}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"] == answer["lease"]["scopes"]
    assert request["parameters"] == answer["lease"]["parameters"]
    assert (200, f"what {ACCOUNT} holds") == await blob(deployment, credential, ACCOUNT)
    status, refusal = await blob(deployment, credential, ACCOUNTS["data"])
    assert 403 == status
    assert "AuthorizationPermissionMismatch" in refusal
    await web.must("DELETE", f"leases/{answer['lease']['id']}")


async def test_what_is_not_there_makes_no_application(deployment: Deployment) -> None:
    """The answer names the parameter, and says when to come again."""
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    asked = {"parameters": {"resource_group": "app", "storage_account_name": "nosuchaccount"}}
    answer = await web.call("POST", f"roles/{ROLE}/leases", asked)
    found = answer.json()
    assert (409, "azure_refused", "30") == (answer.status_code, found["code"], answer.headers["retry-after"])
    assert ["parameters.storage_account_name"] == [each["path"] for each in found["errors"]]
    assert before == await deployment.objects()


async def test_a_role_is_narrowed_renewed_and_ended_by_what_it_reaches(deployment: Deployment) -> None:
    """A container in place of the account; then everything that reaches the account is ended."""
    web, admin = await deployment.broker("vm-web"), await deployment.broker("admin")
    asked = {"parameters": {"resource_group": "app", "storage_account_name": ACCOUNT}}
    account = f"{deployment.app}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
    container = f"{account}/blobServices/default/containers/reports"
    made = await web.must("POST", f"roles/{ROLE}/leases", {**asked, "within": container})
    lease, credential = made["lease"], made["credential"]
    assert ([container], container) == (lease["scopes"], lease["within"])
    assert (200, f"what {ACCOUNT} holds") == await blob(deployment, credential, ACCOUNT)
    assert (await web.must("POST", f"leases/{lease['id']}/renew", {"increment": "30m"}))["within"] == container
    listed = await admin.must("GET", f"leases?within={account}")
    assert [lease["id"]] == [each["id"] for each in listed["leases"]]
    ending = await admin.call("POST", "leases/revoke", {"reaching": account})
    assert (202, 1) == (ending.status_code, ending.json()["revoking"])
    for _ in range(100):
        if (await web.must("GET", f"leases/{lease['id']}"))["state"] == "ended":
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the lease has not ended")
