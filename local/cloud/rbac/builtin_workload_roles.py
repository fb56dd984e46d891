"""Azure's built-in roles for compute, containers, networks, configuration and monitoring."""

from __future__ import annotations

from local.cloud.rbac.builtin_role import HEALTH, SEEING, role

_LOGIN = (
    "Microsoft.Network/publicIPAddresses/read",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/loadBalancers/read",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Compute/virtualMachines/*/read",
    "Microsoft.HybridCompute/machines/*/read",
    "Microsoft.HybridConnectivity/endpoints/listCredentials/action",
)
_WORKSPACES = "Microsoft.OperationalInsights/workspaces"

WORKLOADS = (
    role(
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        "AcrPull",
        "Pull images from a registry.",
        ("Microsoft.ContainerRegistry/registries/pull/read",),
    ),
    role(
        "8311e382-0749-4cb8-b61a-304f252e45ec",
        "AcrPush",
        "Push images to a registry and pull them.",
        ("Microsoft.ContainerRegistry/registries/pull/read", "Microsoft.ContainerRegistry/registries/push/write"),
    ),
    role(
        "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
        "Azure Kubernetes Service Cluster User Role",
        "List a cluster's user credentials.",
        (
            "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
            "Microsoft.ContainerService/managedClusters/read",
        ),
    ),
    role(
        "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8",
        "Azure Kubernetes Service Cluster Admin Role",
        "List a cluster's administrator credentials.",
        (
            "Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action",
            "Microsoft.ContainerService/managedClusters/accessProfiles/listCredential/action",
            "Microsoft.ContainerService/managedClusters/read",
            "Microsoft.ContainerService/managedClusters/runcommand/action",
        ),
    ),
    role(
        "9980e02c-c2be-4d73-94e8-173b1dc7cf3c",
        "Virtual Machine Contributor",
        "Manage virtual machines, not access to them nor the network and storage they use.",
        (
            *SEEING,
            HEALTH,
            "Microsoft.Compute/availabilitySets/*",
            "Microsoft.Compute/locations/*",
            "Microsoft.Compute/virtualMachines/*",
            "Microsoft.Compute/virtualMachineScaleSets/*",
            "Microsoft.Compute/cloudServices/*",
            "Microsoft.Compute/disks/write",
            "Microsoft.Compute/disks/read",
            "Microsoft.Compute/disks/delete",
            "Microsoft.DevTestLab/schedules/*",
            "Microsoft.Network/applicationGateways/backendAddressPools/join/action",
            "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
            "Microsoft.Network/loadBalancers/inboundNatPools/join/action",
            "Microsoft.Network/loadBalancers/inboundNatRules/join/action",
            "Microsoft.Network/loadBalancers/probes/join/action",
            "Microsoft.Network/loadBalancers/read",
            "Microsoft.Network/locations/*",
            "Microsoft.Network/networkInterfaces/*",
            "Microsoft.Network/networkSecurityGroups/join/action",
            "Microsoft.Network/networkSecurityGroups/read",
            "Microsoft.Network/publicIPAddresses/join/action",
            "Microsoft.Network/publicIPAddresses/read",
            "Microsoft.Network/virtualNetworks/read",
            "Microsoft.Network/virtualNetworks/subnets/join/action",
            "Microsoft.RecoveryServices/locations/*",
            "Microsoft.RecoveryServices/Vaults/read",
            "Microsoft.RecoveryServices/Vaults/usages/read",
            "Microsoft.SerialConsole/serialPorts/connect/action",
            "Microsoft.SqlVirtualMachine/*",
            "Microsoft.Storage/storageAccounts/listKeys/action",
            "Microsoft.Storage/storageAccounts/read",
        ),
    ),
    role(
        "fb879df8-f326-4884-b1cf-06f3ad86be52",
        "Virtual Machine User Login",
        "Sign in to a virtual machine as a user.",
        _LOGIN,
        ("Microsoft.Compute/virtualMachines/login/action", "Microsoft.HybridCompute/machines/login/action"),
    ),
    role(
        "de139f84-1756-47ae-9be6-808fbbe84772",
        "Website Contributor",
        "Manage web sites, not the plans they run on.",
        (
            *SEEING,
            HEALTH,
            "Microsoft.Insights/components/*",
            "Microsoft.Web/certificates/*",
            "Microsoft.Web/listSitesAssignedToHostName/read",
            "Microsoft.Web/serverFarms/join/action",
            "Microsoft.Web/serverFarms/read",
            "Microsoft.Web/sites/*",
        ),
    ),
    role(
        "4d97b98b-1d4f-4787-a291-c67834d212e7",
        "Network Contributor",
        "Manage networks, not access to them.",
        (*SEEING, HEALTH, "Microsoft.Network/*"),
    ),
    role(
        "befefa01-2a29-4197-83a8-272ff33ce314",
        "DNS Zone Contributor",
        "Manage DNS zones and their records.",
        (*SEEING, HEALTH, "Microsoft.Network/dnsZones/*"),
    ),
    role(
        "5ae67dd6-50cb-40e7-96ff-dc2bfa4b606b",
        "App Configuration Data Owner",
        "Everything in a configuration store's data.",
        (),
        tuple(f"Microsoft.AppConfiguration/configurationStores/*/{verb}" for verb in ("read", "write", "delete", "action")),
        data_excepted=("Microsoft.AppConfiguration/configurationStores/useSasAuth/action",),
    ),
    role(
        "516239f1-63e1-4d78-a4de-a74fb236a071",
        "App Configuration Data Reader",
        "Read a configuration store's data.",
        ("Microsoft.AppConfiguration/configurationStores/read",),
        ("Microsoft.AppConfiguration/configurationStores/*/read",),
    ),
)

OBSERVING = (
    role(
        "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
        "Monitoring Reader",
        "Read all monitoring data.",
        ("*/read", _WORKSPACES + "/search/action", "Microsoft.Support/*"),
    ),
    role(
        "3913510d-42f4-4e42-8a64-420c390055eb",
        "Monitoring Metrics Publisher",
        "Publish metrics of resources.",
        (
            "Microsoft.Insights/Register/Action",
            "Microsoft.Support/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ),
        ("Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write"),
    ),
    role(
        "73c42c96-874c-492b-b04d-ab87d138a893",
        "Log Analytics Reader",
        "Read and search all monitoring data and settings.",
        (
            "*/read",
            _WORKSPACES + "/analytics/query/action",
            _WORKSPACES + "/search/action",
            "Microsoft.Support/*",
        ),
        excepted=(_WORKSPACES + "/sharedKeys/read",),
    ),
)
