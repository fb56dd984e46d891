from __future__ import annotations

import pytest

from local.cloud.arm.condition_syntax import ConditionSyntaxError, parse
from shared.core.condition import condition
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
    "@Environment[UtcNow] DateTimeGreaterThan '2026-05-01T13:00:00.0Z'",
    "@Environment[isPrivateLink] BoolEquals true",
    "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering] ForAnyOfAnyValues:StringLike {'it''s*', 'b'}",
    "@Resource[Microsoft.Storage/storageAccounts:x] NumericLessThanEquals 5\n",
]
BAD = [
    "",
    "   ",
    "true",
    "nonsense",
    "@Resource[a:b]",
    "@Resource[a:b] StringEquals",
    "@Resource[a:b] Equals 'x'",
    "@Resource[a:b] StringEquals x",
    "@Resource[a:b] StringEquals 'x' AND",
    "@Resource[a:b] StringEquals 'x') ",
    "(@Resource[a:b] StringEquals 'x'",
    "@Resource[a:b] StringEquals 'x' 'y'",
    "ActionMatches{'x'} 'and' ActionMatches{'y'}",
    "@Resource[a:b] StringEquals 'x",
    "@Somewhere[a:b] StringEquals 'x'",
    "@Resource[] StringEquals 'x'",
    "ActionMatches('x')",
    "ActionMatches{'x'",
    "ActionMatches{}",
    "Exists 'x'",
    "@Resource[a:b] ForOneOfAnyValues:StringEquals {'x'}",
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


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("!", ""), ("NOT ", ""), ("!(", ")")])
def test_a_condition_is_nested_at_most_32_deep(opening: str, closing: str) -> None:
    """Parentheses and negations count alike."""
    most = 32 // (len(opening.strip()) if opening.strip() == "!(" else 1)
    condition(opening * most + "ActionMatches{'x'}" + closing * most)
    with pytest.raises(Unparsable, match="nested at most 32 deep"):
        condition(opening * (most + 1) + "ActionMatches{'x'}" + closing * (most + 1))
