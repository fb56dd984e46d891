"""Roles with holes, as tests have them, and callers of whom the directory knows the resource."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.broker.issue.asking import AskedFor
from shared.core.access.policy import read_policy
from shared.core.names import ObjectId, Scope
from shared.core.parsing import Reader
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from shared.kinds.azure_roles import read_azure_roles
from tests.fakes.world import ALICE, DEFINITION, READS, SUBSCRIPTION, World
from tests.support.rights import keep_auth_role

IN_SUB = f"/subscriptions/{SUBSCRIPTION}"
STORAGE = "providers/Microsoft.Storage/storageAccounts"
MACHINES = "providers/Microsoft.Compute/virtualMachines"
TEMPLATE = f"{IN_SUB}/resourceGroups/{{group}}/{STORAGE}/{{account}}"
GROUP: dict[str, Any] = {"kind": "resource_group", "allowed": ["app-*", "shared"], "description": "where the account lies"}
ACCOUNT: dict[str, Any] = {"kind": "storage_account", "any": True}
HOLES: dict[str, Any] = {"group": GROUP, "account": ACCOUNT}
VALUES = {"group": "app-web", "account": "logs1"}
FILLED = Scope(f"{IN_SUB}/resourceGroups/app-web/{STORAGE}/logs1")
OWN_GROUP: dict[str, Any] = {"group": {"kind": "resource_group", "from": "caller.resource_group"}}
CONTAINER = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
"""The attribute of conditions on containers."""
GROUP_SCOPE = f"{IN_SUB}/resourceGroups/{{group}}"


def group(name: str) -> Scope:
    """The scope of a resource group."""
    return Scope(f"{IN_SUB}/resourceGroups/{name}")


def machine(in_group: str = "app-web", name: str = "web", subscription: str = SUBSCRIPTION) -> str:
    """The id of a virtual machine."""
    return f"/subscriptions/{subscription}/resourcegroups/{in_group}/{MACHINES}/{name}"


def document(parameters: dict[str, Any] | None = None, *scopes: str, condition: str = "", **more: Any) -> dict[str, Any]:
    """The document of a role with holes, as somebody writes it."""
    under = {"condition": condition} if condition else {}
    assigned = [{"role_name": "Reader", "scope": scope} | under for scope in scopes or (TEMPLATE,)]
    holes = HOLES if parameters is None else parameters
    return {"type": "service_principal", "azure_roles": assigned, **({"parameters": holes} if holes else {}), **more}


def target(parameters: dict[str, Any] | None = None, *scopes: str, condition: str = "", **more: Any) -> ServicePrincipalTarget:
    """The same, resolved."""
    reader = Reader(document(parameters, *scopes, condition=condition))
    azure_roles, found = read_azure_roles(reader)
    assert [] == reader.faults
    resolved = tuple(replace(each, definition_id=DEFINITION, powers=READS) for each in azure_roles)
    return ServicePrincipalTarget(azure_roles=resolved, parameters=found, **more)


def asking(within: str | None = None, **values: Any) -> AskedFor:
    """An ask with these values, narrowed to that scope."""
    return AskedFor(values, Scope.parse(within) if within else None)


def place(made: World, resource_id: str, caller: ObjectId = ALICE.object_id) -> None:
    """Makes the caller the managed identity of that resource, and lets every worker forget what it knows."""
    made.callers.place(caller, resource_id)
    made.ports = replace(made.ports, directory=made.callers.facts())


def keep_rules(made: World, *rules: dict[str, Any], caller: ObjectId = ALICE.object_id, name: str = "own") -> None:
    """Gives the caller a policy with these rules, as a document has them."""
    made.access.policies.keep(read_policy(name, {"rules": [*rules]}))
    keep_auth_role(made, name, name, bound_service_principal_ids=[caller])


def rule(path: str = "roles/web/leases", capabilities: tuple[str, ...] = ("issue",), **parameters: list[str]) -> dict[str, Any]:
    """A rule of a policy, of asks with these values alone."""
    return {"path": path, "capabilities": [*capabilities], **({"parameters": parameters} if parameters else {})}
