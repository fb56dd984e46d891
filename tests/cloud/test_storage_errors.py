"""What storage's failures mean, by status and code."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.data.tables import TableErrorCode

from shared.cloud.storage.tables import translated
from shared.core.errors import AlreadyExists, LostRace, Refused, Throttled, Unavailable, Unreachable


def answered(status: int, code: str = "", kind: type[HttpResponseError] = HttpResponseError) -> HttpResponseError:
    """The SDK's error for an answer with that code in its header."""
    headers = {"x-ms-error-code": code} if code else {}
    response: Any = SimpleNamespace(status_code=status, reason="because", headers=headers, text=lambda: "")
    return kind("failed", response=response)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AzureError("silence"), Unreachable),
        (HttpResponseError("no answer"), Unreachable),
        (answered(400), Refused),
        (answered(403), Refused),
        (answered(200), Unavailable),
        (answered(404), Unavailable),
        (answered(409), AlreadyExists),
        (answered(412), LostRace),
        (answered(429), Throttled),
        (answered(499), Refused),
        (answered(500), Unavailable),
        (answered(503), Throttled),
        (answered(504), Unavailable),
        *(
            (answered(status, code.value), LostRace)
            for status, code in (
                (404, TableErrorCode.RESOURCE_NOT_FOUND),
                (404, TableErrorCode.ENTITY_NOT_FOUND),
                (409, TableErrorCode.ENTITY_ALREADY_EXISTS),
                (400, TableErrorCode.UPDATE_CONDITION_NOT_SATISFIED),
            )
        ),
    ],
)
def test_a_failure_of_storage_is_told_as_what_it_is(error: AzureError, expected: type[Exception]) -> None:
    """A row that is not as it was expected to be is a lost race, whatever the status."""
    assert expected is type(translated(error))


def test_a_failure_of_storage_names_service_reason_and_code() -> None:
    """What the identity may not do is told as that, and not in storage's words."""
    result = translated(answered(409, "TableBeingDeleted"), "queue storage")
    assert ("queue storage: because", 409, "TableBeingDeleted") == (result.cause, result.status, result.azure_code)  # type: ignore[union-attr]
    refused = translated(answered(403, "AuthorizationFailure", ClientAuthenticationError))
    assert "table storage: the identity may not use it" == refused.cause  # type: ignore[union-attr]
