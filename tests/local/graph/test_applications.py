"""Applications in the local Microsoft Graph."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from tests.local.graph.calls import ABSENT, ORIGIN, TENANT, Client, Tenant, certificate, encoded, error, ids

READ = "Application.Read.All"
OWNED = "Application.ReadWrite.OwnedBy"
EVERY = "Application.ReadWrite.All"


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


@pytest.fixture
def broker(tenant: Tenant) -> Client:
    """An application that may manage what it owns."""
    return tenant.client(OWNED)


def test_creation_tells_where_the_application_is(broker: Client) -> None:
    """201, with the address that Azure gives."""
    reply = broker.post("/applications", {"displayName": "one"})
    location = f"{ORIGIN}/v2/{TENANT}/directoryObjects/{reply.body['id']}/Microsoft.DirectoryServices.Application"
    assert (201, location) == (reply.status, reply.headers["Location"])


def test_an_application_is_read_with_its_owners(broker: Client) -> None:
    """``$expand`` takes one relationship: https://learn.microsoft.com/graph/query-parameters#expand."""
    made = broker.post("/applications", {"displayName": "one"}).body
    path = f"/applications/{made['id']}?$select=id,displayName&$expand=owners"
    whole = broker.get(path).body
    assert [broker.object_id] == [each["id"] for each in whole["owners"]]
    assert {"id", "displayName", "owners", "@odata.context"} == {*whole}
    (owner,) = broker.get(f"{path}($select=id)").body["owners"]
    assert {"@odata.type": "#microsoft.graph.servicePrincipal", "id": broker.object_id} == owner
    assert 501 == broker.get(f"/applications/{made['id']}?$expand=extensionProperties").status


def test_confined_creator_owns_what_it_creates(broker: Client) -> None:
    """*createAsOwner*: with OwnedBy alone, the caller becomes the first owner."""
    made = broker.post("/applications", {"displayName": "one"}).body
    assert [broker.object_id] == ids(broker.get(f"/applications/{made['id']}/owners"))


def test_unconfined_creator_owns_nothing(tenant: Tenant) -> None:
    """*create* takes precedence over *createAsOwner*."""
    client = tenant.client(OWNED, EVERY)
    made = client.post("/applications", {"displayName": "one"}).body
    assert [] == ids(client.get(f"/applications/{made['id']}/owners"))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MissingValue"),
        ({"displayName": ""}, "InvalidValue"),
        ({"displayName": "x" * 257}, "InvalidValue"),
        ({"displayName": "a", "appId": ABSENT}, "PropertyReadOnly"),
        ({"displayName": "a", "colour": "red"}, "InvalidProperty"),
        ({"displayName": "a", "tags": "one"}, "InvalidValue"),
        ({"displayName": "a", "tags": ["x", "y", "X"]}, "InvalidValue"),
        ({"displayName": "a", "signInAudience": "Everyone"}, "InvalidValue"),
        ({"displayName": "a", "passwordCredentials": [{"displayName": "b"}]}, "PasswordCredentialsNotAllowed"),
    ],
)
def test_refuses_what_an_application_cannot_be(tenant: Tenant, broker: Client, body: dict[str, object], code: str) -> None:
    """400, naming the property at fault; nothing is created beside the caller's own application."""
    reply = broker.post("/applications", body)
    assert (400, code) == (reply.status, reply.body["error"]["details"][0]["code"])
    assert 1 == len(tenant.world.directory.applications)


def test_refuses_a_body_that_is_no_json(broker: Client) -> None:
    """400 in Graph's words."""
    assert (400, "BadRequest") == error(broker("POST", "/applications", ["a list"]))


def test_is_found_by_id_client_id_and_unique_name(broker: Client) -> None:
    """All three addresses show one application."""
    made = broker.patch("/applications(uniqueName='o''ne')", {"displayName": "one"}, prefer="create-if-missing").body
    urls = [f"/applications/{made['id']}", f"/applications(appId='{made['appId']}')", "/applications(uniqueName='o''ne')"]
    assert [made["id"]] * 3 == [broker.get(url).body["id"] for url in urls]


def test_upsert_makes_one_application_however_often_it_is_repeated(broker: Client) -> None:
    """201 first, 204 from then on."""
    replies = [
        broker.patch("/applications(uniqueName='one')", {"displayName": "one"}, prefer="create-if-missing") for _ in "abc"
    ]
    assert ([201, 204, 204], 1) == (
        [reply.status for reply in replies],
        len(ids(broker.get("/applications?$filter=uniqueName eq 'one'"))),
    )


def test_upsert_without_the_preference_creates_nothing(broker: Client) -> None:
    """404."""
    assert (404, "Request_ResourceNotFound") == error(broker.patch("/applications(uniqueName='one')", {"displayName": "one"}))


def test_upsert_of_another_owners_application_is_refused(tenant: Tenant, broker: Client) -> None:
    """The unique name of a stranger's application gives no right to change it."""
    broker.patch("/applications(uniqueName='one')", {"displayName": "one"}, prefer="create-if-missing")
    reply = tenant.client(OWNED).patch("/applications(uniqueName='one')", {"displayName": "x"}, prefer="create-if-missing")
    assert (403, "Authorization_RequestDenied") == error(reply)


def test_unique_name_stays_taken_in_the_recycle_bin(broker: Client) -> None:
    """An upsert cannot take a deleted application's name until that is gone for good."""
    made = broker.patch("/applications(uniqueName='one')", {"displayName": "one"}, prefer="create-if-missing").body
    broker.delete(f"/applications/{made['id']}")
    blocked = broker.patch("/applications(uniqueName='one')", {"displayName": "one"}, prefer="create-if-missing")
    broker.delete(f"/directory/deletedItems/{made['id']}")
    freed = broker.patch("/applications(uniqueName='one')", {"displayName": "one"}, prefer="create-if-missing")
    assert ((400, "Request_BadRequest"), 201) == (error(blocked), freed.status)


def test_change_merges_complex_properties_and_replaces_lists(broker: Client) -> None:
    """What a PATCH does not name stays."""
    made = broker.post(
        "/applications", {"displayName": "one", "web": {"homePageUrl": "https://a", "redirectUris": ["https://b"]}}
    )
    broker.patch(f"/applications/{made.body['id']}", {"web": {"redirectUris": ["https://c"]}, "tags": ["t"]})
    body = broker.get(f"/applications/{made.body['id']}").body
    assert ("https://a", ["https://c"], ["t"]) == (body["web"]["homePageUrl"], body["web"]["redirectUris"], body["tags"])
    assert [{"uri": "https://c", "index": None}] == body["web"]["redirectUriSettings"]


def test_identifier_uri_belongs_to_one_application(broker: Client) -> None:
    """A second application cannot take it."""
    broker.post("/applications", {"displayName": "one", "identifierUris": ["api://one"]})
    reply = broker.post("/applications", {"displayName": "two", "identifierUris": ["api://one"]})
    assert (400, "ObjectConflict") == (reply.status, reply.body["error"]["details"][0]["code"])


def test_deletion_takes_the_service_principal_along(tenant: Tenant, broker: Client) -> None:
    """Both go to the recycle bin, and neither is found any more."""
    made = broker.post("/applications", {"displayName": "one"}).body
    principal = broker.post("/servicePrincipals", {"appId": made["appId"]}).body
    assert 204 == broker.delete(f"/applications/{made['id']}").status
    assert [404, 404] == [
        broker.get(url).status for url in (f"/applications/{made['id']}", f"/servicePrincipals/{principal['id']}")
    ]
    reader = tenant.client("Application.Read.All")
    assert [principal["id"]] == ids(reader.get("/directory/deletedItems/microsoft.graph.servicePrincipal"))


def test_id_that_is_no_guid_is_a_bad_request(broker: Client) -> None:
    """400, not 404."""
    assert (400, "Request_BadRequest") == error(broker.get("/applications/one"))


def test_certificate_is_kept_for_entra_to_verify_with(tenant: Tenant, broker: Client) -> None:
    """Its DER, thumbprint and subject come from the certificate; reads do not show the key."""
    made, der = broker.post("/applications", {"displayName": "one"}).body, certificate()
    broker.patch(f"/applications/{made['id']}", {"keyCredentials": [{"key": encoded(der), "type": "AsymmetricX509Cert"}]})
    (stored,) = tenant.world.directory.applications[made["id"]].certificates.values()
    (shown,) = broker.get(f"/applications/{made['id']}").body["keyCredentials"]
    octets = der.public_bytes(serialization.Encoding.DER)
    thumbprint = hashlib.sha1(octets).hexdigest().upper()
    assert (octets, thumbprint) == (stored.der, stored.thumbprint)
    assert (thumbprint, "O=Widgits, S=Some-State, C=AU", None) == (
        shown["customKeyIdentifier"],
        shown["displayName"],
        shown["key"],
    )


def test_certificates_are_replaced_as_a_whole(tenant: Tenant, broker: Client) -> None:
    """One sent by its key id alone stays; one not sent goes."""
    both = [{"key": encoded(certificate()), "keyId": ABSENT}, {"key": encoded(certificate())}]
    made = broker.post("/applications", {"displayName": "one", "keyCredentials": both}).body
    broker.patch(f"/applications/{made['id']}", {"keyCredentials": [{"keyId": ABSENT}]})
    assert [ABSENT] == list(tenant.world.directory.applications[made["id"]].certificates)


@pytest.mark.parametrize("change", [{"key": "AAAA"}, {"endDateTime": "2300-01-01T00:00:00Z"}, {"endDateTime": "soon"}])
def test_refuses_a_certificate_that_cannot_be(broker: Client, change: dict[str, str]) -> None:
    """Neither what is no certificate nor a lifetime beyond its own."""
    key = {"key": encoded(certificate())} | change
    assert 400 == broker.post("/applications", {"displayName": "one", "keyCredentials": [key]}).status


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"type": "Certificate"}, 400),
        ({"usage": "Encrypt"}, 400),
        ({"type": "X509CertAndPassword"}, 501),
        ({"usage": "Sign"}, 501),
        ({"type": "AsymmetricX509Cert", "usage": "Verify"}, 201),
    ],
)
def test_certificates_verify(broker: Client, change: dict[str, str], expected: int) -> None:
    """What Azure does not know is refused; what is not here says so."""
    body = {"displayName": "one", "keyCredentials": [{"key": encoded(certificate())} | change]}
    assert expected == broker.post("/applications", body).status


def test_two_certificates_have_two_key_ids(broker: Client) -> None:
    """Neither is lost."""
    both = [{"key": encoded(certificate()), "keyId": ABSENT}] * 2
    assert (400, "Request_BadRequest") == error(broker.post("/applications", {"displayName": "one", "keyCredentials": both}))


def test_an_upsert_brings_a_certificate_and_a_lock_along(tenant: Tenant, broker: Client) -> None:
    """One call makes an application that can be signed in to; a repeat leaves what it names."""
    lock = {"isEnabled": True, "allProperties": True}
    key = {"key": encoded(certificate()), "keyId": ABSENT, "type": "AsymmetricX509Cert", "usage": "Verify"}
    body = {"displayName": "one", "keyCredentials": [key], "servicePrincipalLockConfiguration": lock}
    statuses = [
        broker.patch("/applications(uniqueName='one')", sent, prefer="create-if-missing").status
        for sent in (body, body | {"keyCredentials": [{"keyId": ABSENT}]})
    ]
    (made,) = (found for found in tenant.world.directory.applications.values() if found.unique_name == "one")
    shown = broker.get(f"/applications/{made.id}").body
    assert ([201, 204], [ABSENT], lock) == (statuses, list(made.certificates), shown["servicePrincipalLockConfiguration"])


def test_a_policy_bounds_the_lifetime_of_certificates(tenant: Tenant, broker: Client) -> None:
    """In every call that brings one along; nothing is changed by a refusal, and secrets are another affair."""
    tenant.graph.limits.configure({"certificate_lifetime_seconds": 86_400, "passwords": "blocked"})
    now = datetime.fromtimestamp(tenant.clock.at, UTC)
    ends = {hours: (now + timedelta(hours=hours)).isoformat() for hours in (24, 25)}
    fits, long = ({"key": encoded(certificate()), "startDateTime": now.isoformat(), "endDateTime": ends[h]} for h in (24, 25))
    made = broker.post("/applications", {"displayName": "one", "keyCredentials": [fits]}).body
    principal = broker.post("/servicePrincipals", {"appId": made["appId"]}).body
    body = {"displayName": "two", "keyCredentials": [long]}

    refused = [
        broker.post("/applications", body),
        broker.patch("/applications(uniqueName='two')", body, prefer="create-if-missing"),
        broker.patch(f"/applications/{made['id']}", body),
        broker.patch(f"/servicePrincipals/{principal['id']}", {"keyCredentials": [long]}),
    ]

    assert [(400, "CredentialInvalidLifetimeAsPerAppPolicy")] * 4 == [error(reply) for reply in refused]
    assert {"InvalidKeyEndDate"} == {reply.body["error"]["details"][0]["code"] for reply in refused}
    stored = tenant.world.directory.applications[made["id"]]
    assert ("one", 1, None) == (
        stored.properties["displayName"],
        len(stored.certificates),
        tenant.world.directory.applications.named("two"),
    )


@pytest.mark.parametrize("lock", [{"isEnabled": "yes"}, {"allProperties": 1}, {"locked": True}, True, []])
def test_refuses_a_lock_that_azure_does_not_know(broker: Client, lock: object) -> None:
    """By what its type holds."""
    body = {"displayName": "one", "servicePrincipalLockConfiguration": lock}
    assert 400 == broker.post("/applications", body).status


@pytest.mark.parametrize("audience", ["AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"])
def test_personal_accounts_want_tokens_of_version_2_and_short_names(broker: Client, audience: str) -> None:
    """At creation and ever after."""
    body = {"displayName": "a" * 90, "signInAudience": audience, "api": {"requestedAccessTokenVersion": 2}}
    assert (400, "InvalidAccessTokenVersion") == error(broker.post("/applications", body | {"api": {}}))
    assert (400, "Request_BadRequest") == error(broker.post("/applications", body | {"displayName": "a" * 91}))
    made = broker.post("/applications", body)
    assert 201 == made.status
    change = {"api": {"requestedAccessTokenVersion": 1}}
    assert (400, "InvalidAccessTokenVersion") == error(broker.patch(f"/applications/{made.body['id']}", change))
