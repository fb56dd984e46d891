"""The sample that every local cloud starts with: a small tenant around one broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local import snapshots
from local.cloud.control import deployment, provision, vaults
from local.cloud.event_grid.grid import Grid
from local.cloud.event_grid.topics import TYPES, Topic
from local.cloud.tenant.first_party import EVENT_GRID

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import Application, ServicePrincipal

BROKER = "leasehold"
VAULT = "app"
"""The vault for deliveries. Its name is that of the snapshot."""
WEBHOOK_ROLE = "AzureEventGridSecureWebhookSubscriber"
"""The app role of the broker's API without which Event Grid does not deliver to it."""


def furnish(world: LocalAzure, *, groups: bool = False, graph_app_roles: bool = False) -> None:
    """Fills a world that holds Microsoft's own applications and nothing else.

    The broker may do what one that is deployed may, over the resource groups ``app`` and ``data``; with ``groups`` what one
    may whose roles use ``azure_groups``, and with ``graph_app_roles`` what one may whose roles use these.
    """
    for name in ("app", "data"):
        provision.resource_group(world, name)
    api, principal = _broker_api(world)
    broker = provision.identity(world, BROKER, "user_assigned", deployment.identity_id(world))
    for permission in deployment.graph_permissions(groups=groups, graph_app_roles=graph_app_roles):
        provision.app_role(world, provision.holder(world, broker.object_id), permission)
    deployment.place(world, deployment.ids(world, broker, api, principal))
    _people(world)
    provision.application(world, "legacy", owners=[broker.object_id])
    provision.group(world, "readers")
    _deliveries(world, broker.object_id)
    _event_grid(world)
    _topic(world)


def deployed_settings(world: LocalAzure) -> dict[str, str]:
    """The settings of the function app that a deployment of this world's broker would make."""
    directory = world.directory
    api, principal = directory.application_of(directory.broker_app_id), directory.principal_of(directory.broker_app_id)
    if api is None or principal is None:
        raise LookupError("the world has no broker")
    known = deployment.ids(world, directory.identities[BROKER], api, principal)
    return snapshots.read("app", known).settings


def _broker_api(world: LocalAzure) -> tuple[Application, ServicePrincipal]:
    """The API that callers of the broker ask tokens for, registered as ``infra/entra.sh`` does it."""
    given = deployment.application()
    api, principal = provision.application(world, given["displayName"], given)
    # Groups are no right of the API's: here tokens name them, so that callers with groups can be tried out.
    api.properties |= {"identifierUris": [f"api://{api.app_id}"], "groupMembershipClaims": "SecurityGroup"}
    world.directory.broker_app_id = api.app_id
    return api, principal


def _deliveries(world: LocalAzure, broker: str) -> None:
    """A vault, and the broker's right to put secrets there and to take them away: what the template's custom role allows.

    The role sees no secret's value, but in the answer to what it sets itself.
    """
    vault = vaults.placed(world, VAULT, "app")
    group = vault.id.rpartition("/providers/")[0]
    courier = snapshots.read("delivery").only("Microsoft.Authorization/roleDefinitions").properties
    (allowed,) = courier["permissions"]
    made = provision.custom_role(world, courier["roleName"], courier["description"], group, allowed["dataActions"])
    provision.role_assignment(world, broker, made.name, vault.id)


def _event_grid(world: LocalAzure) -> None:
    """Event Grid may deliver to the broker: https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery."""
    principal = world.directory.principal_of(EVENT_GRID)
    if principal is None:
        raise LookupError("the world has no service principal of Event Grid")
    provision.app_role(world, principal, WEBHOOK_ROLE)


def _topic(world: LocalAzure) -> None:
    """The template's topic for what the broker publishes. Its resource and the broker's right there are in place already."""
    (made,) = [each for each in world.tree.resources.values() if each.type == TYPES["custom"]]
    name = made.id.rpartition("/")[2]
    world.of(Grid).add_topic(world, Topic(name, "custom", made.id, "CloudEventSchemaV1_0", made.id))


def _people(world: LocalAzure) -> None:
    admin = provision.identity(world, "admin", "application")
    provision.app_role(world, provision.holder(world, admin.object_id), "Leasehold.Admin")
    auditor = provision.identity(world, "auditor", "application")
    provision.app_role(world, provision.holder(world, auditor.object_id), "Leasehold.Auditor")
    provision.identity(world, "vm-web", "system_assigned")
    provision.identity(world, "fn-orders", "user_assigned")
    provision.identity(world, "stranger", "user_assigned")
