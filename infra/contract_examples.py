"""Bodies of requests, as an operator or a caller would write them, by the name of the call."""

from __future__ import annotations

from typing import Any

_SUBSCRIPTION = "6b1d5c1e-6e0a-4b6f-9c55-2f1f4d7f2a10"
_AUTH_ROLE: dict[str, Any] = {
    "bound_subscription_ids": [_SUBSCRIPTION],
    "bound_resource_groups": ["web"],
    "bound_locations": ["westeurope"],
}
_POLICY: dict[str, Any] = {
    "rules": [
        {"path": "roles/storage-*/leases", "capabilities": ["issue"]},
        {"path": "leases/*", "capabilities": ["list", "read", "revoke"]},
        {"path": "roles/storage-admin/leases", "capabilities": ["deny"]},
    ]
}
EXAMPLES: dict[str, Any] = {
    "issue_lease": {"ttl": "15m", "reason": "the nightly copy", "metadata": {"run": "7"}},
    "renew_lease": {"increment": "1h"},
    "write_role": {
        "type": "service_principal",
        "ttl": "15m",
        "max_ttl": "4h",
        "azure_roles": [
            {
                "role_name": "Storage Blob Data Reader",
                "scope": f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/app",
            }
        ],
        **_AUTH_ROLE,
    },
    "write_auth_role": _AUTH_ROLE,
    "write_policy": _POLICY,
    "explain_decision": {
        "ask": "issue roles/storage-reader/leases",
        "claims": {
            "oid": "5d4f6a0e-2a57-4d0c-8c3e-0c6f7a1b9e21",
            "appid": "0f6b3d0c-7f0b-4c55-9b0c-5a8f0e6d2c11",
            "groups": ["9e1b7a60-33c1-4f0b-a2a8-7d1c5f0e4b02"],
        },
        "directory": None,
    },
    "write_configuration": {
        "form": 1,
        "auth_roles": {"web": _AUTH_ROLE | {"policies": ["storage-reader"]}},
        "policies": {"storage-reader": _POLICY},
    },
}
