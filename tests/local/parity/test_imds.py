"""Recorded exchanges with the instance metadata service, replayed: status, body and headers agree in shape."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.imds.service import ManagedIdentity
from local.cloud.local_azure import LocalAzure
from tests.local.parity.records import Record, compare_shape, records

DIFFERS: dict[str, str] = {}
"""Which records are not reproduced, and why: none."""

_SELECTORS = {"client_id": "client_id", "mi_res_id": "resource_id"}


def refusals() -> list[Any]:
    """The recordings of refusals alone."""
    return [found for found in records("imds_managed_identity") if not found.values[0] or found.values[0].status >= 400]


@pytest.mark.parametrize("record", records("imds_managed_identity"))
def test_replays_as_recorded(world: LocalAzure, record: Record) -> None:
    """Tokens by every selector, and the refusal without the header."""
    reply = _replay(world, record)
    assert record.status == reply.status
    assert [] == compare_shape(record.response_body, reply.body)
    assert reply.headers["server"].startswith("IMDS/")


@pytest.mark.parametrize("record", refusals())
def test_refuses_in_the_recorded_words(world: LocalAzure, record: Record) -> None:
    """Clients show them to people."""
    assert record.response_body == _replay(world, record).body


def _replay(world: LocalAzure, record: Record) -> Reply:
    """The record's call, on a machine with the sample's identities: scrubbed ids stand for one of those."""
    query = dict(record.query)
    for selector, field in _SELECTORS.items():
        if selector in query:
            query[selector] = getattr(world.directory.identities["fn-orders"], field)
    call = HttpRequest(record.method, record.path, query, dict(record.request_headers))
    return handle(world, ManagedIdentity(), call)[1]
