"""Resource ids as Azure allows them, from the product through Azure's SDK to the local Resource Manager and back."""

from __future__ import annotations

import pytest

from shared.core.errors import Absent
from shared.core.footprint import Assignment
from shared.core.names import Scope
from tests.cloud.stage import Stage
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
async def test_a_role_is_assigned_listed_and_taken_back_at_any_name(stage: Stage, group: str, resource: str) -> None:
    """Its case does not matter, as in Azure."""
    control, subscription = stage.cloud.control, f"/subscriptions/{stage.cloud.document['subscription_id']}"
    control("POST", "resource-groups", {"name": group})
    scope = Scope.parse(f"{subscription}/resourceGroups/{group}{resource}")
    if resource:
        control("POST", "resources", {"id": scope})
    control(
        "POST", "role-assignments", {"identity": "leasehold", "role": "Role Based Access Control Administrator", "scope": scope}
    )
    _, principal = await made(stage)
    other_case = Scope.parse(f"{subscription}/resourceGroups/{group.upper()}{resource}")
    assignment = Assignment(other_case, NAME)
    definition_id = (await stage.arm.definitions_named("Reader", scope))[0].id

    await stage.arm.assign(assignment, definition_id, principal, None)
    assert [NAME] == [each.assignment.name for each in await stage.arm.assigned_at(scope) if each.principal == principal]
    await stage.arm.unassign(Assignment(scope, NAME))
    with pytest.raises(Absent):
        await stage.arm.unassign(assignment)


async def test_a_role_definition_is_found_below_any_name(stage: Stage) -> None:
    """Its id begins with a scope."""
    group = f"/subscriptions/{stage.cloud.document['subscription_id']}/resourceGroups/Größe #1"
    path = f"{group}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    stage.cloud.control("POST", "resource-groups", {"name": "Größe #1"})
    stage.cloud.control("POST", "role-assignments", {"identity": "leasehold", "role": "Reader", "scope": group})
    assert READER == (await stage.arm.definition(path)).guid
