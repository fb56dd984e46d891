"""Resource ids as Azure allows them, from the product through Azure's SDK to the local Resource Manager and back."""

from __future__ import annotations

import pytest

from shared.core.errors import Absent
from shared.core.footprint import Assignment
from shared.core.names import Scope
from tests.cloud.adapters import Adapters
from tests.cloud.test_against_local_cloud import made

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
NAME = "0f0e0d0c-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("group", "resource"),
    [
        ("Größe-東京", ""),
        ("ΟΔΟΣ", ""),
        ("हिन्दी_(1).x", ""),
        ("app", "/providers/Microsoft.Sql/servers/s/databases/my data #1"),
        ("app", "/providers/Microsoft.Logic/workflows/that's & (this)+that;,=@$!~*"),
        ("grün", "/providers/Microsoft.Web/sites/été/slots/a b"),
        ("app", "/providers/Microsoft.OperationalInsights/workspaces/w/savedSearches/ns(x)|[a]{b}:c"),
    ],
)
async def test_a_role_is_assigned_listed_and_taken_back_at_any_name(adapters: Adapters, group: str, resource: str) -> None:
    """Its case does not matter, as in Azure."""
    control, subscription = adapters.cloud.control, f"/subscriptions/{adapters.cloud.document['subscription_id']}"
    control("POST", "resource-groups", {"name": group})
    scope = Scope.parse(f"{subscription}/resourceGroups/{group}{resource}")
    if resource:
        control("POST", "resources", {"id": scope})
    control(
        "POST", "role-assignments", {"identity": "leasehold", "role": "Role Based Access Control Administrator", "scope": scope}
    )
    _, principal = await made(adapters)
    other_case = Scope.parse(f"{subscription}/resourceGroups/{group.upper()}{resource}")
    assignment = Assignment(other_case, NAME)
    definition_id = (await adapters.arm.definitions_named("Reader", scope))[0].id

    await adapters.arm.assign(assignment, definition_id, principal, None)
    assert [NAME] == [each.assignment.name for each in await adapters.arm.assigned_at(scope) if each.principal == principal]
    await adapters.arm.unassign(Assignment(scope, NAME))
    with pytest.raises(Absent):
        await adapters.arm.unassign(assignment)


async def test_a_role_definition_is_found_below_any_name(adapters: Adapters) -> None:
    """Its id begins with a scope."""
    group = f"/subscriptions/{adapters.cloud.document['subscription_id']}/resourceGroups/Größe #1"
    path = f"{group}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    adapters.cloud.control("POST", "resource-groups", {"name": "Größe #1"})
    adapters.cloud.control("POST", "role-assignments", {"identity": "leasehold", "role": "Reader", "scope": group})
    assert READER == (await adapters.arm.definition(path)).guid
