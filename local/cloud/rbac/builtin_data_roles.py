"""Azure's built-in roles for storage, vaults, identities and messaging."""

from __future__ import annotations

from local.cloud.rbac.builtin_role import HEALTH, SEEING, role
from local.cloud.tenant.resources import RoleDefinition

_VAULTS = (
    *SEEING,
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/operations/read",
)
_BLOB = "Microsoft.Storage/storageAccounts/blobServices/"
_QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
_SECRETS = "Microsoft.KeyVault/vaults/secrets"


def messaging(namespace: str, guids: tuple[str, str, str], service: str) -> tuple[RoleDefinition, ...]:
    """Owner, sender and receiver of Service Bus or Event Hubs."""
    owner, sender, receiver = guids
    parts = ("queues", "topics", "topics/subscriptions") if namespace == "Microsoft.ServiceBus" else ("eventhubs",)
    reads = tuple(f"{namespace}/*/{part}/read" for part in parts)
    receives = reads if namespace == "Microsoft.ServiceBus" else (*reads, f"{namespace}/*/eventhubs/consumergroups/read")
    any_data = (f"{namespace}/*",)
    send, receive = (f"{namespace}/*/send/action",), (f"{namespace}/*/receive/action",)
    return (
        role(owner, f"{service} Data Owner", f"Everything in {service}.", any_data, any_data),
        role(sender, f"{service} Data Sender", f"Send to {service}.", reads, send),
        role(receiver, f"{service} Data Receiver", f"Receive from {service}.", receives, receive),
    )


STORAGE = (
    role(
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "Storage Blob Data Reader",
        "Read blobs and containers.",
        (_BLOB + "containers/read", _BLOB + "generateUserDelegationKey/action"),
        (_BLOB + "containers/blobs/read",),
    ),
    role(
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "Storage Blob Data Contributor",
        "Read, write and delete blobs and containers.",
        (
            _BLOB + "containers/delete",
            _BLOB + "containers/read",
            _BLOB + "containers/write",
            _BLOB + "generateUserDelegationKey/action",
        ),
        tuple(_BLOB + "containers/blobs/" + verb for verb in ("delete", "read", "write", "move/action", "add/action")),
    ),
    role(
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        "Storage Blob Data Owner",
        "Everything in blobs and containers, POSIX access control included.",
        (_BLOB + "containers/*", _BLOB + "generateUserDelegationKey/action"),
        (_BLOB + "containers/blobs/*",),
    ),
    role(
        "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",
        "Storage Blob Delegator",
        "Get a user delegation key.",
        (_BLOB + "generateUserDelegationKey/action",),
    ),
    role(
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        "Storage Queue Data Contributor",
        "Read, write and delete queues and messages.",
        (_QUEUES + "/delete", _QUEUES + "/read", _QUEUES + "/write"),
        tuple(f"{_QUEUES}/messages/{verb}" for verb in ("delete", "read", "write", "process/action")),
    ),
    role(
        "19e7f393-937e-4f77-808e-94535e297925",
        "Storage Queue Data Reader",
        "Read queues and messages.",
        (_QUEUES + "/read",),
        (_QUEUES + "/messages/read",),
    ),
    role(
        "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
        "Storage Queue Data Message Sender",
        "Add messages to a queue.",
        (),
        (_QUEUES + "/messages/add/action",),
    ),
    role(
        "8a0f0c08-91a1-4084-bc3d-661d67233fed",
        "Storage Queue Data Message Processor",
        "Peek at, take and delete messages of a queue.",
        (),
        (_QUEUES + "/messages/read", _QUEUES + "/messages/process/action"),
    ),
    role(
        "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
        "Storage Table Data Contributor",
        "Read, write and delete tables and entities.",
        (_TABLES + "/read", _TABLES + "/write", _TABLES + "/delete"),
        tuple(f"{_TABLES}/entities/{verb}" for verb in ("read", "write", "delete", "add/action", "update/action")),
    ),
    role(
        "76199698-9eea-4c19-bc75-cec21354c6b6",
        "Storage Table Data Reader",
        "Read tables and entities.",
        (_TABLES + "/read",),
        (_TABLES + "/entities/read",),
    ),
    role(
        "17d1049b-9a84-46fb-8f53-869881c3d3ab",
        "Storage Account Contributor",
        "Manage storage accounts, their keys included.",
        (
            *SEEING,
            "Microsoft.Insights/diagnosticSettings/*",
            "Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action",
            HEALTH,
            "Microsoft.Storage/storageAccounts/*",
        ),
    ),
    role(
        "81a9662b-bebf-436f-a333-f67b29880f12",
        "Storage Account Key Operator Service Role",
        "List and regenerate the keys of storage accounts.",
        ("Microsoft.Storage/storageAccounts/listkeys/action", "Microsoft.Storage/storageAccounts/regeneratekey/action"),
    ),
)

SECURITY = (
    role(
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        "Key Vault Administrator",
        "Everything in a vault's data.",
        _VAULTS,
        ("Microsoft.KeyVault/vaults/*",),
    ),
    role(
        "21090545-7ca7-4776-b22c-e363652d74d2",
        "Key Vault Reader",
        "See what a vault holds, without secret values.",
        _VAULTS,
        ("Microsoft.KeyVault/vaults/*/read", _SECRETS + "/readMetadata/action"),
    ),
    role(
        "4633458b-17de-408a-b874-0445c86b69e6",
        "Key Vault Secrets User",
        "Read secret values.",
        (),
        (_SECRETS + "/getSecret/action", _SECRETS + "/readMetadata/action"),
    ),
    role(
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        "Key Vault Secrets Officer",
        "Everything with secrets.",
        _VAULTS,
        (_SECRETS + "/*",),
    ),
    role(
        "f25e0fa2-a7c8-4377-a976-54943a77a395",
        "Key Vault Contributor",
        "Manage vaults, not what is in them.",
        (*SEEING, "Microsoft.KeyVault/*"),
        excepted=(
            "Microsoft.KeyVault/locations/deletedVaults/purge/action",
            "Microsoft.KeyVault/hsmPools/*",
            "Microsoft.KeyVault/managedHsms/*",
        ),
    ),
    role(
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Managed Identity Operator",
        "Read user-assigned identities and attach them.",
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            *SEEING,
        ),
    ),
    role(
        "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
        "Managed Identity Contributor",
        "Make, change and delete user-assigned identities.",
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
            *SEEING,
        ),
    ),
)

MESSAGING = (
    *messaging(
        "Microsoft.ServiceBus",
        (
            "090c5cfd-751d-490a-894a-3ce6f1109419",
            "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
            "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
        ),
        "Azure Service Bus",
    ),
    *messaging(
        "Microsoft.EventHub",
        (
            "f526a384-b230-433a-b45c-95f59c4a2dec",
            "2b629674-e913-4c01-ae53-ef4638d8f975",
            "a638d3c7-ab3a-418d-83e6-5f17a39d4fde",
        ),
        "Azure Event Hubs",
    ),
    role(
        "d5a91429-5739-47e2-a06b-3470a27159e7",
        "EventGrid Data Sender",
        "Send events to Event Grid.",
        (
            "Microsoft.Authorization/*/read",
            "Microsoft.EventGrid/topics/read",
            "Microsoft.EventGrid/domains/read",
            "Microsoft.EventGrid/partnerNamespaces/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.EventGrid/namespaces/read",
        ),
        ("Microsoft.EventGrid/events/send/action",),
    ),
)
