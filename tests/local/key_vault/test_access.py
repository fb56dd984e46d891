"""Key Vault: its challenge, its firewall, and who may list a vault's secrets."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloud.engine.tokens import issuers_of
from local.cloud.tenant.first_party import KEY_VAULT
from tests.local.arm.calls import GROUP, OWNER, ROOT, STORE, TENANT, assignment
from tests.local.key_vault.calls import (
    ADMINISTRATOR,
    AUDIENCE,
    HOST,
    QUERY,
    READER,
    SECRETS_USER,
    VAULT,
    Vault,
    outcome,
)

CHALLENGE = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="https://vault.azure.net"'


@pytest.mark.parametrize(("method", "path"), [("GET", "/secrets"), ("PUT", "/secrets/one"), ("GET", "/keys")])
def test_challenges_whoever_sends_no_token(vault: Vault, method: str, path: str) -> None:
    """Whatever is asked for."""
    reply = vault.send(method, path, {}, {})
    body = {"error": {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}}
    assert (401, body, CHALLENGE) == (reply.status, reply.body, reply.headers["www-authenticate"])


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"audience": "https://management.azure.com/"}, "AKV10022: Invalid audience."),
        ({"audience": f"{AUDIENCE}/"}, "AKV10022: Invalid audience."),
        ({"lifetime": -10}, "expired"),
        ({"nbf": 2_000_000_000}, "not valid yet"),
        ({"iss": "https://sts.windows.net/else/"}, "AKV10032: Invalid issuer."),
    ],
)
def test_challenges_whoever_sends_a_token_that_does_not_count(vault: Vault, claims: dict[str, Any], text: str) -> None:
    """Another service's, one out of its time, another issuer's."""
    reply = vault.listed(vault.holder(), **claims)
    assert (401, "Unauthorized", CHALLENGE) == (
        reply.status,
        reply.body["error"]["code"],
        reply.headers["www-authenticate"],
    )
    assert text in reply.body["error"]["message"]


@pytest.mark.parametrize("audience", [AUDIENCE, KEY_VAULT])
@pytest.mark.parametrize("scope", ["/", ROOT, GROUP, VAULT])
def test_lists_for_whoever_has_a_role_for_data(vault: Vault, scope: str, audience: str) -> None:
    """At the vault or above; a vault holds no secret yet."""
    reply = vault.listed(vault.holder(scope=scope), audience=audience)
    assert (200, {"value": [], "nextLink": None}) == (reply.status, reply.body)


@pytest.mark.parametrize(
    ("role", "expected"), [(SECRETS_USER, 200), (READER, 200), (ADMINISTRATOR, 200), (OWNER, 403)], ids=str
)
def test_data_takes_a_role_for_data(vault: Vault, role: str, expected: int) -> None:
    """Whoever owns the vault may not look into it."""
    assert expected == vault.listed(vault.holder(role)).status


def test_a_role_elsewhere_opens_nothing(vault: Vault) -> None:
    """Another vault, another resource; nor does one whose condition cannot be looked at."""
    other = VAULT + "-2"
    vault.azure.resource(other, "Microsoft.KeyVault/vaults")
    condition = "(@Request[subscriptionId] StringEquals 'x')"
    holders = [vault.holder(scope=STORE), vault.holder(scope=other), vault.holder(condition=condition)]
    assert [403] * 3 == [vault.listed(holder).status for holder in holders]


def test_says_who_was_refused_and_where(vault: Vault) -> None:
    """With the finer code, in Azure's words."""
    caller = vault.azure.principal()
    error = vault.listed(caller).body["error"]
    lines = error["message"].split("\r\n")
    assert ("Forbidden", {"code": "ForbiddenByRbac"}) == (error["code"], error["innererror"])
    assert {
        f"Caller: appid=app-of-{caller};oid={caller};iss=https://sts.windows.net/{TENANT}/",
        "Action: 'Microsoft.KeyVault/vaults/secrets/readMetadata/action'",
        f"Resource: '{VAULT.replace('resourceGroups', 'resourcegroups').replace('Microsoft.KeyVault', 'microsoft.keyvault')}'",
        "Vault: one;location=westeurope",
    } < set(lines)


def test_is_found_by_path_on_a_port_of_its_own(vault: Vault) -> None:
    """Like storage accounts."""
    token = {"authorization": f"Bearer {vault.azure.token(vault.holder(), AUDIENCE)}", "host": "127.0.0.1:7443"}
    statuses = [vault.send("GET", path, QUERY, token).status for path in ("/one/secrets", "/ONE/secrets/", "/two/secrets")]
    assert [200, 200, 404] == statuses


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (400, "BadParameter")),
        ({"maxresults": "1"}, (400, "BadParameter")),
        (QUERY | {"maxresults": "0"}, (400, "BadParameter")),
        (QUERY | {"maxresults": "26"}, (400, "BadParameter")),
        (QUERY | {"maxresults": "one"}, (400, "BadParameter")),
        (QUERY | {"$skiptoken": "x"}, (400, "BadParameter")),
        (QUERY | {"$filter": "x"}, (501, "NotImplemented")),
        ({"api-version": "7.5"}, (200, "")),
    ],
)
def test_reads_what_the_query_says(vault: Vault, query: dict[str, str], expected: tuple[int, str]) -> None:
    """An api-version, and up to 25 results."""
    reply = vault.listed(vault.holder(), query)
    assert expected == (reply.status, reply.body.get("error", {}).get("code", ""))


def test_what_is_not_there_says_so(vault: Vault) -> None:
    """Keys and certificates are not, nor are other calls of secrets."""
    token = {"authorization": f"Bearer {vault.azure.token(vault.holder(ADMINISTRATOR), AUDIENCE)}"}
    for method, path in (
        ("POST", "/secrets/one"),
        ("PUT", "/secrets"),
        ("GET", "/keys"),
        ("GET", "/"),
        ("GET", "/secrets/a/b/c"),
    ):
        assert 501 == vault.send(method, path, QUERY, token).status


def test_learns_of_assignments_in_its_own_time(vault: Vault) -> None:
    """Granted and removed, within ten minutes; Resource Manager's view is another."""
    azure, reader, name = vault.azure, vault.azure.principal(), vault.azure.world.guid()
    azure.world.consistency.configure("typical", seed=1)
    azure.assign(reader, SECRETS_USER, VAULT, name=name, properties={"principalType": "ServicePrincipal"})
    granted = [vault.listed(reader).status]
    azure.clock.at += 601
    granted.append(vault.listed(reader).status)
    azure.call("DELETE", assignment(VAULT, name))
    removed = [vault.listed(reader).status]
    azure.clock.at += 601
    removed.append(vault.listed(reader).status)
    assert ([403, 200], [200, 403]) == (granted, removed)


def test_the_hosts_name_chooses_the_vault(vault: Vault) -> None:
    """In any case, with a port."""
    token = {"authorization": f"Bearer {vault.azure.token(vault.holder(), AUDIENCE)}", "host": f"{HOST.upper()}:443"}
    assert 200 == vault.send("GET", "/secrets", QUERY, token).status


def test_a_token_that_nobody_signed_is_refused(vault: Vault) -> None:
    """One that says it is of the right tenant, and one that says nothing."""
    token = vault.azure.token(vault.administrator, audience=AUDIENCE)
    for forged in (token[:-4] + "AAAA", "no-token"):
        message = vault.send("GET", "/secrets", QUERY, {"authorization": f"Bearer {forged}"}).body["error"]["message"]
        assert "The token's signature or form is invalid." == message


OTHER_TENANT = "30000000-0000-4000-8000-000000000003"


def test_another_tenants_vault_says_so_and_takes_no_token_of_ours(vault: Vault) -> None:
    """The challenge names that tenant, before and after."""
    vault.settings(tenantId=OTHER_TENANT)
    challenge = CHALLENGE.replace(TENANT, OTHER_TENANT)
    replies = [vault.send("GET", "/secrets", QUERY, {}), vault.listed(vault.holder())]
    assert [(401, challenge)] * 2 == [(reply.status, reply.headers["www-authenticate"]) for reply in replies]
    assert "AKV10000" in replies[0].body["error"]["message"]
    message = replies[1].body["error"]["message"]
    assert message.startswith(f"AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{OTHER_TENANT}/, ")
    assert message.endswith(f", found https://sts.windows.net/{TENANT}/.")


def test_another_tenants_vault_knows_no_role_of_ours(vault: Vault) -> None:
    """Its own tokens count, and role assignments in this tenant give nothing there."""
    holder = vault.holder()
    vault.settings(tenantId=OTHER_TENANT)
    assert (403, "ForbiddenByRbac") == outcome(vault.listed(holder, iss=issuers_of(OTHER_TENANT)[0]))


def test_a_firewall_lets_nobody_in(vault: Vault) -> None:
    """Whatever the caller may do; who has no token is challenged all the same."""
    vault.settings(networkAcls={"defaultAction": "Deny"})
    reply = vault.listed(vault.administrator)
    assert (403, "ForbiddenByFirewall") == outcome(reply)
    assert "Client address: 127.0.0.1" in reply.body["error"]["message"].split("\r\n")
    assert 401 == vault.send("GET", "/secrets", QUERY, {}).status
    vault.settings(networkAcls={"defaultAction": "Allow"})
    assert 200 == vault.listed(vault.administrator).status


def test_an_answer_names_the_role_assignment_that_let_the_caller_in(vault: Vault) -> None:
    """Without dashes; a refusal names none."""
    caller = vault.azure.principal()
    assignment_name = vault.azure.grant(caller, READER, GROUP)
    header = "x-ms-keyvault-rbac-assignment-id"
    assert assignment_name.replace("-", "") == vault.listed(caller).headers[header]
    assert header not in vault.listed(vault.azure.principal()).headers


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ForbiddenByFirewall", {"code": "Forbidden", "innererror": {"code": "ForbiddenByFirewall"}}),
        ("ObjectIsBeingDeleted", {"code": "Conflict", "innererror": {"code": "ObjectIsBeingDeleted"}}),
        ("Throttled", {"code": "Throttled"}),
    ],
)
def test_a_fault_may_have_a_finer_code(vault: Vault, code: str, expected: dict[str, Any]) -> None:
    """It stands within the one that it refines, as in Azure's own answers."""
    assert {**expected, "message": "asked for"} == vault.service.error(418, code, "asked for").body["error"]
