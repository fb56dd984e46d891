"""How a built-in role is written down, and the permissions that most of them share."""

from __future__ import annotations

from local.cloud.tenant.resources import RoleDefinition

_CREATED = 1422914109.8806423
"""The instant at which Azure's oldest built-in roles say they were made."""

SEEING = (
    "Microsoft.Authorization/*/read",
    "Microsoft.Insights/alertRules/*",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Support/*",
)
HEALTH = "Microsoft.ResourceHealth/availabilityStatuses/read"


def role(
    name: str,
    role_name: str,
    description: str,
    actions: tuple[str, ...] = (),
    data: tuple[str, ...] = (),
    *,
    excepted: tuple[str, ...] = (),
    data_excepted: tuple[str, ...] = (),
) -> RoleDefinition:
    """A built-in role with one entry of permissions: actions and data actions, and what is taken out of each."""
    permission = {
        "actions": list(actions),
        "notActions": list(excepted),
        "dataActions": list(data),
        "notDataActions": list(data_excepted),
    }
    return RoleDefinition(name, role_name, description, "BuiltInRole", [permission], ["/"], created=_CREATED, updated=_CREATED)
