"""Reading the app settings."""

from __future__ import annotations

from datetime import timedelta
from operator import attrgetter

import pytest

from shared.core.errors import Misconfigured
from shared.core.events.door import EVENT_GRID, EVENT_GRID_GOVERNMENT
from shared.core.names import ObjectId, Scope
from shared.core.readiness.probes import DataHosts
from shared.core.secret import Secret
from shared.settings import Settings, known, load
from shared.settings.azure import Azure
from shared.settings.callers import Callers
from shared.settings.data_plane import DataPlane
from shared.settings.events import Events
from shared.settings.leases import Leases
from shared.settings.limits import Limits
from shared.settings.protection import Protection, own_resource
from shared.settings.reader import Reader
from shared.settings.schedules import Schedules
from shared.settings.storage import Storage

TENANT, CLIENT, OTHER = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "123")
LEAST = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "LEASEHOLD_TENANT_ID": TENANT,
    "LEASEHOLD_AUDIENCE": f"api://{OTHER}",
    "LEASEHOLD_CLIENT_ID": CLIENT,
    "LEASEHOLD_SWEEP_SCHEDULE": "0 * * * * *",
    "LEASEHOLD_RECONCILE_SCHEDULE": "0 17 * * * *",
}
PLATFORM = {
    "WEBSITE_OWNER_NAME": f"{TENANT}+leasehold-WestEuropewebspace-Linux",
    "WEBSITE_RESOURCE_GROUP": "leasehold",
    "WEBSITE_SITE_NAME": "leasehold-app",
}


def test_the_least_is_enough() -> None:
    """Everything else has its default."""
    assert load({**LEAST, "PATH": "/bin"}) == Settings(
        schedules=Schedules(sweep="0 * * * * *", reconcile="0 17 * * * *", fill=""),
        callers=Callers(allowed_tenants=(ObjectId(TENANT),), audiences=(f"api://{OTHER}", OTHER), docs_url=""),
        azure=Azure(
            tenant_id=ObjectId(TENANT),
            client_id=ObjectId(CLIENT),
            authority="https://login.microsoftonline.com",
            graph_endpoint="https://graph.microsoft.com",
            arm_endpoint="https://management.azure.com",
            grant_to_users=False,
        ),
        data_plane=DataPlane(DataHosts("core.windows.net", "vault.azure.net", "management.azure.com")),
        storage=Storage(connection_string=Secret("UseDevelopmentStorage=true")),
        protection=Protection(identities=frozenset({ObjectId(CLIENT), ObjectId(OTHER)}), scopes=()),
        leases=Leases(timedelta(days=7), lock=20, settle=180, collect=900, grace=600, prepare=900),
        limits=Limits(max_leases_per_caller=None, issues_per_minute=120, max_ttl=30 * 86400, pool_assignments=400),
    )


def test_the_application_of_event_grid_is_the_clouds_unless_it_is_named() -> None:
    """And the door is closed unless it is opened."""
    assert Events(webhook=False, event_grid=EVENT_GRID) == load(LEAST).events
    assert ObjectId(OTHER) == load({**LEAST, "LEASEHOLD_EVENT_GRID_APP_ID": OTHER.upper()}).events.event_grid


def test_reads_every_setting() -> None:
    """Lists are separated by commas; endpoints lose their slash."""
    scope = f"/subscriptions/{OTHER}/resourceGroups/vault"
    settings = load(
        {
            **LEAST,
            "LEASEHOLD_ALLOWED_TENANTS": f"{TENANT.upper()}, {OTHER}",
            "LEASEHOLD_AUDIENCE": f"api://leasehold,{OTHER}",
            "LEASEHOLD_SUBSCRIPTION_ID": OTHER,
            "LEASEHOLD_AUTHORITY": "https://login.microsoftonline.us/",
            "LEASEHOLD_GRAPH_ENDPOINT": "http://127.0.0.1:8001",
            "LEASEHOLD_ARM_ENDPOINT": "http://localhost:8002/",
            "LEASEHOLD_STORAGE_SUFFIX": "core.usgovcloudapi.net",
            "LEASEHOLD_VAULT_SUFFIX": ".vault.usgovcloudapi.net",
            "LEASEHOLD_DATA_GATEWAY": "https://127.0.0.1:8443/",
            "REGION_NAME": "West Europe",
            "LEASEHOLD_PROTECTED_SCOPES": scope,
            "LEASEHOLD_PROTECTED_IDENTITIES": TENANT,
            "LEASEHOLD_RETENTION_DAYS": "30",
            "LEASEHOLD_HOLD_SECONDS": "2.5",
            "LEASEHOLD_SETTLE_SECONDS": "1",
            "LEASEHOLD_MAX_LEASES_PER_CALLER": "50",
            "LEASEHOLD_ISSUES_PER_MINUTE": "0",
            "LEASEHOLD_MAX_TTL": "8h",
            "LEASEHOLD_POOL_ASSIGNMENTS": "0",
            "LEASEHOLD_EVENT_WEBHOOK": "on",
            "LEASEHOLD_EVENT_ORIGINS": "Events.example.net, other.example:8443",
            "LEASEHOLD_FILL_SCHEDULE": "0 */2 * * * *",
            "LEASEHOLD_DOCS_URL": "https://d.example",
        }
    )
    assert settings.callers.allowed_tenants == (ObjectId(TENANT), ObjectId(OTHER))
    assert (settings.callers.docs_url, settings.callers.audiences) == ("https://d.example", ("api://leasehold", OTHER))
    assert settings.azure.authority == "https://login.microsoftonline.us"
    assert (settings.azure.graph_endpoint, settings.azure.arm_endpoint) == ("http://127.0.0.1:8001", "http://localhost:8002")
    hosts = DataHosts("core.usgovcloudapi.net", "vault.usgovcloudapi.net", "management.azure.com")
    assert settings.data_plane == DataPlane(hosts, "https://127.0.0.1:8443", "West Europe")
    assert settings.protection.scopes == (Scope(scope),)
    assert settings.protection.identities == {TENANT, CLIENT, OTHER}
    assert (settings.leases.retention, settings.leases.lock, settings.leases.settle) == (timedelta(days=30), 2.5, 1)
    assert settings.schedules.fill == "0 */2 * * * *"
    origins = frozenset({"events.example.net", "other.example:8443"})
    assert settings.events == Events(webhook=True, event_grid=EVENT_GRID_GOVERNMENT, origins=origins)
    assert settings.limits == Limits(max_leases_per_caller=50, issues_per_minute=0, max_ttl=8 * 3600, pool_assignments=0)


def test_reports_every_fault_at_once() -> None:
    """An operator mends a deployment in one go."""
    with pytest.raises(Misconfigured) as raised:
        load(
            {
                "LEASEHOLD_TENANT_ID": "contoso",
                "LEASEHOLD_GRAPH_ENDPOINT": "http://graph.example",
                "LEASEHOLD_HOLD_SECONDS": "soon",
                "LEASEHOLD_TENANTID": TENANT,
            }
        )
    assert str(raised.value).split("; ") == [
        "LEASEHOLD_TENANTID: is not a known setting",
        "LEASEHOLD_SWEEP_SCHEDULE: is required",
        "LEASEHOLD_RECONCILE_SCHEDULE: is required",
        "LEASEHOLD_TENANT_ID: expected a GUID, such as 11111111-2222-3333-4444-555555555555",
        "LEASEHOLD_AUDIENCE: is required",
        "LEASEHOLD_CLIENT_ID: is required",
        "AzureWebJobsStorage: is required, or AzureWebJobsStorage__accountName, or AzureWebJobsStorage__tableServiceUri",
        "LEASEHOLD_GRAPH_ENDPOINT: expected an https address",
        "LEASEHOLD_HOLD_SECONDS: expected a number from 1 to 300",
    ]


@pytest.mark.parametrize("name", ["a/b", "a b", "a@b", "https://a", "a:b", "\u00e4"])
def test_refuses_a_platforms_name_that_is_none(name: str) -> None:
    """By its own name, for it is no setting of the broker's."""
    with pytest.raises(Misconfigured, match="WEBSITE_HOSTNAME: expected a host name"):
        load({**LEAST, "WEBSITE_HOSTNAME": name})


@pytest.mark.parametrize("name", ["LEASEHOLD_COLOUR", "leasehold_tenant_id", "LEASEHOLD_"])
def test_refuses_names_that_it_does_not_know(name: str) -> None:
    """A misspelt setting must not read as its default."""
    with pytest.raises(Misconfigured, match="is not a known setting"):
        load({**LEAST, name: "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEASEHOLD_TENANT_ID", " "),
        ("LEASEHOLD_AUDIENCE", ","),
        ("LEASEHOLD_AUDIENCE", "api://a b"),
        ("LEASEHOLD_AUDIENCE", 'api://a"'),
        ("LEASEHOLD_ALLOWED_TENANTS", "common"),
        ("LEASEHOLD_SUBSCRIPTION_ID", "mine"),
        ("LEASEHOLD_AUTHORITY", "login.microsoftonline.com"),
        ("LEASEHOLD_AUTHORITY", "https://"),
        ("LEASEHOLD_AUTHORITY", "https://user@host"),
        ("LEASEHOLD_AUTHORITY", "https://host?x=y"),
        ("LEASEHOLD_AUTHORITY", "https://[::1"),
        ("LEASEHOLD_AUTHORITY", "http://127.0.0.1.example"),
        ("LEASEHOLD_PROTECTED_SCOPES", "leasehold"),
        ("LEASEHOLD_PROTECTED_IDENTITIES", "me"),
        ("LEASEHOLD_RETENTION_DAYS", "0"),
        ("LEASEHOLD_RETENTION_DAYS", "-1"),
        ("LEASEHOLD_RETENTION_DAYS", "1e3"),
        ("LEASEHOLD_HOLD_SECONDS", "nan"),
        ("LEASEHOLD_SETTLE_SECONDS", "3601"),
        ("LEASEHOLD_DIRECTORY_CACHE_SECONDS", "3601"),
        ("LEASEHOLD_EVENT_WEBHOOK", "true"),
        ("LEASEHOLD_EVENT_GRID_APP_ID", "eventgrid"),
        ("LEASEHOLD_EVENT_ORIGINS", "*"),
        ("LEASEHOLD_MAX_LEASES_PER_CALLER", "0"),
        ("LEASEHOLD_MAX_LEASES_PER_CALLER", "1000001"),
        ("LEASEHOLD_MAX_LEASES_PER_CALLER", "1.5"),
        ("LEASEHOLD_ISSUES_PER_MINUTE", "-1"),
        ("LEASEHOLD_ISSUES_PER_MINUTE", "1001"),
        ("LEASEHOLD_ISSUES_PER_MINUTE", "none"),
        ("LEASEHOLD_POOL_ASSIGNMENTS", "4001"),
        ("LEASEHOLD_POOL_ASSIGNMENTS", "-1"),
        ("LEASEHOLD_MAX_TTL", "59"),
        ("LEASEHOLD_MAX_TTL", "31d"),
        ("LEASEHOLD_MAX_TTL", "2592001"),
        ("LEASEHOLD_MAX_TTL", "-1h"),
        ("LEASEHOLD_MAX_TTL", "\u0661\u0662\u0663"),
    ],
)
def test_refuses_what_it_cannot_read(name: str, value: str) -> None:
    """Naming the setting."""
    with pytest.raises(Misconfigured, match=name):
        load({**LEAST, name: value})


def without_connection_string(**more: str) -> dict[str, str]:
    """The least, with storage reached by an identity."""
    rest = {name: value for name, value in LEAST.items() if name != "AzureWebJobsStorage"}
    return rest | {f"AzureWebJobsStorage{name}": value for name, value in more.items()}


def test_reaches_storage_by_account_name() -> None:
    """As the Functions host does."""
    settings = load(without_connection_string(__accountName="leasehold1", __credential="managedidentity", __clientId=OTHER))
    assert settings.storage == Storage(
        table_endpoint="https://leasehold1.table.core.windows.net",
        queue_endpoint="https://leasehold1.queue.core.windows.net",
        client_id=ObjectId(OTHER),
    )


@pytest.mark.parametrize("service", ["blob", "queue", "table"])
def test_warns_of_a_name_beside_the_addresses(service: str) -> None:
    """The host would take the name, and in another cloud find nothing; an older template still sets both."""
    addresses = {f"__{each}ServiceUri": f"https://acct.{each}.storage.example" for each in ("queue", "table", service)}
    found = load(without_connection_string(__accountName="acct", **addresses))

    assert "https://acct.table.storage.example" == found.storage.table_endpoint
    assert ["AzureWebJobsStorage__accountName"] == [text.split()[0] for text in found.warnings]


def test_a_name_or_addresses_alone_are_no_matter_for_a_warning() -> None:
    """Nor is a connection string, or an identity beside the name, or another connection's address."""
    addresses = {f"__{each}ServiceUri": f"https://acct.{each}.storage.example" for each in ("queue", "table")}
    named = without_connection_string(__accountName="acct", __credential="managedidentity", __clientId=CLIENT)
    elsewhere = {"Other__blobServiceUri": "https://other.example"}

    for environment in (without_connection_string(**addresses), named, named | elsewhere, LEAST):
        assert () == load(environment).warnings


def test_reaches_storage_by_its_address() -> None:
    """For other clouds; the blobs' address is the host's own."""
    settings = load(
        without_connection_string(
            __tableServiceUri="https://a.table.core.usgovcloudapi.net/",
            __queueServiceUri="https://q/",
            __blobServiceUri="https://b",
        )
    )
    assert settings.storage == Storage(table_endpoint="https://a.table.core.usgovcloudapi.net", queue_endpoint="https://q")


@pytest.mark.parametrize(
    "given",
    [
        {"__accountName": "Not_An_Account"},
        {"__accountName": "a/../b"},
        {"__tableServiceUri": "http://tables.example"},
        {"__accountName": "leasehold1", "__clientId": "me"},
        {"__accountName": "leasehold1", "__credential": "clientsecret"},
        {"__queueServiceUri": "https://q"},
        {"__tableServiceUri": "https://t"},
        {"__tableServiceUri": "https://t", "__queueServiceUri": "http://queues.example"},
        {"__tableServiceUri": "http://tables.example", "__accountName": "leasehold1"},
    ],
)
def test_refuses_storage_that_it_cannot_reach(given: dict[str, str]) -> None:
    """Naming the setting."""
    with pytest.raises(Misconfigured, match="AzureWebJobsStorage"):
        load(without_connection_string(**given))


def test_no_fault_shows_a_connection_string() -> None:
    """It holds the account's key, and is never printed."""
    secret = "AccountKey=abcdef"
    with pytest.raises(Misconfigured) as raised:
        load({"AzureWebJobsStorage": secret})
    assert secret not in str(raised.value)
    assert secret not in repr(load({**LEAST, "AzureWebJobsStorage": secret}))


def test_protects_the_function_app_itself() -> None:
    """Where the platform tells which it is."""
    own = f"/subscriptions/{TENANT}/resourceGroups/leasehold/providers/Microsoft.Web/sites/leasehold-app"
    assert load({**LEAST, **PLATFORM}).protection.scopes == (Scope(own),)


def test_takes_the_subscription_from_the_settings_where_the_platform_is_silent() -> None:
    """Its own word counts first."""
    without = {name: value for name, value in PLATFORM.items() if name != "WEBSITE_OWNER_NAME"}
    assert own_resource(without) is None
    found = own_resource(without, ObjectId(OTHER))
    assert found is not None
    assert found.subscription_id == OTHER
    both = own_resource(PLATFORM, ObjectId(OTHER))
    assert both is not None
    assert both.subscription_id == TENANT


@pytest.mark.parametrize("missing", ["WEBSITE_RESOURCE_GROUP", "WEBSITE_SITE_NAME"])
def test_elsewhere_there_is_no_function_app_to_protect(missing: str) -> None:
    """A part that is not told is not guessed."""
    assert own_resource({name: value for name, value in PLATFORM.items() if name != missing}) is None


@pytest.mark.parametrize("group", ["Größe-東京", "лизинг", "リース_(1)"])
def test_protects_the_function_app_in_a_group_of_any_name(group: str) -> None:
    """And no other."""
    (own,) = load({**LEAST, **PLATFORM, "WEBSITE_RESOURCE_GROUP": group}).protection.scopes
    assert own == f"/subscriptions/{TENANT}/resourceGroups/{group}/providers/Microsoft.Web/sites/leasehold-app"


@pytest.mark.parametrize(
    "result", [{"WEBSITE_RESOURCE_GROUP": "a/b/c"}, {"WEBSITE_SITE_NAME": "a\u200b"}, {"WEBSITE_OWNER_NAME": "somebody+here"}]
)
def test_a_platform_that_cannot_be_understood_is_no_reason_to_go_unprotected(result: dict[str, str]) -> None:
    """Not even where other scopes are protected."""
    listed = {"LEASEHOLD_PROTECTED_SCOPES": f"/subscriptions/{TENANT}"}
    with pytest.raises(Misconfigured, match="WEBSITE_"):
        load({**LEAST, **listed, **PLATFORM, **result})


def test_an_app_that_cannot_tell_its_subscription_must_be_told_what_to_protect() -> None:
    """By the list of protected scopes."""
    part = {name: value for name, value in PLATFORM.items() if name != "WEBSITE_OWNER_NAME"}
    listed = f"/subscriptions/{TENANT}/resourceGroups/leasehold"
    with pytest.raises(Misconfigured, match="PROTECTED_SCOPES: is required"):
        load({**LEAST, **part})
    assert (listed,) == load({**LEAST, **part, "LEASEHOLD_PROTECTED_SCOPES": listed}).protection.scopes


@pytest.mark.parametrize(("audience", "found"), [(OTHER, True), (f"api://{OTHER}/x", True), ("https://contoso.example", False)])
def test_protects_the_application_that_callers_ask_tokens_for(audience: str, *, found: bool) -> None:
    """When the audience tells its client id."""
    assert (ObjectId(OTHER) in load({**LEAST, "LEASEHOLD_AUDIENCE": audience}).protection.identities) is found


@pytest.mark.parametrize(
    ("listed", "expected"), [("", (TENANT,)), (OTHER, (TENANT, OTHER)), (f"{OTHER},{TENANT}", (TENANT, OTHER))]
)
def test_the_brokers_own_tenant_is_always_let_in(listed: str, expected: tuple[str, ...]) -> None:
    """And comes first."""
    assert expected == load(LEAST | {"LEASEHOLD_ALLOWED_TENANTS": listed}).callers.allowed_tenants


@pytest.mark.parametrize(
    ("name", "field", "least", "most"),
    [
        ("RETENTION_DAYS", "leases.retention", 1, 365),
        ("HOLD_SECONDS", "leases.lock", 1, 300),
        ("SETTLE_SECONDS", "leases.settle", 1, 3600),
        ("DIRECTORY_CACHE_SECONDS", "callers.directory_cache", 0, 3600),
    ],
)
def test_a_number_is_taken_from_its_least_to_its_most(name: str, field: str, least: int, most: int) -> None:
    """Both included, nothing beyond. 0 is a number like any other, and not the default."""
    found = [attrgetter(field)(load({**LEAST, f"LEASEHOLD_{name}": str(number)})) for number in (least, most)]
    assert [least, most] == [each.days if isinstance(each, timedelta) else each for each in found]
    for beyond in (least - 0.001, most + 0.001):
        with pytest.raises(Misconfigured, match=f"LEASEHOLD_{name}: expected a number from {least} to {most}$"):
            load({**LEAST, f"LEASEHOLD_{name}": f"{beyond:.3f}"})


@pytest.mark.parametrize(
    ("name", "field", "values"),
    [
        ("MAX_LEASES_PER_CALLER", "max_leases_per_caller", {"1": 1, "1000000": 1_000_000}),
        ("ISSUES_PER_MINUTE", "issues_per_minute", {"0": 0, "1000": 1000}),
        ("MAX_TTL", "max_ttl", {"60": 60, "2592000": 2_592_000, "30d": 2_592_000, "90m": 5400}),
    ],
)
def test_a_limit_is_taken_from_its_least_to_its_most(name: str, field: str, values: dict[str, int]) -> None:
    """Both included."""
    for text, value in values.items():
        assert value == getattr(load({**LEAST, f"LEASEHOLD_{name}": text}).limits, field)


def test_a_section_asks_for_its_settings_whatever_their_values() -> None:
    """Else a setting would be known in one deployment and refused in another."""
    everything = {
        **{name: LEAST.get(name, "") for name in known()},
        **PLATFORM,
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "LEASEHOLD_PUBLIC_URL": "https://gateway.example",
        "LEASEHOLD_PROTECTED_SCOPES": f"/subscriptions/{TENANT}",
    }
    reader = Reader(everything)
    Settings.read(reader)
    assert known() == reader.asked
    reader.finish()


def test_a_fault_of_a_setting_that_two_sections_share_is_told_once() -> None:
    """The broker's tenant, its client id and its audience are each asked for twice."""
    with pytest.raises(Misconfigured) as raised:
        load({**LEAST, "LEASEHOLD_TENANT_ID": "x", "LEASEHOLD_CLIENT_ID": "y", "LEASEHOLD_AUDIENCE": "api://a b"})
    assert ["LEASEHOLD_TENANT_ID", "LEASEHOLD_AUDIENCE", "LEASEHOLD_CLIENT_ID"] == [
        each.partition(":")[0] for each in str(raised.value).split("; ")
    ]
