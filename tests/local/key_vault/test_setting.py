"""A secret that is set has a version more, with what was said of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.key_vault.calls import Vault, names, outcome

NOW = 1_800_000_000


def test_the_answer_tells_what_was_set(vault: Vault) -> None:
    """Instants in whole seconds; what was not said does not appear."""
    body = vault.call("PUT", "/secrets/db", {"value": "v"}).body
    prefix, _, version = body.pop("id").rpartition("/")
    assert ("https://one.vault.azure.net/secrets/db", 32) == (prefix, len(version))
    attributes = {
        "enabled": True,
        "created": NOW,
        "updated": NOW,
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    }
    assert {"value": "v", "attributes": attributes} == body


def test_everything_that_is_said_is_kept(vault: Vault) -> None:
    """And shown by a list, but for the value."""
    given: dict[str, Any] = {"contentType": "text/plain", "tags": {"lease": "1", "role": "web"}}
    stated = {"enabled": False, "nbf": 5, "exp": 7}
    vault.put("db", attributes=stated, **given)
    shown = vault.call("GET", "/secrets").body["value"][0]
    assert given == {name: shown[name] for name in given}
    assert stated == {name: shown["attributes"][name] for name in stated}
    assert "value" not in shown


def test_every_call_adds_a_version(vault: Vault) -> None:
    """With the same value too."""
    made = [vault.put("db", "same") for _ in range(3)]
    assert sorted(made) == names(vault.call("GET", "/secrets/db/versions"))


def test_a_version_has_nothing_of_the_one_before(vault: Vault) -> None:
    """Neither tags nor ends."""
    vault.put("db", tags={"a": "b"}, attributes={"exp": 7}, contentType="x")
    vault.put("db")
    body = vault.call("GET", "/secrets/db").body
    assert set() == {"tags", "contentType"} & body.keys()
    assert "exp" not in body["attributes"]


def test_names_are_alike_in_any_case(vault: Vault) -> None:
    """The first one stays."""
    vault.put("DataBase")
    vault.put("database")
    assert ["DataBase"] == names(vault.call("GET", "/secrets"))


def test_same_calls_make_the_same_versions() -> None:
    """Nothing of a world is by chance but what its seed says."""
    made = [[vault.put("db"), vault.put("db")] for vault in (Vault(), Vault())]
    assert made[0] == made[1]


@pytest.mark.parametrize("name", ["a" * 127, "A-b-9", "-", "0"])
def test_takes_every_name_that_azure_does(vault: Vault, name: str) -> None:
    """Letters, digits and dashes, up to 127."""
    assert vault.put(name)


@pytest.mark.parametrize("name", ["a" * 128, "a_b", "a.b", "ä", "a b"])
@pytest.mark.parametrize("method", ["PUT", "GET", "PATCH", "DELETE"])
def test_a_name_that_no_secret_can_have_is_refused(vault: Vault, method: str, name: str) -> None:
    """By every call."""
    reply = vault.call(method, f"/secrets/{name}", {"value": "x"} if method == "PUT" else None)
    assert (400, "BadParameter") == outcome(reply)
    assert f"The request URI contains an invalid name: {name}" == reply.body["error"]["message"]


def test_takes_fifteen_tags(vault: Vault) -> None:
    """And no sixteenth."""
    tags = {f"tag{number}": "x" * 256 for number in range(15)}
    assert vault.put("db", tags=tags)
    assert (400, "BadParameter") == outcome(vault.call("PUT", "/secrets/db", {"value": "x", "tags": {**tags, "more": "x"}}))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"value": None},
        {"value": 5},
        {"value": "x" * 25_601},
        {"value": "x", "tags": {"a": 1}},
        {"value": "x", "tags": {"a": "x" * 257}},
        {"value": "x", "tags": ["a"]},
        {"value": "x", "contentType": 1},
        {"value": "x", "contentType": "x" * 256},
        {"value": "x", "attributes": {"exp": "2030-01-01"}},
        {"value": "x", "attributes": {"nbf": -1}},
        {"value": "x", "attributes": {"exp": True}},
        {"value": "x", "attributes": {"enabled": "yes"}},
        {"value": "x", "attributes": "none"},
        ["x"],
    ],
    ids=str,
)
def test_what_azure_would_not_take_is_refused(vault: Vault, body: Any) -> None:
    """And nothing is set."""
    assert (400, "BadParameter") == outcome(vault.call("PUT", "/secrets/db", body))
    assert 404 == vault.call("GET", "/secrets/db").status


@pytest.mark.parametrize("body", [{"managed": True}, {"attributes": {"exportable": True}}], ids=str)
def test_what_is_not_known_here_says_so(vault: Vault, body: dict[str, Any]) -> None:
    """Rather than being passed over."""
    assert (501, "NotImplemented") == outcome(vault.call("PUT", "/secrets/db", {"value": "x", **body}))


def test_what_azure_alone_sets_is_passed_over(vault: Vault) -> None:
    """A client may send back what it was answered."""
    vault.put("db", attributes={"created": 1, "updated": 1, "recoveryLevel": "none", "recoverableDays": 1})
    assert NOW == vault.call("GET", "/secrets/db").body["attributes"]["created"]


@pytest.mark.parametrize(("version", "expected"), [("2016-10-01", False), ("7.0", False), ("7.1", True), ("2025-07-01", True)])
def test_newer_versions_of_the_api_tell_the_days(vault: Vault, version: str, *, expected: bool) -> None:
    """For which a deleted secret is kept."""
    body = vault.call("PUT", "/secrets/db", {"value": "x"}, version=version).body
    assert expected is ("recoverableDays" in body["attributes"])


@pytest.mark.parametrize("version", ["seven", "7", "2025-13"])
def test_a_version_of_the_api_has_its_form(vault: Vault, version: str) -> None:
    """Else it is refused."""
    assert (400, "BadParameter") == outcome(vault.call("GET", "/secrets", version=version))


@pytest.mark.parametrize(
    ("settings", "level", "days"),
    [
        ({}, "Recoverable+Purgeable", 90),
        ({"softDeleteRetentionInDays": 7}, "CustomizedRecoverable+Purgeable", 7),
        ({"enablePurgeProtection": True}, "Recoverable", 90),
        ({"enablePurgeProtection": True, "softDeleteRetentionInDays": 30}, "CustomizedRecoverable", 30),
        ({"enableSoftDelete": False}, "Purgeable", 0),
    ],
)
def test_the_recovery_level_is_the_vaults(vault: Vault, settings: dict[str, Any], level: str, days: int) -> None:
    """It says whether a purge is possible."""
    vault.settings(**settings)
    shown = vault.call("PUT", "/secrets/db", {"value": "x"}).body["attributes"]
    assert (level, days) == (shown["recoveryLevel"], shown["recoverableDays"])
