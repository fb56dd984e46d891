"""Whole recorded sessions of azure-cli with Microsoft Graph, repeated call by call with the local one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.local.graph.calls import Client, Tenant, certificate, encoded
from tests.local.parity.graph_fixtures import instant, newer
from tests.local.parity.records import FOLDER, Record, compare_shape
from tests.local.ticking import Ticking

SCRUBBED = "people's names were scrubbed in different ways within the session"
LEFT_OUT = {
    "test_role_assignment_audits": SCRUBBED,
    "test_special_characters_in_upn": SCRUBBED,
    "handle_conflicted_assignments": SCRUBBED,
    "test_role_assignment_for_co_admins": SCRUBBED,
}
"""Sessions that cannot be repeated, by a part of their name, and why."""
GROUPS_BEFORE = {"test_user_scenario": "graphusertest_g"}
"""Groups that sessions found there, by a part of their name: their making was not recorded."""


def _sessions() -> list[Any]:
    file = FOLDER / "flows_graph_arm.json"
    if not file.exists():
        return [pytest.param("", [], marks=pytest.mark.skip(reason="no recordings of flows_graph_arm"), id="absent")]
    flows = json.loads(file.read_text(encoding="utf-8"))
    found = [(flow["session"], [*_graph(flow)]) for flow in flows]
    return [pytest.param(name, exchanges, id=name) for name, exchanges in found if exchanges]


def _graph(flow: Mapping[str, Any]) -> Iterator[Record]:
    """The session's exchanges with Graph."""
    for number, raw in enumerate(flow["exchanges"]):
        if "graph.microsoft.com" in raw["url"]:
            yield Record(
                source=str(number),
                method=raw["method"],
                url=raw["url"],
                request_headers=raw["request_headers"],
                request_body=raw["request_body"],
                status=raw["status"],
                response_headers=raw["response_headers"],
                response_body=raw["response_body"],
            )


@pytest.mark.parametrize(("session", "exchanges"), _sessions())
def test_repeats_the_session(session: str, exchanges: list[Record]) -> None:
    """Every call of the session has the recorded status and shape, on one tenant that begins empty."""
    for part, reason in LEFT_OUT.items():
        if part in session:
            pytest.skip(reason)
    _repeat(session, exchanges)


@pytest.mark.parametrize("part", LEFT_OUT)
def test_what_is_left_out_still_differs(part: str) -> None:
    """A session leaves the list once it can be repeated."""
    if not (FOLDER / "flows_graph_arm.json").exists():
        pytest.skip("no recordings of flows_graph_arm")
    sessions = [each.values for each in _sessions() if part in each.values[0]]

    assert sessions
    for session, exchanges in sessions:
        with pytest.raises(AssertionError):
            _repeat(session, exchanges)


def _repeat(session: str, exchanges: list[Record]) -> None:
    client, clock = _administrator(exchanges[0])
    for part, group in GROUPS_BEFORE.items():
        if part in session:
            sent = {"displayName": group, "mailNickname": group, "description": group}
            assert 201 == client.post("/groups", {**sent, "mailEnabled": False, "securityEnabled": True}).status
    names: dict[str, str] = {}
    for record in exchanges:
        clock.at = instant(record)
        sent = _translated(record.request_body, names)
        reply = client(record.method, _translated(record.url, names), sent, dict(record.request_headers))
        assert (record.source, record.status) == (record.source, reply.status)
        assert [] == compare_shape(record.response_body, reply.body, ignore=newer(record))
        assert (record.source, _size(record.response_body)) == (record.source, _size(reply.body))
        _learn(record.response_body, reply.body, names)


def _administrator(first: Record) -> tuple[Client, Ticking]:
    clock = Ticking(instant(first))
    tenant = Tenant(clock)
    client = tenant.person("Directory.AccessAsUser.All", administrator=True)
    tenant.world.directory.users[client.object_id].properties["userPrincipalName"] = "user1@example.com"
    return client, clock


def _translated(value: Any, names: Mapping[str, str]) -> Any:
    """What was sent, with the local names of what the session made; scrubbed certificates are replaced."""
    if isinstance(value, dict):
        return {name: _field(name, item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [_translated(item, names) for item in value]
    if not isinstance(value, str):
        return value
    for recorded, local in names.items():
        value = value.replace(recorded, local)
    return value


def _field(name: str, value: Any, names: Mapping[str, str]) -> Any:
    if name == "key" and str(value).startswith("REDACTED"):
        return encoded(certificate())
    return _translated(value, names)


def _learn(recorded: Any, local: Any, names: dict[str, str]) -> None:
    """Remembers which local object stands for which recorded one."""
    if isinstance(recorded, dict) and isinstance(local, dict):
        for name in recorded.keys() & local.keys():
            if name in {"id", "appId", "keyId"}:
                names[recorded[name]] = local[name]
            _learn(recorded[name], local[name], names)
    if isinstance(recorded, list) and isinstance(local, list):
        for theirs, ours in zip(recorded, local, strict=False):
            _learn(theirs, ours, names)


def _size(body: Any) -> tuple[int, int] | None:
    """How many a list holds, and how many secrets the application has that a read shows."""
    if not isinstance(body, dict):
        return None
    found = body.get("value")
    return len(found) if isinstance(found, list) else -1, len(body.get("passwordCredentials", ()))
