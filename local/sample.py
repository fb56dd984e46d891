"""The sample configuration of ``make up`` and ``make demo``: two roles, both open to the virtual machine ``vm-web``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.visitor import Broker, Visitor


async def configure(visitor: Visitor, admin: Broker) -> None:
    """Writes the sample roles through the broker's own API, as any operator would."""
    for name, document in (await roles(visitor)).items():
        await admin.must("PUT", f"roles/{name}", document)


async def roles(visitor: Visitor) -> dict[str, dict[str, Any]]:
    """The roles' documents, by name."""
    cloud, state = await visitor.control("GET"), await visitor.control("GET", "state")
    web = cloud["identities"]["vm-web"]["object_id"]
    legacy = next(each for each in state["applications"] if each["display_name"] == "legacy")
    app = f"/subscriptions/{cloud['subscription_id']}/resourceGroups/app"
    return {
        "app-reader": {
            "type": "service_principal",
            "ttl": "15m",
            "max_ttl": "4h",
            "azure_roles": [{"role_name": "Reader", "scope": app}],
            "bound_service_principal_ids": [web],
        },
        "legacy-app": {
            "type": "application_secret",
            "ttl": "15m",
            "max_ttl": "1h",
            "application_object_id": legacy["object_id"],
            "bound_service_principal_ids": [web],
        },
    }
