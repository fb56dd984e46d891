"""What somebody may do to a lease's things behind the broker's back. Each makes the call that such a person would make."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from local.cloud.tenant.directory import Application
from shared.core.footprint import Footprint
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.machine.azure import ARM, GRAPH, Azure

type Tampering = Callable[[Azure, Footprint], None]


def _application(azure: Azure, footprint: Footprint) -> Application | None:
    """The lease's own, living or in the recycle bin."""
    if isinstance(footprint, ServicePrincipalFootprint):
        return azure.world.directory.applications.named(footprint.unique_name)
    return None


def delete_application(azure: Azure, footprint: Footprint) -> None:
    """Into the recycle bin, and the principal with it."""
    if found := _application(azure, footprint):
        azure.by_hand("DELETE", f"{GRAPH}/v1.0/applications/{found.id}")


def purge_application(azure: Azure, footprint: Footprint) -> None:
    """Out of the recycle bin."""
    delete_application(azure, footprint)
    if found := _application(azure, footprint):
        azure.by_hand("DELETE", f"{GRAPH}/v1.0/directory/deletedItems/{found.id}")


def delete_principal(azure: Azure, footprint: Footprint) -> None:
    """The principal alone."""
    found = _application(azure, footprint)
    if found and (principal := azure.world.directory.principal_of(found.app_id)):
        azure.by_hand("DELETE", f"{GRAPH}/v1.0/servicePrincipals/{principal.id}")


def delete_assignment(azure: Azure, footprint: Footprint) -> None:
    """The role assignments."""
    for each in getattr(footprint, "assignments", ()):
        path = f"{each.scope}/providers/Microsoft.Authorization/roleAssignments/{each.name}"
        azure.by_hand("DELETE", f"{ARM}{path}?api-version=2022-04-01")


def leave_group(azure: Azure, footprint: Footprint) -> None:
    """The memberships."""
    for group in getattr(footprint, "groups", ()):
        principal = getattr(footprint, "principal_id", None)
        azure.by_hand("DELETE", f"{GRAPH}/v1.0/groups/{group}/members/{principal}/$ref")


def remove_secret(azure: Azure, footprint: Footprint) -> None:
    """Every secret of the lease's."""
    if isinstance(footprint, ServicePrincipalFootprint):
        found, name = _application(azure, footprint), None
    elif isinstance(footprint, ApplicationSecretFootprint):
        found, name = azure.legacy, footprint.display_name
    else:
        return
    for secret in list(found.passwords.values()) if found else []:
        if found and name in (None, secret.display_name):
            body = f'{{"keyId": "{secret.key_id}"}}'.encode()
            azure.by_hand("POST", f"{GRAPH}/v1.0/applications/{found.id}/removePassword", body)


def add_secret(azure: Azure, footprint: Footprint) -> None:
    """Somebody's own, with which the holder of the secret can sign in."""
    if isinstance(footprint, ServicePrincipalFootprint) and (found := _application(azure, footprint)):
        azure.by_hand("POST", f"{GRAPH}/v1.0/applications/{found.id}/addPassword", b'{"passwordCredential": {}}')


TAMPERINGS: Mapping[str, Tampering] = {
    "delete application": delete_application,
    "purge application": purge_application,
    "delete principal": delete_principal,
    "delete assignment": delete_assignment,
    "leave group": leave_group,
    "remove secret": remove_secret,
    "add secret": add_secret,
}
