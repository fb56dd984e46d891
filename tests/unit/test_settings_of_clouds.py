"""What the settings say of the cloud in which the broker works."""

from __future__ import annotations

import pytest

from shared.settings import load
from tests.unit.test_settings import LEAST, TENANT


@pytest.mark.parametrize(
    ("authority", "issuer", "exchange"),
    [
        ("https://login.microsoftonline.com", "login.microsoftonline.com", ""),
        ("https://login.microsoftonline.us", "login.microsoftonline.us", "USGov"),
        ("https://login.partner.microsoftonline.cn", "login.partner.microsoftonline.cn", "China"),
        ("http://127.0.0.1:8080", "login.microsoftonline.com", ""),
    ],
)
def test_the_cloud_says_what_a_managed_identitys_assertions_say(authority: str, issuer: str, exchange: str) -> None:
    """Each cloud has an audience of its own for them."""
    azure = load({**LEAST, "LEASEHOLD_AUTHORITY": authority}).azure
    assert (f"https://{issuer}/{TENANT}/v2.0", f"api://AzureADTokenExchange{exchange}") == (
        azure.token_issuer,
        azure.token_exchange,
    )
