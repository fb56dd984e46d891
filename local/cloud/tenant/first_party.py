"""Microsoft's own applications in the tenant: the resources that tokens are asked for, and Graph's application permissions.

Client ids as listed at https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in;
permissions at https://learn.microsoft.com/graph/permissions-reference.
"""

from __future__ import annotations

from dataclasses import dataclass

GRAPH = "00000003-0000-0000-c000-000000000000"
ARM = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
KEY_VAULT = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"
STORAGE = "e406a681-f3d4-42a8-90b6-c2b029497af1"
DATABASES = "123cd850-d9df-40bd-94d5-c9f07b7fa203"
AZURE_SQL = "022907d3-0f1b-48f7-badc-1ba6abab6d66"
EVENT_GRID = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
"""What publishers ask tokens for, and what Event Grid itself is when it delivers to a webhook:
https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery"""
TOKEN_EXCHANGE = "fb60f99c-7a34-4190-8149-302f77469936"
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""The public client that people's tokens name."""

OWNER_TENANT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
"""The tenant in which Microsoft's applications are registered."""


@dataclass(frozen=True, slots=True)
class FirstParty:
    """One of Microsoft's applications, with the texts under which its tokens are asked for."""

    app_id: str
    name: str
    uris: tuple[str, ...]
    version: int = 1
    names_resource: bool = True
    """Whether a managed identity's token for it says (``xms_mirid``) which Azure resource the identity is."""


ALL = (
    FirstParty(GRAPH, "Microsoft Graph", ("https://graph.microsoft.com",)),
    FirstParty(
        ARM,
        "Windows Azure Service Management API",
        ("https://management.azure.com", "https://management.core.windows.net"),
    ),
    FirstParty(KEY_VAULT, "Azure Key Vault", ("https://vault.azure.net",)),
    FirstParty(STORAGE, "Azure Storage", ("https://storage.azure.com",)),
    FirstParty(DATABASES, "OSSRDBMS AAD", ("https://ossrdbms-aad.database.windows.net",)),
    FirstParty(AZURE_SQL, "Azure SQL Database", ("https://database.windows.net",)),
    FirstParty(EVENT_GRID, "Microsoft.EventGrid", ("https://eventgrid.azure.net",)),
    # Its tokens are assertions to Entra ID itself: version 2, with the client id as audience.
    FirstParty(TOKEN_EXCHANGE, "AzureADTokenExchange", ("api://AzureADTokenExchange",), 2, names_resource=False),
)

GRAPH_ROLES = {
    "Application.Read.All": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    "Application.ReadWrite.All": "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
    "Application.ReadWrite.OwnedBy": "18a4783c-866b-4cc7-a460-3d5e5662c884",
    "AppRoleAssignment.ReadWrite.All": "06b708a9-e830-4db3-a914-8e69da51d44f",
    "Directory.Read.All": "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
    "Directory.ReadWrite.All": "19dbc75e-c2e2-444c-a770-ec69d8559fc7",
    "Group.Create": "bf7b1a76-6e77-406b-b258-bf5c7720e98f",
    "Group.Read.All": "5b567255-7703-4780-807c-7be8301ae99b",
    "Group.ReadWrite.All": "62a82d76-70ea-41e2-9197-370581804d09",
    "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
    "GroupMember.ReadWrite.All": "dbaae8cf-10b5-4b86-a4a1-f871c94c6695",
    "User.ReadBasic.All": "97235f07-e226-4f63-ace3-39588e11d3a1",
    "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
    "User.ReadWrite.All": "741f803b-c850-494e-b5df-cde7c675a1ca",
}
