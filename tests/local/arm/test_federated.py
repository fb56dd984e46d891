"""Federated credentials of user-assigned managed identities at Azure Resource Manager, and what they are for."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from local.cloud.control import provision
from local.cloud.engine.http import Reply
from local.cloud.tenant.resources import Lock
from tests.local.arm.calls import CONTRIBUTOR, GROUP, READER, ROOT, Azure, outcome
from tests.local.conftest import Cloud
from tests.local.entra.calls import ASSERTION, EXCHANGE, key_pair

IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker"
CREDENTIALS = f"{IDENTITY}/federatedIdentityCredentials"
ONE = f"{CREDENTIALS}/one-1"
ISSUER = "https://issuer.example.com"
VERSION = "2023-01-31"
KIND = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"


@pytest.fixture
def azure() -> Azure:
    """A furnished world with a user-assigned identity."""
    made = Azure()
    provision.placed(made.world, IDENTITY)
    return made


def body(subject: str = "workload", **properties: Any) -> dict[str, Any]:
    """A credential as it is sent; ``None`` leaves a property out."""
    shown = {"issuer": ISSUER, "subject": subject, "audiences": [EXCHANGE], **properties}
    return {"properties": {name: value for name, value in shown.items() if value is not None}}


def call(azure: Azure, method: str, path: str = ONE, sent: object = None, **options: Any) -> Reply:
    """Calls with a version that the type has."""
    return azure.call(method, path, sent, **{"version": VERSION, **options})


def test_a_credential_lives(azure: Azure) -> None:
    """Created, read, listed, changed, deleted, and gone; ids are alike in any case and told in Azure's."""
    made, shown = call(azure, "PUT", sent=body()), call(azure, "GET", ONE.upper())
    changed, listed = call(azure, "PUT", sent=body("other")), call(azure, "GET", CREDENTIALS)
    deleted = [call(azure, "DELETE").status for _ in "ab"]

    path = ONE.replace("/resourceGroups/", "/resourcegroups/")
    whole = {"id": path, "name": "one-1", "type": KIND, **body()}
    assert (made.status, made.body, made.headers["location"]) == (201, whole, path)
    assert (shown.body, changed.status, listed.body) == (whole, 200, {"value": [{**whole, **body("other")}]})
    assert (deleted, outcome(call(azure, "GET"))) == ([200, 204], (404, "NotFound"))
    assert call(azure, "GET", CREDENTIALS).body == {"value": []}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("path", "code"),
    [
        (ONE.replace("worker", "nobody"), "ParentResourceNotFound"),
        (ONE.replace("/app/", "/nowhere/"), "ResourceGroupNotFound"),
        (ONE.replace(ROOT, f"{ROOT[:-1]}3"), "SubscriptionNotFound"),
    ],
)
def test_what_should_hold_it_is_missing(azure: Azure, method: str, path: str, code: str) -> None:
    """The nearest thing that there is not."""
    azure.grant(azure.owner, CONTRIBUTOR, "/")
    assert (404, code) == outcome(call(azure, method, path, body() if method == "PUT" else None))


def test_a_machines_own_identity_has_none(azure: Azure) -> None:
    """System-assigned identities are no such resources."""
    provision.managed_identity(azure.world, "vm", IDENTITY.replace("worker", "vm"), system_assigned=True)
    assert (404, "ParentResourceNotFound") == outcome(call(azure, "GET", CREDENTIALS.replace("worker", "vm")))


def test_credentials_go_with_their_identity(azure: Azure) -> None:
    """As when its group is deleted, and made again."""
    call(azure, "PUT", sent=body())
    azure.call("DELETE", GROUP)
    provision.placed(azure.world, IDENTITY)
    azure.grant(azure.owner, CONTRIBUTOR, ROOT)
    assert call(azure, "GET", CREDENTIALS).body == {"value": []}


@pytest.mark.parametrize(("method", "verb"), [("GET", "read"), ("PUT", "write"), ("DELETE", "delete")])
def test_each_call_takes_its_own_permission(azure: Azure, method: str, verb: str) -> None:
    """403 names the action; a custom role with that one action suffices."""
    someone = azure.principal()
    sent = body() if method == "PUT" else None
    refused = call(azure, method, sent=sent, by=someone)
    role = azure.world.guid()
    properties = {
        "roleName": "one action",
        "permissions": [{"actions": [f"{KIND}/{verb}"], "notActions": []}],
        "assignableScopes": [ROOT],
    }
    definition = f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    assert azure.call("PUT", definition, {"properties": properties}).status == 201
    azure.grant(someone, role, IDENTITY)
    assert (403, "AuthorizationFailed") == outcome(refused)
    assert f"'{KIND}/{verb}'" in refused.body["error"]["message"]
    assert call(azure, method, sent=sent, by=someone).status in (201, 204, 404)


def test_a_reader_may_list_and_not_write(azure: Azure) -> None:
    """Built-in roles count by their wildcards."""
    reader = azure.principal()
    azure.grant(reader, READER, GROUP)
    found = [call(azure, "GET", CREDENTIALS, by=reader).status, call(azure, "PUT", sent=body(), by=reader).status]
    assert [200, 403] == found


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (f"{CREDENTIALS}/-ab", body()),
        (f"{CREDENTIALS}/ab", body()),
        (f"{CREDENTIALS}/{'a' * 121}", body()),
        (ONE, {}),
        (ONE, {"properties": []}),
        (ONE, body(issuer=None)),
        (ONE, body(issuer="issuer.example.com")),
        (ONE, body(subject="")),
        (ONE, body(subject="s" * 601)),
        (ONE, body(audiences=None)),
        (ONE, body(audiences=[])),
        (ONE, body(audiences=["a", "b"])),
        (ONE, body(audiences=EXCHANGE)),
        (ONE, body(audiences=[1])),
    ],
)
def test_what_is_no_credential_is_refused(azure: Azure, path: str, sent: object) -> None:
    """And nothing is made."""
    assert (400, "BadRequest") == outcome(call(azure, "PUT", path, sent))
    assert call(azure, "GET", CREDENTIALS).body == {"value": []}


@pytest.mark.parametrize("sent", [body(claimsMatchingExpression={"value": "x"}), {**body(), "tags": {"a": "b"}}])
def test_what_azure_may_take_and_is_not_known_is_not_implemented(azure: Azure, sent: object) -> None:
    """Passing over it would trust somebody else."""
    assert (501, "NotImplemented") == outcome(call(azure, "PUT", sent=sent))


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("2022-01-31-preview", (200, "")),
        ("2024-11-30", (200, "")),
        ("2018-11-30", (404, "InvalidResourceType")),
        ("2022-04-01", (404, "InvalidResourceType")),
        ("2999-01-01", (404, "InvalidResourceType")),
        ("2026-04-30", (501, "NotImplemented")),
    ],
)
def test_versions_are_the_types_own(azure: Azure, version: str, found: tuple[int, str]) -> None:
    """Those from before federation, of other types or to come are refused by the right provider's name."""
    reply = call(azure, "GET", CREDENTIALS, version=version)
    assert found == outcome(reply)
    assert found[0] != 404 or "'Microsoft.ManagedIdentity'" in reply.body["error"]["message"]


def test_an_issuer_and_a_subject_are_trusted_once(azure: Azure) -> None:
    """Under whichever name; the same credential may be sent again."""
    call(azure, "PUT", sent=body())
    assert (409, "Conflict") == outcome(call(azure, "PUT", f"{CREDENTIALS}/two", body()))
    assert call(azure, "PUT", sent=body()).status == 200
    assert call(azure, "PUT", f"{CREDENTIALS}/two", body("WORKLOAD")).status == 201


def test_an_identity_has_at_most_twenty(azure: Azure) -> None:
    """A 21st is refused, a change is not, and one that is deleted makes room."""
    made = [call(azure, "PUT", f"{CREDENTIALS}/fic-{number}", body(f"s{number}")).status for number in range(20)]
    full = outcome(call(azure, "PUT", sent=body()))
    changed = call(azure, "PUT", f"{CREDENTIALS}/fic-3", body("changed")).status
    call(azure, "DELETE", f"{CREDENTIALS}/fic-4")
    assert ([201] * 20, (400, "BadRequest"), 200) == (made, full, changed)
    assert call(azure, "PUT", sent=body()).status == 201


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_writes_under_one_identity_that_meet_are_refused(azure: Azure, method: str) -> None:
    """409 for the second; another identity is not concerned, and a moment later there is room."""
    other = ONE.replace("worker", "second")
    provision.placed(azure.world, IDENTITY.replace("worker", "second"))
    call(azure, "PUT", sent=body())
    azure.world.consistency.configure("typical")
    first, beside = call(azure, "PUT", f"{CREDENTIALS}/two", body("2")), call(azure, "PUT", other, body())
    found = call(azure, method, sent=body("3") if method == "PUT" else None)
    azure.clock.at += 0.06
    after = call(azure, method, sent=body("3") if method == "PUT" else None)

    assert (409, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity") == outcome(found)
    assert f"'{IDENTITY.lower()}'" in found.body["error"]["message"]
    assert [201, 201, 200] == [first.status, beside.status, after.status]


def test_entra_id_notices_later(azure: Azure) -> None:
    """Under a profile: what is new is unknown at first, what has gone still good; this service itself sees both at once."""
    sees = azure.world.consistency.sees
    azure.world.consistency.configure("typical", seed=1)
    call(azure, "PUT", sent=body())
    holder = azure.world.directory.user_assigned(IDENTITY)
    assert holder is not None
    (made,) = holder.federated
    new = (sees("entra", "federated", made), call(azure, "GET").status)
    azure.clock.at += 3600
    settled = sees("entra", "federated", made)
    call(azure, "DELETE")
    gone = ([item.id for of, item in azure.world.ghosts.of("federated") if of == holder.id], call(azure, "GET").status)
    azure.clock.at += 3600
    over = sees("entra", "federated", made)
    assert ((False, 200), True, ([made], 404), False) == (new, settled, gone, over)


def test_a_lock_forbids_changes(azure: Azure) -> None:
    """On the identity, or above it."""
    call(azure, "PUT", sent=body())
    azure.world.tree.locks["keep"] = Lock("keep", GROUP, "ReadOnly")
    assert [(409, "ScopeLocked")] * 2 == [outcome(call(azure, "PUT", sent=body("2"))), outcome(call(azure, "DELETE"))]


def test_an_identity_tells_its_principal_and_client(azure: Azure) -> None:
    """What whoever adds a credential needs to sign in."""
    holder = azure.world.directory.user_assigned(IDENTITY)
    assert holder is not None
    shown = azure.call("GET", IDENTITY).body["properties"]
    assert {"tenantId": azure.world.tenant_id, "principalId": holder.id, "clientId": holder.app_id} == shown


def test_the_provider_tells_the_type_and_its_versions(azure: Azure) -> None:
    """Clients that ask for the version to take are led to one."""
    kinds = azure.call("GET", f"{ROOT}/providers/Microsoft.ManagedIdentity").body["resourceTypes"]
    found = {kind["resourceType"]: kind["apiVersions"] for kind in kinds}
    assert "2024-11-30" in found["userAssignedIdentities/federatedIdentityCredentials"]


def _asserted(cloud: Cloud, client_id: str, subject: str) -> dict[str, Any]:
    """Entra ID's answer to an assertion of the workload ``subject``."""
    pair = key_pair("workload")
    keys = [RSAAlgorithm.to_jwk(pair.private.public_key(), as_dict=True) | {"kid": "k"}]
    cloud.control("POST", "issuers", {"issuer": ISSUER, "jwks": keys})
    now = int(cloud.control("GET", "clock")["now"])
    stated = {"iss": ISSUER, "sub": subject, "aud": EXCHANGE, "iat": now, "nbf": now, "exp": now + 600}
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "scope": "https://management.azure.com/.default",
        "client_assertion_type": ASSERTION,
        "client_assertion": jwt.encode(stated, pair.private, algorithm="RS256", headers={"kid": "k"}),
    }
    address = f"{cloud.endpoints['entra']}/{cloud.document['tenant_id']}/oauth2/v2.0/token"
    answer: dict[str, Any] = cloud.http.post(address, data=form).json()
    return answer


def test_a_trusted_workload_signs_in_as_the_identity(cloud: Cloud) -> None:
    """Until its credential is deleted; another subject does not."""
    identity = cloud.identity("fn-orders")
    subscription = f"/subscriptions/{cloud.document['subscription_id']}"
    cloud.control("POST", "role-assignments", {"identity": "admin", "role": "Contributor", "scope": subscription})
    headers = {"authorization": f"Bearer {cloud.token('admin', 'https://management.azure.com')}"}
    address = f"{cloud.endpoints['arm']}{identity['resource_id']}/federatedIdentityCredentials/pods?api-version={VERSION}"
    cloud.http.put(address, json=body(), headers=headers).raise_for_status()
    (listed,) = cloud.control("GET", "state")["federated_credentials"]

    let_in = _asserted(cloud, identity["client_id"], "workload")
    stranger = _asserted(cloud, identity["client_id"], "stranger")
    cloud.http.delete(address, headers=headers).raise_for_status()
    late = _asserted(cloud, identity["client_id"], "workload")

    claims = jwt.decode(let_in["access_token"], options={"verify_signature": False})
    assert (identity["object_id"], "pods") == (claims["oid"], listed["name"])
    assert ([700213], [700211]) == (stranger["error_codes"], late["error_codes"])


def test_an_identity_that_the_control_api_places_is_one(cloud: Cloud) -> None:
    """With a service principal, once; a resource of another kind has none."""
    place = f"/subscriptions/{cloud.document['subscription_id']}/resourceGroups/ops/providers"
    for _ in "ab":
        cloud.control("POST", "resources", {"id": f"{place}/Microsoft.ManagedIdentity/userAssignedIdentities/placed"})
    cloud.control("POST", "resources", {"id": f"{place}/Microsoft.Web/sites/web"})
    found = [item["display_name"] for item in cloud.control("GET", "state")["service_principals"] if item["resource_id"]]
    assert (1, 0) == (found.count("placed"), found.count("web"))
