"""The contract as served, held to the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import shared
from infra import contract
from shared.broker.reconcile import drift
from shared.broker.reconcile.reconcile import Result
from shared.core.audit import Outcome
from shared.core.azure_role import MAX_AZURE_ROLES
from shared.core.lease import State
from shared.core.outgoing.event import EventType
from shared.core.role import DEFAULT_TTL
from shared.issuers.application_secret.survey import LeaseSecret
from shared.issuers.key_vault_secret.survey import OwnSecret
from shared.issuers.role_grant.survey import OwnGrant
from shared.issuers.service_principal.schema import MAX_AZURE_GROUPS
from shared.issuers.service_principal.survey import OwnApplication, OwnAssignment, Recycled
from shared.kinds.fragment import Fragment
from shared.triggers.http import groups, issuing, requests, transfer
from shared.wiring.kinds import KINDS
from tests.fakes.world import GROUPS, SCOPES, role, secret_target, world
from tests.support import kinds, toy_group
from tests.triggers.app import App

ROUTES = groups.routes()
CONTRACT: dict[str, Any] = json.loads((Path(shared.__file__).parents[1] / "docs" / "openapi.json").read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = CONTRACT["components"]["schemas"]


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each call of the contract."""
    return {
        call["operationId"]: (method.upper(), path, call)
        for path, methods in CONTRACT["paths"].items()
        for method, call in methods.items()
    }


def test_the_contract_is_what_the_code_declares() -> None:
    """``make contract`` writes it."""
    assert contract.written(contract.Contract().document()) == contract.FILE.read_text(encoding="utf-8")


def test_a_new_route_brings_its_part_of_the_contract() -> None:
    """From what stands beside its handler."""
    document = contract.Contract((*groups.GROUPS, toy_group.api)).document()
    call = document["paths"]["/api/v1/toys/{toy}"]["get"]
    assert ("read_toy", "Read a toy.", ["toys"]) == (call["operationId"], call["summary"], call["tags"])
    assert {"toy"} == set(document["components"]["schemas"]["Toy"]["properties"])
    assert {"200", "400", "401", "403", "500", "503", "504"} == set(call["responses"])


def test_a_new_kind_of_credential_brings_its_part_of_the_contract() -> None:
    """Its roles, its credential, and its name wherever kinds are named."""
    result = {"properties": {"whistle": {"type": "string"}}, "required": ["whistle"]}
    toy = Fragment("toy", "ToyRole", "A toy.", {"colour": {"type": "string"}}, ("colour",), result, ("toy_in_a_box",))
    schemas = contract.Contract(kinds=(*(schema.fragment for schema, _ in KINDS), toy)).document()["components"]["schemas"]
    assert {"type", "colour"} == set(schemas["ToyRole"]["required"])
    assert "toy" in schemas["Lease"]["properties"]["type"]["enum"]
    assert "#/components/schemas/ToyRole" == schemas["Role"]["discriminator"]["mapping"]["toy"]
    assert ["toy"] == schemas["Credential"]["oneOf"][-2]["properties"]["type"]["enum"]
    finding = schemas["Reconciliation"]["properties"]["findings"]["items"]["properties"]
    assert ["toy_in_a_box", "vault_secret", "lease"] == finding["kind"]["enum"][-3:]


def test_the_contract_lists_every_call_and_no_other() -> None:
    """By function, method and path."""
    served = {route.name: (*route.methods, f"/{route.path}") for route in ROUTES}
    assert {name: (method, path) for name, (method, path, _) in operations().items()} == served


def test_the_contract_lists_every_query_parameter_and_no_other() -> None:
    """What is not in it is refused."""
    written = {
        name: {each["name"] for each in call.get("parameters", ()) if each.get("in") == "query"}
        for name, (_, _, call) in operations().items()
    }
    assert written == {route.name: set(route.rules.query) for route in ROUTES}


def test_the_contract_says_which_calls_are_for_anybody() -> None:
    """Those that are not audited."""
    open_calls = {name for name, (_, _, call) in operations().items() if call.get("security") == []}
    assert open_calls == {route.name for route in ROUTES if not route.operation}


def test_the_contracts_words_and_limits_are_the_codes() -> None:
    """Where the code says them in one place."""
    principal, lease = SCHEMAS["ServicePrincipalRole"]["properties"], SCHEMAS["Lease"]["properties"]
    assert set(lease["state"]["enum"]) == set(State)
    assert set(lease["type"]["enum"]) == {kind.type for kind in kinds.SCHEMAS}
    assert set(SCHEMAS["Event"]["properties"]["outcome"]["enum"]) == set(Outcome)
    finding = SCHEMAS["Reconciliation"]["properties"]["findings"]["items"]["properties"]
    seen = (OwnApplication, OwnAssignment, Recycled, LeaseSecret, OwnGrant, OwnSecret)
    assert set(finding["kind"]["enum"]) == {drift.LEASE, *(each.type for each in seen)}
    assert set(finding["result"]["enum"]) == set(Result)
    assert principal["ttl"]["default"] == DEFAULT_TTL
    assert principal["azure_roles"]["maxItems"] == MAX_AZURE_ROLES
    assert principal["azure_groups"]["maxItems"] == MAX_AZURE_GROUPS
    assert lease["id"]["pattern"].startswith(f"^{principal['name']['pattern'][1:-1]}\\.")


def test_the_contracts_idempotency_key_is_the_codes() -> None:
    """The same characters, and as many."""
    written = CONTRACT["components"]["parameters"]["IdempotencyKey"]["schema"]["pattern"]
    for text in ("a", "!~", "x" * 128, "", " ", "a b", "\u00e9", "x" * 129, "a\x7f"):
        assert bool(re.fullmatch(written, text)) == bool(issuing._IDEMPOTENCY_KEY.fullmatch(text)), text


def test_every_reference_leads_somewhere() -> None:
    """No dangling ``$ref``."""
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(CONTRACT)):
        place: Any = CONTRACT
        for part in reference.split("/"):
            place = place[part]


def faults_of(value: Any, schema: dict[str, Any], path: str = "$") -> list[str]:
    """Where a document departs from a schema, as far as this contract's schemas go."""
    if "$ref" in schema:
        return faults_of(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], path)
    if "oneOf" in schema and "properties" not in schema:
        tried = [faults_of(value, each, path) for each in schema["oneOf"]]
        return [] if sum(not each for each in tried) == 1 else [f"{path}: not one of {tried}"]
    found: list[str] = []
    found += [f"{path}: {value!r} is not {schema['const']!r}"] if schema.get("const", value) != value else []
    found += [f"{path}: {value!r} is no known word"] if value not in schema.get("enum", [value]) else []
    found += [f"{path}: {value!r} is no {schema['type']}"] if not _typed(value, schema.get("type", [])) else []
    found += [f"{path}: {value!r} has another form"] if not re.search(str(schema.get("pattern", "")), str(value)) else []
    if isinstance(value, dict):
        return found + _faults_of_object(value, schema, path)
    if isinstance(value, list):
        return found + [fault for each in value for fault in faults_of(each, schema.get("items", {}), f"{path}[]")]
    return found


def _faults_of_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> list[str]:
    known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{path}: lacks {name}" for name in schema.get("required", ()) if name not in value]
    for name, each in value.items():
        if name in known:
            found += faults_of(each, known[name], f"{path}.{name}")
        elif more is False:
            found.append(f"{path}: {name} is not in the contract")
        elif isinstance(more, dict):
            found += faults_of(each, more, f"{path}.{name}")
    return found


def _typed(value: Any, types: Any) -> bool:
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    for name in [types] if isinstance(types, str) else types:
        if name in {"integer", "number"}:
            if isinstance(value, int if name == "integer" else int | float) and not isinstance(value, bool):
                return True
        elif isinstance(value, kinds[name]):
            return True
    return not types


async def test_answers_are_as_the_contract_says() -> None:
    """A walk through the calls, each answer held to its schema."""
    app = App(world(role(), role(secret_target(), name=role().name.parse("secret"))))
    made = await app.call("POST", "/api/v1/roles/web/leases", body={"reason": "x", "metadata": {"a": "b"}})
    lease = f"/api/v1/leases/{made.json['lease']['id']}"
    written = await app.call("GET", "/api/v1/roles/web", token="admin.token.x")
    walk: list[tuple[str, str, str, dict[str, Any]]] = [
        ("issue_lease", "POST", "/api/v1/roles/secret/leases", {}),
        ("issue_lease", "POST", "/api/v1/roles/nope/leases", {}),
        ("issue_lease", "POST", "/api/v1/roles/web/leases", {"body": {"x": 1}}),
        ("read_lease", "GET", lease, {}),
        ("list_leases", "GET", "/api/v1/leases", {"query": {"limit": "1"}}),
        ("renew_lease", "POST", f"{lease}/renew", {}),
        ("issue_lease", "POST", "/api/v1/roles/web/leases", {"headers": {"Idempotency-Key": "k"}}),
        ("issue_lease", "POST", "/api/v1/roles/web/leases", {"headers": {"Idempotency-Key": "k"}}),
        ("issue_lease", "POST", "/api/v1/roles/web/leases", {"headers": {"Idempotency-Key": "k"}, "body": {"ttl": 60}}),
        ("force_lease", "POST", f"{lease}/revoke", {}),
        ("force_lease", "POST", f"{lease}/revoke", {"token": "admin.token.x", "query": {"force": "true"}}),
        ("revoke_lease", "DELETE", lease, {}),
        ("read_role", "GET", "/api/v1/roles/web", {"token": "admin.token.x"}),
        ("list_roles", "GET", "/api/v1/roles", {"token": "admin.token.x"}),
        ("write_role", "PUT", "/api/v1/roles/web", {"token": "admin.token.x", "body": written.json}),
        ("write_role", "PUT", "/api/v1/roles/new", {"token": "admin.token.x", "body": {**written.json, "name": "new"}}),
        ("delete_role", "DELETE", "/api/v1/roles/secret", {"token": "admin.token.x", "query": {"revoke": "true"}}),
        ("revoke_role_leases", "POST", "/api/v1/roles/web/revoke", {"token": "admin.token.x"}),
        ("whoami", "GET", "/api/v1/whoami", {}),
        ("whoami", "GET", "/api/v1/whoami", {"query": {"role": "web"}}),
        ("whoami", "GET", "/api/v1/whoami", {"query": {"role": "nope"}}),
        ("status", "GET", "/api/v1/status", {"token": "admin.token.x"}),
        ("read_audit", "GET", "/api/v1/audit", {"token": "admin.token.x"}),
        ("run_sweep", "POST", "/api/v1/sweep", {"token": "admin.token.x"}),
        ("health", "GET", "/api/v1/health", {"token": None}),
        ("whoami", "GET", "/api/v1/whoami", {"token": None}),
    ]
    await follow(app, walk)


async def follow(app: App, walk: list[tuple[str, str, str, dict[str, Any]]]) -> None:
    """Makes the calls, and holds each answer to its schema."""
    for name, method, path, more in walk:
        app.world.clock.jump(1)
        answer = await app.call(method, path, **more)
        assert answer.status != 500, (name, answer.body)
        described = operations()[name][2]["responses"][str(answer.status)]
        if "$ref" in described:
            described = CONTRACT["components"]["responses"][described["$ref"].rpartition("/")[2]]
        schema = described["content"][answer.headers["content-type"]]["schema"]
        assert faults_of(answer.json, schema) == [], name


async def test_answers_of_the_configuration_are_as_the_contract_says() -> None:
    """Of auth roles, policies, export and import: made, replaced, read, refused."""
    app = App(world(role()))
    app.world.lookups.identities = (f"{SCOPES[0]}/providers/Microsoft.Compute/virtualMachines/vm1",)
    admin: dict[str, Any] = {"token": "admin.token.x"}
    bounds = {"bound_resource_ids": [f"{SCOPES[0]}/*"], "bound_group_ids": [GROUPS[0]], "bound_resource_groups": ["rg0"]}
    auth_role, rules = {**bounds, "policies": ["readers"]}, {"rules": [{"path": "roles/nope", "capabilities": ["read"]}]}
    document = {"form": 1, "policies": {"more": rules}, "auth_roles": {"web": {**bounds, "policies": ["nope"]}}}
    web = (await app.call("GET", "/api/v1/roles/web", **admin)).json
    await follow(
        app,
        [
            ("write_policy", "PUT", "/api/v1/policies/readers", {**admin, "body": rules}),
            ("write_policy", "PUT", "/api/v1/policies/readers", {**admin, "body": {"rules": []}}),
            ("write_policy", "PUT", "/api/v1/policies/readers", {**admin, "body": rules, "query": {"dry_run": "true"}}),
            ("write_auth_role", "PUT", "/api/v1/auth-roles/web", {**admin, "body": auth_role, "query": {"dry_run": "true"}}),
            ("write_auth_role", "PUT", "/api/v1/auth-roles/web", {**admin, "body": auth_role}),
            ("write_auth_role", "PUT", "/api/v1/auth-roles/web", {**admin, "body": auth_role}),
            ("write_role", "PUT", "/api/v1/roles/web", {**admin, "body": {**web, **bounds}, "query": {"dry_run": "true"}}),
            ("read_auth_role", "GET", "/api/v1/auth-roles/web", admin),
            ("read_auth_role", "GET", "/api/v1/auth-roles/web", {}),
            ("read_policy", "GET", "/api/v1/policies/readers", admin),
            ("read_policy", "GET", "/api/v1/policies/nope", admin),
            ("list_auth_roles", "GET", "/api/v1/auth-roles", admin),
            ("list_policies", "GET", "/api/v1/policies", admin),
            ("export_configuration", "GET", "/api/v1/export", admin),
            ("write_configuration", "PUT", "/api/v1/import", {**admin, "body": document}),
            ("write_configuration", "PUT", "/api/v1/import", {**admin, "body": {**document, "auth_roles": {}}}),
            ("delete_policy", "DELETE", "/api/v1/policies/readers", admin),
            ("delete_policy", "DELETE", "/api/v1/policies/readers", {**admin, "query": {"force": "true"}}),
            ("read_audit", "GET", "/api/v1/audit", admin),
        ],
    )


async def test_serves_the_contract_to_anybody(app: App) -> None:
    """As it is in the repository."""
    answer = await app.call("GET", "/api/v1/openapi.json", token=None)
    assert (answer.status, answer.headers["content-type"], answer.json) == (200, "application/json", CONTRACT)


async def test_anybody_reads_the_schema_of_events(app: App) -> None:
    """Without a token, each type under its name: ``tests/broker/test_telling.py`` holds every event to it."""
    answer = await app.call("GET", "/api/v1/events/schema", token=None)
    assert (200, "application/json") == (answer.status, answer.headers["content-type"])
    assert {str(each) for each in EventType} == {*answer.json["$defs"]} - {"principal"}
    jsonschema_rs.meta.validate(answer.json)


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/problems"])
async def test_pages_bring_nothing_from_elsewhere(app: App, path: str) -> None:
    """No script, and nothing that the browser would fetch."""
    answer = await app.call("GET", path, token=None)
    text = answer.body.decode()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert re.findall(r"<script|src=|<link|@import|url\(", text) == []


async def test_a_problems_type_leads_to_its_heading(app: App) -> None:
    """The address works."""
    problem = await app.call("POST", "/api/v1/roles/nope/leases")
    address, _, anchor = problem.json["type"].partition("#")
    page = await app.call("GET", address.removeprefix("https://broker.example"), token=None)
    assert f'<h2 id="{anchor}">' in page.body.decode()


async def test_the_page_names_every_call(app: App) -> None:
    """With its method and path."""
    text = (await app.call("GET", "/api/v1/docs", token=None)).body.decode()
    for method, path, _ in operations().values():
        assert f"<code>{method} {path}</code>" in text


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/api/v1/leases", "GET, HEAD"),
        ("PATCH", "/api/v1/roles/web", "DELETE, GET, HEAD, PUT"),
        ("HEAD", "/api/v1/sweep", "POST"),
        ("POST", "/api/v1/le%61ses/", "GET, HEAD"),
        ("GET", "/api/v1/roles/web/leases", "POST"),
        ("GET", "/api/V1/Sweep", "POST"),
        ("HEAD", "/api/v1/leases/web.01k00000000000000000000000/credential", "GET"),
    ],
)
async def test_a_known_path_with_another_method_is_405(app: App, method: str, path: str, allow: str) -> None:
    """With those that it takes."""
    answer = await app.call(method, path, token=None)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert method == "HEAD" or answer.code == "method_not_allowed"


@pytest.mark.parametrize("path", [f"/{route.path}" for route in ROUTES if "HEAD" in route.taken])
@pytest.mark.parametrize("token", [None, "admin.token.x"])
async def test_head_is_get_without_a_body(app: App, path: str, token: str | None) -> None:
    """Each call that takes GET, whether it succeeds or not. RFC 9110, 9.3.2."""
    made = await app.call("POST", "/api/v1/roles/web/leases")
    # Whatever else a path names is called so.
    path = re.sub(r"{(\w+)}", lambda name: made.json["lease"]["id"] if name[1] == "id" else "web", path)
    got, head = await app.call("GET", path, token=token), await app.call("HEAD", path, token=token)
    length = head.headers.pop("content-length")
    assert (head.status, head.headers, head.body, length) == (got.status, got.headers, b"", str(len(got.body)))


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nope", "/api/v2/leases", "/api/v1/leases/a/b/c", "/api/v1", "/api/v1/r\u00f4les", "/api/v1/%FF", "/api/v1/a%2Fb"],
)
async def test_an_unknown_path_is_a_problem_too(app: App, path: str) -> None:
    """And no event: it is no operation of the broker's."""
    answer = await app.call("GET", path)
    assert (answer.status, answer.code) == (404, "no_such_call")
    assert app.world.audit.events == []


def test_the_call_for_every_other_path_is_tried_last() -> None:
    """The host goes by the functions' names."""
    (last,) = groups.with_the_rest()[-1].routes
    assert all(route.name.lower() < last.name.lower() for route in ROUTES)
    assert last.path == "api/{*rest}"


def test_the_contracts_largest_body_is_the_codes() -> None:
    """The problem's explanation says the number."""
    text = (Path(shared.__file__).parents[1] / "docs" / "problems.md").read_text(encoding="utf-8")
    assert f"{requests.MAX_BODY:,} octets" in text
    assert f"an import {transfer.MOST_OCTETS:,}." in text
