from __future__ import annotations

import pytest

from shared.core.errors import Misconfigured
from shared.issuers.service_principal.resources import TokenResources
from shared.settings import load
from tests.unit.test_settings import CLIENT, LEAST, OTHER

GOV = {"LEASEHOLD_AUTHORITY": "https://login.microsoftonline.us"}
CHINA = {"LEASEHOLD_AUTHORITY": "https://login.partner.microsoftonline.cn"}
LISTED = {"LEASEHOLD_TOKEN_RESOURCES": "https://api.example.net, api://orders"}


def test_none_are_listed_unless_the_operator_lists_some() -> None:
    """They are separated by commas."""
    assert frozenset() == load(LEAST).tokens.resources
    assert {"https://api.example.net", "api://orders"} == load({**LEAST, **LISTED}).tokens.resources


def allows(resource: str, **environment: str) -> bool:
    """Whether a role may hand out tokens for that resource."""
    settings = load({**LEAST, **environment})
    never = (*settings.callers.audiences, settings.azure.graph_endpoint)
    made = TokenResources.of(settings.tokens.hosts, settings.tokens.resources, never=never)
    return made.refusal(f"{resource}/.default") == ""


@pytest.mark.parametrize(
    "resource",
    [
        *("https://management.azure.com", "https://management.core.windows.net/", "https://storage.azure.com"),
        *(
            "https://acct.storage.azure.com",
            "https://vault.azure.net",
            "https://x.vault.azure.net",
            "https://managedhsm.azure.net",
        ),
        *("https://database.windows.net", "https://ossrdbms-aad.database.windows.net", "https://servicebus.windows.net"),
        *(
            "https://azconfig.io",
            "https://cognitiveservices.azure.com",
            "https://search.azure.com",
            "https://x.documents.azure.com",
        ),
    ],
)
def test_azures_own_resources_are_allowed(resource: str) -> None:
    """And what lies below them."""
    assert allows(resource)


@pytest.mark.parametrize(
    "resource",
    [
        *("https://example.net", "https://notvault.azure.net", "https://azure.net", "https://vault.azure.net.example.net"),
        *("https://management.azure.com/path", "api://management.azure.com", "https://management.usgovcloudapi.net"),
    ],
)
def test_other_resources_are_refused(resource: str) -> None:
    """A token must not go to somebody who is called nearly so."""
    assert not allows(resource)


@pytest.mark.parametrize(
    ("resource", "cloud", "expected"),
    [
        ("https://management.usgovcloudapi.net", GOV, True),
        ("https://x.vault.usgovcloudapi.net", GOV, True),
        ("https://storage.azure.com", GOV, True),
        ("https://management.azure.com", GOV, False),
        ("https://management.chinacloudapi.cn", CHINA, True),
        ("https://x.vault.azure.cn", CHINA, True),
        ("https://vault.azure.net", CHINA, False),
    ],
)
def test_each_cloud_has_resources_of_its_own(resource: str, cloud: dict[str, str], *, expected: bool) -> None:
    """Another cloud's are elsewhere."""
    assert expected is allows(resource, **cloud)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("https://api.example.net", True),
        ("api://orders", True),
        ("https://x.api.example.net", False),
        ("https://API.example.net", False),
        ("https://api.example.net/more", False),
    ],
)
def test_the_operator_adds_resources_to_the_letter(resource: str, *, expected: bool) -> None:
    """And nothing below them."""
    assert expected is allows(resource, **LISTED)


@pytest.mark.parametrize(
    "resource",
    [
        *(f"api://{OTHER}", f"https://{OTHER}", f"API://{OTHER.upper()}".replace("API", "api"), f"api://{OTHER}/scope"),
        *("https://graph.microsoft.com", "https://GRAPH.microsoft.com", "https://graph.windows.net"),
        "api://00000003-0000-0000-c000-000000000000",
    ],
)
def test_some_are_never_allowed(resource: str) -> None:
    """The broker's own audience: what is leased may not lease. And Graph, where the rights stand in the token itself."""
    assert not allows(resource, LEASEHOLD_TOKEN_RESOURCES=resource)
    assert allows(f"api://{CLIENT}", LEASEHOLD_TOKEN_RESOURCES=f"api://{CLIENT}")


@pytest.mark.parametrize(
    "text", ["http://api.example.net", "api.example.net", "https://a/", "https://a/.default", "https://", "*"]
)
def test_a_setting_that_names_no_resource_is_refused(text: str) -> None:
    """At the start."""
    with pytest.raises(Misconfigured, match="LEASEHOLD_TOKEN_RESOURCES"):
        load({**LEAST, "LEASEHOLD_TOKEN_RESOURCES": text})
