from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from local import up
from local.__main__ import main
from local.children import Child, ChildError, free_ports, listens
from local.host.process import ROOT
from local.stack import Ports, Stack
from local.visitor import Broker, Visitor
from tests.local.host.hosting import APP, DEADLINE

APP_SETTINGS = {"TICK_SCHEDULE": "0 0 0 1 1 *", "QUEUE": "jobs"}


async def _gone(*ports: int) -> None:
    """Waits until nothing listens at any of these."""
    async with asyncio.timeout(DEADLINE):
        for port in ports:
            while await listens(port):  # noqa: ASYNC110 - the end of another process gives no sign but this
                await asyncio.sleep(0.02)


async def test_the_parts_are_told_of_each_other() -> None:
    """The product's settings name the local cloud's endpoints; the control API names the host."""
    async with Stack(app=APP, settings=APP_SETTINGS) as stack:
        given: Mapping[str, str] = stack.environment()
        endpoints = stack.described["endpoints"]
        result = [given[f"LEASEHOLD_{name}"] for name in ("AUTHORITY", "GRAPH_ENDPOINT", "ARM_ENDPOINT")]
        assert ([endpoints["entra"], endpoints["graph"], endpoints["arm"]], stack.url) == (
            result,
            stack.described["function_host"],
        )
        assert (stack.url, "westeurope") == (given["LEASEHOLD_PUBLIC_URL"], given["REGION_NAME"])
        storage = stack.described["storage"]
        assert "devstoreaccount1" == storage["account"]
        for address in (storage["queue"], storage["table"]):
            assert f"Endpoint={address};" in given["AzureWebJobsStorage"]


async def test_the_local_cloud_knows_the_storage_account() -> None:
    """Event Grid puts messages there, and the control API tells where it is."""
    async with Stack(app=APP, settings=APP_SETTINGS) as stack:
        storage = stack.described["storage"]
        assert stack.storage.connection_string == stack.cloud.world.storage
        assert all(address in stack.storage.connection_string for address in storage.values())


async def test_the_brokers_identity_gets_a_token_with_what_the_host_is_given() -> None:
    """``IDENTITY_ENDPOINT`` and ``IDENTITY_HEADER`` are those of the identity that ``LEASEHOLD_CLIENT_ID`` names."""
    async with Stack(app=APP, settings=APP_SETTINGS) as stack, httpx.AsyncClient() as http:
        given = stack.environment()
        query = {"api-version": "2019-08-01", "resource": "https://graph.microsoft.com"}
        query |= {"client_id": given["LEASEHOLD_CLIENT_ID"]}
        headers = {"X-IDENTITY-HEADER": given["IDENTITY_HEADER"]}
        answer = await http.get(given["IDENTITY_ENDPOINT"], params=query, headers=headers)
        assert (200, given["LEASEHOLD_CLIENT_ID"]) == (answer.status_code, answer.json()["client_id"])


def test_settings_of_the_environment_are_passed_on() -> None:
    """All of the broker's, a misspelt one too: it is refused as in a deployment."""
    given = {
        "LEASEHOLD_RETENTION_DAYS": "1",
        "LEASEHOLD_NEW": "x",
        "LEASEHOLD_RECORDINGS": "/r",
        "PATH": "/bin",
        "X_LEASEHOLD_": "y",
    }
    assert {"LEASEHOLD_RETENTION_DAYS": "1", "LEASEHOLD_NEW": "x"} == up.passed_on(given)


async def test_several_hosts_serve_one_storage_and_one_cloud() -> None:
    """As a scaled-out deployment does; one may die and come back beside the other."""
    async with Stack(app=APP, settings=APP_SETTINGS, hosts_wanted=2) as stack, httpx.AsyncClient() as http:
        first, second = stack.hosts
        await first.kill9()
        alone = (await http.get(f"{second.url}/text")).status_code
        await first.start()
        assert (200, 200) == (alone, (await http.get(f"{first.url}/text")).status_code)


async def test_the_end_leaves_nothing_that_listens() -> None:
    """Hosts, storage and the local cloud are all gone."""
    async with Stack(app=APP, settings=APP_SETTINGS) as stack:
        ports = [stack.hosts[0].port, stack.storage.table_port, int(stack.cloud.endpoints["control"].rpartition(":")[2])]
    assert [False, False, False] == [await listens(port) for port in ports]


async def test_a_host_that_does_not_start_ends_the_rest() -> None:
    """Its complaint comes through, and storage is gone."""
    stack = Stack(app=APP)
    with pytest.raises(ChildError, match="app setting 'TICK_SCHEDULE' is not set"):
        await stack.__aenter__()
    assert not await listens(stack.storage.table_port)


async def test_a_part_that_dies_is_noticed() -> None:
    """Whoever waits for a fault gets the name of what ended."""
    async with Stack(app=APP, settings=APP_SETTINGS) as stack:
        waiting = asyncio.create_task(stack.fault())
        stack.storage.child.process.kill()
        async with asyncio.timeout(DEADLINE):
            assert str(await waiting).startswith("Azurite ended with status -9")


_PROGRAM = """
import asyncio, sys
from local import up
from local.stack import Stack
from tests.local.test_up import APP, APP_SETTINGS

async def main():
    async with Stack(app=APP, settings=APP_SETTINGS) as stack:
        print("ports", stack.hosts[0].port, stack.storage.table_port, flush=True)
        print("died", str(await stack.fault()).splitlines()[0], flush=True)
    return 3

sys.exit(up.run(main()))
"""


async def _started() -> tuple[Child, list[int]]:
    command = [sys.executable, "-c", _PROGRAM]
    child = await Child.spawn("stack", command, {**os.environ, "PYTHONPATH": str(ROOT)})
    (line,) = await child.lines_with("ports ", within=DEADLINE)
    return child, [int(port) for port in line.split()[1:]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_is_ended_in_order_by_a_signal(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM alike: status 0, and nothing is left."""
    child, ports = await _started()
    child.process.send_signal(number)
    status = await child.process.wait()
    await child.stop(grace=DEADLINE)
    assert (0, [False, False]) == (status, [await listens(port) for port in ports])


async def test_leaves_nothing_behind_when_it_is_killed() -> None:
    """Its children end by themselves once it is gone."""
    child, ports = await _started()
    await child.kill9()
    await _gone(*ports)
    assert [False, False] == [await listens(port) for port in ports]


async def test_a_taken_port_is_a_plain_message() -> None:
    """What stands in the way is named, without a traceback."""
    (port,) = free_ports(1)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with server:
        with pytest.raises(OSError, match="Address already in use"):
            async with Stack(app=APP, settings=APP_SETTINGS, ports=Ports(control=port)):
                pass


def test_make_up_passes_the_tls_port_on() -> None:
    """``make up TLS_PORT=443``: Azure's own names, on the port that clients know them by."""
    result = subprocess.run(["make", "-n", "up", "TLS_PORT=443"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "-m local up --tls-port 443" in result.stdout


@pytest.mark.parametrize(
    ("given", "port", "groups"), [([], 0, False), (["--tls-port", "443"], 443, False), (["--groups"], 0, True)]
)
def test_up_does_as_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    port: int,
    groups: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """At the known ports, and for Azure's names at the one that was asked for, or any; with rights for groups if asked."""
    asked: list[tuple[Ports, bool]] = []

    async def remember(ports: Ports, *, groups: bool) -> int:
        asked.append((ports, groups))
        return 0

    monkeypatch.setattr(up, "up", remember)
    monkeypatch.setattr(sys, "argv", ["local", "up", *given])
    assert 0 == main()
    assert [(Ports(function_host=7071, control=7070, tls=port), groups)] == asked


async def test_azures_names_are_at_the_port_asked_for() -> None:
    """And whoever starts it there is told which names to lead to it."""
    (port,) = free_ports(1)
    async with Stack(app=APP, settings=APP_SETTINGS, ports=Ports(tls=port)) as stack:
        assert f"https://127.0.0.1:{port}" == stack.described["endpoints"]["all_tls"]
        assert "127.0.0.1 login.microsoftonline.com" in up.named()


async def test_the_known_address_is_bound_only_when_the_stack_is_published() -> None:
    """Until then its host has a port of its own, which is free afterwards."""
    (port,) = free_ports(1)
    async with Stack(app=APP, settings=APP_SETTINGS, ports=Ports(function_host=port)) as stack:
        early = stack.hosts[0].port
        assert [False, True] == [await listens(port), await listens(early)]
        await stack.publish()
        assert [True, False] == [await listens(port), await listens(early)]
        assert f"http://127.0.0.1:{port}" == stack.url


@asynccontextmanager
async def made_up(monkeypatch: pytest.MonkeyPatch, folder: Path, *, within: float) -> AsyncIterator[tuple[Visitor, Broker]]:
    """What ``make up`` runs, from its first answer on: its control API, and its broker as an administrator sees it."""
    monkeypatch.setattr(up, "STATE", folder)
    host, control = free_ports(2)
    running = asyncio.create_task(up.up(Ports(function_host=host, control=control)))
    async with asyncio.timeout(within):
        while not await listens(host):
            assert not running.done()
            await asyncio.sleep(0.01)
        async with Visitor(f"http://127.0.0.1:{control}/_control", str(folder / "ca.pem")) as visitor:
            token = await visitor.token("admin", (await visitor.control("GET"))["audience"])
            yield visitor, Broker(visitor, f"http://127.0.0.1:{host}", token)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_make_ups_first_answer_comes_with_its_sample(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever waits for health 200 finds the sample's roles."""
    async with made_up(monkeypatch, tmp_path, within=60) as (_, admin):
        roles = await admin.must("GET", "roles")
    assert {"app-reader", "legacy-app", "dynamic-credentials-role"} == {each["name"] for each in roles["roles"]}


async def test_make_up_publishes_what_its_broker_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The control API lists it, and the door for events over HTTP is open."""
    async with made_up(monkeypatch, tmp_path, within=120) as (visitor, admin):
        while not (found := await visitor.control("GET", f"topics/{up.TOPIC}/events")):
            await admin.must("POST", "sweep")
        door = await admin.call("POST", "events", {})
    assert {"leasehold.role.changed"} == {each["event"]["type"] for each in found}
    assert (403, "/leasehold/local") == (door.status_code, found[0]["event"]["source"])
