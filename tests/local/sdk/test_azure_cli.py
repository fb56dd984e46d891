from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.azure_cli import EXECUTABLE_VARIABLE, AzureCli, AzureCliError
from tests.local.conftest import Cloud

EXECUTABLE = os.environ.get(EXECUTABLE_VARIABLE, "")

pytestmark = pytest.mark.skipif(
    not EXECUTABLE, reason=f"{EXECUTABLE_VARIABLE} names no `az`: `make azure-cli-check` installs one and runs this"
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """``az``, signed in to the local cloud, and as whom."""

    az: AzureCli
    object_id: str
    client_id: str
    group: str


@pytest.fixture
def signed_in(cloud: Cloud, tmp_path: Path) -> SignedIn:
    """A service principal that owns the subscription and may read and write applications."""
    roles = ["Directory.Read.All", "Application.ReadWrite.All"]
    made = cloud.control("POST", "identities", {"name": "operator", "kind": "application", "app_roles": roles})
    document = cloud.document
    subscription = f"/subscriptions/{document['subscription_id']}"
    cloud.control("POST", "role-assignments", {"identity": "operator", "role": "Owner", "scope": subscription})
    secret = cloud.control("POST", "secrets", {"identity": "operator"})["secret"]
    az = AzureCli(EXECUTABLE, tmp_path / "azure", cloud.ca_bundle)
    az.register(document["endpoints"]["all_tls"])
    az.sign_in(document["tenant_id"], made["client_id"], secret)
    return SignedIn(az, made["object_id"], made["client_id"], f"{subscription}/resourceGroups/app")


def test_shows_the_account(signed_in: SignedIn, cloud: Cloud) -> None:
    """Tenant and subscription, and that it is a service principal."""
    shown = signed_in.az.run("account", "show")

    expected = (cloud.document["subscription_id"], cloud.document["tenant_id"], "servicePrincipal", signed_in.client_id)
    assert expected == (shown["id"], shown["tenantId"], shown["user"]["type"], shown["user"]["name"])


def test_lists_the_role_assignments_of_a_principal(signed_in: SignedIn) -> None:
    """By client id, which it looks up in Graph; with role and principal by name."""
    listed = signed_in.az.run("role", "assignment", "list", "--assignee", signed_in.client_id, "--all")

    assert [(item["principalId"], item["principalName"], item["roleDefinitionName"]) for item in listed] == [
        (signed_in.object_id, signed_in.client_id, "Owner")
    ]


def test_assigns_a_role_and_takes_it_away(signed_in: SignedIn) -> None:
    """By role name and object id. The broker has a role there, too."""
    az, scope = signed_in.az, ("--scope", signed_in.group)
    assignee = ("--assignee-object-id", signed_in.object_id, "--assignee-principal-type", "ServicePrincipal")

    before = az.run("role", "assignment", "list", *scope)
    made = az.run("role", "assignment", "create", "--role", "Reader", *assignee, *scope)
    listed = az.run("role", "assignment", "list", *scope)
    az.run("role", "assignment", "delete", "--ids", made["id"])

    assert {made["id"]} == {item["id"] for item in listed} - {item["id"] for item in before}
    assert before == az.run("role", "assignment", "list", *scope)


def test_creates_a_service_principal_with_a_role_that_signs_in(signed_in: SignedIn, cloud: Cloud, tmp_path: Path) -> None:
    """The command that people start with, from nothing to a credential that works."""
    made = signed_in.az.run(
        *("ad", "sp", "create-for-rbac", "--name", "started", "--role", "Reader", "--scopes", signed_in.group)
    )

    other = AzureCli(EXECUTABLE, tmp_path / "other", cloud.ca_bundle)
    other.register(cloud.endpoints["all_tls"])
    other.sign_in(made["tenant"], made["appId"], made["password"])
    assert [group["name"] for group in other.run("group", "list")] == ["app"]


def test_trusts_another_issuer(signed_in: SignedIn) -> None:
    """An application, and a federated credential of it."""
    made = signed_in.az.run("ad", "app", "create", "--display-name", "federated")
    parameters = '{"name": "ci-main", "issuer": "https://issuer.example", "subject": "main", "audiences": ["api://x"]}'
    signed_in.az.run("ad", "app", "federated-credential", "create", "--id", made["appId"], "--parameters", parameters)

    listed = signed_in.az.run("ad", "app", "federated-credential", "list", "--id", made["appId"])

    assert [(item["name"], item["subject"]) for item in listed] == [("ci-main", "main")]


def test_sets_and_shows_a_secret(named: Cloud, signed_in: SignedIn) -> None:
    """In the sample's vault; a list has no values."""
    az, secret = _officer(named, signed_in), ("--vault-name", "app", "--name", "db")
    az.run("keyvault", "secret", "set", *secret, "--value", "one", "--tags", "lease=1", "--expires", "2031-05-17T12:00:00Z")

    shown = az.run("keyvault", "secret", "show", *secret)
    listed = az.run("keyvault", "secret", "list", "--vault-name", "app")

    assert ("one", "2031-05-17T12:00:00+00:00") == (shown["value"], shown["attributes"]["expires"])
    assert [("db", "1", None)] == [(each["name"], each["tags"]["lease"], each.get("value")) for each in listed]


def test_deletes_and_purges_a_secret(named: Cloud, signed_in: SignedIn) -> None:
    """Its name is taken until then."""
    az, secret = _officer(named, signed_in), ("--vault-name", "app", "--name", "db")
    az.run("keyvault", "secret", "set", *secret, "--value", "one")

    deleted = az.run("keyvault", "secret", "delete", *secret)
    with pytest.raises(AzureCliError, match="deleted but recoverable"):
        az.run("keyvault", "secret", "set", *secret, "--value", "two")
    az.run("keyvault", "secret", "purge", *secret)

    assert "https://app.vault.azure.net/deletedsecrets/db" == deleted["recoveryId"]
    assert [] == az.run("keyvault", "secret", "list-deleted", "--vault-name", "app")
    assert "two" == az.run("keyvault", "secret", "set", *secret, "--value", "two")["value"]


def _officer(named: Cloud, signed_in: SignedIn) -> AzureCli:
    """The operator, who may now do what it likes with secrets: owning the subscription is no right to its data."""
    scope = {"identity": "operator", "role": "Key Vault Secrets Officer", "scope": signed_in.group}
    named.control("POST", "role-assignments", scope)
    return signed_in.az


def test_is_refused_what_its_roles_do_not_give(signed_in: SignedIn) -> None:
    """In the words of Azure Resource Manager."""
    az = signed_in.az
    az.run("role", "assignment", "delete", "--assignee", signed_in.object_id, "--role", "Owner")

    with pytest.raises(AzureCliError, match="AuthorizationFailed"):
        az.run("group", "show", "--name", "app")
