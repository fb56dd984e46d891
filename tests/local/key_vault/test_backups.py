"""A secret can be backed up, and restored where its name is free."""

from __future__ import annotations

from tests.local.key_vault.calls import Vault, outcome


def _backup(vault: Vault) -> dict[str, str]:
    body: dict[str, str] = vault.call("POST", "/secrets/db/backup").body
    return body


def test_a_restored_secret_has_every_version(vault: Vault) -> None:
    """With its value, as of the backup."""
    first = vault.put("db", "one", tags={"a": "b"})
    saved = _backup(vault)
    vault.gone("db", "two")
    vault.call("DELETE", "/deletedsecrets/db")
    restored = vault.call("POST", "/secrets/restore", saved)
    assert (200, first, False) == (restored.status, restored.body["id"][-32:], "value" in restored.body)
    body = vault.call("GET", "/secrets/db").body
    assert ("one", {"a": "b"}) == (body["value"], body["tags"])


def test_a_backup_can_be_restored_again(vault: Vault) -> None:
    """What became of the first restored secret is nothing to it."""
    vault.put("db", "one")
    saved = _backup(vault)
    for _ in range(2):
        vault.call("DELETE", "/secrets/db")
        vault.call("DELETE", "/deletedsecrets/db")
        assert 200 == vault.call("POST", "/secrets/restore", saved).status
        assert "one" == vault.call("GET", "/secrets/db").body["value"]
        vault.put("db", "two")
        vault.call("PATCH", "/secrets/db", {"attributes": {"enabled": False}})


def test_a_backup_does_not_show_what_is_in_it(vault: Vault) -> None:
    """Azure alone can read it."""
    vault.put("db", "seen by nobody")
    assert "seen" not in str(_backup(vault))


def test_nothing_is_restored_over_what_is_there(vault: Vault) -> None:
    """Live, deleted, or not gone from its name yet."""
    vault.put("db")
    saved = _backup(vault)
    refused = [vault.call("POST", "/secrets/restore", saved)]
    vault.call("DELETE", "/secrets/db")
    refused.append(vault.call("POST", "/secrets/restore", saved))
    vault.slow()
    vault.call("DELETE", "/deletedsecrets/db")
    refused.append(vault.call("POST", "/secrets/restore", saved))
    assert [(409, "Conflict")] * 3 == [outcome(reply) for reply in refused]
    vault.wait(61)
    assert 200 == vault.call("POST", "/secrets/restore", saved).status


def test_what_is_no_backup_is_refused(vault: Vault) -> None:
    """Nor is there one of what is not there."""
    assert (400, "BadParameter") == outcome(vault.call("POST", "/secrets/restore", {"value": "x"}))
    assert (404, "SecretNotFound") == outcome(vault.call("POST", "/secrets/db/backup"))
