"""What the tests of samples begin with: the samples' files, their roles written, identities that workloads act as."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # Schemathesis brings it; no stubs do

from local.sample import ACCOUNTS
from tests.e2e.conftest import Deployment

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
TENANT, CLUSTER = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000c"
VAULT = "app"
"""The sample's vault for deliveries."""
_FEDERATED = "2024-11-30"
"""The api-version of federated identity credentials."""


def read_json(name: str) -> Any:
    """A sample."""
    return json.loads((SAMPLES / name).read_text(encoding="utf-8"))


def read_yaml(name: str) -> list[Any]:
    """The documents of a sample."""
    return list(yaml.safe_load_all((SAMPLES / name).read_text(encoding="utf-8")))


def filled(text: str, deployment: Deployment, caller: str = "") -> str:
    """The text with its placeholders replaced."""
    values = {
        "<subscription>": deployment.stack.described["subscription_id"],
        "<object id of the caller>": deployment.object_id(caller) if caller else "",
        "<storage account>": ACCOUNTS["app"],
        "<tenant>": TENANT,
        "<cluster>": CLUSTER,
        "<vault>": VAULT,
    }
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


async def written(deployment: Deployment, name: str, caller: str, **more: Any) -> Any:
    """The role of the samples, open to this caller: what the broker answers."""
    document = json.loads(filled((SAMPLES / "roles" / f"{name}.json").read_text(encoding="utf-8"), deployment, caller))
    return await (await deployment.broker("admin")).must("PUT", f"roles/{name}", document | more)


async def workload(deployment: Deployment, name: str, issuer: str, subject: str) -> str:
    """A user-assigned identity that trusts this workload. Its client id."""
    control, described = deployment.visitor.control, deployment.stack.described
    made = await control("POST", "identities", {"name": name, "kind": "user_assigned"})
    scope = f"/subscriptions/{described['subscription_id']}"
    await control("POST", "role-assignments", {"identity": "admin", "role": "Contributor", "scope": scope})
    token = await deployment.visitor.token("admin", "https://management.azure.com")
    address = f"{described['endpoints']['arm']}{made['resource_id']}/federatedIdentityCredentials/own?api-version={_FEDERATED}"
    trust = {"properties": {"issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}}
    reply = await deployment.visitor.http.put(address, json=trust, headers={"authorization": f"Bearer {token}"})
    reply.raise_for_status()
    deployment.stack.described["identities"][name] = made
    return str(made["client_id"])


async def may_read(deployment: Deployment, identity: str, secret: str) -> None:
    """Gives an identity the right at that secret of the vault, as docs/delivery.md says it."""
    place = f"{deployment.app}/providers/Microsoft.KeyVault/vaults/{VAULT}/secrets/{secret}"
    grant = {"identity": identity, "role": "Key Vault Secrets User", "scope": place}
    await deployment.visitor.control("POST", "role-assignments", grant)


async def left(deployment: Deployment, role: str) -> list[str]:
    """The states of all leases of a role, the newest first, once none is ending any more. What nobody has ended stays."""
    admin = await deployment.broker("admin")
    states: list[str] = []
    for _ in range(100):
        listed = await admin.must("GET", f"leases?role={role}&state=all")
        states = [str(lease["state"]) for lease in listed["leases"]]
        if "ending" not in states:
            return states
        await asyncio.sleep(0.3)
        await deployment.sweep()
    raise AssertionError(states)
