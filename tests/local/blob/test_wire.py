"""Blob storage over the wire: its port, its names, what the control API puts there, and a deletion of a place."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.local.conftest import Cloud

STORAGE = "https://storage.azure.com"
ARM = "https://management.azure.com"
VERSION = "2021-08-06"
ACCOUNT = {"type": "Microsoft.Storage/storageAccounts", "name": "sales", "group": "data"}


@pytest.fixture
def account(cloud: Cloud) -> str:
    """The id of a storage account with two containers, one of which ``stranger`` may read."""
    held = {"reports": {"2026/may.txt": "Mai ✓"}, "raw": {}}
    made = cloud.control("POST", "resources", {**ACCOUNT, "location": "northeurope", "containers": held})
    scope = f"{made['id']}/blobServices/default/containers/reports"
    role = {"identity": "stranger", "role": "Storage Blob Data Reader", "scope": scope}
    cloud.control("POST", "role-assignments", role)
    return str(made["id"])


def _read(cloud: Cloud, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    token = cloud.token("stranger", STORAGE)
    sent = {"authorization": f"Bearer {token}", "x-ms-version": VERSION, **headers}
    return cloud.http.request(method, f"{cloud.endpoints['blob']}/sales/{path}", headers=sent)


def _arm(cloud: Cloud, path: str, identity: str = "admin") -> httpx.Response:
    headers = {"authorization": f"Bearer {cloud.token(identity, ARM)}"}
    return cloud.http.get(f"{cloud.endpoints['arm']}{path}?api-version=2022-04-01", headers=headers)


@pytest.mark.usefixtures("account")
def test_reads_what_the_control_api_has_put_there(cloud: Cloud) -> None:
    """On a port of its own, by the account's name in the path."""
    found, refused = _read(cloud, "reports/2026/may.txt"), _read(cloud, "raw/none")

    assert (200, "Mai ✓", 403) == (found.status_code, found.text, refused.status_code)
    assert ("AuthorizationPermissionMismatch", "application/xml") == (
        refused.headers["x-ms-error-code"],
        refused.headers["content-type"],
    )


@pytest.mark.usefixtures("account")
def test_a_head_has_the_blobs_length_and_no_body(cloud: Cloud) -> None:
    """Errors have no body then, either: their code is in the header."""
    found, refused = _read(cloud, "reports/2026/may.txt", "HEAD"), _read(cloud, "reports/none", "HEAD")

    assert (200, "7", b"") == (found.status_code, found.headers["content-length"], found.content)
    assert (404, "BlobNotFound", b"") == (refused.status_code, refused.headers["x-ms-error-code"], refused.content)


@pytest.mark.usefixtures("account")
def test_is_there_under_azures_own_name(cloud: Cloud) -> None:
    """The certificate covers it."""
    name = "sales.blob.core.windows.net"
    headers = {"authorization": f"Bearer {cloud.token('stranger', STORAGE)}", "x-ms-version": VERSION, "host": name}
    url = f"{cloud.endpoints['all_tls']}/reports?restype=container&comp=list"

    reply = cloud.http.get(url, headers=headers, extensions={"sni_hostname": name})

    assert (200, f'ServiceEndpoint="https://{name}/"') == (reply.status_code, _quoted(reply.text, "ServiceEndpoint"))


def _quoted(text: str, name: str) -> str:
    return text[text.index(name) :].split(" ", 1)[0]


@pytest.mark.usefixtures("account")
def test_meets_faults_and_is_in_the_ledger(cloud: Cloud) -> None:
    """As every service."""
    fault = {"service": "blob", "effect": {"status": 503, "code": "ServerBusy", "retry_after": 1}}
    cloud.control("PUT", "faults", [fault])
    cloud.control("DELETE", "calls")

    replies = [_read(cloud, "reports/2026/may.txt") for _ in range(2)]

    calls = [(call["service"], call["path"], call["status"]) for call in cloud.control("GET", "calls")]
    assert [("blob", "/sales/reports/2026/may.txt", status) for status in (503, 200)] == calls
    assert ("ServerBusy", "1") == (replies[0].headers["x-ms-error-code"], replies[0].headers["retry-after"])


def test_the_account_says_where_its_blobs_are(cloud: Cloud, account: str) -> None:
    """As Resource Manager shows it."""
    cloud.control("POST", "role-assignments", {"identity": "admin", "role": "Reader", "scope": account})

    shown = _arm(cloud, account).json()

    assert ("northeurope", "https://sales.blob.core.windows.net/") == (
        shown["location"],
        shown["properties"]["primaryEndpoints"]["blob"],
    )


def test_containers_join_those_that_are_there(cloud: Cloud, account: str) -> None:
    """And blobs those of their container; the place stays where it is."""
    more = {"reports": {"2026/june.txt": "June"}, "new-one": {"a": "1"}}

    again = cloud.control("POST", "resources", {"id": account, "location": "westeurope", "containers": more})

    expected = {"reports": ["2026/june.txt", "2026/may.txt"], "raw": [], "new-one": ["a"]}
    assert ("northeurope", expected) == (again["location"], again["containers"])
    assert {"new-one", "raw", "reports"} == {each["name"] for each in cloud.control("GET", "state")["blob_containers"]}


def test_a_deleted_account_takes_everything_with_it(cloud: Cloud, account: str) -> None:
    """What was in it, what was assigned on it, and for Resource Manager the scope itself."""
    subscription = f"/subscriptions/{cloud.document['subscription_id']}"
    cloud.control("POST", "role-assignments", {"identity": "admin", "role": "Reader", "scope": subscription})
    roles = f"{account}/providers/Microsoft.Authorization/roleAssignments"
    before = _arm(cloud, roles).status_code

    cloud.control("DELETE", "resources", ACCOUNT)

    after, state = _arm(cloud, roles), cloud.control("GET", "state")
    assert (200, 404, "ResourceNotFound") == (before, after.status_code, after.json()["error"]["code"])
    assert (404, []) == (_read(cloud, "reports/2026/may.txt").status_code, state["blob_containers"])
    assert not [each for each in state["role_assignments"] if each["scope"].startswith(account)]


def test_an_account_made_anew_is_empty(cloud: Cloud, account: str) -> None:
    """Under the same name, in another group."""
    cloud.control("DELETE", "resources", {"id": account})
    made = cloud.control("POST", "resources", {**ACCOUNT, "group": "app"})

    assert ({}, 403) == (made["containers"], _read(cloud, "reports/2026/may.txt").status_code)


def test_a_deleted_group_takes_everything_with_it(cloud: Cloud, account: str) -> None:
    """Then the scope's group is what is missing."""
    subscription = f"/subscriptions/{cloud.document['subscription_id']}"
    cloud.control("POST", "role-assignments", {"identity": "admin", "role": "Reader", "scope": subscription})

    cloud.control("DELETE", "resource-groups", {"name": "DATA"})

    missing = _arm(cloud, f"{account}/providers/Microsoft.Authorization/roleAssignments")
    assert (404, "ResourceGroupNotFound") == (missing.status_code, missing.json()["error"]["code"])
    assert [] == cloud.control("GET", "state")["blob_containers"]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "resources", {}),
        ("DELETE", "resources", {**ACCOUNT, "name": "none"}),
        ("DELETE", "resources", {"id": "/nowhere"}),
        ("DELETE", "resource-groups", {"name": "none"}),
        ("DELETE", "resource-groups", {"name": "data/x"}),
        ("POST", "resources", {"type": "Microsoft.Storage/storageAccounts", "name": "one"}),
        ("POST", "resources", {**ACCOUNT, "id": "/nowhere"}),
        ("POST", "resources", {**ACCOUNT, "type": "storageAccounts"}),
        ("POST", "resources", {**ACCOUNT, "group": "app"}),
        ("POST", "resources", {**ACCOUNT, "containers": {"No": {}}}),
        ("POST", "resources", {**ACCOUNT, "containers": {"fine": {"a": 1}}}),
        ("POST", "resources", {**ACCOUNT, "containers": {"fine": ["a"]}}),
        ("POST", "resources", {**ACCOUNT, "type": "Microsoft.KeyVault/vaults", "containers": {"fine": {}}}),
    ],
)
def test_bad_input_is_refused_in_plain_words(cloud: Cloud, method: str, path: str, body: Any) -> None:
    """400, and nothing has changed."""
    before = cloud.control("GET", "state")

    reply = cloud.http.request(method, f"{cloud.control_url}/{path}", json=body)

    assert (400, ["error"]) == (reply.status_code, list(reply.json()))
    assert before == cloud.control("GET", "state")
