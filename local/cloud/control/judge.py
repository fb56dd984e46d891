"""The judge: whether every replica accepts a credential, which no caller of Azure can find out.

It asks one replica after the other, in every region, and leaves no trace: no call in the ledger, no token, no chance drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from local.cloud.control import inputs
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest, Json, Refusal, Reply
from local.cloud.entra import token
from local.cloud.entra.assertions import KIND
from local.cloud.entra.claims import memberships
from local.cloud.rbac.access import definition_of, effective, grants
from local.cloud.rbac.scopes import Scope, lineage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.cloud.disturbances.consistency import Replica
    from local.cloud.disturbances.profiles import Observer
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.resources import RoleAssignment

_ARM = "https://management.azure.com/.default"
_SEEN_IN_ARM = "Microsoft.Authorization/permissions/read"
_REFUSALS: Mapping[Observer, str] = {
    "arm": "AuthorizationFailed",
    "blob": "AuthorizationPermissionMismatch",
    "key_vault": "ForbiddenByRbac",
}
_PROVIDERS: Mapping[Observer, str] = {"blob": "microsoft.storage", "key_vault": "microsoft.keyvault"}
"""A role counts at a data plane if it has data actions of that provider."""


def judge(world: LocalAzure, call: HttpRequest, origin: str) -> Reply:
    """``POST /judge``: by replica the code with which it refuses, or ``null``; ``origin`` is that of Entra ID's port."""
    body = inputs.body_of(call, {"client_id"}, {"client_secret", "assertion", "scope", "arm_scope"})
    if ("client_secret" in body) == ("assertion" in body):
        raise InputError("either client_secret or assertion must be given")
    client_id, scope = inputs.text(body, "client_id").lower(), inputs.optional(body, "arm_scope")
    if scope is not None and not scope.startswith("/"):
        raise InputError("arm_scope must begin with a slash")
    verdicts: dict[str, int | str | None] = dict(_signs_in(world, _request(world, body, origin)))
    if scope is not None:
        verdicts |= _reaches(world, client_id, Scope.of(scope.rstrip("/") or "/"))
    return Reply(200, {"accepted": not any(verdicts.values()), "replicas": verdicts})


def _request(world: LocalAzure, body: Json, origin: str) -> HttpRequest:
    proof = (
        {"client_secret": inputs.text(body, "client_secret")}
        if "client_secret" in body
        else {"client_assertion": inputs.text(body, "assertion"), "client_assertion_type": KIND}
    )
    form = {
        "grant_type": "client_credentials",
        "client_id": inputs.text(body, "client_id"),
        "scope": inputs.optional(body, "scope") or _ARM,
        **proof,
    }
    path = f"/{world.tenant_id}/oauth2/v2.0/token"
    return HttpRequest("POST", path, body=urlencode(form).encode(), origin=origin, params={"tenant": world.tenant_id})


def _signs_in(world: LocalAzure, call: HttpRequest) -> dict[str, int | None]:
    """By replica of Entra ID the AADSTS code of its refusal."""
    verdicts: dict[str, int | None] = {}
    for replica in world.consistency.replicas("entra"):
        with world.consistency.answered_by(replica):
            try:
                token.admitted(world, call)
                verdicts[replica.name] = None
            except Refusal as refused:
                verdicts[replica.name] = refused.reply.body["error_codes"][0]
    return verdicts


def _reaches(world: LocalAzure, client_id: str, scope: Scope) -> dict[str, str | None]:
    """By replica of each service at which the client's roles count: its refusal, unless it knows all of them.

    Where nothing is assigned any more, a replica accepts that has not noticed. Conditions are not looked at.
    """
    principal_id = _principal(world, client_id)
    assigned = {item.name: item for item in _assigned(world, principal_id, scope)}
    replicas = [replica for observer in _REFUSALS for replica in world.consistency.replicas(observer)]
    views = {replica: _view(world, replica, principal_id, scope) for replica in replicas}
    known = assigned | {name: item for view in views.values() for name, item in view.items()}
    counting = {name: _counts_at(world, item) for name, item in known.items()}
    verdicts: dict[str, str | None] = {}
    for replica, view in views.items():
        own = {name for name, observers in counting.items() if replica.observer in observers}
        if not own and (known or replica.observer != "arm"):
            continue
        wanted = own & assigned.keys()
        accepts = wanted <= view.keys() if wanted else bool(own & view.keys())
        verdicts[replica.name] = None if accepts else _REFUSALS[replica.observer]
    return verdicts


def _principal(world: LocalAzure, client_id: str) -> str:
    """Its object id; that of a deleted one too, whose roles stay. Empty when there is none."""
    living = world.directory.principal_of(client_id)
    if living is not None:
        return living.id
    return next((found.id for found in world.directory.service_principals.values() if found.app_id == client_id), "")


def _view(world: LocalAzure, replica: Replica, principal_id: str, scope: Scope) -> dict[str, RoleAssignment]:
    """The principal's assignments that this replica lets count at the scope, by name."""
    with world.consistency.answered_by(replica):
        return {item.name: item for item in effective(world, principal_id, scope, replica.observer)}


def _assigned(world: LocalAzure, principal_id: str, scope: Scope) -> list[RoleAssignment]:
    """What is assigned in truth to the principal and its groups, at the scope and above it."""
    above = frozenset(lineage(world, scope))
    holders = (principal_id, *memberships(world, principal_id))
    return [item for holder in holders for item in world.tree.role_assignments.of(holder) if item.scope.casefold() in above]


def _counts_at(world: LocalAzure, assignment: RoleAssignment) -> set[Observer]:
    """The services at which the role counts: data planes by its data actions, else Azure Resource Manager.

    A role that may read its own permissions counts at Azure Resource Manager too.
    """
    definition = definition_of(world, assignment)
    if definition is None:
        return {"arm"}
    patterns = {pattern for entry in definition.permissions for pattern in entry.get("dataActions", ())}
    providers = {pattern.partition("/")[0].casefold() for pattern in patterns}
    planes = {plane for plane, provider in _PROVIDERS.items() if not providers.isdisjoint({provider, "*"})}
    return planes | {"arm"} if not planes or grants(definition, _SEEN_IN_ARM, data=False) else planes
