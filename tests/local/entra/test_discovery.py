"""Discovery documents and keys: addresses stay with the local cloud, issuers are Azure's."""

from __future__ import annotations

import jwt
import pytest

from local.cloud.engine.tokens import TokenRefused
from local.cloud.local_azure import LocalAzure
from tests.local.entra.calls import ORIGIN, get, grant, post, register


def test_addresses_use_the_origin_that_was_called(world: LocalAzure) -> None:
    """A client that follows them comes back."""
    document = get(world, f"/{world.tenant_id}/v2.0/.well-known/openid-configuration").body
    base = f"{ORIGIN}/{world.tenant_id}"
    assert f"{base}/oauth2/v2.0/token" == document["token_endpoint"]
    assert f"{base}/discovery/v2.0/keys" == document["jwks_uri"]


def test_issuers_are_azures_own(world: LocalAzure) -> None:
    """Tokens carry them, and verifiers compare."""
    paths = ("/.well-known/openid-configuration", "/v2.0/.well-known/openid-configuration")
    issuers = tuple(get(world, f"/{world.tenant_id}{path}").body["issuer"] for path in paths)
    assert world.tokens.issuers == issuers


def test_both_documents_lead_to_the_keys(world: LocalAzure) -> None:
    """Version 1 keeps them under ``common``."""
    for path in ("/.well-known/openid-configuration", "/v2.0/.well-known/openid-configuration"):
        address = get(world, f"/{world.tenant_id}{path}").body["jwks_uri"]
        assert get(world, address.removeprefix(ORIGIN)).body["keys"]


def test_an_unknown_tenant_has_no_document(world: LocalAzure) -> None:
    """90002, as an ``invalid_tenant``."""
    reply = get(world, "/nobody.example.com/v2.0/.well-known/openid-configuration")
    assert (400, "invalid_tenant", [90002]) == (reply.status, reply.body["error"], reply.body["error_codes"])


def test_several_keys_are_published(world: LocalAzure) -> None:
    """With the certificate's thumbprint as id; version 2 adds the issuer."""
    published = get(world, f"/{world.tenant_id}/discovery/v2.0/keys").body["keys"]
    assert len(published) == 3
    assert {world.tokens.issuers[1]} == {key["issuer"] for key in published}
    assert all(key["kid"] == key["x5t"] for key in published)


def test_a_published_key_verifies_a_token(world: LocalAzure) -> None:
    """As any client would, knowing nothing but the documents."""
    token = post(world, grant(register(world))).body["access_token"]
    published = get(world, f"/{world.tenant_id}/discovery/keys").body["keys"]
    key = next(key for key in published if key["kid"] == jwt.get_unverified_header(token)["kid"])
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience="https://graph.microsoft.com")
    assert world.tenant_id == claims["tid"]


def test_rotation_publishes_a_new_key_and_withdraws_the_oldest(world: LocalAzure) -> None:
    """The others stay."""
    before = _kids(world)
    world.tokens.rotate()
    after = _kids(world)
    assert (2, 1, 1) == (len(before & after), len(before - after), len(after - before))


def test_tokens_of_a_key_that_is_still_published_stay_good(world: LocalAzure) -> None:
    """The next rotation but one ends them."""
    token = post(world, grant(register(world))).body["access_token"]
    world.tokens.rotate()
    assert world.tokens.verify(token, ("https://graph.microsoft.com",))
    world.tokens.rotate()
    with pytest.raises(TokenRefused, match="unknown key"):
        world.tokens.verify(token, ("https://graph.microsoft.com",))


def test_version_1_tokens_name_their_key_twice(world: LocalAzure) -> None:
    """``x5t`` and ``kid``; version 2 tokens by ``kid`` alone."""
    api, app = register(world, "api"), register(world)
    api.application.properties["api"] = {"requestedAccessTokenVersion": 2}
    scopes = ("https://graph.microsoft.com/.default", f"{api.client_id}/.default")
    headers = [jwt.get_unverified_header(post(world, grant(app, scope)).body["access_token"]) for scope in scopes]
    assert [True, False] == ["x5t" in header for header in headers]


def test_instance_discovery_finds_the_tenant(world: LocalAzure) -> None:
    """With the version of the authorization endpoint."""
    query = {"api-version": "1.1", "authorization_endpoint": f"{ORIGIN}/{world.tenant_id}/oauth2/v2.0/authorize"}
    body = get(world, "/common/discovery/instance", query).body
    assert f"{ORIGIN}/{world.tenant_id}/v2.0/.well-known/openid-configuration" == body["tenant_discovery_endpoint"]


@pytest.mark.parametrize(
    ("audiences", "later", "reason"),
    [(("https://vault.azure.net",), 0, "audience"), (("https://graph.microsoft.com",), 3_601, "expired")],
)
def test_a_service_refuses_a_token_that_is_not_for_it_or_late(
    world: LocalAzure, audiences: tuple[str, ...], later: float, reason: str
) -> None:
    """Every service checks audience and lifetime, on the cloud's own clock."""
    token = post(world, grant(register(world))).body["access_token"]
    world.clock.ahead += later
    with pytest.raises(TokenRefused, match=reason):
        world.tokens.verify(token, audiences)


def test_a_service_wants_a_token(world: LocalAzure) -> None:
    """None is refused like a wrong one."""
    with pytest.raises(TokenRefused, match="missing"):
        world.tokens.verify(None, ("https://graph.microsoft.com",))


def _kids(world: LocalAzure) -> set[str]:
    return {key["kid"] for key in get(world, f"/{world.tenant_id}/discovery/keys").body["keys"]}


@pytest.mark.parametrize("anybody", ["organizations", "common", "Common"])
def test_where_no_tenant_is_named_the_issuer_has_a_place_for_it(world: LocalAzure, anybody: str) -> None:
    """To the letter, in either version."""
    issuers = [get(world, f"/{anybody}{version}/.well-known/openid-configuration").body["issuer"] for version in ("/v2.0", "")]
    assert ["https://login.microsoftonline.com/{tenantid}/v2.0", "https://sts.windows.net/{tenantid}/"] == issuers
    (key, *_) = get(world, f"/{anybody}/discovery/v2.0/keys").body["keys"]
    assert issuers[0] == key["issuer"]
