"""A secret is read by its newest version or by one that is named, unless that is disabled."""

from __future__ import annotations

import pytest

from tests.local.key_vault.calls import Vault, outcome


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_newest_version_is_read_unless_one_is_named(vault: Vault, slash: str) -> None:
    """Clients without a version end the path with a slash."""
    first, _ = vault.put("db", "one"), vault.put("db", "two")
    assert "two" == vault.call("GET", f"/secrets/db{slash}").body["value"]
    assert "one" == vault.call("GET", f"/secrets/db/{first}{slash}").body["value"]
    assert "one" == vault.call("GET", f"/secrets/DB/{first.upper()}{slash}").body["value"]


@pytest.mark.parametrize("attributes", [{"exp": 1}, {"nbf": 4_000_000_000}, {"exp": 1, "nbf": 4_000_000_000}], ids=str)
def test_neither_start_nor_end_keeps_anybody_from_reading(vault: Vault, attributes: dict[str, int]) -> None:
    """They are for whoever reads: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets."""
    vault.put("db", "v", attributes=attributes)
    assert "v" == vault.call("GET", "/secrets/db").body["value"]


def test_a_disabled_version_is_not_read(vault: Vault) -> None:
    """By name or as the newest; an older one that is enabled still is."""
    first = vault.put("db", "one")
    second = vault.put("db", "two", attributes={"enabled": False})
    assert [(403, "SecretDisabled")] * 2 == [outcome(vault.call("GET", f"/secrets/db/{end}")) for end in ("", second)]
    assert "one" == vault.call("GET", f"/secrets/db/{first}").body["value"]
    assert 2 == len(vault.call("GET", "/secrets/db/versions").body["value"])


def test_what_is_not_there_is_not_found(vault: Vault) -> None:
    """Neither name nor version."""
    vault.put("db")
    missing = "0" * 32
    replies = [vault.call("GET", f"/secrets/{path}") for path in ("none", f"db/{missing}", f"none/{missing}")]
    assert [(404, "SecretNotFound")] * 3 == [outcome(reply) for reply in replies]
    assert f"(name/id) db/{missing} was not found" in replies[1].body["error"]["message"]
    assert (200, []) == (
        vault.call("GET", "/secrets/none/versions").status,
        vault.call("GET", "/secrets/none/versions").body["value"],
    )


def test_vaults_hold_nothing_of_one_another(vault: Vault) -> None:
    """By host or by path."""
    vault.azure.resource(
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/two", "Microsoft.KeyVault/vaults"
    )
    vault.azure.grant(vault.administrator, "00482a5a-887f-4fb3-b363-3b7fe8e74483", "/")
    vault.put("db")
    token = {"authorization": f"Bearer {vault.azure.token(vault.administrator, 'https://vault.azure.net')}"}
    query = {"api-version": "7.4"}
    found = [vault.send("GET", f"/{name}/secrets/db", query, {**token, "host": "127.0.0.1"}).status for name in ("one", "two")]
    assert [200, 404] == found


def test_a_vault_that_is_made_again_is_empty(vault: Vault) -> None:
    """It is another one, under the same name."""
    vault.put("db")
    vault.azure.resource("/".join(vault.azure.world.tree.resources[_key(vault)].id.split("/")), "Microsoft.KeyVault/vaults")
    assert 404 == vault.call("GET", "/secrets/db").status


def _key(vault: Vault) -> str:
    return next(key for key in vault.azure.world.tree.resources if key.endswith("/vaults/one"))
