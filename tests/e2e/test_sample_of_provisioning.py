"""The web app of ``samples/event-driven``, deployed from its template: it finds its credential where its template says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local import up
from local.sample import ACCOUNTS
from tests.e2e.conftest import Deployment
from tests.e2e.test_provisioning import arm, blob, configured, leases, secret, subscribed
from tests.infra import compiler
from tests.support.samples.templates import compiled, put

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTINGS = up.EVENTS
SITE = "Microsoft.Web/sites"


@pytest.fixture
def bicep() -> str:
    """The compiler."""
    found = compiler.found()
    if found is None:
        pytest.skip("no Bicep compiler at $BICEP or on PATH: the template is not deployed here")
    return found


async def test_the_web_app_of_the_template_finds_its_credential(deployment: Deployment, bicep: str, tmp_path: Path) -> None:
    """With no other right than the one that the template gives it, at no other secret; and it loses it with its end."""
    control, app = deployment.visitor.control, deployment.app
    await control("POST", "identities", {"name": "deployer", "kind": "application"})
    for identity, role in (("deployer", "Owner"), ("admin", "Contributor")):
        await control("POST", "role-assignments", {"identity": identity, "role": role, "scope": app})
    await subscribed(deployment, f"{app}/providers/{SITE}/shop")
    await configured(deployment, f"{app}/providers/{SITE}/shop")

    whole = compiled(
        deployment, bicep, "event-driven/site.bicep", tmp_path, name="shop", vaultName="app", vaultResourceGroup="app"
    )
    plan, site, *_ = whole.resources
    await put(deployment, plan, "deployer")
    principal = (await put(deployment, site, "deployer"))["identity"]["principalId"]
    reader = compiled(deployment, bicep, "event-driven/secret-reader.bicep", tmp_path, vaultName="app", principalId=principal)
    for right in reader.resources:
        await put(deployment, right, "deployer")

    (lease,) = await leases(deployment, ["active"])
    name = f"app-{principal}"
    assert (principal, f"https://app.vault.azure.net/secrets/{name}") == (
        lease["holder"]["object_id"],
        reader.text("secretAddress"),
    )
    read = await secret(deployment, "shop", name)
    assert f"what {ACCOUNTS['app']} holds" == await blob(deployment, json.loads(read.raise_for_status().json()["value"]))
    assert 403 == (await secret(deployment, "shop", "app-other")).status_code

    assert (await arm(deployment, "DELETE", site["id"])).status_code in {200, 204}
    await leases(deployment, ["ended"])
