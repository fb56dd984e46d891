"""The control API: what tests ask of the local cloud, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import httpx
import jwt
import pytest

from tests.local.conftest import Cloud

ARM = "https://management.azure.com/"


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _published(cloud: Cloud) -> list[dict[str, Any]]:
    address = f"{cloud.endpoints['entra']}/{cloud.document['tenant_id']}/discovery/keys"
    keys: list[dict[str, Any]] = cloud.http.get(address).json()["keys"]
    return keys


def test_the_document_says_where_everything_is(cloud: Cloud) -> None:
    """Every key that set-up and tests go by."""
    document = cloud.document
    named = {"tenant_id", "subscription_id", "audience", "function_host", "ca_bundle", "endpoints", "identities", "storage"}
    assert named == document.keys()
    assert {"entra", "graph", "arm", "key_vault", "blob", "event_grid", "imds", "all_tls"} == document["endpoints"].keys()


def test_the_document_lists_the_samples_identities(cloud: Cloud) -> None:
    """Each with its kind, ids and own endpoint."""
    found = {name: identity["kind"] for name, identity in cloud.document["identities"].items()}
    expected = {
        "leasehold": "user_assigned",
        "admin": "application",
        "auditor": "application",
        "vm-web": "system_assigned",
        "fn-orders": "user_assigned",
        "stranger": "user_assigned",
    }
    assert expected == found


def test_a_new_identity_is_who_it_says(cloud: Cloud) -> None:
    """A system-assigned one is a machine at the place asked for."""
    place = f"/subscriptions/{cloud.document['subscription_id']}/resourceGroups/ops/providers/Microsoft.Web/sites/jobs"
    made = cloud.control("POST", "identities", {"name": "jobs", "kind": "system_assigned", "resource_id": place})
    assert made == {"name": "jobs", **cloud.identity("jobs")}
    assert place.replace("/resourceGroups/", "/resourcegroups/") == _claims(cloud.token("jobs", ARM))["xms_mirid"]


def test_a_new_identity_may_have_app_roles_and_groups(cloud: Cloud) -> None:
    """Of the broker's API or of Graph; groups by name or id."""
    body = {"name": "op", "kind": "application", "app_roles": ["Leasehold.Auditor"], "groups": ["readers"]}
    cloud.control("POST", "identities", body)
    claims = _claims(cloud.token("op", cloud.document["audience"]))
    readers = next(group for group in cloud.control("GET", "state")["groups"] if group["display_name"] == "readers")
    assert (["Leasehold.Auditor"], [readers["object_id"]]) == (claims["roles"], claims["groups"])


def test_a_person_can_be_made(cloud: Cloud) -> None:
    """With a person's token."""
    cloud.control("POST", "identities", {"name": "ada", "kind": "user"})
    assert _claims(cloud.token("ada", cloud.document["audience"]))["scp"] == "access"


def test_a_token_verifies_against_the_published_keys(cloud: Cloud) -> None:
    """It is as good as one from the token endpoint."""
    token = cloud.token("admin", cloud.document["audience"])
    key = next(key for key in _published(cloud) if key["kid"] == jwt.get_unverified_header(token)["kid"])
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience=cloud.document["audience"])
    assert ["Leasehold.Admin"] == claims["roles"]


def test_claims_can_be_overridden_and_removed(cloud: Cloud) -> None:
    """Null removes one."""
    claims = _claims(cloud.token("admin", ARM, overrides={"aud": "else", "exp": 1, "oid": None}))
    assert ("else", 1, False) == (claims["aud"], claims["exp"], "oid" in claims)


def test_a_version_can_be_asked_for(cloud: Cloud) -> None:
    """Whatever the API's registration says."""
    claims = _claims(cloud.token("admin", cloud.document["audience"], version=2))
    assert ("2.0", cloud.document["audience"].removeprefix("api://")) == (claims["ver"], claims["aud"])


def test_an_unpublished_key_can_sign(cloud: Cloud) -> None:
    """Its id is not among the published."""
    token = cloud.token("admin", ARM, sign_with="unpublished")
    assert jwt.get_unverified_header(token)["kid"] not in {key["kid"] for key in _published(cloud)}


def test_an_unpublished_key_can_pretend_to_be_a_published_one(cloud: Cloud) -> None:
    """The header says so, the signature does not."""
    key = jwt.PyJWK(_published(cloud)[1])
    token = cloud.token("admin", ARM, sign_with="unpublished", header={"kid": key.key_id})
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False})


@pytest.mark.parametrize(
    "options", [{"sign_with": "none"}, {"header": {"alg": "none"}}, {"sign_with": "none", "header": {"alg": "RS256"}}]
)
def test_a_token_can_lack_its_signature(cloud: Cloud, options: dict[str, Any]) -> None:
    """With ``alg`` none, or with one that is a lie."""
    assert cloud.token("admin", ARM, **options).endswith(".")


def test_the_public_key_can_serve_as_a_secret(cloud: Cloud) -> None:
    """HS256 over the published key: what a verifier that lets the token choose would accept."""
    token = cloud.token("admin", ARM, header={"alg": "HS256"})
    kid = jwt.get_unverified_header(token)["kid"]
    key = jwt.PyJWK(next(key for key in _published(cloud) if key["kid"] == kid)).key
    signed, _, signature = token.rpartition(".")
    digest = hmac.new(_pem(key), signed.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == signature


def _pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - this test's alone

    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def test_reset_brings_back_the_state_after_set_up(cloud: Cloud) -> None:
    """The same objects with the same ids, and nothing else."""
    before = cloud.control("GET", "state"), cloud.document
    cloud.control("POST", "identities", {"name": "more", "kind": "application"})
    cloud.control("POST", "clock", {"advance_seconds": 99})
    cloud.control("POST", "reset")
    assert before == (cloud.control("GET", "state"), cloud.document)
    assert cloud.control("GET", "clock")["ahead_seconds"] == 0


def test_the_state_lists_secrets_by_id_and_end_alone(cloud: Cloud) -> None:
    """Never by value."""
    made = cloud.control("POST", "secrets", {"identity": "admin"})
    state = cloud.control("GET", "state")
    assert [made["key_id"]] == [secret["key_id"] for secret in state["secrets"]]
    assert made["secret"] not in str(state)


def test_the_state_knows_every_kind_of_thing(cloud: Cloud) -> None:
    """So that a test can assert that nothing is left of any."""
    expected = {
        "applications",
        "deleted_items",
        "service_principals",
        "secrets",
        "federated_credentials",
        "groups",
        "role_assignments",
        "locks",
        "vault_secrets",
        "event_topics",
        "event_subscriptions",
        "blob_containers",
    }
    assert expected == cloud.control("GET", "state").keys()


def test_the_clock_moves_forward(cloud: Cloud) -> None:
    """And with it what expires."""
    made = cloud.control("POST", "secrets", {"identity": "admin"})
    form = {
        "grant_type": "client_credentials",
        "client_id": cloud.identity("admin")["client_id"],
        "client_secret": made["secret"],
        "scope": "https://graph.microsoft.com/.default",
    }
    address = f"{cloud.endpoints['entra']}/{cloud.document['tenant_id']}/oauth2/v2.0/token"
    before = cloud.http.post(address, data=form).status_code
    cloud.control("POST", "clock", {"advance_seconds": 366 * 86400})
    assert (200, [7000222]) == (before, cloud.http.post(address, data=form).json()["error_codes"])


def test_the_profile_can_be_set_and_read(cloud: Cloud) -> None:
    """With seed and speed."""
    cloud.control("PUT", "consistency", {"profile": "typical", "seed": 1, "speed": 20})
    assert {"profile": "typical", "speed": 20.0} == cloud.control("GET", "consistency")


def test_keys_can_be_rotated(cloud: Cloud) -> None:
    """The new one is published at once."""
    kid = cloud.control("POST", "keys/rotate")["kid"]
    assert kid in {key["kid"] for key in _published(cloud)}


def test_places_can_be_made(cloud: Cloud) -> None:
    """Resource groups, resources with their location, and locks on them."""
    group = cloud.control("POST", "resource-groups", {"name": "more", "location": "northeurope"})
    made = cloud.control("POST", "resources", {"id": f"{group['id']}/providers/Microsoft.Compute/virtualMachines/one"})
    lock = cloud.control("POST", "locks", {"name": "keep", "scope": group["id"], "level": "CanNotDelete"})
    assert ("northeurope", "Microsoft.Compute/virtualMachines") == (made["location"], made["type"])
    assert lock["id"] == f"{group['id']}/providers/Microsoft.Authorization/locks/keep"


def test_a_role_can_be_assigned(cloud: Cloud) -> None:
    """By the role's name, to an identity by its own."""
    scope = f"/subscriptions/{cloud.document['subscription_id']}"
    made = cloud.control("POST", "role-assignments", {"identity": "vm-web", "role": "Reader", "scope": scope})
    assert made in cloud.control("GET", "state")["role_assignments"]
    assert made["role_definition_id"].endswith("acdd72a7-3385-48ef-bd42-f606fba81ae7")


def test_a_group_can_be_made(cloud: Cloud) -> None:
    """With identities as members, by name."""
    made = cloud.control("POST", "groups", {"name": "ops", "members": ["vm-web"]})
    assert [cloud.identity("vm-web")["object_id"]] == made["members"]


def test_limits_can_be_set_and_end_with_a_reset(cloud: Cloud) -> None:
    """So that a test reaches a quota with a handful of objects."""
    usual = cloud.control("GET", "limits")
    changed = cloud.control("PUT", "limits", {"arm": {"assignments_per_subscription": 2}, "graph": {"throttling": True}})
    cloud.control("POST", "reset")
    assert (2, True) == (changed["arm"]["assignments_per_subscription"], changed["graph"]["throttling"])
    assert usual == cloud.control("GET", "limits")


def test_secrets_can_be_forbidden_and_allowed_again(cloud: Cloud) -> None:
    """By the tenant's policy; nothing but ``blocked`` or ``null`` is one."""
    policy = {"passwords": "blocked", "password_lifetime_seconds": 60, "certificate_lifetime_seconds": 90}
    assert policy.items() <= cloud.control("PUT", "limits", {"graph": policy})["graph"].items()
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        cloud.control("PUT", "limits", {"graph": {"passwords": "no"}})
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        cloud.control("PUT", "limits", {"graph": {"certificate_lifetime_seconds": 0}})
    allowed = dict.fromkeys(policy)
    assert allowed.items() <= cloud.control("PUT", "limits", {"graph": allowed})["graph"].items()


def test_management_groups_can_be_made_and_are_scopes(cloud: Cloud) -> None:
    """Below the tenant's root or one another; a role on the top one reaches the subscription in the inner one."""
    own = cloud.document["subscription_id"]
    top = cloud.control("POST", "management-groups", {"name": "top"})
    inner = cloud.control("POST", "management-groups", {"name": "inner", "parent": "top", "subscriptions": [own]})
    headers = {"authorization": f"Bearer {cloud.token('stranger', ARM)}"}
    group = f"{cloud.endpoints['arm']}/subscriptions/{own}/resourceGroups/app?api-version=2022-04-01"
    before = cloud.http.get(group, headers=headers).status_code
    cloud.control("POST", "role-assignments", {"identity": "stranger", "role": "Reader", "scope": top["id"]})
    after = cloud.http.get(group, headers=headers).status_code
    below = f"{cloud.endpoints['arm']}{top['id']}/descendants?api-version=2020-05-01"
    listed = [item["name"] for item in cloud.http.get(below, headers=headers).json()["value"]]
    assert (403, 200, {"inner", own}) == (before, after, set(listed))
    assert (cloud.document["tenant_id"], "top") == (top["parent"], inner["parent"])


def test_a_role_on_a_management_group_beside_reaches_nothing(cloud: Cloud) -> None:
    """A management group holds what is put in it; names are taken once, the root's included."""
    beside = cloud.control("POST", "management-groups", {"name": "beside"})
    cloud.control("POST", "role-assignments", {"identity": "stranger", "role": "Reader", "scope": beside["id"]})
    headers = {"authorization": f"Bearer {cloud.token('stranger', ARM)}"}
    group = f"{cloud.endpoints['arm']}/subscriptions/{cloud.document['subscription_id']}/resourceGroups/app"
    assert 403 == cloud.http.get(f"{group}?api-version=2022-04-01", headers=headers).status_code
    for name in ("BESIDE", cloud.document["tenant_id"]):
        assert 400 == cloud.http.post(f"{cloud.control_url}/management-groups", json={"name": name}).status_code


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "limits", {"arm": {"patience": 1}}),
        ("PUT", "limits", {"arm": {"page_size": 0}}),
        ("PUT", "limits", {"arm": {"federated_per_identity": None}}),
        ("PUT", "limits", {"arm": {"busy_seconds": 0}}),
        ("POST", "management-groups", {"name": "a/b"}),
        ("POST", "management-groups", {"name": "a", "parent": "nowhere"}),
        ("POST", "management-groups", {"name": "a", "subscriptions": ["30000000-0000-4000-8000-000000000003"]}),
        ("PUT", "limits", {"graph": {"patience": 1}}),
        ("POST", "identities", {"name": "x"}),
        ("POST", "identities", {"name": "x", "kind": "robot"}),
        ("POST", "identities", {"name": "x/y", "kind": "user"}),
        ("POST", "identities", {"name": "vm-web", "kind": "user"}),
        ("POST", "identities", {"name": "x", "kind": "user", "surprise": 1}),
        ("POST", "identities", {"name": "x", "kind": "system_assigned", "resource_id": "/nowhere"}),
        ("POST", "identities", {"name": "x", "kind": "user", "app_roles": ["Leasehold.King"]}),
        ("POST", "identities", {"name": "x", "kind": "user", "groups": ["nobody"]}),
        ("POST", "token", {"identity": "nobody", "resource": ARM}),
        ("POST", "token", {"identity": "admin", "resource": "api://nobody"}),
        ("POST", "token", {"identity": "admin", "resource": ARM, "sign_with": "me"}),
        ("POST", "token", {"identity": "admin", "resource": ARM, "version": 3}),
        ("PUT", "consistency", {"profile": "perfect"}),
        ("PUT", "consistency", {"profile": "none", "speed": 0}),
        ("PUT", "consistency", {"profile": "none", "seed": "x"}),
        ("POST", "faults", {"effect": "timeout"}),
        ("POST", "faults", [{"effect": "explode"}]),
        ("POST", "clock", {"advance_seconds": -1}),
        ("POST", "clock", {"advance_seconds": "soon"}),
        ("POST", "issuers", {"issuer": "https://a.example.com", "jwks": "x"}),
        ("POST", "resources", {"id": "/subscriptions/else/resourceGroups/a/providers/b/c/d"}),
        ("POST", "role-assignments", {"identity": "admin", "role": "Nobody", "scope": "/"}),
        ("POST", "role-assignments", {"role": "Reader", "scope": "/"}),
        ("POST", "locks", {"name": "a", "scope": "/", "level": "Perhaps"}),
        ("POST", "secrets", {"identity": "vm-web"}),
        ("POST", "groups", {"name": "a", "members": ["nobody"]}),
    ],
)
def test_bad_input_is_refused_in_plain_words(cloud: Cloud, method: str, path: str, body: Any) -> None:
    """400, and nothing has changed."""
    before = cloud.control("GET", "state")
    reply = cloud.http.request(method, f"{cloud.control_url}/{path}", json=body)
    assert (400, ["error"]) == (reply.status_code, list(reply.json()))
    assert before == cloud.control("GET", "state")


def test_a_body_that_is_not_json_is_refused(cloud: Cloud) -> None:
    """400 as well."""
    reply: httpx.Response = cloud.http.post(f"{cloud.control_url}/token", content=b"{")
    assert reply.status_code == 400


def test_what_is_not_there_is_not_implemented(cloud: Cloud) -> None:
    """501."""
    assert cloud.http.get(f"{cloud.control_url}/weather").status_code == 501


def test_another_tenant_publishes_keys_and_signs_tokens(cloud: Cloud) -> None:
    """Its issuers are its own, in either version."""
    other = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0006"
    cloud.control("POST", "tenants", {"id": other.upper()})
    for version, path in ((1, ""), (2, "/v2.0")):
        asked = {"identity": "admin", "resource": cloud.document["audience"], "tenant": other, "version": version}
        claims = _claims(cloud.control("POST", "token", asked)["access_token"])
        metadata = cloud.http.get(f"{cloud.endpoints['entra']}/{other}{path}/.well-known/openid-configuration").json()
        assert (other, metadata["issuer"]) == (claims["tid"], claims["iss"])
        assert other in claims["iss"]
        assert cloud.http.get(metadata["jwks_uri"]).json()["keys"]


def test_a_token_may_have_too_many_groups(cloud: Cloud) -> None:
    """It says where the groups are, and names none. That is how Entra ID tells of more than 200."""
    cloud.control("POST", "groups", {"name": "few", "members": ["admin"]})
    audience, identity = cloud.document["audience"], cloud.identity("admin")["object_id"]

    listed, found = _claims(cloud.token("admin", audience)), _claims(cloud.token("admin", audience, overage=True))
    assert (1, False, {"groups": "src1"}) == (len(listed["groups"]), "groups" in found, found["_claim_names"])
    assert f"/users/{identity}/getMemberObjects" in found["_claim_sources"]["src1"]["endpoint"]
    asked = {"identity": "admin", "resource": audience, "overage": "yes"}
    assert 400 == cloud.http.post(f"{cloud.control_url}/token", json=asked).status_code


def test_a_tenant_must_be_known(cloud: Cloud) -> None:
    """A token of no tenant would verify nowhere."""
    asked = {"identity": "admin", "resource": cloud.document["audience"], "tenant": "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0007"}
    assert 400 == cloud.http.post(f"{cloud.control_url}/token", json=asked).status_code
    assert 400 == cloud.http.post(f"{cloud.control_url}/tenants", json={"id": "other"}).status_code
