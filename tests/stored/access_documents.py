"""The documents beside roles with which ``fill`` fills a store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.broker.ports import Ports
from shared.core.events.holder_resource import HolderResource
from shared.core.events.rule_lease import RuleLease
from shared.core.names import LeaseId
from shared.core.ports.event_counts import Counted
from tests.fakes.world import ALICE, BOB, GROUPS, SCOPES, SUBSCRIPTION, TENANT

POLICIES: dict[str, dict[str, Any]] = {
    "web-users": {
        "rules": [
            {"path": "roles/web/leases", "capabilities": ["issue"]},
            {"path": "leases/web.*", "capabilities": ["read", "list", "renew", "revoke"]},
            {"path": "roles/locked/leases", "capabilities": ["deny"]},
        ]
    },
    "teams": {
        "rules": [
            {"path": "roles/teams/leases", "capabilities": ["issue"], "parameters": {"group": ["app-*", "shared"]}},
            {"path": "roles/teams/leases", "capabilities": ["deny"], "parameters": {"account": ["prod*"]}},
        ]
    },
    "operators": {"rules": [{"path": "policies", "capabilities": ["list"]}, {"path": "roles/*", "capabilities": ["read"]}]},
}
UNTOLD = {"untold": {"rules": [{"path": "status", "capabilities": ["read"]}]}}
"""Their writer died before it audited them."""
_RESOURCES = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/*/providers/Microsoft.Web/sites/*"
AUTH_ROLES: dict[str, dict[str, Any]] = {
    "people": {
        "bound_group_ids": [GROUPS[0]],
        "bound_app_roles": ["Reports"],
        "bound_tenant_ids": [TENANT],
        "policies": ["operators", "web-users"],
    },
    "machines": {"bound_resource_ids": [_RESOURCES], "bound_locations": ["westeurope"], "policies": ["web-users", "not-there"]},
    "applications": {
        "bound_application_ids": [ALICE.app_id],
        "bound_service_principal_ids": [ALICE.object_id, BOB.object_id],
        "policies": [],
    },
}
_SITES = f"{SCOPES[0]}/providers/Microsoft.Web/sites/*"
EVENT_RULES: dict[str, dict[str, Any]] = {
    "sites-read": {
        "source": f"/subscriptions/{SUBSCRIPTION}",
        "types": ["Microsoft.Resources.ResourceWriteSuccess"],
        "operations": ["Microsoft.Web/sites/write"],
        "subject": _SITES,
        "max_per_hour": 20,
        "description": "Whatever is a site there reads the group",
        "action": {"issue": {"role": "jit", "ttl": "1h", "holder": "subject_identity", "within": "subject.id"}},
    },
    "sites-gone": {
        "source": f"/subscriptions/{SUBSCRIPTION}",
        "types": ["Microsoft.Resources.ResourceDeleteSuccess"],
        "subject": _SITES,
        "enabled": False,
        "action": {"revoke": {"of": "rule:sites-read"}},
    },
    "identities-gone": {
        "source": f"/subscriptions/{SUBSCRIPTION}",
        "types": ["Microsoft.Resources.ResourceDeleteSuccess"],
        "subject": _SITES,
        "action": {"revoke": {"of": "holder"}},
    },
    "sites-rotate": {
        "source": f"/subscriptions/{SUBSCRIPTION}",
        "types": ["Microsoft.Resources.ResourceWriteSuccess"],
        "subject": _SITES,
        "action": {"issue": {"role": "by-name", "holder": "subject_identity", "rotate": True}},
    },
    "ours": {
        "source": "ours.example",
        "types": ["Ours.Made"],
        "subject": "/things/*",
        "verify": "none",
        "action": {"issue": {"role": "jit", "holder": BOB.object_id}},
    },
}


async def keep_events(ports: Ports) -> None:
    """What rules have done: a lease that is over, in place of another one or beside it, a denial, counts; what holders are."""
    now = ports.now()
    site, first, second, third = _SITES.replace("*", "web"), *(LeaseId(f"jit.{number:026}") for number in (1, 2, 3))
    record = await ports.rule_leases.put(RuleLease("sites-read", site, BOB.object_id, first, now, of_subject=True))
    record = await ports.rule_leases.put(record.replaced(second, now))
    await ports.rule_leases.put(replace(record.replaced(third, now, [second]), rule="sites-rotate", version=""))
    await ports.rule_leases.note_denied("sites-read", now)
    await ports.event_counts.add(Counted.OWN, 3)
    await ports.holder_resources.note(HolderResource(BOB.object_id, site, now))
    await ports.holder_resources.note(HolderResource(ALICE.object_id, "", now))
