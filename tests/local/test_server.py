"""Over the wire: ports and names, faults, latency and the ledger."""

from __future__ import annotations

import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from local.cloud.engine.certificates import trust
from local.cloud.local_cloud import LocalCloud, Settings, running
from tests.local.conftest import Cloud


def _keys(cloud: Cloud) -> str:
    return f"{cloud.endpoints['entra']}/{cloud.document['tenant_id']}/discovery/keys"


def test_services_share_a_port_by_name(cloud: Cloud) -> None:
    """Under the public cloud's names, whatever the path."""
    shared = cloud.endpoints["all_tls"]
    for name in ("login.microsoftonline.com", "graph.microsoft.com", "management.azure.com", "one.vault.azure.net"):
        cloud.http.get(f"{shared}/nothing/here", headers={"host": name})
    calls = [call["service"] for call in cloud.control("GET", "calls")]
    assert ["entra", "graph", "arm", "key_vault"] == calls


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1.0/applications", "graph"),
        ("/beta/applications", "graph"),
        ("/subscriptions", "arm"),
        ("/providers/Microsoft.Authorization/roleDefinitions", "arm"),
        ("/tenants", "arm"),
        ("/metadata/endpoints", "arm"),
        ("/common/discovery/instance", "entra"),
    ],
)
def test_services_share_a_port_by_path(cloud: Cloud, path: str, service: str) -> None:
    """At an address, which is nobody's name."""
    cloud.http.get(cloud.endpoints["all_tls"] + path)
    assert [service] == [call["service"] for call in cloud.control("GET", "calls")]


def test_the_certificate_covers_azures_names(cloud: Cloud) -> None:
    """So that other people's tools connect by them."""
    context = ssl.create_default_context(cafile=cloud.ca_bundle)
    port = int(cloud.endpoints["all_tls"].rsplit(":", 1)[1])
    for name in ("login.microsoftonline.com", "graph.microsoft.com", "management.azure.com", "one.vault.azure.net"):
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname=name):
            pass


def test_the_authority_is_kept(tmp_path: Path) -> None:
    """Clients need to trust it once."""
    first = trust(tmp_path).bundle.read_bytes()
    assert first == trust(tmp_path).bundle.read_bytes()


async def test_starts_and_stops_on_a_loop() -> None:
    """With no idle connection in its way, and no folder left behind."""
    async with LocalCloud() as cloud, httpx.AsyncClient(trust_env=False) as http:
        reply = await http.get(cloud.control_url)
        bundle = cloud.ca_bundle
    assert (200, False) == (reply.status_code, bundle.exists())


async def test_a_taken_port_is_an_error_at_once(cloud: Cloud) -> None:
    """Nothing half-started stays behind."""
    taken = int(cloud.endpoints["imds"].rsplit(":", 1)[1])
    with pytest.raises(OSError, match="in use"):
        await LocalCloud(Settings(control_port=taken)).start()


def test_the_ledger_lists_calls_in_order(cloud: Cloud) -> None:
    """With route, status, and who called by the token."""
    cloud.http.get(_keys(cloud))
    token = cloud.token("vm-web", "https://management.azure.com/")
    cloud.http.get(
        f"{cloud.endpoints['arm']}/subscriptions",
        params={"api-version": "2022-12-01"},
        headers={"authorization": f"Bearer {token}"},
    )
    first, second = cloud.control("GET", "calls")
    vm = cloud.identity("vm-web")
    assert ("entra", "GET", "/{tenant}/discovery/keys", 200, None) == tuple(
        first[field] for field in ("service", "method", "template", "status", "principal")
    )
    assert ("arm", "/subscriptions", 200, vm["object_id"], vm["client_id"]) == tuple(
        second[field] for field in ("service", "path", "status", "principal", "client_id")
    )


def test_the_ledger_knows_who_asked_for_a_token(cloud: Cloud) -> None:
    """Though no bearer token says it."""
    vm = cloud.identity("vm-web")
    query = {"api-version": "2019-08-01", "resource": "https://management.azure.com/"}
    cloud.http.get(vm["identity_endpoint"], params=query, headers={"X-IDENTITY-HEADER": vm["identity_header"]})
    (call,) = cloud.control("GET", "calls")
    assert ("imds", vm["object_id"], vm["client_id"]) == (call["service"], call["principal"], call["client_id"])


def test_the_ledger_can_be_emptied(cloud: Cloud) -> None:
    """Between the steps of a test."""
    cloud.http.get(_keys(cloud))
    cloud.control("DELETE", "calls")
    assert cloud.control("GET", "calls") == []


def test_a_forged_token_names_nobody_in_the_ledger(cloud: Cloud) -> None:
    """Only what the tenant signed counts."""
    token = cloud.token("vm-web", "https://management.azure.com/", sign_with="unpublished")
    cloud.http.get(f"{cloud.endpoints['arm']}/subscriptions", headers={"authorization": f"Bearer {token}"})
    (call,) = cloud.control("GET", "calls")
    assert (401, None) == (call["status"], call["principal"])


def test_an_answer_can_be_asked_for(cloud: Cloud) -> None:
    """In the service's own shape, with the wait it asks for, once."""
    cloud.control("POST", "faults", [{"service": "entra", "effect": {"status": 429, "code": "slow", "retry_after": 7}}])
    struck, passed = cloud.http.get(_keys(cloud)), cloud.http.get(_keys(cloud))
    assert (429, "7", "slow") == (struck.status_code, struck.headers["retry-after"], struck.json()["error"])
    assert passed.status_code == 200
    assert cloud.control("GET", "faults") == []


def test_a_refusal_of_entras_has_its_number(cloud: Cloud) -> None:
    """As one that nobody asked for; the call is in the ledger."""
    effect = {"status": 401, "aadsts": 7000112}
    cloud.control("POST", "faults", [{"service": "entra", "method": "POST", "effect": effect}])
    answer = cloud.http.post(f"{cloud.endpoints['entra']}/{cloud.document['tenant_id']}/oauth2/v2.0/token", data={})
    body = answer.json()
    assert (401, "invalid_client", [7000112]) == (answer.status_code, body["error"], body["error_codes"])
    assert body["error_description"].startswith("AADSTS7000112: ")
    assert {"timestamp", "trace_id", "correlation_id", "error_uri"} < body.keys()
    assert [401] == [call["status"] for call in cloud.control("GET", "calls")]


def test_an_answer_asked_for_comes_before_the_effect(cloud: Cloud) -> None:
    """The call has not happened."""
    before = cloud.control("GET", "state")
    cloud.control("POST", "faults", [{"service": "graph", "method": "POST", "effect": {"status": 503, "code": "X"}}])
    assert _create(cloud).status_code == 503
    assert before == cloud.control("GET", "state")


def test_a_call_can_be_dropped_after_its_effect(cloud: Cloud) -> None:
    """It has happened, but nobody tells the client."""
    cloud.control("POST", "faults", [{"service": "graph", "method": "POST", "effect": "drop_after_effect"}])
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
        _create(cloud)
    assert "fresh" in {found["display_name"] for found in cloud.control("GET", "state")["applications"]}
    assert cloud.control("GET", "calls")[-1]["status"] == "dropped"


@pytest.mark.parametrize(("effect", "happened"), [("timeout", False), ("timeout_after_effect", True)])
def test_a_call_can_go_unanswered(cloud: Cloud, effect: str, happened: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Until the client gives up; with or without its effect."""
    cloud.control("POST", "faults", [{"service": "graph", "method": "POST", "effect": effect}])
    with pytest.raises(httpx.ReadTimeout):
        _create(cloud, timeout=0.3)
    made = "fresh" in {found["display_name"] for found in cloud.control("GET", "state")["applications"]}
    assert (happened, "dropped") == (made, cloud.control("GET", "calls")[-1]["status"])


def test_a_call_can_be_delayed(cloud: Cloud) -> None:
    """And is answered all the same."""
    cloud.control("POST", "faults", [{"service": "entra", "effect": {"delay": 0.3}}])
    start = time.monotonic()
    assert cloud.http.get(_keys(cloud)).status_code == 200
    assert time.monotonic() - start >= 0.3


def test_calls_take_their_time_under_the_typical_profile(cloud: Cloud) -> None:
    """Divided by the speed."""
    cloud.control("PUT", "consistency", {"profile": "typical", "seed": 1, "speed": 2})
    start = time.monotonic()
    cloud.http.get(_keys(cloud))
    assert time.monotonic() - start > 0.02


@pytest.mark.parametrize("service", ["entra", "graph", "arm", "key_vault", "imds"])
def test_every_reply_has_one_date_by_the_clouds_clock(cloud: Cloud, service: str) -> None:
    """Clients reckon their skew from it."""
    cloud.control("POST", "clock", {"advance_seconds": 86400 * 30})
    dates = cloud.http.get(f"{cloud.endpoints[service]}/v1.0/nothing").headers.get_list("date")
    now = cloud.control("GET", "clock")["now"]
    assert [pytest.approx(now, abs=5)] == [parsedate_to_datetime(date).timestamp() for date in dates]


def test_an_idle_client_does_not_slow_an_answer(cloud: Cloud) -> None:
    """Answers are not held back for acknowledgements: a hundred calls take far less than a hundred times 40 ms."""
    address = _keys(cloud)
    start = time.monotonic()
    for _ in range(100):
        cloud.http.get(address)
    assert time.monotonic() - start < 3


def _create(cloud: Cloud, timeout: float = 5) -> httpx.Response:
    token = cloud.token("leasehold", "https://graph.microsoft.com")
    return cloud.http.post(
        f"{cloud.endpoints['graph']}/v1.0/applications",
        json={"displayName": "fresh"},
        headers={"authorization": f"Bearer {token}"},
        timeout=timeout,
    )


@pytest.mark.parametrize(
    "path", ["//subscriptions", "/subscriptions//{}/resourceGroups/app", "/subscriptions/{}//resourceGroups//app//"]
)
def test_empty_segments_of_a_path_are_none(cloud: Cloud, path: str) -> None:
    """Resource Manager passes over them as Graph does; the ledger and faults know the path without them."""
    cloud.control("POST", "faults", [{"service": "arm", "path": "//", "effect": {"status": 503, "code": "Busy"}}])
    token = cloud.token("leasehold", "https://management.azure.com")
    answer = cloud.http.get(
        cloud.endpoints["arm"] + path.format(cloud.document["subscription_id"]),
        params={"api-version": "2022-12-01"},
        headers={"authorization": f"Bearer {token}"},
    )
    (call,) = cloud.control("GET", "calls")
    assert (200, False) == (answer.status_code, "//" in call["path"])


def test_a_taken_port_is_named(cloud: Cloud) -> None:
    """Whoever asked for 443 reads that it is 443."""
    taken = int(cloud.endpoints["all_tls"].rsplit(":", 1)[1])
    with pytest.raises(OSError, match=f"127.0.0.1:{taken}"), running(Settings(tls_port=taken)):
        pass
