"""A deleted secret is kept, keeps its name, comes back, or goes for good; each of these takes a while."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from tests.local.key_vault.calls import Vault, names, outcome

DAY = 86_400
MOST_DELETING, MOST_ELSE = 121, 61
BEING_DELETED, RECOVERABLE = (409, "ObjectIsBeingDeleted"), (409, "ObjectIsDeletedButRecoverable")
NOT_FOUND = (404, "SecretNotFound")


def test_the_answer_says_until_when_it_is_kept(vault: Vault) -> None:
    """And where; in the retention of the vault."""
    vault.settings(softDeleteRetentionInDays=7)
    vault.put("db", "v", tags={"a": "b"})
    body = vault.call("DELETE", "/secrets/db").body
    assert "https://one.vault.azure.net/deletedsecrets/db" == body["recoveryId"]
    assert 7 * DAY == body["scheduledPurgeDate"] - body["deletedDate"]
    assert body == vault.call("GET", "/deletedsecrets/db").body
    assert "value" not in body


def test_a_deleted_secret_is_read_no_more(vault: Vault) -> None:
    """No version of it, and no list of the living."""
    version = vault.put("db")
    vault.call("DELETE", "/secrets/db")
    paths = ("/secrets/db", f"/secrets/db/{version}")
    assert [NOT_FOUND] * 2 == [outcome(vault.call("GET", path)) for path in paths]
    assert [] == names(vault.call("GET", "/secrets")) + names(vault.call("GET", "/secrets/db/versions"))
    assert NOT_FOUND == outcome(vault.call("DELETE", "/secrets/db"))
    assert ["db"] == names(vault.call("GET", "/deletedsecrets"))


def test_its_name_cannot_be_used_again_until_it_is_purged(vault: Vault) -> None:
    """Then the name begins anew."""
    vault.gone("db")
    assert RECOVERABLE == outcome(vault.call("PUT", "/secrets/db", {"value": "x"}))
    assert 204 == vault.call("DELETE", "/deletedsecrets/db").status
    vault.put("db")
    assert 1 == len(names(vault.call("GET", "/secrets/db/versions")))


def test_it_goes_by_itself_when_its_time_is_over(vault: Vault) -> None:
    """Purge protection or not."""
    vault.settings(softDeleteRetentionInDays=7, enablePurgeProtection=True)
    vault.gone("db")
    vault.wait(7 * DAY - 1)
    assert 200 == vault.call("GET", "/deletedsecrets/db").status
    vault.wait(1)
    assert NOT_FOUND == outcome(vault.call("GET", "/deletedsecrets/db"))
    assert vault.put("db")


def test_a_disabled_one_is_not_shown_once_it_is_deleted(vault: Vault) -> None:
    """As recorded; a list has it all the same."""
    vault.put("db", attributes={"enabled": False})
    vault.call("DELETE", "/secrets/db")
    assert (403, "SecretDisabled") == outcome(vault.call("GET", "/deletedsecrets/db"))
    assert ["db"] == names(vault.call("GET", "/deletedsecrets"))


def test_purge_protection_refuses_a_purge(vault: Vault) -> None:
    """In Azure's words, to whoever may purge; without touching the secret."""
    vault.settings(enablePurgeProtection=True)
    vault.gone("db")
    reply = vault.call("DELETE", "/deletedsecrets/db")
    assert (403, "Forbidden") == outcome(reply)
    assert reply.body["error"]["message"].startswith('Operation "purge" is not allowed because purge protection is enabled')
    assert 200 == vault.call("GET", "/deletedsecrets/db").status


def test_a_recovered_secret_has_all_that_it_had(vault: Vault) -> None:
    """Every version, with its value."""
    first = vault.put("db", "one")
    vault.gone("db", "two")
    recovered = vault.call("POST", "/deletedsecrets/db/recover")
    assert (200, False) == (recovered.status, "recoveryId" in recovered.body)
    assert ("two", "one") == tuple(vault.call("GET", f"/secrets/db/{end}").body["value"] for end in ("", first))
    assert NOT_FOUND == outcome(vault.call("GET", "/deletedsecrets/db"))


def test_only_what_is_deleted_is_purged_or_recovered(vault: Vault) -> None:
    """A live one is told from one that never was."""
    vault.put("db")
    assert (400, "RequestNotAllowedOnNonDeletedObject") == outcome(vault.call("POST", "/deletedsecrets/db/recover"))
    calls = (("POST", "none/recover"), ("DELETE", "none"), ("GET", "none"), ("DELETE", "db"), ("GET", "db"))
    assert [NOT_FOUND] * 5 == [outcome(vault.call(method, f"/deletedsecrets/{path}")) for method, path in calls]
    assert 200 == vault.call("GET", "/secrets/db").status


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/secrets/db", None, NOT_FOUND),
        ("GET", "/deletedsecrets/db", None, NOT_FOUND),
        ("PUT", "/secrets/db", {"value": "x"}, BEING_DELETED),
        ("PATCH", "/secrets/db", {}, NOT_FOUND),
        ("DELETE", "/secrets/db", None, BEING_DELETED),
        ("DELETE", "/deletedsecrets/db", None, BEING_DELETED),
        ("POST", "/deletedsecrets/db/recover", None, BEING_DELETED),
    ],
)
def test_a_secret_that_is_being_deleted_is_nowhere(
    vault: Vault, method: str, path: str, body: object, expected: tuple[int, str]
) -> None:
    """It cannot be read, shown, purged, recovered or made anew, until it has arrived among the deleted ones."""
    vault.slow()
    vault.gone("db")
    assert expected == outcome(vault.call(method, path, body))
    assert [] == names(vault.call("GET", "/secrets")) + names(vault.call("GET", "/deletedsecrets"))
    vault.wait(MOST_DELETING)
    assert ["db"] == names(vault.call("GET", "/deletedsecrets"))


def test_deletion_takes_as_long_as_was_recorded(vault: Vault) -> None:
    """Some 18 s in the median, and 121 s at most; by the seed."""
    vault.slow()
    draws = sorted(vault.azure.world.consistency.takes("vault_delete") for _ in range(2001))
    assert 17 < statistics.median(draws) < 19
    assert MOST_DELETING == draws[-1]
    vault.slow()
    assert vault.azure.world.consistency.takes("vault_delete") in draws


def test_under_no_profile_everything_is_done_at_once(vault: Vault) -> None:
    """So is what other profiles do more slowly, under a greater speed."""
    assert 0 == vault.azure.world.consistency.takes("vault_delete")
    vault.slow()
    slow = vault.azure.world.consistency.takes("vault_delete")
    vault.azure.world.consistency.configure("typical", seed=1, speed=10)
    assert slow / 10 == vault.azure.world.consistency.takes("vault_delete")


def test_a_purge_leaves_the_name_a_while_later(vault: Vault) -> None:
    """It is in no list any more, and cannot be made anew yet."""
    vault.slow()
    vault.gone("db")
    vault.wait(MOST_DELETING)
    assert 204 == vault.call("DELETE", "/deletedsecrets/db").status
    assert NOT_FOUND == outcome(vault.call("GET", "/deletedsecrets/db"))
    assert NOT_FOUND == outcome(vault.call("DELETE", "/deletedsecrets/db"))
    assert BEING_DELETED == outcome(vault.call("PUT", "/secrets/db", {"value": "x"}))
    vault.wait(MOST_ELSE)
    assert vault.put("db")


def test_a_recovery_ends_a_while_later(vault: Vault) -> None:
    """Meanwhile it is neither live nor deleted."""
    vault.slow()
    vault.gone("db")
    vault.wait(MOST_DELETING)
    vault.call("POST", "/deletedsecrets/db/recover")
    assert [NOT_FOUND] * 2 == [outcome(vault.call("GET", path)) for path in ("/secrets/db", "/deletedsecrets/db")]
    calls = (("PUT", "/secrets/db", {"value": "x"}), ("POST", "/deletedsecrets/db/recover", None))
    assert [(409, "ObjectIsBeingRecovered")] * 2 == [outcome(vault.call(*call)) for call in calls]
    vault.wait(MOST_ELSE)
    assert 200 == vault.call("GET", "/secrets/db").status


def test_without_soft_deletion_it_is_gone_at_once(vault: Vault) -> None:
    """As in vaults from before 2020."""
    vault.settings(enableSoftDelete=False)
    vault.put("db")
    body = vault.call("DELETE", "/secrets/db").body
    assert {"id", "attributes"} == body.keys()
    assert NOT_FOUND == outcome(vault.call("GET", "/deletedsecrets/db"))
    assert vault.put("db")


def test_state_has_an_entry_for_each_version(vault: Vault) -> None:
    """With where it is in its life, and without its value."""
    vault.put("live", "seen by nobody", tags={"lease": "1"}, attributes={"exp": 7})
    vault.put("live", "seen by nobody")
    vault.gone("gone", "seen by nobody")
    listed: list[dict[str, Any]] = vault.service.state(vault.azure.world)["vault_secrets"]
    assert [("live", "live", 7), ("live", "live", None), ("gone", "deleted", None)] == [
        (each["name"], each["state"], each["exp"]) for each in listed
    ]
    assert {"lease": "1"} == listed[0]["tags"]
    assert "seen by nobody" not in str(listed)
