"""The role of these tests: a reader of one storage account, in a resource group of the caller's choice."""

from __future__ import annotations

from typing import Any

from shared.core.azure_role import AzureRole
from shared.core.parameters.asked import Values, read_values
from shared.core.parameters.holes import template_scope
from shared.core.parameters.parameter import Parameter, read_parameters
from shared.core.parameters.source import CallerFacts, OwnResource
from shared.core.parsing import Reader

type Json = dict[str, Any]

SUB = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-8888-7777-6666-555555555555"
ME = "aaaaaaaa-0000-0000-0000-00000000000a"
APP = "bbbbbbbb-0000-0000-0000-00000000000b"
IN_SUB = f"/subscriptions/{SUB}"
STORAGE = "providers/Microsoft.Storage/storageAccounts"
ACCOUNT = f"{IN_SUB}/resourceGroups/{{group}}/{STORAGE}/{{account}}"
DEFINITION = f"{IN_SUB}/providers/Microsoft.Authorization/roleDefinitions/cccccccc-0000-0000-0000-00000000000c"
GROUP: Json = {"kind": "resource_group", "allowed": ["app-*", "shared"]}
ANY_ACCOUNT: Json = {"kind": "storage_account", "any": True}
NOBODY = CallerFacts(ME)
CONTAINER = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
MACHINE = f"{IN_SUB}/resourceGroups/app/providers/Microsoft.Compute/virtualMachines/web"


def parameters(**fields: Any) -> tuple[Parameter, ...]:
    """Returns parameters without faults."""
    reader = Reader({"parameters": fields} if fields else {})
    found = read_parameters(reader)
    assert [] == reader.faults
    return found


def faults_of(fields: Any) -> dict[str, str]:
    """Returns the messages of the faults of the field, by their paths."""
    reader = Reader({"parameters": fields})
    read_parameters(reader)
    return {fault.path: fault.message for fault in reader.faults}


def role(scope: str = ACCOUNT, condition: str | None = None, definition: str = DEFINITION) -> AzureRole:
    """Returns an assignment, perhaps with holes."""
    return AzureRole(template_scope(scope), role_name="Reader", condition=condition, definition_id=definition)


def machine(resource_id: str = MACHINE) -> CallerFacts:
    """Returns the facts of a machine's managed identity."""
    return CallerFacts(ME, APP, OwnResource.parse(resource_id))


def asked(given: Any, *azure_roles: AzureRole, facts: CallerFacts = NOBODY, **fields: Any) -> Values:
    """Returns the values of a request."""
    return read_values(parameters(**fields), azure_roles or (role(),), given, facts)
