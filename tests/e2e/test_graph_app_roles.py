"""Roles with application permissions of Microsoft Graph, over HTTP: what their leases get, and what is left of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.cloud.entra.unverified_token import read
from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")
SETTINGS = {"LEASEHOLD_GRAPH_APP_ROLES": "User.Read.All, Group.Read.All"}
"""With it the broker has the permission to give them, as if by ``infra/entra.sh permissions --graph-app-roles``."""

GRAPH, ARM = "https://graph.microsoft.com/.default", "https://management.azure.com/.default"


def document(deployment: Deployment, *names: str, **fields: Any) -> dict[str, Any]:
    """A role with these permissions, from which one identity may issue."""
    callers = [deployment.object_id("fn-orders")]
    return {"type": "service_principal", "graph_app_roles": [*names], "bound_service_principal_ids": callers} | fields


async def users(deployment: Deployment, token: str) -> int:
    """What Graph answers to a look at the tenant's people."""
    url = f"{deployment.stack.described['endpoints']['graph']}/v1.0/users"
    return (await deployment.visitor.http.get(url, headers={"authorization": f"Bearer {token}"})).status_code


async def signs_in(deployment: Deployment, credential: dict[str, Any]) -> httpx.Response:
    """What Entra ID answers to the client secret."""
    url = f"{deployment.stack.described['endpoints']['entra']}/{credential['tenant_id']}/oauth2/v2.0/token"
    form = {"grant_type": "client_credentials", "scope": GRAPH}
    proof = {"client_id": credential["client_id"], "client_secret": credential["client_secret"]}
    return await deployment.visitor.http.post(url, data=form | proof)


@pytest.mark.parametrize(
    ("names", "code", "path"),
    [
        (["User.Read.All", "Mail.Send"], "graph_app_roles_disabled", "graph_app_roles[1]"),
        (["RoleManagement.ReadWrite.Directory"], "graph_app_role_forbidden", "graph_app_roles[0]"),
    ],
)
async def test_what_a_role_may_not_have(deployment: Deployment, names: list[str], code: str, path: str) -> None:
    """With its code and its place."""
    answer = await (await deployment.broker("admin")).call("PUT", "roles/graph-too-much", document(deployment, *names))
    found = answer.json()
    assert (400, code, path) == (answer.status_code, found["code"], found["errors"][0]["path"])


async def test_a_token_for_graph_carries_the_permissions(deployment: Deployment) -> None:
    """Under typical delays: the one that is handed out has all of them, and works. After the end there is no other."""
    admin, caller = await deployment.broker("admin"), await deployment.broker("fn-orders")
    fields = {"credential": "token", "token_scopes": [GRAPH], "ready": "token"}
    written = await admin.must("PUT", "roles/graph", document(deployment, "User.Read.All", "Group.Read.All", **fields))
    assert ["User.Read.All", "Group.Read.All"] == written["graph_app_roles"]
    before = await deployment.objects()
    tried = await caller.must("POST", "roles/graph/leases?dry_run=true", {})
    assert (["User.Read.All", "Group.Read.All"], []) == (tried["graph_app_roles"], tried["azure_roles"])
    await deployment.consistency("typical", speed=40)
    made = await caller.must("POST", "roles/graph/leases", {})
    lease, credential = made["lease"], made["credential"]
    token = credential["access_token"]
    assert ["Group.Read.All", "User.Read.All"] == sorted(read(token).claims["roles"])
    assert (GRAPH, "ready") == (credential["scope"], lease["ready"])
    assert ["User.Read.All", "Group.Read.All"] == lease["graph_app_roles"]
    assert 200 == await users(deployment, token)
    await deployment.consistency("none")
    await caller.must("DELETE", f"leases/{lease['id']}")
    assert before == await deployment.objects()
    # What a token says, it says until its end.
    assert 200 == await users(deployment, token)
    again = await caller.call("GET", f"leases/{lease['id']}/credential")
    assert (410, "lease_ended") == (again.status_code, again.json()["code"])


async def test_a_secret_is_proven_by_the_claim(deployment: Deployment) -> None:
    """Its holder's own tokens have the permissions; after the end it gets none."""
    admin, caller = await deployment.broker("admin"), await deployment.broker("fn-orders")
    await admin.must("PUT", "roles/graph-secret", document(deployment, "User.Read.All", ready="access"))
    made = await caller.must("POST", "roles/graph-secret/leases", {})
    assert ["token", "graph_app_roles"] == made["lease"]["readiness"]["seen"]
    token = (await signs_in(deployment, made["credential"])).json()["access_token"]
    assert ["User.Read.All"] == read(token).claims["roles"]
    assert 200 == await users(deployment, token)
    await caller.must("DELETE", f"leases/{made['lease']['id']}")
    assert not (await signs_in(deployment, made["credential"])).is_success


async def test_tokens_for_graph_take_a_role_with_permissions_there(deployment: Deployment) -> None:
    """And no other role gets any."""
    role = document(deployment, azure_roles=[{"role_name": "Reader", "scope": deployment.app}], credential="token")
    del role["graph_app_roles"]
    answer = await (await deployment.broker("admin")).call("PUT", "roles/graph-tokens", role | {"token_scopes": [ARM, GRAPH]})
    assert (400, ["token_scopes[1]"]) == (answer.status_code, [each["path"] for each in answer.json()["errors"]])
