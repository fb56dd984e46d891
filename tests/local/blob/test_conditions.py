"""Conditions on assignments, evaluated where blobs are read.

The forms are those of Azure's examples: https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-examples
"""

from __future__ import annotations

import pytest

from tests.local.arm.calls import STORE
from tests.local.blob.calls import CONTRIBUTOR, READER, Storage

ROOT = "Microsoft.Storage/storageAccounts"
BLOBS = f"{ROOT}/blobServices/containers/blobs"
READ = f"ActionMatches{{'{BLOBS}/read'}}"
LISTING = "SubOperationMatches{'Blob.List'}"
CONTAINER = f"@Resource[{ROOT}/blobServices/containers:name]"
PATH = f"@Resource[{BLOBS}:path]"
PREFIX = f"@Request[{BLOBS}:prefix]"
TAG = f"@Resource[{BLOBS}/tags:Project<$key_case_sensitive$>]"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f"{CONTAINER} StringEquals 'reports'", [200, 403]),
        (f"{CONTAINER} StringEquals 'Reports'", [403, 403]),
        (f"{CONTAINER} StringEqualsIgnoreCase 'Reports'", [200, 403]),
        (f"{CONTAINER} StringLike 'rep*'", [200, 403]),
        (f"{CONTAINER} StringNotEquals 'reports'", [403, 200]),
        (f"{CONTAINER} ForAnyOfAnyValues:StringEquals {{'other', 'reports'}}", [200, 403]),
        (f"{CONTAINER} ForAnyOfAnyValues:StringEqualsIgnoreCase {{'RAW', 'REPORTS'}}", [200, 200]),
        (f"{CONTAINER} ForAnyOfAnyValues:StringLike {{'r*w', 'x*'}}", [403, 200]),
        (f"((!({READ})) OR ({CONTAINER} StringEquals 'raw'))", [403, 200]),
        (f"((!({READ} AND NOT {LISTING})) OR ({CONTAINER} StringEquals 'raw'))", [403, 200]),
        (f"{CONTAINER} StringEquals 'reports' AND {PATH} StringLike '2026/*'", [403, 403]),
        (f"{PATH} StringEquals 'index' OR {CONTAINER} StringEquals 'raw'", [200, 200]),
        (f"@Resource[{ROOT}:name] StringEquals 'one'", [200, 200]),
        (f"@Resource[{ROOT}:name] StringEquals 'two'", [403, 403]),
    ],
)
def test_a_condition_narrows_what_can_be_read(storage: Storage, condition: str, expected: list[int]) -> None:
    """Two blobs, one in each container."""
    reader = storage.holder(READER, STORE, condition)

    assert expected == [storage.read(path, reader)[0] for path in ("/reports/index", "/raw/one")]


def test_lists_have_a_suboperation_and_a_prefix(storage: Storage) -> None:
    """Azure's example lets a caller list and read below one path."""
    condition = (
        f"((!({READ} AND NOT {LISTING})) OR ({PATH} StringLike '2026/*')) AND "
        f"((!({READ} AND {LISTING})) OR ({PREFIX} StringLike '2026/*'))"
    )
    reader = storage.holder(READER, STORE, condition)

    assert [200, 403] == [storage.read(path, reader)[0] for path in ("/reports/2026/may.txt", "/reports/index")]
    assert ["2026/june.txt", "2026/may.txt"] == storage.listed("reports", reader, prefix="2026/")
    assert (403, "AuthorizationPermissionMismatch") == storage.listed("reports", reader)


def test_a_condition_leaves_other_actions_alone(storage: Storage) -> None:
    """What it does not name is as free as without it."""
    writer = storage.holder(CONTRIBUTOR, STORE, f"((!({READ})) OR ({CONTAINER} StringEquals 'none'))")

    written = storage.call("PUT", "/raw/new", writer, headers={"x-ms-blob-type": "BlockBlob"})

    assert (201, 403) == (written.status, storage.read("/raw/one", writer)[0])


@pytest.mark.parametrize(
    "condition",
    [
        f"{TAG} StringEquals 'Cascade'",
        f"{TAG} StringNotEquals 'Cascade'",
        f"!({TAG} StringEquals 'Cascade')",
        f"NotExists {TAG}",
        f"((!({READ})) OR (NOT {TAG} StringEquals 'Cascade'))",
        "NOT @Environment[isPrivateLink] BoolEquals true",
        "!(@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Team_Name] StringEquals 'x')",
        f"!(@Request[{ROOT}/blobServices/containers:name] StringEquals 'x')",
    ],
)
def test_an_attribute_that_is_not_known_opens_nothing(storage: Storage, condition: str) -> None:
    """Under a negation neither: the local cloud cannot know what Azure would see."""
    assert 403 == storage.read("/raw/one", storage.holder(READER, STORE, condition))[0]


def test_what_does_not_depend_on_an_unknown_attribute_is_open(storage: Storage) -> None:
    """A condition about reading does not stand in the way of writing."""
    writer = storage.holder(CONTRIBUTOR, STORE, f"((!({READ})) OR ({TAG} StringEquals 'Cascade'))")

    written = storage.call("PUT", "/raw/new", writer, headers={"x-ms-blob-type": "BlockBlob"})

    assert (201, 403) == (written.status, storage.read("/raw/one", writer)[0])


def test_a_second_assignment_without_condition_opens_all_the_same(storage: Storage) -> None:
    """One grant is enough."""
    reader = storage.holder(READER, STORE, f"{CONTAINER} StringEquals 'none'")
    storage.azure.grant(reader, READER, f"{STORE}/blobServices/default/containers/raw")

    assert [403, 200] == [storage.read(path, reader)[0] for path in ("/reports/index", "/raw/one")]
