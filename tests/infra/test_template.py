from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from local.cloud.arm import builtin_roles
from shared import settings, wiring
from shared.cloud.audit_table import TableAudit
from shared.cloud.lease_table import TableLeases
from shared.cloud.role_table import TableRoles
from shared.cloud.ticket_table import TableTickets
from shared.triggers import queues
from tests.infra.bicep_deployment import (
    API,
    BROKER_CLIENT,
    BROKER_PRINCIPAL,
    GROUP,
    INFRA,
    TENANT,
    declarations,
    deploy,
)
from tests.infra.bicep_syntax import BicepError, read

PRODUCT = INFRA.parent / "shared"
FILES = sorted([*INFRA.rglob("*.bicep"), *INFRA.rglob("*.bicepparam")])
_ROLE_NAME = re.compile(
    r"^\s*(?P<name>\w+): '(?P<guid>[0-9a-f-]{36})'|^var (?P<var>\w+) = '(?P<id>[0-9a-f-]{36})'", re.MULTILINE
)
EVERY_OPTION = {"retentionDays": "30", "holdSeconds": "25", "settleSeconds": "240", "docsUrl": "https://example.net/problems"}


def _text_of_all() -> str:
    return "\n".join(path.read_text() for path in FILES)


def _uncommented(text: str) -> str:
    return re.sub(r"//[^\n']*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_can_be_read(path: Path) -> None:
    """As far as the tests know the language; Azure's own compiler is the judge."""
    assert declarations(path)


def test_a_file_with_a_mistake_cannot_be_read() -> None:
    """The reader of these tests does refuse."""
    with pytest.raises(BicepError):
        read("param name string = 'leasehold\nvar other = [1 2]\n")


def test_the_broker_starts_with_the_settings_it_is_given() -> None:
    """Every required setting is there, every value is one that the broker takes."""
    found = settings.load(deploy(**EVERY_OPTION).settings)

    assert (TENANT, (API,), BROKER_CLIENT) == (found.tenant_id, found.audiences, found.client_id)


def test_every_setting_that_the_broker_knows_is_set() -> None:
    """None is forgotten, and none is named that the broker would refuse."""
    given = {name for name in deploy(**EVERY_OPTION).settings if name.startswith(settings.PREFIX)}

    assert settings._KNOWN == given


def test_an_option_that_is_not_given_is_not_set() -> None:
    """The broker's own defaults hold."""
    assert "LEASEHOLD_RETENTION_DAYS" not in deploy().settings


def test_storage_is_reached_with_the_brokers_identity() -> None:
    """At the account's own address, without any key."""
    storage = settings.load(deploy().settings).storage

    assert (None, BROKER_CLIENT) == (storage.connection_string, storage.client_id)
    assert "https://account.table.core.windows.net" == storage.table_endpoint
    assert "https://account.queue.core.windows.net" == storage.queue_endpoint


def test_the_brokers_own_identity_and_application_are_protected() -> None:
    """By object id and by client id."""
    application = "11111111-2222-3333-4444-555555555555"
    found = settings.load(deploy(protectedIdentities=[application]).settings).protected_identities

    assert {API, BROKER_CLIENT, BROKER_PRINCIPAL, application} == found


def test_the_brokers_own_resource_group_is_protected() -> None:
    """No role may be given on it or below it."""
    assert GROUP in settings.load(deploy().settings).protected_scopes


def test_the_tables_are_those_that_the_broker_uses() -> None:
    """By the names that its stores take when nobody names another."""
    stores = (TableLeases, TableRoles, TableAudit, TableTickets)
    used = {str(inspect.signature(store).parameters["name"].default) for store in stores}
    made = {each.body["name"] for each in deploy().of_type("Microsoft.Storage/storageAccounts/tableServices/tables")}

    assert used == made


def test_the_queues_are_those_that_the_functions_listen_to() -> None:
    """By the names in their triggers."""
    functions = func.FunctionApp()
    functions.register_functions(queues.blueprint(wiring.outside))
    bindings = [json.loads(each.get_function_json())["bindings"][0] for each in functions.get_functions()]
    made = {each.body["name"] for each in deploy().of_type("Microsoft.Storage/storageAccounts/queueServices/queues")}

    assert {each["queueName"] for each in bindings} == made


def test_the_host_is_told_to_bring_what_queue_triggers_need() -> None:
    """They are in no host by themselves, as HTTP and timers are."""
    bundle = json.loads((PRODUCT.parent / "host.json").read_text())["extensionBundle"]

    assert "Microsoft.Azure.Functions.ExtensionBundle" == bundle["id"]


def _role_definitions() -> list[tuple[str, str]]:
    found = _ROLE_NAME.finditer("\n".join(path.read_text() for path in FILES if path.suffix == ".bicep"))
    return [(match["name"] or match["var"], match["guid"] or match["id"]) for match in found]


def test_roles_are_named_in_the_template() -> None:
    """The next test has something to compare."""
    assert 5 == len(_role_definitions())


@pytest.mark.parametrize(("name", "guid"), _role_definitions(), ids=str)
def test_a_role_definitions_guid_is_that_of_its_name(name: str, guid: str) -> None:
    """As Azure's list of built-in roles has them."""
    assert name.lower() == builtin_roles.BY_NAME[guid].role_name.replace(" ", "").lower()


def test_roles_listed_with_a_comment_are_what_the_comment_says() -> None:
    """The roles that are never assigned, and those of the sample."""
    listed = re.findall(r"'([0-9a-f-]{36})' // ([A-Z][\w ]+)$", _text_of_all(), re.MULTILINE)
    real = [(guid, builtin_roles.BY_NAME[guid].role_name) for guid, name in listed if " " in name or name.istitle()]

    assert 5 == len(listed)
    assert listed == real


def _roles_on(kind: str) -> set[str]:
    found = [
        each for each in deploy().of_type("Microsoft.Authorization/roleAssignments") if kind in each.scope.rsplit("/", 2)[-2]
    ]
    return {builtin_roles.BY_NAME[each.properties["roleDefinitionId"].rsplit("/", 1)[1]].role_name for each in found}


def test_the_broker_gets_no_more_on_its_storage_than_it_uses() -> None:
    """Tables and queues of its own; blobs for the host."""
    assert {"Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"} == _roles_on(
        "storageAccounts"
    )


def test_the_broker_may_send_its_telemetry() -> None:
    """And do nothing else to Application Insights."""
    assert {"Monitoring Metrics Publisher"} == _roles_on("components")


def test_without_grants_the_broker_may_assign_nothing() -> None:
    """The right to assign roles is only ever given where somebody says so."""
    assert not [each for each in deploy().of_type("Microsoft.Authorization/roleAssignments") if "condition" in each.properties]


def test_every_grant_has_the_condition() -> None:
    """In resource groups and in subscriptions."""
    made = deploy(grantResourceGroups=[{"subscriptionId": TENANT, "name": "app"}], grantSubscriptions=[TENANT])
    scopes = (f"/subscriptions/{TENANT}/resourceGroups/app", f"/subscriptions/{TENANT}")
    grants = [each for each in made.of_type("Microsoft.Authorization/roleAssignments") if each.scope in scopes]

    assert 2 == len(grants)
    assert {(made.outputs["assignmentCondition"], "2.0")} == {
        (each.properties["condition"], each.properties["conditionVersion"]) for each in grants
    }


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
    """Keys, plain HTTP, anonymous readers and old TLS are of no use."""
    assert value == deploy().only(kind).properties[name]


def test_old_tls_and_ftp_do_not_reach_the_app() -> None:
    """Nor its deployment site."""
    assert {"minTlsVersion": "1.2", "scmMinTlsVersion": "1.2", "ftpsState": "Disabled", "http20Enabled": True} == deploy().only(
        "Microsoft.Web/sites"
    ).properties["siteConfig"]


def test_nobody_publishes_with_a_password() -> None:
    """Over neither way in."""
    policies = deploy().of_type("Microsoft.Web/sites/basicPublishingCredentialsPolicies")

    assert {("ftp", False), ("scm", False)} == {(each.body["name"], each.properties["allow"]) for each in policies}


def test_the_app_runs_the_python_that_the_project_requires() -> None:
    """As pyproject.toml says it."""
    wanted = re.search(r'requires-python = ">=([\d.]+)"', (INFRA.parent / "pyproject.toml").read_text())
    runtime = deploy().only("Microsoft.Web/sites").properties["functionAppConfig"]["runtime"]

    assert wanted is not None
    assert {"name": "python", "version": wanted[1]} == runtime


def test_the_package_is_fetched_with_the_identity() -> None:
    """From the container that the template makes."""
    storage = deploy().only("Microsoft.Web/sites").properties["functionAppConfig"]["deployment"]["storage"]

    assert ("https://account.blob.core.windows.net/packages", "UserAssignedIdentity") == (
        storage["value"],
        storage["authentication"]["type"],
    )


@pytest.mark.parametrize(("count", "expected"), [(0, []), (2, [{"name": "http", "instanceCount": 2}])])
def test_instances_are_kept_ready_only_when_asked_for(count: int, expected: list[Any]) -> None:
    """Zero scales to nothing."""
    site = deploy(alwaysReadyInstances=count).only("Microsoft.Web/sites")

    assert expected == site.properties["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"]


def test_no_settings_of_other_plans_are_set() -> None:
    """Flex Consumption refuses them."""
    refused = {"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTSHARE"}

    assert not refused & set(deploy().settings)


def test_storage_is_locked_against_deletion_unless_told_otherwise() -> None:
    """The leases table is all that knows what must be taken back."""
    assert ["CanNotDelete"] == [each.properties["level"] for each in deploy().of_type("Microsoft.Authorization/locks")]
    assert [] == deploy(lockStorage=False).of_type("Microsoft.Authorization/locks")


def test_writes_to_storage_are_logged_when_there_is_somewhere_to() -> None:
    """Tables and packages."""
    made = deploy(storageLogWorkspaceId=f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/elsewhere")

    assert 2 == len(made.of_type("Microsoft.Insights/diagnosticSettings"))
    assert [] == deploy().of_type("Microsoft.Insights/diagnosticSettings")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_reads_a_key(path: Path) -> None:
    """Nothing lists keys, mints a SAS, or takes or hands on a secret."""
    text = _uncommented(path.read_text())
    forbidden = r"list\w*Keys|list\w*Sas|AccountKey|SharedAccess|allowSharedKeyAccess: true|secure\(|getSecret|password"

    assert None is re.search(forbidden, text, re.IGNORECASE)


def test_the_only_connection_string_names_no_key_that_works() -> None:
    """That of Application Insights: an address, while local authentication is off and an identity is named beside it."""
    given = deploy().settings
    holding = [name for name, value in given.items() if "CONNECTION_STRING" in name.upper() or "Key=" in value]

    assert ["APPLICATIONINSIGHTS_CONNECTION_STRING"] == holding
    assert f"ClientId={BROKER_CLIENT};Authorization=AAD" == given["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]


def test_no_output_holds_a_secret() -> None:
    """Names, ids and the condition."""
    expected = {"functionAppName", "url", "storageAccountName", "brokerPrincipalId", "brokerClientId", "assignmentCondition"}

    assert expected == set(deploy().outputs)
    assert "Key=" not in json.dumps(deploy().outputs)


def test_the_sample_parameters_are_parameters() -> None:
    """Every one exists, and every one that must be given is."""
    sample = {each.name for each in declarations(INFRA / "main.bicepparam") if each.kind == "param"}
    known = {each.name: each for each in declarations(INFRA / "main.bicep") if each.kind == "param"}

    assert sample <= set(known)
    assert {name for name, each in known.items() if each.value is None} <= sample
