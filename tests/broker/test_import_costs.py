"""What an import asks storage for, so that one of thousands of documents comes to its end."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from shared.broker.configure.imports import import_configuration
from shared.core.access.errors import ImportStopped
from tests.fakes.calls import MadeCall
from tests.fakes.world import ADMINISTRATOR, GROUPS, World, request, world
from tests.support.rights import keep_auth_role

ADMIN = request(ADMINISTRATOR)
READING = {"rules": [{"path": "roles/web", "capabilities": ["read"]}]}
NOTHING: dict[str, Any] = {"form": 1, "policies": {}, "auth_roles": {}}


def numbered(count: int) -> dict[str, Any]:
    """So many policies, and as many auth roles that name two of them each."""
    names = [f"p{number}" for number in range(count)]
    pairs = {name: [name, names[0]] if name != names[0] else [name] for name in names}
    auth_roles = {name: {"bound_group_ids": [GROUPS[0]], "policies": named} for name, named in pairs.items()}
    return {"form": 1, "policies": dict.fromkeys(names, READING), "auth_roles": auth_roles}


async def calls_of(made: World, document: Any) -> Counter[str]:
    """By name."""
    before = len(made.calls.made)
    await import_configuration(made.ports, ADMIN, document, prune=True)
    return Counter(made.calls.names()[before:])


async def of_two_sizes(document: Any = None) -> list[Counter[str]]:
    """What it takes to write 20 and 40 of both, or to replace them by the document."""
    found = []
    for count in (20, 40):
        made = world()
        written = await calls_of(made, numbered(count))
        found.append(await calls_of(made, document) if document is not None else written)
    return found


@pytest.mark.parametrize("document", [None, NOTHING], ids=["written", "deleted"])
async def test_an_import_makes_a_few_calls_for_each_document(document: Any) -> None:
    """Twice the documents, twice the calls. All documents are loaded once at most, and never for each."""
    few, many = await of_two_sizes(document)
    assert many.total() <= 2 * few.total()
    assert many.total() <= 40 * 9 + 40 * 4
    assert 1 >= few["access.load"] == many["access.load"]
    assert few["access.version"] <= 21


async def test_policies_are_deleted_by_what_nobody_else_has_changed() -> None:
    """If somebody else writes in between, all documents are read once more, and a policy that is named now stays."""
    made = world()
    await import_configuration(made.ports, ADMIN, numbered(9))

    def meddle(call: MadeCall) -> None:
        if call.name == "policies.delete" and call.about == ("p4",) and "new" not in made.access.auth_roles.stored():
            keep_auth_role(made, "new", "p7", bound_group_ids=[GROUPS[0]])

    made.calls.watch = meddle
    before = len(made.calls.made)
    with pytest.raises(ImportStopped) as stopped:
        await import_configuration(made.ports, ADMIN, NOTHING, prune=True)
    assert "policy_in_use" == stopped.value.cause
    assert {"p7", "p8"} == {*made.access.policies.stored()}
    assert 2 == Counter(made.calls.names()[before:])["access.load"]
