"""A vault takes 4,000 calls within ten seconds."""

from __future__ import annotations

import pytest

from local.cloud.engine.errors import InputError
from local.cloud.key_vault.limits import Limits
from tests.local.key_vault.calls import Vault, outcome

TOO_MANY = (429, "Throttled")


@pytest.fixture
def vault() -> Vault:
    """One that takes three."""
    made = Vault()
    made.service.limits.configure({"transactions": 3})
    return made


def test_the_limit_is_azures() -> None:
    """https://learn.microsoft.com/azure/key-vault/general/service-limits."""
    assert {"transactions": 4_000, "transactions_seconds": 10.0} == Limits().as_json()


def test_more_calls_are_refused_until_time_has_passed(vault: Vault) -> None:
    """Whatever they ask for, and without saying when; a refused one does not count."""
    outcomes = [outcome(vault.call("GET", path)) for path in ("/secrets", "/secrets/none", "/deletedsecrets", "/secrets")]
    assert [200, 404, 200, 429] == [status for status, _ in outcomes]
    reply = vault.call("GET", "/secrets")
    assert (TOO_MANY, False) == (outcome(reply), "retry-after" in reply.headers)
    vault.wait(10)
    assert [200] * 3 == [vault.call("GET", "/secrets").status for _ in range(3)]


def test_who_is_not_known_does_not_count(vault: Vault) -> None:
    """Challenges are free."""
    for _ in range(5):
        vault.send("GET", "/secrets", {"api-version": "7.4"}, {})
    assert 200 == vault.call("GET", "/secrets").status


def test_each_vault_has_its_own(vault: Vault) -> None:
    """What one has served is nothing to another."""
    vault.azure.resource(
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/two", "Microsoft.KeyVault/vaults"
    )
    for _ in range(4):
        vault.call("GET", "/secrets")
    headers = {"authorization": f"Bearer {vault.azure.token(vault.administrator, 'https://vault.azure.net')}"}
    other = vault.send("GET", "/secrets", {"api-version": "7.4"}, {**headers, "host": "two.vault.azure.net"})
    assert [TOO_MANY, (403, "ForbiddenByRbac")] == [outcome(vault.call("GET", "/secrets")), outcome(other)]


def test_a_world_whose_clock_went_back_starts_anew(vault: Vault) -> None:
    """As after a reset."""
    for _ in range(4):
        vault.call("GET", "/secrets")
    vault.wait(-100)
    assert 200 == vault.call("GET", "/secrets").status


def test_no_limit_is_none(vault: Vault) -> None:
    """For whoever measures something else."""
    vault.service.limits.configure({"transactions": None})
    assert {200} == {vault.call("GET", "/secrets").status for _ in range(10)}


@pytest.mark.parametrize(
    "settings",
    [{"transactions": 0}, {"transactions": 1.5}, {"transactions_seconds": None}, {"transactions": True}, {"other": 1}],
    ids=str,
)
def test_a_limit_that_is_none_is_refused(vault: Vault, settings: dict[str, object]) -> None:
    """And nothing is set."""
    with pytest.raises(InputError):
        vault.service.limits.configure({"transactions_seconds": 5, **settings})
    assert {"transactions": 3, "transactions_seconds": 10.0} == vault.service.limits.as_json()
