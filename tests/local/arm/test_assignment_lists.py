from __future__ import annotations

import pytest

from local.cloud.tenant.directory import Group
from tests.local.arm.calls import GROUP, READER, ROOT, STORE, Azure, outcome

LIST = "/providers/Microsoft.Authorization/roleAssignments"


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


def _names(azure: Azure, scope: str, filtered: str = "", **options: str) -> set[str]:
    reply = azure.call("GET", scope.rstrip("/") + LIST, **({"filter": filtered} if filtered else {}), **options)
    return {item["name"] for item in reply.body["value"]}


def test_a_list_has_what_is_above_at_and_below(azure: Azure) -> None:
    """And nothing beside."""
    azure.resource(f"{ROOT}/resourceGroups/other", "Microsoft.Resources/resourceGroups")
    principal = azure.principal()
    scopes = ("/", ROOT, GROUP, STORE, f"{ROOT}/resourceGroups/other")
    top, subscription, group, store, _ = (azure.grant(principal, READER, scope) for scope in scopes)
    owners = {item.name for item in azure.world.tree.role_assignments.of(azure.owner)}

    assert {top, subscription, group, store} == _names(azure, GROUP) - owners


def test_at_scope_leaves_out_what_is_below(azure: Azure) -> None:
    """``atScope()`` is here and above."""
    principal = azure.principal()
    top, here, _ = (azure.grant(principal, READER, scope) for scope in ("/", GROUP, STORE))
    owners = {item.name for item in azure.world.tree.role_assignments.of(azure.owner)}

    assert {top, here} == _names(azure, GROUP, "atScope()") - owners


def test_a_list_is_narrowed_to_one_principal(azure: Azure) -> None:
    """``principalId eq`` takes the principal alone, ``assignedTo`` its groups too."""
    member, group = azure.principal(), azure.world.guid()
    azure.world.directory.groups[group] = Group(group, azure.clock.at, {}, [member])
    own, through = azure.grant(member, READER, GROUP), azure.grant(group, READER, GROUP)

    found = [_names(azure, ROOT, text) for text in (f"principalId eq '{member}'", f"assignedTo('{member}')")]

    assert [{own}, {own, through}] == found


def test_terms_of_a_filter_combine(azure: Azure) -> None:
    """``and`` binds more than ``or``."""
    first, second = azure.principal(), azure.principal()
    here, below = azure.grant(first, READER, GROUP), azure.grant(second, READER, STORE)

    both = _names(azure, GROUP, f"principalId eq '{first}' or principalId eq '{second}'")
    at_scope = _names(azure, GROUP, f"atScope() and principalId eq '{first}' or atScope() and principalId eq '{second}'")

    assert ({here, below}, {here}) == (both, at_scope)


@pytest.mark.parametrize("text", ["principalId", "unknown()", "principalId ne 'x'", "atScope() xor atScope()", "atScope() and"])
def test_a_filter_that_is_not_understood_is_refused(azure: Azure, text: str) -> None:
    """Rather than answered as if it were not there."""
    assert (400, "InvalidFilter") == outcome(azure.call("GET", ROOT + LIST, filter=text))


def test_a_long_list_comes_in_pages(azure: Azure) -> None:
    """Every page but the last links to the next; together they have all, once."""
    azure.arm.settings.page_size = 2
    principal = azure.principal()
    made = [azure.grant(principal, READER, f"{GROUP}/providers/A.B/c/{index}") for index in range(5)]
    found, skip = [], ""
    while True:
        options = {"skipToken": skip} if skip else {}
        page = azure.call("GET", GROUP + LIST, filter=f"principalId eq '{principal}'", **options).body
        found += [item["name"] for item in page["value"]]
        if "nextLink" not in page:
            break
        skip = page["nextLink"].rsplit("$skipToken=", 1)[1]

    assert made == found
