"""Client assertions: signed by a certificate, or by an issuer that a federated credential trusts."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from local.cloud.engine.tokens import issuers_of
from local.cloud.entra.identities import stated
from local.cloud.entra.resources import resolve
from local.cloud.entra.state import TrustedIssuers
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.directory import Identity
from tests.local.entra.calls import (
    EXCHANGE,
    App,
    aadsts,
    add_certificate,
    asserting,
    certified,
    claims,
    key_pair,
    post,
    register,
    trust,
)

ISSUER = "https://issuer.example.com"


def _workload(world: LocalAzure, **overrides: Any) -> str:
    """An assertion of an issuer of our own, whose keys the cloud knows."""
    pair = key_pair("issuer")
    world.of(TrustedIssuers).keys[ISSUER] = [RSAAlgorithm.to_jwk(pair.private.public_key(), as_dict=True) | {"kid": "k"}]
    now = int(world.clock.source())
    usual = {"iss": ISSUER, "sub": "workload", "aud": EXCHANGE, "iat": now, "nbf": now, "exp": now + 600}
    return jwt.encode(usual | overrides, pair.private, algorithm="RS256", headers={"kid": "k"})


def _assertion(world: LocalAzure, identity: Identity, audience: str = EXCHANGE) -> str:
    resource = resolve(world, audience)
    assert resource is not None
    return world.tokens.issue(stated(world, identity, resource))


def _certified_app(world: LocalAzure) -> App:
    app = register(world)
    add_certificate(world, app, key_pair())
    return app


def test_a_registered_certificate_signs_in(world: LocalAzure) -> None:
    """The header names it by SHA-1; the token says how the client proved itself."""
    app = _certified_app(world)
    reply = post(world, asserting(app, certified(world, app, key_pair())))
    assert (200, "2") == (reply.status, claims(reply)["appidacr"])


def test_a_certificate_may_be_named_by_sha256(world: LocalAzure) -> None:
    """As current MSAL does, with PSS padding."""
    app, pair = _certified_app(world), key_pair()
    now = int(world.clock.now())
    body = {"aud": f"https://login.microsoftonline.com/{world.tenant_id}/v2.0", "iss": app.client_id, "exp": now + 600}
    assertion = jwt.encode(body, pair.private, algorithm="PS256", headers={"x5t#S256": pair.x5t_s256})
    assert post(world, asserting(app, assertion)).status == 200


def test_an_unknown_certificate_is_refused(world: LocalAzure) -> None:
    """700027."""
    app = register(world)
    reply = post(world, asserting(app, certified(world, app, key_pair())))
    assert (401, "invalid_client", [700027]) == aadsts(reply)


def test_anothers_signature_under_a_known_certificate_is_refused(world: LocalAzure) -> None:
    """700027: the header is only a claim."""
    app = _certified_app(world)
    forged = certified(world, app, key_pair("thief"), header={"x5t": key_pair().x5t})
    assert (401, "invalid_client", [700027]) == aadsts(post(world, asserting(app, forged)))


def test_an_expired_certificate_is_refused(world: LocalAzure) -> None:
    """700027."""
    app = register(world)
    add_certificate(world, app, key_pair(), days=1)
    world.clock.ahead += 2 * 86400
    reply = post(world, asserting(app, certified(world, app, key_pair())))
    assert (401, "invalid_client", [700027]) == aadsts(reply)


def test_an_assertion_for_somebody_else_is_refused(world: LocalAzure) -> None:
    """700023."""
    app = _certified_app(world)
    stray = certified(world, app, key_pair(), aud="https://example.com")
    assert (401, "invalid_client", [700023]) == aadsts(post(world, asserting(app, stray)))


def test_a_late_assertion_is_refused(world: LocalAzure) -> None:
    """700024."""
    app = _certified_app(world)
    late = certified(world, app, key_pair(), nbf=1_000, exp=1_600)
    assert (401, "invalid_client", [700024]) == aadsts(post(world, asserting(app, late)))


def test_a_clients_clock_is_the_machines(world: LocalAzure) -> None:
    """Moving the cloud's time forward does not make honest assertions late."""
    app = _certified_app(world)
    world.clock.ahead += 86400
    assert post(world, asserting(app, certified(world, app, key_pair()))).status == 200


def test_rubbish_is_no_assertion(world: LocalAzure) -> None:
    """50027."""
    assert (400, "invalid_request", [50027]) == aadsts(post(world, asserting(register(world), "a.b.c")))


def test_a_trusted_workload_signs_in(world: LocalAzure) -> None:
    """Issuer, subject and audience match, and the issuer's key signed."""
    app = register(world)
    trust(world, app, ISSUER, "workload")
    assert post(world, asserting(app, _workload(world))).status == 200


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"iss": "https://else.example.com"}, 700211),
        ({"aud": "api://else"}, 700212),
        ({"sub": "else"}, 700213),
        ({"sub": "Workload"}, 7002138),
    ],
)
def test_says_which_claim_matches_no_credential(world: LocalAzure, overrides: dict[str, str], code: int) -> None:
    """Comparison is exact; a subject that differs by case alone has a code of its own."""
    app = register(world)
    trust(world, app, ISSUER, "workload")
    reply = post(world, asserting(app, _workload(world, **overrides)))
    assert (401, "invalid_client", [code]) == aadsts(reply)


def test_a_workloads_signature_is_checked(world: LocalAzure) -> None:
    """5000811: the claims alone prove nothing."""
    app = register(world)
    trust(world, app, ISSUER, "workload")
    good = _workload(world)
    body = jwt.decode(good, options={"verify_signature": False})
    forged = jwt.encode(body, key_pair("thief").private, algorithm="RS256", headers={"kid": "k"})
    assert (401, "invalid_client", [5000811]) == aadsts(post(world, asserting(app, forged)))


def test_an_issuer_whose_keys_cannot_be_read_is_refused(world: LocalAzure) -> None:
    """50166."""
    app = register(world)
    trust(world, app, ISSUER, "workload")
    assertion = _workload(world)
    world.of(TrustedIssuers).keys.clear()
    assert (400, "invalid_request", [50166]) == aadsts(post(world, asserting(app, assertion)))


def test_a_late_workload_is_refused(world: LocalAzure) -> None:
    """700024."""
    app = register(world)
    trust(world, app, ISSUER, "workload")
    reply = post(world, asserting(app, _workload(world, nbf=1_000, exp=1_600)))
    assert (401, "invalid_client", [700024]) == aadsts(reply)


def test_a_user_assigned_identity_signs_in(world: LocalAzure) -> None:
    """Its own token for the exchange is the assertion."""
    app, identity = register(world), world.directory.identities["fn-orders"]
    trust(world, app, world.tokens.issuers[1], identity.object_id)
    assert post(world, asserting(app, _assertion(world, identity))).status == 200


def test_a_system_assigned_identity_cannot_be_federated(world: LocalAzure) -> None:
    """700226."""
    app, identity = register(world), world.directory.identities["vm-web"]
    trust(world, app, world.tokens.issuers[1], identity.object_id)
    reply = post(world, asserting(app, _assertion(world, identity)))
    assert (401, "invalid_client", [700226]) == aadsts(reply)


def test_an_applications_own_token_is_no_assertion(world: LocalAzure) -> None:
    """700226: only managed identities may be federated within the tenant."""
    app, identity = register(world), world.directory.identities["admin"]
    trust(world, app, world.tokens.issuers[1], identity.object_id)
    reply = post(world, asserting(app, _assertion(world, identity)))
    assert (401, "invalid_client", [700226]) == aadsts(reply)


def test_what_was_got_by_federation_is_no_assertion(world: LocalAzure) -> None:
    """700231; what the same identity got on its own is one."""
    app, identity = register(world), world.directory.identities["fn-orders"]
    trust(world, app, world.tokens.issuers[1], identity.object_id)
    other = register(world, "other")
    credential = trust(world, other, ISSUER, "workload")
    world.directory.service_principals[identity.object_id].federated[credential.id] = credential
    scope = {"scope": f"{EXCHANGE}/.default"}
    chained = post(world, asserting(app, _workload(world)) | scope | {"client_id": identity.client_id})
    assert (401, "invalid_client", [700231]) == aadsts(post(world, asserting(app, chained.body["access_token"])))
    assert post(world, asserting(app, _assertion(world, identity))).status == 200


@pytest.mark.parametrize("version", [0, 1])
def test_another_tenants_identity_is_not_federated(world: LocalAzure, version: int) -> None:
    """700236, whichever issuer of that tenant the credential trusts."""
    app = register(world)
    issuer = issuers_of(world.guid())[version]
    trust(world, app, issuer, "workload")
    reply = post(world, asserting(app, _workload(world, iss=issuer)))
    assert (401, "invalid_client", [700236]) == aadsts(reply)


def test_an_identitys_token_for_another_audience_is_no_assertion(world: LocalAzure) -> None:
    """Its version 1 token for ARM has another issuer altogether."""
    app, identity = register(world), world.directory.identities["fn-orders"]
    trust(world, app, world.tokens.issuers[1], identity.object_id)
    reply = post(world, asserting(app, _assertion(world, identity, "https://management.azure.com")))
    assert (401, "invalid_client", [700211]) == aadsts(reply)


def test_a_managed_identity_trusts_workloads_of_its_own(world: LocalAzure) -> None:
    """As pods sign in with a user-assigned identity's client id."""
    identity = world.directory.identities["fn-orders"]
    app = register(world)
    credential = trust(world, app, ISSUER, "workload")
    world.directory.service_principals[identity.object_id].federated[credential.id] = credential
    form = asserting(app, _workload(world)) | {"client_id": identity.client_id}
    assert identity.object_id == claims(post(world, form))["oid"]


def test_a_fresh_federated_credential_is_unknown_at_first(world: LocalAzure) -> None:
    """70021 until it has been replicated."""
    world.consistency.configure("typical", seed=1)
    app = register(world)
    world.consistency.wrote("federated", trust(world, app, ISSUER, "workload").id)
    before = aadsts(post(world, asserting(app, _workload(world))))
    world.clock.ahead += 301
    after = post(world, asserting(app, _workload(world)))
    assert ((400, "invalid_request", [70021]), 200) == (before, after.status)


@pytest.mark.parametrize(
    ("issuer", "subject", "code"), [("https://else.example", "workload", 700211), (ISSUER, "other", 700213)]
)
def test_a_further_federated_credential_is_refused_by_what_differs(
    world: LocalAzure, issuer: str, subject: str, code: int
) -> None:
    """Until it has been replicated, a replica compares with the one that it knows."""
    app = register(world)
    trust(world, app, issuer, subject)
    world.consistency.configure("typical", seed=1)
    world.consistency.wrote("federated", trust(world, app, ISSUER, "workload").id)
    before = aadsts(post(world, asserting(app, _workload(world))))
    world.clock.ahead += 301
    after = post(world, asserting(app, _workload(world)))
    assert ((401, "invalid_client", [code]), 200) == (before, after.status)


def test_an_assertion_does_not_replace_a_registration(world: LocalAzure) -> None:
    """700016, whatever the assertion says."""
    app = register(world)
    del world.directory.applications[app.application.id]
    del world.directory.service_principals[app.object_id]
    assert (400, "unauthorized_client", [700016]) == aadsts(post(world, asserting(app, _workload(world))))
