"""Blob storage's refusals, held to the one that is recorded of its neighbour, Table storage: no recording has blobs."""

from __future__ import annotations

import re

import pytest

from tests.local.blob.calls import Storage, code, document
from tests.local.parity.records import Record, load

_STAMPS = re.compile(r"\nRequestId:[0-9a-f-]{36}\nTime:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")


@pytest.fixture
def refused() -> Record:
    """A call with a token that has no role for data."""
    return next(
        record
        for record in load("table_storage")
        if isinstance(record.response_body, dict)
        and record.response_body.get("odata.error", {}).get("code") == "AuthorizationPermissionMismatch"
    )


def test_a_refusal_has_the_recorded_status_code_and_text(refused: Record) -> None:
    """The text ends with the request's id and time, in the recorded form."""
    storage = Storage()
    version = {"x-ms-version": refused.request_headers["x-ms-version"]}

    reply = storage.call("GET", "/raw/one", storage.azure.principal(), headers=version)

    recorded = refused.response_body["odata.error"]
    text = str(document(reply).findtext("Message"))
    assert (refused.status, recorded["code"]) == (reply.status, code(reply))
    assert _STAMPS.sub("", recorded["message"]["value"]) == _STAMPS.sub("", text)
    assert _STAMPS.search(text)
    assert refused.response_headers["x-ms-version"] == reply.headers["x-ms-version"]
