"""The sample configuration of ``make up`` and ``make demo``: three roles, all open to the virtual machine ``vm-web``.

The role with parameters needs something to point to: a storage account in each of the two resource groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.visitor import Broker, Visitor


ACCOUNTS = {"app": "myappstorageaccount", "data": "datastorageaccount"}
"""The storage account in each resource group."""


async def configure(visitor: Visitor, admin: Broker) -> None:
    """Makes the storage accounts. Writes the sample roles through the broker's own API, as any operator would."""
    for group, account in ACCOUNTS.items():
        content = {"reports": {"today.txt": f"what {account} holds"}}
        storage = {"type": "Microsoft.Storage/storageAccounts", "name": account, "group": group, "containers": content}
        await visitor.control("POST", "resources", storage)
    for name, document in (await roles(visitor)).items():
        await admin.must("PUT", f"roles/{name}", document)


async def roles(visitor: Visitor) -> dict[str, dict[str, Any]]:
    """The roles' documents, by name."""
    cloud, state = await visitor.control("GET"), await visitor.control("GET", "state")
    web = cloud["identities"]["vm-web"]["object_id"]
    legacy = next(each for each in state["applications"] if each["display_name"] == "legacy")
    subscription = f"/subscriptions/{cloud['subscription_id']}"
    app = f"{subscription}/resourceGroups/app"
    group = f"{subscription}/resourceGroups/{{resource_group}}"
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/{{storage_account_name}}"
    return {
        "app-reader": {
            "type": "service_principal",
            "ready": "none",
            "ttl": "15m",
            "max_ttl": "4h",
            "azure_roles": [{"role_name": "Reader", "scope": app}],
            "bound_service_principal_ids": [web],
        },
        "legacy-app": {
            "type": "application_secret",
            "ready": "none",
            "ttl": "15m",
            "max_ttl": "1h",
            "application_object_id": legacy["object_id"],
            "bound_service_principal_ids": [web],
        },
        "dynamic-credentials-role": {
            "type": "service_principal",
            "ready": "none",
            "ttl": "15m",
            "max_ttl": "1h",
            "parameters": {
                "resource_group": {"kind": "resource_group", "allowed": [*ACCOUNTS]},
                "storage_account_name": {"kind": "storage_account", "any": True},
            },
            "azure_roles": [{"role_name": "Storage Blob Data Reader", "scope": account}],
            "bound_service_principal_ids": [web],
        },
    }
