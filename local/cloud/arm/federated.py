"""Federated identity credentials of a user-assigned managed identity: whose tokens sign in as it.

Rules and texts: https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations; the code of two
writes that meet: https://github.com/pulumi/pulumi-azure-native/issues/4343.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from local.cloud.arm import errors, locks
from local.cloud.arm.existence import require
from local.cloud.arm.filters import paged
from local.cloud.arm.requests import only
from local.cloud.engine.http import Reply
from local.cloud.rbac.scopes import Scope
from local.cloud.tenant.directory import FederatedCredential

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json, Refusal
    from local.cloud.tenant.directory import ServicePrincipal

_PARENT = "Microsoft.ManagedIdentity/userAssignedIdentities"
_NESTED = "userAssignedIdentities/federatedIdentityCredentials"
_TYPE = f"Microsoft.ManagedIdentity/{_NESTED}"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}")
_MOST = 600
"""Characters of an issuer, a subject or an audience."""


def listing(request: ArmRequest) -> Reply:
    """The credentials of one identity."""
    request.require(f"{_TYPE}/read", _identity(request))
    holder = _holder(request, "read")
    return paged(request, list(holder.federated.values()), lambda found: _render(holder, found))


def get(request: ArmRequest) -> Reply:
    """One credential; 404 NotFound."""
    request.require(f"{_TYPE}/read", _scope(request))
    holder = _holder(request, "read")
    found = _found(request, holder)
    if found is None:
        raise errors.refusal(404, "NotFound", f"Resource '{_id(holder, request.call.params['name'])}' was not found.")
    return Reply(200, _render(holder, found))


def put(request: ArmRequest) -> Reply:
    """Creates (201) or changes (200) a credential."""
    holder = _to_be_changed(request, "write")
    known = _found(request, holder)
    wanted = _wanted(request, known)
    _check_room(request, holder, wanted)
    _begin(request, holder)
    holder.federated[wanted.id] = wanted
    request.world.consistency.wrote("federated", wanted.id)
    if known is not None:
        return Reply(200, _render(holder, wanted))
    return Reply(201, _render(holder, wanted), {"location": _id(holder, wanted.name)})


def delete(request: ArmRequest) -> Reply:
    """200, or 204 when there is none."""
    holder = _to_be_changed(request, "delete")
    found = _found(request, holder)
    if found is None:
        return Reply(204)
    _begin(request, holder)
    del holder.federated[found.id]
    request.world.consistency.ended("federated", found.id, shown=(holder.id, found))
    return Reply(200)


def _identity(request: ArmRequest) -> Scope:
    params = request.call.params
    group = f"/subscriptions/{params['subscription']}/resourceGroups/{params['group']}"
    return Scope.of(f"{group}/providers/{_PARENT}/{params['identity']}")


def _scope(request: ArmRequest) -> Scope:
    return Scope.of(f"{_identity(request).path}/federatedIdentityCredentials/{request.call.params['name']}")


def _to_be_changed(request: ArmRequest, operation: Literal["write", "delete"]) -> ServicePrincipal:
    """The identity's service principal, when the caller may do so and no lock forbids it."""
    scope = _scope(request)
    request.require(f"{_TYPE}/{operation}", scope)
    holder = _holder(request, operation)
    locks.check(request.world, scope, operation, scope.path)
    return holder


def _holder(request: ArmRequest, operation: str) -> ServicePrincipal:
    """The identity's own service principal; raises Azure's 404 when the identity, or what holds it, does not exist."""
    identity = _identity(request)
    require(request.world, Scope.of(identity.path.partition("/providers/")[0]))
    principal = request.world.directory.user_assigned(identity.path)
    if principal is not None:
        return principal
    raise errors.gateway_refusal(
        404,
        "ParentResourceNotFound",
        f"Failed to perform '{operation}' on resource(s) of type '{_NESTED}', because the parent resource "
        f"'{identity.path}' could not be found.",
    )


def _found(request: ArmRequest, holder: ServicePrincipal) -> FederatedCredential | None:
    name = request.call.params["name"].casefold()
    return next((found for found in holder.federated.values() if found.name.casefold() == name), None)


def _wanted(request: ArmRequest, known: FederatedCredential | None) -> FederatedCredential:
    """What the body asks for, under the name that it has or gets."""
    name = known.name if known else request.call.params["name"]
    if not _NAME.fullmatch(name):
        raise _bad(f"Federated Identity Credential name '{name}' is invalid.")
    body = request.json()
    only(body, "id", "name", "type", "properties", "systemData")
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise _bad("Federated Identity Credential from HTTP body has empty properties")
    only(properties, "issuer", "subject", "audiences")
    issuer, subject, audiences = (properties.get(field) for field in ("issuer", "subject", "audiences"))
    if not (_is_text(issuer) and _is_text(subject) and audiences is not None):
        raise _bad(
            "The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' and 'audience'."
        )
    if not issuer.startswith(("https://", "http://")):
        raise _bad(f"The issuer '{issuer}' is not a URL.")
    if not isinstance(audiences, list) or len(audiences) != 1 or not _is_text(audiences[0]):
        raise _bad("Federated identity credentials must have exactly one audience.")
    return FederatedCredential(known.id if known else request.world.guid(), name, issuer, subject, audiences)


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _MOST


def _bad(message: str) -> Refusal:
    return errors.refusal(400, "BadRequest", message)


def _check_room(request: ArmRequest, holder: ServicePrincipal, wanted: FederatedCredential) -> None:
    others = [found for found in holder.federated.values() if found.id != wanted.id]
    if any((found.issuer, found.subject) == (wanted.issuer, wanted.subject) for found in others):
        raise errors.refusal(409, "Conflict", "Issuer and subject combination already exists for this Managed Identity.")
    if len(others) >= request.settings.federated_per_identity:
        raise _bad("Too many Federated Identity Credentials.")


def _begin(request: ArmRequest, holder: ServicePrincipal) -> None:
    if request.settings.crowding.meets(request.world.consistency, holder.id, request.settings.busy_seconds):
        raise errors.refusal(
            409,
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
            "Too many Federated Identity Credentials are written concurrently for the managed identity "
            f"'{_identity(request).key}'. Concurrent Federated Identity Credentials writes under the same managed identity "
            "are not supported.",
        )


def _id(holder: ServicePrincipal, name: str) -> str:
    """As this provider writes it: ``resourcegroups`` in small letters, the rest as the identity has it."""
    identity = re.sub("/resourcegroups/", "/resourcegroups/", holder.resource_id or "", flags=re.IGNORECASE)
    return f"{identity}/federatedIdentityCredentials/{name}"


def _render(holder: ServicePrincipal, found: FederatedCredential) -> Json:
    return {
        "id": _id(holder, found.name),
        "name": found.name,
        "type": _TYPE,
        "properties": {"issuer": found.issuer, "subject": found.subject, "audiences": found.audiences},
    }
