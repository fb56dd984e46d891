from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from local.cloud.rbac import builtin_roles
from local.snapshots import (
    APPLICATION,
    APPLICATION_PRINCIPAL,
    AUDIENCE,
    CLIENT,
    GROUP_ID,
    INFRA,
    PRINCIPAL,
    SUBSCRIPTION,
    TENANT,
    Snapshot,
    read,
)
from shared import settings
from shared.cloud.storage.audit_table import TableAudit
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.pool_table import TablePools
from shared.cloud.storage.queued_marker_table import TableQueuedMarkers
from shared.cloud.storage.role_table import TableRoles
from shared.core.message import EVENTS_ASIDE
from shared.settings.reader import PREFIX
from shared.triggers import events, queues
from shared.wiring import root

PRODUCT = INFRA.parent / "shared"
FILES = sorted([*INFRA.rglob("*.bicep"), *INFRA.rglob("*.bicepparam")])
_ROLE_NAME = re.compile(
    r"^\s*(?P<name>\w+): '(?P<guid>[0-9a-f-]{36})'|^var (?P<var>\w+) = '(?P<id>[0-9a-f-]{36})'", re.MULTILINE
)
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"


def _text_of_all() -> str:
    return "\n".join(path.read_text() for path in FILES)


def _uncommented(text: str) -> str:
    return re.sub(r"//[^\n']*$", "", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def app() -> Snapshot:
    """The function app, everything that Azure makes up being known."""
    return read("app")


@pytest.fixture(scope="module")
def plain() -> Snapshot:
    """The whole, of what has to be given alone."""
    return read("plain")


@pytest.fixture(scope="module")
def full() -> Snapshot:
    """The whole, with every option."""
    return read("full")


def test_the_broker_starts_with_the_settings_it_is_given(app: Snapshot) -> None:
    """Every required setting is there, every value is one that the broker takes."""
    found = settings.load(app.settings)

    assert (TENANT, (AUDIENCE,), CLIENT) == (found.azure.tenant_id, found.callers.audiences, found.azure.client_id)


@pytest.mark.parametrize("snapshot", ["app", "full"])
def test_every_setting_that_the_broker_knows_is_set(snapshot: str) -> None:
    """None is forgotten, and none is named that the broker would refuse. A gateway for data is for a developer's machine."""
    given = {name for name in read(snapshot).settings if name.startswith(PREFIX)}

    assert settings.known() - {"LEASEHOLD_DATA_GATEWAY"} == given


def test_an_option_that_is_not_given_is_not_set(plain: Snapshot, full: Snapshot) -> None:
    """The broker's own defaults hold."""
    times = {"RETENTION_DAYS", "HOLD_SECONDS", "SETTLE_SECONDS", "DIRECTORY_CACHE_SECONDS"}
    times |= {"COLLECT_SECONDS", "GRACE_SECONDS", "PREPARE_SECONDS"}
    limits = {"MAX_LEASES_PER_CALLER", "ISSUES_PER_MINUTE", "MAX_TTL", "TOKEN_RESOURCES", "POOL_ASSIGNMENTS"}
    hosts = {"STORAGE_SUFFIX", "VAULT_SUFFIX", "EVENT_TOPIC", "EVENT_WEBHOOK", "EVENT_GRID_APP_ID", "EVENT_ORIGINS"}
    options = {
        f"LEASEHOLD_{name}" for name in {*times, *limits, *hosts, "GRANT_TO_USERS", "DOCS_URL", "PUBLIC_URL", "GRAPH_APP_ROLES"}
    }

    assert options == set(full.settings) - set(plain.settings)


def test_an_option_that_is_given_arrives(full: Snapshot) -> None:
    """Under its name, as it was written."""
    expected = {
        "LEASEHOLD_RETENTION_DAYS": "30",
        "LEASEHOLD_HOLD_SECONDS": "25",
        "LEASEHOLD_SETTLE_SECONDS": "240",
        "LEASEHOLD_COLLECT_SECONDS": "600",
        "LEASEHOLD_GRACE_SECONDS": "300",
        "LEASEHOLD_PREPARE_SECONDS": "1200",
        "LEASEHOLD_DIRECTORY_CACHE_SECONDS": "120",
        "LEASEHOLD_MAX_LEASES_PER_CALLER": "50",
        "LEASEHOLD_ISSUES_PER_MINUTE": "60",
        "LEASEHOLD_MAX_TTL": "8h",
        "LEASEHOLD_EVENT_WEBHOOK": "on",
        "LEASEHOLD_EVENT_GRID_APP_ID": "54316b56-3481-47f9-8f30-0300f5542a7b",
        "LEASEHOLD_EVENT_ORIGINS": "events.example.net",
        "LEASEHOLD_GRANT_TO_USERS": "true",
        "LEASEHOLD_TOKEN_RESOURCES": "https://api.example.net",
        "LEASEHOLD_GRAPH_APP_ROLES": "User.Read.All,Group.Read.All",
        "LEASEHOLD_DOCS_URL": "https://example.net/problems",
        "LEASEHOLD_STORAGE_SUFFIX": "core.usgovcloudapi.net",
        "LEASEHOLD_VAULT_SUFFIX": "vault.usgovcloudapi.net",
        "LEASEHOLD_SWEEP_SCHEDULE": "*/30 * * * * *",
        "LEASEHOLD_RECONCILE_SCHEDULE": "0 47 * * * *",
        "LEASEHOLD_FILL_SCHEDULE": "0 */2 * * * *",
        "LEASEHOLD_POOL_ASSIGNMENTS": "200",
        "LEASEHOLD_GRAPH_ENDPOINT": "https://dod-graph.microsoft.us",
        "LEASEHOLD_ALLOWED_TENANTS": f"{TENANT},8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0006",
    }

    assert expected == {name: full.settings[name] for name in expected}


def _of_identity(made: Snapshot, what: str) -> str:
    """The expression for what Azure tells of the identity once it is there."""
    identity = made.only("Microsoft.ManagedIdentity/userAssignedIdentities")
    return f"[reference('{identity.id}', '{identity.body['apiVersion']}').{what}]"


def test_what_azure_makes_up_is_taken_from_the_resources(plain: Snapshot) -> None:
    """The identity's own ids, the account's own addresses, the cloud's own origins, however it is all named."""
    given = plain.settings

    assert _of_identity(plain, "clientId") == given["LEASEHOLD_CLIENT_ID"]
    assert given["LEASEHOLD_CLIENT_ID"] == given["AzureWebJobsStorage__clientId"]
    assert "[environment().authentication.loginEndpoint]" == given["LEASEHOLD_AUTHORITY"]
    assert "[environment().resourceManager]" == given["LEASEHOLD_ARM_ENDPOINT"]
    account = plain.only("Microsoft.Storage/storageAccounts")
    for service in ("blob", "queue", "table"):
        address = f"[reference('{account.id}', '{account.body['apiVersion']}').primaryEndpoints.{service}]"
        assert address == given[f"AzureWebJobsStorage__{service}ServiceUri"]


def test_storage_is_reached_with_the_brokers_identity(app: Snapshot) -> None:
    """At the account's own address, in whichever cloud, without any key."""
    storage = settings.load(app.settings).storage

    assert (None, CLIENT) == (storage.connection_string, storage.client_id)
    assert "https://account.table.storage.example" == storage.table_endpoint
    assert "https://account.queue.storage.example" == storage.queue_endpoint


@pytest.mark.parametrize("snapshot", ["app", "plain", "full"])
def test_storage_is_named_by_its_addresses_alone(snapshot: str) -> None:
    """By its name, the host would look for it in the public cloud: the name wins where both stand."""
    assert "AzureWebJobsStorage__accountName" not in read(snapshot).settings


def test_the_brokers_own_identity_and_application_are_protected(app: Snapshot) -> None:
    """By object id and by client id."""
    found = settings.load(app.settings).protection.identities

    assert {AUDIENCE, CLIENT, PRINCIPAL, APPLICATION, APPLICATION_PRINCIPAL} == found


def test_the_brokers_own_resource_group_is_protected(plain: Snapshot, app: Snapshot) -> None:
    """No role may be given on it or below it."""
    assert GROUP_ID == plain.settings["LEASEHOLD_PROTECTED_SCOPES"]
    assert GROUP_ID in settings.load(app.settings).protection.scopes


def test_the_tables_are_those_that_the_broker_uses(plain: Snapshot) -> None:
    """By the names that its stores take when nobody names another."""
    stores = (TableLeases, TableRoles, TableAudit, TableQueuedMarkers, TablePools)
    used = {str(inspect.signature(store).parameters["name"].default) for store in stores}
    made = {each.name for each in plain.of_type("Microsoft.Storage/storageAccounts/tableServices/tables")}

    assert used == made


def test_the_queues_are_those_that_the_functions_listen_to(plain: Snapshot) -> None:
    """By the names in their triggers, and the one of the events that were given up."""
    functions = func.FunctionApp()
    functions.register_functions(queues.blueprint(root.ports))
    functions.register_functions(events.blueprint(root.ports))
    bindings = [json.loads(each.get_function_json())["bindings"][0] for each in functions.get_functions()]
    made = {each.name for each in plain.of_type("Microsoft.Storage/storageAccounts/queueServices/queues")}

    assert {each["queueName"] for each in bindings} | {EVENTS_ASIDE} == made


def test_the_host_is_told_to_bring_what_queue_triggers_need() -> None:
    """They are in no host by themselves, as HTTP and timers are."""
    bundle = json.loads((PRODUCT.parent / "host.json").read_text())["extensionBundle"]

    assert "Microsoft.Azure.Functions.ExtensionBundle" == bundle["id"]


def _role_definitions() -> list[tuple[str, str]]:
    found = _ROLE_NAME.finditer("\n".join(path.read_text() for path in FILES if path.parent.name == "modules"))
    return [(match["name"] or match["var"], match["guid"] or match["id"]) for match in found]


def test_roles_are_named_in_the_template() -> None:
    """The next test has something to compare."""
    assert 8 == len(_role_definitions())


@pytest.mark.parametrize(("name", "guid"), _role_definitions(), ids=str)
def test_a_role_definitions_guid_is_that_of_its_name(name: str, guid: str) -> None:
    """As Azure's list of built-in roles has them."""
    assert name.lower() == builtin_roles.BY_NAME[guid].role_name.replace(" ", "").lower()


def test_roles_listed_with_a_comment_are_what_the_comment_says() -> None:
    """The roles that are never assigned, those of the sample, and those of the snapshots."""
    listed = re.findall(r"'([0-9a-f-]{36})' // ([A-Z][\w ]+)$", _text_of_all(), re.MULTILINE)
    real = [(guid, builtin_roles.BY_NAME[guid].role_name) for guid, name in listed if " " in name or name.istitle()]

    assert 12 == len(listed)
    assert listed == real


def _roles(snapshot: str) -> set[str]:
    found = read(snapshot).of_type(ASSIGNMENTS)
    assert {PRINCIPAL} == {each.properties["principalId"] for each in found}
    return {builtin_roles.BY_NAME[each.properties["roleDefinitionId"].rsplit("/", 1)[1]].role_name for each in found}


def test_the_broker_gets_no_more_on_its_storage_than_it_uses() -> None:
    """Tables and queues of its own; blobs for the host."""
    account = read("storage").only("Microsoft.Storage/storageAccounts").id

    assert {account} == {each.scope for each in read("storage").of_type(ASSIGNMENTS)}
    assert {"Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"} == _roles("storage")


def test_the_broker_may_send_its_telemetry() -> None:
    """And do nothing else to Application Insights."""
    assert {read("monitoring").only("Microsoft.Insights/components").id} == {
        each.scope for each in read("monitoring").of_type(ASSIGNMENTS)
    }
    assert {"Monitoring Metrics Publisher"} == _roles("monitoring")


def test_without_grants_the_broker_may_assign_nothing(plain: Snapshot) -> None:
    """The right to assign roles is only ever given where somebody says so: its storage and its telemetry get four others."""
    assert 4 == len(plain.of_type(ASSIGNMENTS))
    assert not [each for each in plain.of_type(ASSIGNMENTS) if "condition" in each.properties]


def test_every_grant_has_the_condition() -> None:
    """In resource groups and in subscriptions."""
    subscription = f"/subscriptions/{SUBSCRIPTION}"
    for name, scopes in (
        ("grants", {f"{subscription}/resourceGroups/app", f"{subscription}/resourceGroups/data"}),
        ("grants-widest", {subscription}),
    ):
        made = read(name)
        grants = made.of_type(ASSIGNMENTS)
        assert scopes == {each.scope for each in grants}
        assert {(made.outputs["condition"], "2.0")} == {
            (each.properties["condition"], each.properties["conditionVersion"]) for each in grants
        }
        assert {"Role Based Access Control Administrator"} == _roles(name)


def test_the_whole_gives_the_grants_to_its_own_identity(full: Snapshot) -> None:
    """Where the parameters say, under the condition that its output tells."""
    grants = [each for each in full.of_type(ASSIGNMENTS) if "condition" in each.properties]

    assert 2 == len(grants)
    assert {_of_identity(full, "principalId")} == {each.properties["principalId"] for each in grants}
    assert {full.outputs["assignmentCondition"]} == {each.properties["condition"] for each in grants}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Microsoft.Storage/storageAccounts", "allowSharedKeyAccess", False),
        ("Microsoft.Storage/storageAccounts", "allowBlobPublicAccess", False),
        ("Microsoft.Storage/storageAccounts", "minimumTlsVersion", "TLS1_2"),
        ("Microsoft.Storage/storageAccounts", "supportsHttpsTrafficOnly", True),
        ("Microsoft.Insights/components", "DisableLocalAuth", True),
        ("Microsoft.Web/sites", "httpsOnly", True),
    ],
)
def test_doors_are_shut(kind: str, name: str, value: Any) -> None:
    """Keys, plain HTTP, anonymous readers and old TLS are of no use, whatever the parameters."""
    assert [value, value] == [read(snapshot).only(kind).properties[name] for snapshot in ("plain", "full")]


def test_old_tls_and_ftp_do_not_reach_the_app(plain: Snapshot) -> None:
    """Nor its deployment site."""
    assert {"minTlsVersion": "1.2", "scmMinTlsVersion": "1.2", "ftpsState": "Disabled", "http20Enabled": True} == plain.only(
        "Microsoft.Web/sites"
    ).properties["siteConfig"]


def test_nobody_publishes_with_a_password(plain: Snapshot) -> None:
    """Over neither way in."""
    policies = plain.of_type("Microsoft.Web/sites/basicPublishingCredentialsPolicies")

    assert {("ftp", False), ("scm", False)} == {(each.name, each.properties["allow"]) for each in policies}


def test_the_app_runs_the_python_that_the_project_requires(plain: Snapshot) -> None:
    """As pyproject.toml says it."""
    wanted = re.search(r'requires-python = ">=([\d.]+)"', (INFRA.parent / "pyproject.toml").read_text())
    runtime = plain.only("Microsoft.Web/sites").properties["functionAppConfig"]["runtime"]

    assert wanted is not None
    assert {"name": "python", "version": wanted[1]} == runtime


def test_the_package_is_fetched_with_the_identity(app: Snapshot) -> None:
    """From the container that the template makes."""
    storage = app.only("Microsoft.Web/sites").properties["functionAppConfig"]["deployment"]["storage"]
    container = read("storage").only("Microsoft.Storage/storageAccounts/blobServices/containers").name

    assert ("https://account.blob.storage.example/packages", "UserAssignedIdentity") == (
        storage["value"],
        storage["authentication"]["type"],
    )
    assert read("storage").outputs["packageContainerUrl"].endswith(f".primaryEndpoints.blob, '{container}')]")


@pytest.mark.parametrize(("snapshot", "expected"), [("plain", []), ("full", [{"name": "http", "instanceCount": 2}])])
def test_instances_are_kept_ready_only_when_asked_for(snapshot: str, expected: list[Any]) -> None:
    """Zero scales to nothing."""
    site = read(snapshot).only("Microsoft.Web/sites")

    assert expected == site.properties["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"]


def test_no_settings_of_other_plans_are_set(full: Snapshot) -> None:
    """Flex Consumption refuses them."""
    refused = {"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTSHARE"}

    assert not refused & set(full.settings)


def test_storage_is_locked_against_deletion_unless_told_otherwise(plain: Snapshot, full: Snapshot) -> None:
    """The leases table is all that knows what must be taken back."""
    assert ["CanNotDelete"] == [each.properties["level"] for each in plain.of_type("Microsoft.Authorization/locks")]
    assert [] == full.of_type("Microsoft.Authorization/locks")


def test_writes_to_storage_are_logged_when_there_is_somewhere_to(plain: Snapshot, full: Snapshot) -> None:
    """Tables, packages, and queues: a message there makes the broker act."""
    kind = "Microsoft.Insights/diagnosticSettings"

    assert {"blobServices", "queueServices", "tableServices"} == {each.scope.split("/")[-2] for each in full.of_type(kind)}
    assert [] == plain.of_type(kind)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_reads_a_key(path: Path) -> None:
    """Nothing lists keys, mints a SAS, or takes or hands on a secret."""
    text = _uncommented(path.read_text())
    forbidden = r"list\w*Keys|list\w*Sas|AccountKey|SharedAccess|allowSharedKeyAccess: true|secure\(|getSecret|password"

    assert None is re.search(forbidden, text, re.IGNORECASE)


def test_the_only_connection_string_names_no_key_that_works(app: Snapshot) -> None:
    """That of Application Insights: an address, while local authentication is off and an identity is named beside it."""
    given = app.settings
    holding = [name for name, value in given.items() if "CONNECTION_STRING" in name.upper() or "Key=" in value]

    assert ["APPLICATIONINSIGHTS_CONNECTION_STRING"] == holding
    assert f"ClientId={CLIENT};Authorization=AAD" == given["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]


def test_no_output_holds_a_secret(plain: Snapshot) -> None:
    """Names, ids, addresses and the condition."""
    expected = {"functionAppName", "url", "storageAccountName", "brokerPrincipalId", "brokerClientId", "assignmentCondition"}
    expected |= {"deliveryVaultUri"}

    assert expected == set(plain.outputs)
    assert "Key=" not in json.dumps(plain.outputs)
