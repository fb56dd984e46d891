"""Addresses in settings: where callers reach the broker, and where a fresh credential may be tried."""

from __future__ import annotations

import pytest

from shared.core.errors import Misconfigured
from shared.settings import load
from tests.unit.test_settings import LEAST


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ""),
        ({"LEASEHOLD_PUBLIC_URL": "https://gateway.example/leasehold/"}, "https://gateway.example/leasehold"),
        ({"LEASEHOLD_PUBLIC_URL": "http://127.0.0.1:7071", "WEBSITE_HOSTNAME": "x.example"}, "http://127.0.0.1:7071"),
        ({"LEASEHOLD_PUBLIC_URL": " ", "WEBSITE_HOSTNAME": "app.azurewebsites.net"}, "https://app.azurewebsites.net"),
        ({"WEBSITE_HOSTNAME": "localhost:7071"}, "http://localhost:7071"),
        ({"WEBSITE_HOSTNAME": "app.localhost"}, "http://app.localhost"),
        ({"WEBSITE_HOSTNAME": "127.0.0.1:7071"}, "http://127.0.0.1:7071"),
        ({"WEBSITE_HOSTNAME": "[::1]:7071"}, "http://[::1]:7071"),
        ({"WEBSITE_HOSTNAME": "localhost.example:8443"}, "https://localhost.example:8443"),
        ({"HTTP_HOST": "x.example", "WEBSITE_SITE_NAME": "x"}, ""),
    ],
)
def test_the_apps_address_is_the_operators_else_the_platforms(given: dict[str, str], expected: str) -> None:
    """With plain HTTP on this machine alone."""
    assert load({**LEAST, **given}).callers.public_url == expected


@pytest.mark.parametrize(
    "address",
    [
        *("gateway.example", "http://gateway.example", "https://gateway.example/?a=b", "https://gateway.example/#a"),
        *("https://user@gateway.example", "https://gate way.example", "https://gateway.example/\nSet-Cookie: a=b"),
        *("https://g\u00e4teway.example", 'https://gateway.example/"', "https://", "https://gateway.example:x"),
    ],
)
def test_refuses_an_address_that_cannot_be_followed(address: str) -> None:
    """Or that would end a header."""
    with pytest.raises(Misconfigured, match="LEASEHOLD_PUBLIC_URL: expected an"):
        load({**LEAST, "LEASEHOLD_PUBLIC_URL": address})


@pytest.mark.parametrize(
    "origin",
    ["http://127.0.0.1:8443", "https://gateway.example", "https://127.0.0.1.example", "https://127.0.0.1:8443/x"],
)
def test_tokens_for_data_go_to_no_gateway_elsewhere(origin: str) -> None:
    """On this machine alone, and over TLS."""
    with pytest.raises(Misconfigured, match="LEASEHOLD_DATA_GATEWAY: expected an https"):
        load({**LEAST, "LEASEHOLD_DATA_GATEWAY": origin})


@pytest.mark.parametrize("name", ["STORAGE_SUFFIX", "VAULT_SUFFIX"])
@pytest.mark.parametrize("suffix", ["net", "https://core.windows.net", "core.windows.net/x", "*.windows.net", "a..b", "a.b:1"])
def test_a_suffix_is_the_end_of_a_hosts_name(name: str, suffix: str) -> None:
    """Of two labels at least: no suffix lets every host in."""
    with pytest.raises(Misconfigured, match=f"LEASEHOLD_{name}: expected the end"):
        load({**LEAST, f"LEASEHOLD_{name}": suffix})


def test_the_host_of_resource_manager_is_the_clouds() -> None:
    """On this machine it has a port, which a probe may not have: the public cloud's name stands for it."""
    government = load({**LEAST, "LEASEHOLD_ARM_ENDPOINT": "https://management.usgovcloudapi.net/"})
    assert "management.usgovcloudapi.net" == government.data_plane.hosts.resource_manager
    local = load({**LEAST, "LEASEHOLD_ARM_ENDPOINT": "http://127.0.0.1:8002"})
    assert "management.azure.com" == local.data_plane.hosts.resource_manager
