"""Microsoft Graph: federated identity credentials, certificates, and the broker's own service principal."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace

import pytest

from shared.cloud.graph.directory import Graph
from shared.core.access.facts import Principal
from shared.core.directory import NewKey, NewTrust
from shared.core.errors import Absent, AlreadyExists, NotReplicated, Unavailable
from shared.core.tenant_policy import PolicyForbids
from tests.cloud.graph_answers import APPLICATION, CLIENT, END, IDS, KEY, NEW, PRINCIPAL, found, made
from tests.cloud.scripted import Scripted, refused

TRUST = NewTrust("lh-broker", "https://login.example/t/v2.0", PRINCIPAL, "api://AzureADTokenExchange")
TRUSTED = {
    "name": "lh-broker",
    "issuer": "https://login.example/t/v2.0",
    "subject": PRINCIPAL,
    "audiences": ["api://AzureADTokenExchange"],
}


async def test_a_federated_credential_is_added(graph: Graph, service: Scripted) -> None:
    """In one call, with one audience."""
    service.will(made(id=KEY))
    await graph.add_federated(APPLICATION, TRUST)
    assert [f"POST /v1.0/applications/{APPLICATION}/federatedIdentityCredentials"] == service.lines
    assert TRUSTED == service.body()


async def test_a_federated_credential_that_is_there_already_is_success(graph: Graph, service: Scripted) -> None:
    """If it is the same."""
    service.will(refused(409, "Request_MultipleObjectsWithSameKeyValue"), found(id=KEY, description=None, **TRUSTED))
    await graph.add_federated(APPLICATION, TRUST)
    assert f"GET /v1.0/applications/{APPLICATION}/federatedIdentityCredentials/lh-broker" == service.lines[-1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("issuer", "https://login.example/T/v2.0"), ("subject", PRINCIPAL.upper()), ("subject", None)],
        *[("audiences", ["api://AzureADTokenExchangeChina"]), ("audiences", [*TRUSTED["audiences"], "more"])],
    ],
)
async def test_another_federated_credential_of_that_name_is_refused(
    graph: Graph, service: Scripted, field: str, value: object
) -> None:
    """Case and all: somebody else would be trusted."""
    service.will(refused(409, "Request_MultipleObjectsWithSameKeyValue"), found(**TRUSTED | {field: value}))
    with pytest.raises(AlreadyExists):
        await graph.add_federated(APPLICATION, TRUST)


async def test_a_federated_credential_that_a_replica_does_not_show_yet(graph: Graph, service: Scripted) -> None:
    """Another replica has just said that it is there."""
    service.will(refused(409, "Request_MultipleObjectsWithSameKeyValue"), refused(404, "Request_ResourceNotFound"))
    with pytest.raises(NotReplicated):
        await graph.add_federated(APPLICATION, TRUST)


async def test_a_federated_credential_for_no_application(graph: Graph, service: Scripted) -> None:
    """The application may be too fresh, or gone."""
    service.will(refused(404, "Request_ResourceNotFound"))
    with pytest.raises(Absent):
        await graph.add_federated(APPLICATION, TRUST)


async def test_the_broker_finds_its_own_principal(graph: Graph, service: Scripted) -> None:
    """By the client id, which is all that it is told of itself."""
    names = ["isExplicit=True", "/subscriptions/s/resourcegroups/r/providers/x/leasehold"]
    service.will(found(servicePrincipalType="ManagedIdentity", alternativeNames=names))
    own = await graph.own_principal(CLIENT)
    assert Principal("ManagedIdentity", tuple(names)) == own
    assert [f"GET /v1.0/servicePrincipals(appId='{CLIENT}')?$select=servicePrincipalType,alternativeNames"] == service.lines


@pytest.mark.parametrize("names", [None, "isExplicit=True", [7]])
async def test_names_that_are_no_list_of_texts_say_nothing(graph: Graph, service: Scripted, names: object) -> None:
    """A proxy may have answered."""
    service.will(found(servicePrincipalType="ManagedIdentity", alternativeNames=names))
    with pytest.raises(Unavailable):
        await graph.own_principal(CLIENT)


# Certificates, and what a tenant forbids


async def test_an_application_is_registered_with_its_certificate(graph: Graph, service: Scripted) -> None:
    """The public half, until the lease's end."""
    service.will(made(id=APPLICATION, appId=CLIENT))
    assert IDS == await graph.upsert_application(replace(NEW, key=NewKey(KEY, "lease", b"\x30\x82", END)))
    (key,) = service.body()["keyCredentials"]
    assert b"\x30\x82" == b64decode(key.pop("key"))
    assert key == {
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "keyId": KEY,
        "displayName": "lease",
        "endDateTime": "2026-03-02T10:00:00Z",
    }


async def test_an_application_without_a_certificate_says_nothing_of_any(graph: Graph, service: Scripted) -> None:
    """An empty list would take away those that there are."""
    service.will(made(id=APPLICATION, appId=CLIENT))
    await graph.upsert_application(NEW)
    assert "keyCredentials" not in service.body()


@pytest.mark.parametrize("code", ["CredentialTypeNotAllowedAsPerAppPolicy", "CredentialInvalidLifetimeAsPerAppPolicy"])
async def test_a_policy_of_the_tenants_forbids_a_credential(graph: Graph, service: Scripted, code: str) -> None:
    """Whichever it forbids: its kind, or how long it lasts."""
    service.will(refused(400, code, finer="InvalidKeyEndDate"))
    with pytest.raises(PolicyForbids):
        await graph.add_secret(APPLICATION, "lease", END)
