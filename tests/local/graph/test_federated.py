"""Federated identity credentials in the local Microsoft Graph."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.graph.calls import Client, Tenant, error, ids

TRUST = {"name": "main", "issuer": "https://issuer.example", "subject": "job", "audiences": ["api://AzureADTokenExchange"]}


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An application that may manage every other."""
    return tenant.client("Application.ReadWrite.All")


@pytest.fixture
def url(tenant: Tenant) -> str:
    """The credentials of an application."""
    return f"/applications/{tenant.application().id}/federatedIdentityCredentials"


def test_is_found_by_id_and_by_name(client: Client, url: str) -> None:
    """All ways to address it show one credential."""
    made = client.post(url, TRUST).body["id"]
    assert [made] * 3 == [client.get(f"{url}{end}").body["id"] for end in (f"/{made}", "/main", "(name='main')")]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "no"},
        {"name": "x" * 121},
        {"name": "a b"},
        {"issuer": "x" * 601},
        {"issuer": "issuer"},
        {"subject": "x" * 601},
        {"subject": None},
        {"audiences": []},
        {"audiences": ["one", "two"]},
        {"audiences": ["x" * 601]},
        {"description": "x" * 601},
    ],
)
def test_refuses_what_azure_does_not_take(client: Client, url: str, change: dict[str, Any]) -> None:
    """Names of 3 to 120 characters fit for a URL, texts of at most 600, one audience."""
    assert (400, "Request_BadRequest") == error(client.post(url, TRUST | change))
    assert [] == ids(client.get(url))


def test_takes_texts_of_the_greatest_length(client: Client, url: str) -> None:
    """600 characters, and a name of 120."""
    long = {"issuer": "https://" + "i" * 592, "subject": "s" * 600, "audiences": ["a" * 600], "name": "n" * 120}
    assert 201 == client.post(url, TRUST | long).status


def test_name_is_taken_once(client: Client, url: str) -> None:
    """409."""
    client.post(url, TRUST)
    assert (409, "Request_MultipleObjectsWithSameKeyValue") == error(client.post(url, TRUST | {"subject": "other"}))


def test_issuer_and_subject_are_taken_once(client: Client, url: str) -> None:
    """400, on creation and on change."""
    client.post(url, TRUST)
    other = client.post(url, TRUST | {"name": "other", "subject": "other"}).body["id"]
    refused = [client.post(url, TRUST | {"name": "third"}), client.patch(f"{url}/{other}", {"subject": "job"})]
    assert [(400, "InvalidFederatedIdentityCredentialValue")] * 2 == [error(reply) for reply in refused]


def test_application_has_at_most_twenty(client: Client, url: str) -> None:
    """The 21st is refused."""
    replies = [client.post(url, TRUST | {"name": f"job-{number}", "subject": str(number)}) for number in range(21)]
    assert [201] * 20 + [400] == [reply.status for reply in replies]


def test_change_replaces_what_it_names(client: Client, url: str) -> None:
    """The name alone cannot change."""
    made = client.post(url, TRUST).body["id"]
    statuses = [client.patch(f"{url}/{made}", change).status for change in ({"subject": "new"}, {"name": "new"})]
    assert ([204, 400], "new", "main") == (statuses, *(client.get(f"{url}/{made}").body[n] for n in ("subject", "name")))


def test_upsert_by_name_creates_what_is_missing(client: Client, url: str) -> None:
    """201, then 204; without the preference 404."""
    missing = client.patch(f"{url}(name='main')", TRUST)
    replies = [client.patch(f"{url}(name='main')", TRUST, prefer="create-if-missing") for _ in "ab"]
    assert (404, [201, 204]) == (missing.status, [reply.status for reply in replies])


def test_deletion_is_for_good(client: Client, url: str) -> None:
    """204, then 404."""
    made = client.post(url, TRUST).body["id"]
    assert [204, 404] == [client.delete(f"{url}/{made}").status for _ in "ab"]
