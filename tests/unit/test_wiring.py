"""The composition root: lazy, built once, tried again after a failure."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, Never

import azure.functions as func
import pytest

import shared
from shared.broker.ending.resume import Resumption
from shared.cloud.arm.authorization import Arm
from shared.cloud.directory_facts import AzureFacts
from shared.cloud.entra.verifier import EntraVerifier
from shared.cloud.event_grid.publisher import EventGridPublisher
from shared.cloud.graph.directory import Graph
from shared.cloud.inventory import AzureLists
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.queues import StorageFillings, StoragePreparations, StorageRevocations
from shared.core.errors import Misconfigured
from shared.core.footprint import Footprint
from shared.core.message import Batch
from shared.core.names import LeaseId, ObjectId
from shared.core.role import Target
from shared.issuers.application_secret.issuer import ApplicationSecretIssuer
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from shared.issuers.service_principal.issuer import ServicePrincipalIssuer
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from shared.kinds.kind import Issuer
from shared.resilience.outages import Outages, Service
from shared.resilience.retry import Retry
from shared.triggers import events, queues, timers
from shared.triggers.http import groups
from shared.wiring import root
from shared.wiring.kinds import KINDS
from shared.wiring.lazy import lazy
from shared.wiring.root import Composition, challenge_of
from tests.cloud.test_arm_lists import Paged, arm_over
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock
from tests.fakes.queue import MemoryRevocations
from tests.fakes.world import ALICE, guid, principal_target, role, secret_target
from tests.triggers.app import FakeVerifier
from tests.unit.test_settings import CLIENT, LEAST, OTHER, PLATFORM, TENANT

ROOT = Path(shared.__file__).parents[1]
TOPIC = {"LEASEHOLD_EVENT_TOPIC": "https://leasehold.westeurope-1.eventgrid.azure.net/api/events"}
HEAVY = (
    "azure.data",
    "azure.eventgrid",
    "azure.storage",
    "azure.identity",
    "azure.mgmt",
    "aiohttp",
    "httpx",
    "jwt",
    "msgraph_core",
    "kiota_abstractions",
)


def test_a_first_build_that_failed_is_tried_again() -> None:
    """A setting that is mended is seen, and nothing half-built is kept."""
    environment: dict[str, str] = {}
    composition = Composition(environment)
    with pytest.raises(Misconfigured):
        _ = composition.broker
    environment.update(LEAST)
    assert composition.broker.ports.timing.settle == 180


def test_what_is_built_is_kept() -> None:
    """One of everything."""
    composition = Composition(LEAST)
    assert composition.broker is composition.broker
    assert composition.broker.ports is composition.ports


def test_the_broker_is_protected_from_its_own_roles() -> None:
    """Its identities and its function app."""
    protected = Composition({**LEAST, **PLATFORM}).ports.protected
    assert protected.identities == {CLIENT, OTHER}
    assert [scope.rpartition("/")[2] for scope in protected.scopes] == ["leasehold-app"]


def test_the_challenge_says_where_to_get_a_token_and_for_what() -> None:
    """As Azure's own services word theirs."""
    assert challenge_of(Composition(LEAST).settings) == (
        f'Bearer realm="leasehold", authorization_uri="https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize", '
        f'resource_id="api://{OTHER}"'
    )


def behind(part: Any) -> object:
    """What a part that is made late stands for."""
    return part._part()


async def test_every_kind_of_target_and_footprint_has_its_issuer() -> None:
    """One of each kind, for both."""
    composition = Composition(LEAST)
    made: list[tuple[Target, Footprint, type[Issuer]]] = [
        (principal_target(), ServicePrincipalFootprint("u", ()), ServicePrincipalIssuer),
        (secret_target(), ApplicationSecretFootprint(guid(1), "s"), ApplicationSecretIssuer),
    ]
    kinds = composition.ports.kinds
    for target, footprint, kind in made:
        issuer = kinds.of(target).issuer
        assert isinstance(issuer, kind)
        assert issuer is kinds.of(footprint).issuer
        assert issuer is kinds.of(role(target)).issuer
    assert [schema.type for schema, _ in KINDS] == [each.type for each in kinds]
    secrets = kinds.of(secret_target()).issuer
    assert isinstance(secrets, ApplicationSecretIssuer)
    assert secrets.protected == {ObjectId(CLIENT), ObjectId(OTHER)}
    await composition.azure.client.aclose()
    await composition.azure.transport.close()


@pytest.mark.parametrize("client", [None, CLIENT, OTHER])
async def test_tables_and_queue_are_reached_with_one_identity(client: str | None) -> None:
    """The broker's own, unless the host's settings name another."""
    identity = {"AzureWebJobsStorage__accountName": "leasehold1"} | (
        {"AzureWebJobsStorage__clientId": client} if client else {}
    )
    composition = Composition({name: value for name, value in LEAST.items() if name != "AzureWebJobsStorage"} | identity)
    storage, azure = composition.storage, composition.azure
    assert isinstance(storage.revocations, StorageRevocations)
    assert storage.revocations._client.url == "https://leasehold1.queue.core.windows.net/revocations"
    assert isinstance(storage.preparations, StoragePreparations)
    assert storage.preparations._client.url == "https://leasehold1.queue.core.windows.net/preparations"
    assert isinstance(storage.fillings, StorageFillings)
    assert storage.fillings._client.url == "https://leasehold1.queue.core.windows.net/fillings"
    assert storage.tables.url == "https://leasehold1.table.core.windows.net"
    assert (storage.credential is azure.credential) is (client != OTHER)
    await storage.credential.close()
    await azure.transport.close()


async def test_the_queue_is_made_when_there_is_something_to_queue() -> None:
    """And kept."""
    composition = Composition(LEAST)
    revocations, preparations = composition.ports.revocations, composition.ports.preparations
    assert not {"revocations", "preparations"} & {*vars(composition.storage)}
    assert behind(revocations) is behind(revocations) is composition.storage.revocations
    assert behind(preparations) is behind(preparations) is composition.storage.preparations
    await composition.azure.transport.close()


async def test_what_is_made_late_is_asked_all_the_same() -> None:
    """The verifier its question, the queue its message."""
    assert ALICE == await lazy(FakeVerifier).verify("alice.token.x")
    queue, message = MemoryRevocations(Calls(FakeClock())), Batch(guid(3), (LeaseId.parse(f"web.{'0' * 26}"),))
    await lazy(lambda: queue).send(message)
    assert [message] == queue.messages()


async def test_what_is_made_late_is_made_once_and_again_only_where_that_failed() -> None:
    """A part whose making raises is not given up."""
    tries: list[int] = []

    def make() -> FakeVerifier:
        tries.append(len(tries))
        if tries == [0]:
            raise Misconfigured("not yet")
        return FakeVerifier()

    verifier = lazy(make)
    assert [] == tries
    with pytest.raises(Misconfigured):
        await verifier.verify("alice.token.x")
    for _ in range(2):
        assert ALICE == await verifier.verify("alice.token.x")
    assert [0, 1] == tries


def test_azures_libraries_do_not_tell_of_every_call(caplog: pytest.LogCaptureFixture) -> None:
    """What goes wrong they still tell."""
    caplog.set_level(logging.INFO)
    libraries = ("azure", "httpx", "httpcore", "msal")
    for name in libraries:
        logging.getLogger(name).setLevel(logging.NOTSET)
    assert Composition(LEAST).ports.timing.settle == 180
    for name in (*libraries, "azure.core.pipeline.policies.http_logging_policy"):
        assert logging.getLogger(name).getEffectiveLevel() == logging.WARNING


def imported_by(code: str) -> set[str]:
    """What a fresh interpreter has imported of the heavy packages after running this."""
    probe = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_indexing_imports_none_of_azures_libraries() -> None:
    """The host imports the app before it knows whether anybody will call."""
    assert imported_by("import function_app") == set()


def test_a_sweep_needs_storage_alone() -> None:
    """Until something is due."""
    found = imported_by(f"from shared.wiring.root import Composition\nComposition({LEAST!r}).ports")
    assert found <= {"azure.data", "aiohttp"}


def test_a_sweep_needs_no_more_where_events_are_on() -> None:
    """Until one is due: then the publisher is made."""
    made = f"Composition({LEAST | TOPIC!r})"
    assert imported_by(f"from shared.wiring.root import Composition\n{made}.ports") <= {"azure.data", "aiohttp"}
    assert "azure.eventgrid" in imported_by(f"from shared.wiring.root import Composition\n{made}.azure.publisher")


async def test_events_are_told_only_if_there_is_a_topic() -> None:
    """The store that tells stands before the store of leases."""
    silent, telling = Composition(LEAST).ports, Composition(LEAST | TOPIC).ports
    assert (None, TableLeases) == (silent.publisher, type(silent.leases))
    assert isinstance(behind(telling.publisher), EventGridPublisher)
    assert "_Telling" == type(telling.leases).__name__


def test_whose_identity_a_caller_is_takes_graph_alone() -> None:
    """Resource Manager's client is imported when a location is first asked for: few documents ask for one."""
    facts = f"from shared.wiring.root import Composition\nComposition({LEAST!r}).azure.directory_facts"
    found = imported_by(facts)
    assert ("msgraph_core" in found, "azure.mgmt" in found) == (True, False)


async def test_facts_of_callers_are_read_with_the_brokers_own_connections() -> None:
    """And remembered for as long as the setting says."""
    composition = Composition({**LEAST, "LEASEHOLD_DIRECTORY_CACHE_SECONDS": "7"})
    facts = behind(composition.ports.directory)
    assert isinstance(facts, AzureFacts)
    assert facts is composition.azure.directory_facts
    assert (7, composition.azure.retry) == (facts._principals._limits.life, facts._retry)
    assert "arm" not in vars(composition.azure)
    resource = f"/subscriptions/{guid(2)}/resourceGroups/app/providers/Microsoft.Web/sites/one"
    vars(composition.azure)["arm"] = arm_over(Paged((200, {"value": [{"id": resource, "location": "westeurope"}]}, {})))
    assert "westeurope" == await facts._locate(resource)
    await composition.azure.client.aclose()
    await composition.azure.transport.close()


def test_indexing_reads_no_setting() -> None:
    """An app without settings still answers, if only that it is misconfigured."""
    done = subprocess.run(
        [sys.executable, "-c", "import function_app; print(len(function_app.app.get_functions()))"],
        cwd=ROOT,
        env={"PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    rest = func.FunctionApp()
    for blueprint in (timers.blueprint, queues.blueprint, events.blueprint):
        rest.register_functions(blueprint(_no_ports))
    assert int(done.stdout) == sum(len(group.routes) for group in groups.with_the_rest()) + len(rest.get_functions())


async def _no_ports() -> Never:
    raise AssertionError("nothing runs while functions are indexed")


async def test_every_part_is_wired_to_what_the_settings_say() -> None:
    """Each service at its own address, each kind of connection for what it is meant."""
    composition = Composition(LEAST)
    azure, storage = composition.azure, composition.storage
    assert isinstance(storage.revocations, StorageRevocations)
    assert "http://127.0.0.1:10001/devstoreaccount1/revocations" == storage.revocations._client.url
    assert "http://127.0.0.1:10002/devstoreaccount1" == storage.tables.url
    assert azure.probe.client is azure.fresh_client is not azure.client
    assert ("https://login.microsoftonline.com", TENANT) == (azure.probe.authority, azure.probe.tenant_id)
    assert "https://graph.microsoft.com/.default" == azure.probe.scope
    assert isinstance(azure.verifier, EntraVerifier)
    assert behind(composition.broker.verifier) is azure.verifier
    assert isinstance(azure.inventory, AzureLists)
    assert behind(composition.ports.inventory) is azure.inventory
    assert [Graph, Arm, Retry] == [type(each) for each in (azure.graph, azure.arm, azure.retry)]
    assert "https://graph.microsoft.com/v1.0" == azure.graph_calls.base_url
    minting = composition.ports.kinds.of(principal_target()).issuer
    assert isinstance(minting, ServicePrincipalIssuer)
    assert (azure.graph, azure.arm) == (minting.directory, minting.authorization)
    assert (azure.probe, azure.retry) == (minting.probe, minting.retry)
    assert isinstance(composition.outages, Outages)
    assert composition.ports.outages is composition.outages is azure.outages
    assert azure.identities == [azure.credential]
    assert {} == composition.ports.refused()
    for client in (azure.client, azure.fresh_client):
        await client.aclose()
    await azure.transport.close()


def test_a_service_that_answers_again_has_what_waited_for_it_taken_up() -> None:
    """By the worker that knew of the outage."""
    composition = Composition(LEAST)
    assert isinstance(composition.resumption, Resumption)
    result: list[str] = []
    vars(composition)["resumption"] = lambda: result.append("taken up")
    composition.outages.note(Service.GRAPH, answered=False)
    assert [] == result
    composition.outages.note(Service.GRAPH, answered=True)
    assert ["taken up"] == result


async def test_the_worker_s_broker_is_the_one_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """For those who call and for the timers alike."""
    composition = Composition(LEAST)
    monkeypatch.setattr(root, "_parts", composition)
    assert await root.broker() is composition.broker
    assert await root.ports() is composition.ports
