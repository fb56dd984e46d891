"""Two tenants whose callers are let in, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.conftest import Deployment, opened

OTHER = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0006"
ROLE: dict[str, Any] = {"type": "service_principal", "ready": "none", "ttl": "15m"}


async def _of(deployment: Deployment, identity: str, tenant: str, **overrides: Any) -> Any:
    asked = {"identity": identity, "resource": deployment.audience, "tenant": tenant, "overrides": overrides}
    return deployment.with_token((await deployment.visitor.control("POST", "token", asked))["access_token"])


async def test_another_tenant_has_its_own_callers_and_no_administrators(tmp_path: Path) -> None:
    """Its callers come in where a role names it; its administrators administer nothing here."""
    async with opened(tmp_path, LEASEHOLD_ALLOWED_TENANTS=OTHER) as deployment:
        await deployment.visitor.control("POST", "tenants", {"id": OTHER})
        foreign = await _of(deployment, "admin", OTHER, roles=["Leasehold.Admin", "Leasehold.Auditor"])
        web, admin = await _of(deployment, "vm-web", OTHER), await deployment.broker("admin")
        for path in ("audit", "status", "roles"):
            assert 403 == (await foreign.call("GET", path)).status_code
        assert 403 == (await foreign.call("POST", "roles/app-reader/leases", {})).status_code
        assert 403 == (await web.call("POST", "roles/app-reader/leases", {})).status_code

        role = {
            **ROLE,
            "azure_roles": [{"role_name": "Reader", "scope": deployment.app}],
            "bound_service_principal_ids": [deployment.object_id("vm-web")],
            "bound_tenant_ids": [OTHER],
        }
        await admin.must("PUT", "roles/abroad", role)
        assert 403 == (await (await deployment.broker("vm-web")).call("POST", "roles/abroad/leases", {})).status_code
        made = await web.must("POST", "roles/abroad/leases", {})
        assert OTHER == made["lease"]["holder"]["tenant_id"]
        assert [] == (await (await deployment.broker("vm-web")).must("GET", "leases"))["leases"]
        await web.must("DELETE", f"leases/{made['lease']['id']}")
