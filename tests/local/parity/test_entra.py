"""Recorded exchanges with Entra ID, replayed: status, shape of the body, error codes and headers agree."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloud.engine.http import Reply
from local.cloud.local_azure import LocalAzure
from tests.local.entra.calls import asserting, certified, get, grant, key_pair, post, register
from tests.local.parity.records import Record, compare_shape, records

_PEOPLE = "a person's grant, which the local cloud does not implement: it answers 501"
_GO = "Azure/azure-sdk-for-go:sdk/azidentity/testdata/recordings"
_PYTHON = "Azure/azure-sdk-for-python:"
_DEVICE = f"{_PYTHON}sdk/identity/azure-identity/tests/recordings/test_cae.test_device_code.yaml@blob:a52808dd12"
_VAULT = f"{_PYTHON}azure-mgmt/tests/recordings/test_key_vault_data.test_secret_list_versions.yaml@blob:f1e46afd29"

DIFFERS: dict[str, str] = {
    "Azure/azure-cli:src/command_modules/azure-cli-role/azure/cli/command_modules/role/tests/recordings/"
    "test_role_assignment_scenario.yaml@blob:553051e6e2#0": _PEOPLE,
    "Azure/azure-cli:src/command_modules/azure-cli-storage/azure/cli/command_modules/storage/tests/recordings/"
    "test_storage_account.yaml@blob:fb6d3b5637#0": _PEOPLE,
    f"{_VAULT}#21": _PEOPLE,
    f"{_VAULT}#25": _PEOPLE,
    f"{_GO}/TestAuthorizationCodeCredential_ConfidentialLive.json@blob:81a7fe1452#2": _PEOPLE,
    f"{_GO}/TestAuthorizationCodeCredential_PublicLive.json@blob:8bc11443d4#2": _PEOPLE,
    f"{_GO}/TestAuthorizationCodeCredential_ConfidentialInvalidCodeLive.json@blob:8e67ed7028#2": _PEOPLE,
    f"{_GO}/TestAuthorizationCodeCredential_PublicInvalidCodeLive.json@blob:f4c524d024#2": _PEOPLE,
    f"{_GO}/TestAuthorizationCodeCredential_PublicInvalidCodeLive.json@blob:f4e99b2bcc#2": _PEOPLE,
    f"{_GO}/TestDeviceCodeCredential_Live.json@blob:b7850dfafb#3": _PEOPLE,
    f"{_GO}/TestUsernamePasswordCredential_InvalidPasswordLive.json@blob:70a9b69ead#3": _PEOPLE,
    f"{_GO}/TestUsernamePasswordCredential_InvalidPasswordLive.json@blob:bf384f6170#3": _PEOPLE,
    **{f"{_DEVICE}#{number}": _PEOPLE for number in (4, 7, 10, 11, 12)},
}
"""Which records are not reproduced, and why."""

HEADERS = {"cache-control", "content-type", "set-cookie", "strict-transport-security", "x-content-type-options"}
"""Headers on every reply; request ids and servers' names are on most."""

ADDED_SINCE = {
    "$.ext_expires_in is not in the recording",
    "$.kerberos_endpoint is not in the recording",
}
"""Fields that the oldest recorded answers lack and the newest have."""


@pytest.mark.parametrize("record", records("entra_token"))
def test_replays_as_recorded(world: LocalAzure, record: Record) -> None:
    """Or is listed with its reason, and then really differs."""
    reply = _replay(world, record)
    if record.source in DIFFERS:
        assert reply.status == 501
        return
    assert record.status == reply.status
    assert set(compare_shape(record.response_body, reply.body)) <= ADDED_SINCE
    assert record.response_headers.keys() & HEADERS <= reply.headers.keys() | {"content-type"}
    if record.status >= 400:
        assert _codes(record.response_body) == _codes(reply.body)


def _is_document(parameter: Any) -> bool:
    record = parameter.values[0]
    return record is None or record.path.endswith("openid-configuration")


@pytest.mark.parametrize("record", [found for found in records("entra_token") if _is_document(found)])
def test_documents_promise_what_azures_do(world: LocalAzure, record: Record) -> None:
    """Everything in them but addresses, and the tenant's own region, has the recorded value."""
    body = _replay(world, record).body
    own = {"tenant_region_scope"}
    fixed = {name: value for name, value in record.response_body.items() if "://" not in str(value) and name not in own}
    assert fixed == {name: body[name] for name in fixed}


@pytest.mark.parametrize("record", [found for found in records("entra_token") if found.id not in DIFFERS])
def test_caching_is_as_recorded(world: LocalAzure, record: Record) -> None:
    """Documents for a day, tokens and refusals not at all."""
    expected = {part.strip() for part in record.response_headers["cache-control"].split(",")}
    assert expected == {part.strip() for part in _replay(world, record).headers["cache-control"].split(",")}


def _codes(body: dict[str, object]) -> tuple[object, object]:
    return body["error"], body["error_codes"]


def _replay(world: LocalAzure, record: Record) -> Reply:
    """The record's call, by a client of this tenant."""
    parts = record.path.strip("/").split("/")
    if record.path == "/common/discovery/instance":
        return get(world, record.path, record.query)
    if parts[-1] == "openid-configuration":
        return get(world, "/".join(["", world.tenant_id, *parts[1:]]))
    return _token(world, record)


def _token(world: LocalAzure, record: Record) -> Reply:
    """Some recorders lost the form, or wrote GET for a POST: what was sent follows from what was answered."""
    version_1 = record.path.endswith("/oauth2/token")
    form = record.form or {"grant_type": _grant(record)}
    if form["grant_type"] != "client_credentials":
        return post(world, form, v1=version_1)
    app = register(world)
    if version_1:
        sent = {"client_id": app.client_id, "client_secret": app.secret}
        return post(world, {**form, **sent}, v1=True)
    if _code(record) == 700027:
        return post(world, asserting(app, certified(world, app, key_pair())))
    return post(world, grant(app, client_secret="wrong" if _code(record) else app.secret))


def _code(record: Record) -> int:
    codes: list[int] = record.response_body.get("error_codes", [0])
    return codes[0]


def _grant(record: Record) -> str:
    people = "refresh_token" in record.response_body or _code(record) in (50126, 50173, 54005, 70016)
    return "authorization_code" if people else "client_credentials"
