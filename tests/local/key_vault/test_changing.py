"""A version's attributes, content type and tags can be changed; its value cannot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.key_vault.calls import Vault, outcome

BEFORE: dict[str, Any] = {
    "attributes": {"enabled": True, "nbf": 5, "exp": 7},
    "contentType": "text/plain",
    "tags": {"a": "1", "b": "2"},
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"attributes": {"enabled": False}}, {"attributes": {"enabled": False, "nbf": 5, "exp": 7}}),
        ({"attributes": {"exp": 9}}, {"attributes": {"enabled": True, "nbf": 5, "exp": 9}}),
        ({"attributes": {"nbf": 1}}, {"attributes": {"enabled": True, "nbf": 1, "exp": 7}}),
        ({"contentType": "x"}, {"contentType": "x"}),
        ({"tags": {"c": "3"}}, {"tags": {"c": "3"}}),
        ({"tags": {}}, {"tags": {}}),
        ({}, {}),
    ],
    ids=str,
)
def test_changes_what_is_said_and_nothing_else(vault: Vault, change: dict[str, Any], expected: dict[str, Any]) -> None:
    """Tags are replaced as a whole."""
    vault.put("db", **BEFORE)
    vault.wait(10)
    answered = vault.call("PATCH", "/secrets/db", change)
    shown = vault.call("GET", "/secrets/db/versions").body["value"][0]
    assert (200, shown) == (answered.status, answered.body)
    attributes = {name: shown["attributes"][name] for name in BEFORE["attributes"]}
    assert {**BEFORE, **expected} == {"attributes": attributes, "contentType": shown["contentType"], "tags": shown["tags"]}
    assert 10 == shown["attributes"]["updated"] - shown["attributes"]["created"]


def test_changes_the_version_that_is_named_or_the_newest(vault: Vault) -> None:
    """And no other."""
    first, second = vault.put("db"), vault.put("db")
    vault.call("PATCH", f"/secrets/db/{first}", {"contentType": "first"})
    vault.call("PATCH", "/secrets/db/", {"contentType": "second"})
    versions = vault.call("GET", "/secrets/db/versions").body["value"]
    assert {first: "first", second: "second"} == {each["id"][-32:]: each["contentType"] for each in versions}


def test_a_version_that_is_enabled_again_is_read_again(vault: Vault) -> None:
    """Disabling is no deletion."""
    version = vault.put("db", "v", attributes={"enabled": False})
    vault.call("PATCH", f"/secrets/db/{version}", {"attributes": {"enabled": True}})
    assert "v" == vault.call("GET", "/secrets/db").body["value"]


def test_a_value_cannot_be_changed(vault: Vault) -> None:
    """That takes another version."""
    vault.put("db", "v")
    assert (501, "NotImplemented") == outcome(vault.call("PATCH", "/secrets/db", {"value": "other"}))
    assert "v" == vault.call("GET", "/secrets/db").body["value"]


def test_a_refused_change_changes_nothing(vault: Vault) -> None:
    """Not what came before the fault either."""
    vault.put("db", **BEFORE)
    assert 400 == vault.call("PATCH", "/secrets/db", {"contentType": "x", "tags": {str(n): "" for n in range(16)}}).status
    assert "text/plain" == vault.call("GET", "/secrets/db").body["contentType"]


def test_what_is_not_there_cannot_be_changed(vault: Vault) -> None:
    """Neither what is deleted."""
    vault.gone("gone")
    assert [(404, "SecretNotFound")] * 2 == [outcome(vault.call("PATCH", f"/secrets/{name}", {})) for name in ("none", "gone")]
