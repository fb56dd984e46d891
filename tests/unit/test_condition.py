from __future__ import annotations

from collections.abc import Callable

import pytest

from local.cloud.rbac.condition_syntax import ConditionSyntaxError, parse
from shared.core.condition import condition, pieces_of
from shared.core.names import Unparsable

BLOB = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
GOOD = [
    (
        f"((!(ActionMatches{{'{BLOB}/read'}})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] "
        "StringEquals 'logs'))"
    ),
    (
        f"(!(ActionMatches{{'{BLOB}/read'}} AND NOT SubOperationMatches{{'Blob.List'}})) OR "
        f"(@Resource[{BLOB}/tags:Project<$key_case_sensitive$>] StringEqualsIgnoreCase 'Cascade' && "
        f"Exists @Request[{BLOB}:versionId])"
    ),
    (
        "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals "
        "{8e3af657-a8ff-443c-a75c-2fe8c4bcb635, 18d7d88d-d35e-4fb5-a5c3-7773c20a72d9}"
    ),
    (
        "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]StringEquals\n"
        "  @Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Contosocustomer_name]"
    ),
    (
        f"!(ActionMatches{{'{BLOB}/read'}} AND @Request[subOperation] ForAnyOfAnyValues:StringEqualsIgnoreCase "
        f"{{'Blob.Read.WithTagConditions'}}) OR (@Request[{BLOB}/tags&$keys$&] ForAllOfAnyValues:StringEquals {{'Project'}})"
    ),
    "{10, 20} ForAllOfAllValues:NumericLessThan {25, 30}",
    "@Environment[UtcNow] DateTimeGreaterThan '2026-05-01T13:00:00.0Z'",
    "@Environment[isPrivateLink] BoolEquals true",
    "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering] ForAnyOfAnyValues:StringLike {'it''s*', 'b'}",
    "@Resource[Microsoft.Storage/storageAccounts:x] NumericLessThanEquals 5\n",
]
ACCOUNT = "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x'"
ATTRIBUTES = [
    "@Resource[Microsoft.Storage/storageAccounts:name]",
    "@Resource[Microsoft.Storage/storageAccounts:isHnsEnabled]",
    "@Resource[Microsoft.Storage/storageAccounts/encryptionScopes:name]",
    "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:ContainerName]",
    "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:Name]",
    "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/metadata:workspace_id]",
    "@Resource[Microsoft.Storage/storageAccounts/queueServices/queues:name]",
    f"@Resource[{BLOB}:path]",
    f"@Resource[{BLOB}:isCurrentVersion]",
    f"@Resource[{BLOB}/tags:Project<$key_case_sensitive$>]",
    f"@Resource[{BLOB}/tags:a key+of-all.that:may=be_in/one<$key_case_sensitive$>]",
    f"@Resource[{BLOB}/tags&$keys$&]",
    "@Resource[Microsoft.KeyVault/vaults/secrets:name]",
    "@Resource[Microsoft.Authorization/roleAssignments:PrincipalId]",
    "@Request[Microsoft.Authorization/roleAssignments:PrincipalType]",
    f"@Request[{BLOB}:prefix]",
    f"@Request[{BLOB}:snapshot]",
    f"@Request[{BLOB}:versionId]",
    f"@Request[{BLOB}/tags:Project<$key_case_sensitive$>]",
    f"@Request[{BLOB}/tags&$keys$&]",
    "@Request[subOperation]",
    "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project]",
    "@Environment[UtcNow]",
    "@Environment[isPrivateLink]",
    "@Environment[Microsoft.Network/privateEndpoints]",
    "@Environment[Microsoft.Network/virtualNetworks/subnets]",
]
"""Every one in Azure's documents, and in its own deployments."""
NO_ATTRIBUTES = [
    "@Resource[a]",
    "@Resource[a:b]",
    "@Resource[Microsoft.Storage:name]",
    "@Resource[Microsoft.Storage/storageAccounts]",
    "@Resource[Microsoft.Storage/storageAccounts/name]",
    "@Resource[Microsoft.Storage/storageAccounts:]",
    "@Resource[Microsoft.Storage//storageAccounts:name]",
    "@Resource[Microsoft.Storage /storageAccounts:name]",
    "@Resource[UtcNow]",
    "@Resource[subOperation]",
    f"@Resource[{BLOB}/tags:Project<$>]",
    f"@Resource[{BLOB}/tags:Project<key_case_sensitive>]",
    f"@Resource[{BLOB}/tags:<$key_case_sensitive$>]",
    f"@Resource[{BLOB}/tags:Project<$key_case_sensitive$>x]",
    f"@Resource[{BLOB}/tags&keys&]",
    "@Request[a]",
    "@Request[Microsoft.Authorization/roleAssignments]",
    "@Principal[a]",
    "@Principal[Id:Engineering_Project]",
    "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id]",
    "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering Project]",
    "@Principal[Microsoft.Storage/storageAccounts:name]",
    "@Environment[a]",
    "@Environment[UtcNow:now]",
    "@Environment[Microsoft.Network]",
]
BAD = [
    "",
    "   ",
    "true",
    "nonsense",
    "@Resource[Microsoft.Storage/storageAccounts:name]",
    "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals",
    "@Resource[Microsoft.Storage/storageAccounts:name] Equals 'x'",
    "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals x",
    "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x' AND",
    "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x') ",
    "(@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x'",
    "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x' 'y'",
    "ActionMatches{'x'} 'and' ActionMatches{'y'}",
    "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x",
    "@Somewhere[Microsoft.Storage/storageAccounts:name] StringEquals 'x'",
    "@Resource[] StringEquals 'x'",
    "ActionMatches('x')",
    "ActionMatches{'x'",
    "ActionMatches{}",
    "Exists 'x'",
    "@Resource[Microsoft.Storage/storageAccounts:name] ForOneOfAnyValues:StringEquals {'x'}",
    "(" * 8000,
]


@pytest.mark.parametrize("text", GOOD)
def test_a_condition_is_taken_as_it_stands(text: str) -> None:
    """In the forms of Azure's own examples; the local Azure takes them as well."""
    assert text == condition(text)
    parse(text)


@pytest.mark.parametrize("text", BAD)
def test_what_azure_could_not_read_is_refused(text: str) -> None:
    """Whatever is missing or too much, in a sentence about conditions; nor does the local Azure read it."""
    with pytest.raises(Unparsable, match="a condition"):
        condition(text)
    if not text.startswith("(("):
        with pytest.raises(ConditionSyntaxError):
            parse(text)


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper])
def test_every_attribute_of_azures_is_taken(name: str, spelled: Callable[[str], str]) -> None:
    """On either side, in any case; the local Azure takes it as well."""
    for text in (f"{spelled(name)} StringEquals 'x'", f"'x' StringEquals {spelled(name)}", f"Exists {spelled(name)}"):
        assert text == condition(text)
        parse(text)


@pytest.mark.parametrize("name", NO_ATTRIBUTES)
def test_what_has_not_the_form_of_an_attribute_is_refused(name: str) -> None:
    """Wherever it stands, and by its source: the environment's is no resource's. The local Azure refuses it, too."""
    for text in (f"{name} StringEquals 'x'", f"{ACCOUNT} AND 'x' StringEquals {name}", f"NOT Exists {name}"):
        with pytest.raises(Unparsable, match="a condition has an attribute such as"):
            condition(text)
        with pytest.raises(ConditionSyntaxError):
            parse(text)


def test_an_attribute_of_a_provider_that_is_not_known_here_is_azures_to_judge() -> None:
    """There may be new ones at any time."""
    condition("@Resource[Contoso.Things/things/parts:colour] StringEquals @Environment[Contoso.Network/gates]")


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("!", ""), ("NOT ", ""), ("!(", ")")])
def test_a_condition_is_nested_at_most_32_deep(opening: str, closing: str) -> None:
    """Parentheses and negations count alike."""
    most = 32 // (len(opening.strip()) if opening.strip() == "!(" else 1)
    condition(opening * most + "ActionMatches{'x'}" + closing * most)
    with pytest.raises(Unparsable, match="nested at most 32 deep"):
        condition(opening * (most + 1) + "ActionMatches{'x'}" + closing * (most + 1))


def test_the_pieces_of_a_condition_say_where_and_how_they_stand() -> None:
    """Only a value on the right of an attribute is compared with one. What is negated twice still stands under a negation."""
    name = "@Resource[Microsoft.Storage/storageAccounts:name]"
    text = f"!(!({name} StringEquals 'a')) OR 'b' StringEquals {name} AND {name} ForAnyOfAnyValues:StringLike {{'c','d'}}"
    found = pieces_of(text)
    values = [(each.text, each.operator, each.negated) for each in found if each.text.startswith("'")]
    like = "foranyofanyvalues:stringlike"
    assert [("'a'", "stringequals", True), ("'b'", "", False), ("'c'", like, False), ("'d'", like, False)] == values
    assert [each.text for each in found] == [text[each.at : each.at + len(each.text)] for each in found]
    assert [("'x'", "")] == [(each.text, each.operator) for each in pieces_of("ActionMatches{'x'}")]
