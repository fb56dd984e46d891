"""What tokens say, for each kind of caller, against the claim sets that Azure's own tokens were seen to have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.cloud.control import provision
from local.cloud.entra.identities import stated
from local.cloud.entra.resources import resolve
from local.cloud.local_azure import LocalAzure
from tests.local.entra.calls import claims, grant, post, register
from tests.local.parity.records import FOLDER

ARM = "https://management.azure.com/"

OPTIONAL = {"aio", "rh", "uti", "idtyp", "roles", "groups", "wids", "puid", "e_exp", "platf", "altsecid", "in_corp"}
"""Claims that Azure's tokens of one kind have at some times and lack at others."""


def _stated(world: LocalAzure, identity: str, audience: str, version: int | None = None) -> dict[str, Any]:
    resource = resolve(world, audience)
    assert resource is not None
    resource = resource.in_version(version) if version else resource
    return stated(world, world.directory.identities[identity], resource)


def _recorded(name: str, audience: str = "") -> list[dict[str, Any]]:
    file = FOLDER / "claims.json"
    if not file.exists():
        pytest.skip(f"no recordings of claims: looked in {FOLDER}")
    found = [entry["claims"] for entry in json.loads(file.read_text()) if entry["name"] == name]
    return [entry for entry in found if audience in str(entry.get("aud", ""))]


def test_an_application_is_described_as_recorded(world: LocalAzure) -> None:
    """Every claim of a service principal's version 1 token, and none besides."""
    actual = claims(post(world, grant(register(world), "https://storage.azure.com/.default")))
    for expected in _recorded("recorded_service-principal"):
        assert set(expected) - OPTIONAL == set(actual) - OPTIONAL


@pytest.mark.parametrize(
    ("name", "version"), [("custom_api_user_v2", 2), ("custom_api_user_v1", 1)], ids=["version 2", "version 1"]
)
def test_a_person_is_described_as_documented(world: LocalAzure, name: str, version: int) -> None:
    """Every claim of a member's token for an API of one's own; ``email`` and ``idp`` are a guest's."""
    provision.identity(world, "ada", "user")
    actual = set(_stated(world, "ada", f"api://{world.directory.broker_app_id}", version))
    for expected in _recorded(name):
        assert set(expected) - OPTIONAL - {"email", "idp"} == actual - OPTIONAL - {"upn"}


def test_version_1_lifetimes_are_as_recorded(world: LocalAzure) -> None:
    """65 minutes from ``nbf`` for applications; ``iat`` is ``nbf``; ``sub`` is ``oid``."""
    token = claims(post(world, grant(register(world))))
    assert (3900, token["iat"], token["oid"]) == (token["exp"] - token["nbf"], token["nbf"], token["sub"])


def test_a_managed_identitys_token_lives_for_a_day(world: LocalAzure) -> None:
    """86,700 s from ``nbf``."""
    token = _stated(world, "vm-web", ARM)
    assert token["exp"] - token["nbf"] == 86_700


def test_arm_learns_which_resource_an_identity_is(world: LocalAzure) -> None:
    """``xms_mirid``, with ``resourcegroups`` in lower case."""
    expected = f"/subscriptions/{world.subscription_id}/resourcegroups/app/providers/Microsoft.Compute/virtualMachines/vm-web"
    assert expected == _stated(world, "vm-web", ARM)["xms_mirid"]


def test_an_api_of_ones_own_does_not(world: LocalAzure) -> None:
    """Tokens for a custom audience name no resource."""
    assert "xms_mirid" not in _stated(world, "vm-web", f"api://{world.directory.broker_app_id}")


def test_an_applications_token_names_no_resource(world: LocalAzure) -> None:
    """It has none."""
    assert "xms_mirid" not in _stated(world, "admin", ARM)


def test_the_api_decides_the_version(world: LocalAzure) -> None:
    """Not the endpoint that was called: ``requestedAccessTokenVersion``."""
    api, app = register(world, "api"), register(world)
    issued = []
    for wanted in (None, 1, 2):
        api.application.properties["api"] = {"requestedAccessTokenVersion": wanted}
        token = claims(post(world, grant(app, f"api://{api.client_id}/.default")))
        issued.append((token["ver"], token["iss"], token["aud"]))
    v1, v2 = world.tokens.issuers
    uri = f"api://{api.client_id}"
    assert [("1.0", v1, uri), ("1.0", v1, uri), ("2.0", v2, api.client_id)] == issued


def test_version_2_names_the_client_as_authorized_party(world: LocalAzure) -> None:
    """``azp`` and ``azpacr`` take the place of ``appid`` and ``appidacr``."""
    token = _stated(world, "admin", f"api://{world.directory.broker_app_id}", 2)
    assert {"azp", "azpacr"} <= token.keys()
    assert token.keys().isdisjoint({"appid", "appidacr", "idp", "x5t"})


def test_roles_are_those_of_the_resource(world: LocalAzure) -> None:
    """A permission on Graph is no role of the broker's."""
    admin = world.directory.service_principals[world.directory.identities["admin"].object_id]
    provision.app_role(world, admin, "Application.Read.All")
    held = [_stated(world, "admin", audience).get("roles") for audience in (_broker(world), "https://graph.microsoft.com", ARM)]
    assert [["Leasehold.Admin"], ["Application.Read.All"], None] == held


def test_an_api_may_ask_for_groups(world: LocalAzure) -> None:
    """Direct and nested ones, when the registration wants them in tokens; ARM's tokens have none."""
    vm = world.directory.identities["vm-web"].object_id
    inner = provision.group(world, "inner", [vm])
    outer = provision.group(world, "outer", [inner.id])
    provision.group(world, "other")
    assert {inner.id, outer.id} == set(_stated(world, "vm-web", _broker(world))["groups"])
    assert "groups" not in _stated(world, "vm-web", ARM)


def test_more_than_200_groups_are_left_to_graph(world: LocalAzure) -> None:
    """The overage claims say so."""
    vm = world.directory.identities["vm-web"].object_id
    for number in range(201):
        provision.group(world, f"group {number}", [vm])
    token = _stated(world, "vm-web", _broker(world))
    assert ("groups" in token, {"groups": "src1"}) == (False, token["_claim_names"])


def test_idtyp_is_an_optional_claim_of_ones_own_api(world: LocalAzure) -> None:
    """Microsoft's always have it."""
    api = register(world, "api")
    found = ["idtyp" in _stated(world, "admin", audience) for audience in (api.client_id, _broker(world), ARM)]
    assert [False, True, True] == found


def test_a_person_is_never_app_only(world: LocalAzure) -> None:
    """``scp`` is there, ``idtyp`` is not."""
    provision.identity(world, "ada", "user")
    token = _stated(world, "ada", _broker(world))
    assert (True, False) == ("scp" in token, "idtyp" in token)


def test_a_persons_scopes_are_those_that_the_api_offers(world: LocalAzure) -> None:
    """Microsoft's offer one; an API of one's own that offers none gives none."""
    provision.identity(world, "ada", "user")
    api = register(world, "api")
    found = [_stated(world, "ada", audience)["scp"] for audience in (_broker(world), ARM, api.client_id)]
    assert ["access", "user_impersonation", ""] == found


def test_a_persons_subject_differs_from_api_to_api(world: LocalAzure) -> None:
    """It is pairwise, and never the object id."""
    provision.identity(world, "ada", "user")
    tokens = [_stated(world, "ada", audience) for audience in (_broker(world), ARM)]
    assert len({token["sub"] for token in tokens} | {tokens[0]["oid"]}) == 3


def _broker(world: LocalAzure) -> str:
    return f"api://{world.directory.broker_app_id}"
