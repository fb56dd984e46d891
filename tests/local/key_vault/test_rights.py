"""Which role opens which call: each takes a data action of its own, at the vault, above it, or at one secret."""

from __future__ import annotations

import pytest

from tests.local.key_vault.calls import SECRETS_USER, VAULT, Vault, outcome

COURIER = ("setSecret/action", "delete", "purge/action", "update/action", "readMetadata/action")
CALLS = [
    ("PUT", "/secrets/fresh", "setSecret/action", 200),
    ("GET", "/secrets/live", "getSecret/action", 200),
    ("PATCH", "/secrets/live", "update/action", 200),
    ("DELETE", "/secrets/live", "delete", 200),
    ("GET", "/secrets", "readMetadata/action", 200),
    ("GET", "/secrets/live/versions", "readMetadata/action", 200),
    ("GET", "/deletedsecrets", "readMetadata/action", 200),
    ("GET", "/deletedsecrets/gone", "readMetadata/action", 200),
    ("POST", "/deletedsecrets/gone/recover", "recover/action", 200),
    ("DELETE", "/deletedsecrets/gone", "purge/action", 204),
    ("POST", "/secrets/live/backup", "backup/action", 200),
    ("POST", "/secrets/restore", "restore/action", 400),
]
"""Calls, what each takes, and what it comes to then: the body is one of a new secret."""
EVERY = sorted({action for _, _, action, _ in CALLS})


@pytest.fixture
def vault() -> Vault:
    """One with a live secret and a deleted one."""
    made = Vault()
    made.put("live")
    made.gone("gone")
    return made


@pytest.mark.parametrize(("method", "path", "action", "expected"), CALLS)
def test_a_call_takes_its_own_action(vault: Vault, method: str, path: str, action: str, expected: int) -> None:
    """All others together do not open it, and it alone does."""
    body = {"value": "x"} if method in ("PUT", "POST") else {}
    without = vault.holder(vault.custom(*(each for each in EVERY if each != action)))
    refused = vault.call(method, path, body, by=without)
    assert (403, "ForbiddenByRbac") == outcome(refused)
    assert f"Action: 'Microsoft.KeyVault/vaults/secrets/{action}'" in refused.body["error"]["message"].split("\r\n")
    assert expected == vault.call(method, path, body, by=vault.holder(vault.custom(action))).status


@pytest.mark.parametrize(("method", "path", "action", "expected"), CALLS)
def test_a_courier_does_all_but_read(vault: Vault, method: str, path: str, action: str, expected: int) -> None:
    """Nor does it recover, back up or restore, which are ways to read."""
    body = {"value": "x"} if method in ("PUT", "POST") else {}
    courier = vault.holder(vault.custom(*COURIER))
    assert (expected if action in COURIER else 403) == vault.call(method, path, body, by=courier).status


def test_who_sets_a_secret_is_answered_its_value(vault: Vault) -> None:
    """As in Azure, whether or not the caller could read it later."""
    courier = vault.holder(vault.custom(*COURIER))
    assert "sent" == vault.call("PUT", "/secrets/fresh", {"value": "sent"}, by=courier).body["value"]
    assert "value" not in vault.call("PATCH", "/secrets/fresh", {}, by=courier).body
    assert "value" not in vault.call("GET", "/secrets/fresh/versions", by=courier).body["value"][0]


def test_a_right_at_one_secret_opens_that_one_alone(vault: Vault) -> None:
    """In any version, and no list of the others; the name counts in any case."""
    vault.put("other")
    version = vault.put("live")
    reader = vault.holder(SECRETS_USER, f"{VAULT}/secrets/live")
    paths = ("/secrets/live", f"/secrets/live/{version}", "/secrets/LIVE", "/secrets/live/versions")
    assert [200] * 4 == [vault.call("GET", path, by=reader).status for path in paths]
    assert [403] * 3 == [
        vault.call("GET", path, by=reader).status for path in ("/secrets/other", "/secrets", "/secrets/live-2")
    ]


def test_a_refusal_names_the_secret(vault: Vault) -> None:
    """Below its vault."""
    message = vault.call("GET", "/secrets/live", by=vault.azure.principal()).body["error"]["message"]
    assert "/providers/microsoft.keyvault/vaults/one/secrets/live'" in message


def test_who_may_not_is_not_told_what_there_is(vault: Vault) -> None:
    """A secret that is not there is refused like one that is."""
    stranger = vault.azure.principal()
    assert [403] * 3 == [vault.call("GET", f"/secrets/{name}", by=stranger).status for name in ("live", "gone", "none")]
