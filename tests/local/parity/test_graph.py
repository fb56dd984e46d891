"""Every recorded exchange with Microsoft Graph, made with the local one: same status, same shape, same headers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.graph.calls import Client, Tenant, certificate, encoded
from tests.local.parity.graph_fixtures import GUID, arrange, instant, newer, segments
from tests.local.parity.records import Record, compare_shape, load, records
from tests.local.ticking import Ticking

TOPICS = (
    "graph_applications",
    "graph_service_principals",
    "graph_passwords",
    "graph_groups",
    "graph_directory_objects",
    "graph_federated_identity_credentials",
    "graph_users",
    "graph_app_roles_and_grants",
)

_CLI = "Azure/azure-cli:src/azure-cli/azure/cli/command_modules"
_USERS = f"{_CLI}/role/tests/latest/recordings/test_user_scenario.yaml@blob:0f45bfae51"
UNMATCHED = {
    f"{_CLI}/lab/tests/latest/recordings/test_lab_vm.yaml@blob:a8406cf48e#55": "an older front end of Graph answered",
    f"{_CLI}/backup/tests/latest/recordings/test_backup_encryption.yaml@blob:87cecbdf5e#8": "the filter was scrubbed",
    f"{_USERS}#11": "the page's token was scrubbed",
    f"{_USERS}#9": "the page's token was scrubbed",
}
"""Records that are not reproduced, by their source, and why."""

HEADERS = ("content-type", "odata-version", "x-ms-resource-unit", "cache-control", "strict-transport-security")
EVERYTHING = (
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "Directory.ReadWrite.All",
    "Group.ReadWrite.All",
    "User.ReadWrite.All",
)
RECORDS = [record for topic in TOPICS for record in records(topic)]


@pytest.mark.parametrize("record", RECORDS)
def test_answers_as_azure_did(record: Record) -> None:
    """The recorded request, on a tenant in the state that it presupposes, has the recorded outcome in shape."""
    if record.source in UNMATCHED:
        pytest.skip(UNMATCHED[record.source])
    _check(record)


@pytest.mark.parametrize("source", UNMATCHED)
def test_what_is_not_matched_still_differs(source: str) -> None:
    """A record leaves the list once the local Graph answers as Azure did."""
    record = next(record for topic in TOPICS for record in load(topic) if record.source == source)

    with pytest.raises(AssertionError):
        _check(record)


def _check(record: Record) -> None:
    reply = _repeat(record)
    assert record.status == reply.status
    assert [] == compare_shape(record.response_body, reply.body, ignore=newer(record))
    assert _found(record.response_body) == _found(reply.body)
    assert _context(record.response_body) == _context(reply.body)
    if "x-ms-resource-unit" in record.response_headers:  # older ones came from another front end
        assert _headers(record.response_headers) == _headers(reply.headers)


@pytest.mark.parametrize("record", [item for item in RECORDS if item.values[0] and item.values[0].status >= 400])
def test_refuses_in_the_words_azure_used(record: Record) -> None:
    """A recorded refusal has the recorded code and sentence."""
    expected, actual = record.response_body["error"], _repeat(record).body["error"]
    assert (expected["code"], expected["message"]) == (actual["code"], actual["message"])


def _repeat(record: Record) -> Any:
    tenant = Tenant(Ticking(instant(record)))
    client = _caller(tenant, record)
    arrange(tenant, record)
    return client(record.method, record.url, _body(record.request_body), dict(record.request_headers))


def _caller(tenant: Tenant, record: Record) -> Client:
    if record.status == 403:
        return tenant.client()
    if segments(record)[0] != "me":
        return tenant.client(*EVERYTHING)
    token = tenant.token(oid=record.response_body["id"], appid=tenant.world.guid(), scp="User.Read")
    return Client(tenant.world, tenant.graph, token, record.response_body["id"])


def _body(sent: Any) -> Any:
    """The recorded body, with certificates in the places from which they were scrubbed."""
    if isinstance(sent, dict):
        return {
            name: encoded(certificate()) if name == "key" and str(value).startswith("REDACTED") else _body(value)
            for name, value in sent.items()
        }
    return [_body(item) for item in sent] if isinstance(sent, list) else sent


def _found(body: Any) -> bool:
    """Whether a list has anything in it."""
    return isinstance(body, dict) and bool(body.get("value"))


def _context(body: Any) -> str | None:
    return body.get("@odata.context") if isinstance(body, dict) else None


def _headers(headers: Any) -> dict[str, str]:
    """The headers that say something about the service; ids in them are replaced by a star."""
    known = {name.lower(): value for name, value in headers.items()}
    chosen = {name: known[name] for name in HEADERS if name in known}
    if "location" in known:
        chosen["location"] = GUID.sub("*", known["location"])
    return chosen
