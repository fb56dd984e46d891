"""The composition root: lazy, built once, tried again after a failure."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import shared
from shared import wiring
from shared.broker.resume import Resumption
from shared.cloud.arm import Arm
from shared.cloud.census import AzureCensus
from shared.cloud.entra import EntraVerifier
from shared.cloud.graph import Graph
from shared.cloud.queues import StorageRevocations
from shared.core.batch import Batch
from shared.core.errors import Misconfigured
from shared.core.footprint import ApplicationSecretFootprint, Footprint, ServicePrincipalFootprint
from shared.core.issuer import Issuer
from shared.core.names import LeaseId, ObjectId
from shared.core.outages import Outages, Service
from shared.core.patience import Patience
from shared.core.role import ApplicationSecretTarget, ServicePrincipalTarget, Target
from shared.issuers.application_secret import ApplicationSecretIssuer
from shared.issuers.service_principal import ServicePrincipalIssuer
from shared.wiring import LazyRevocations, LazyVerifier, Parts, challenge_of
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock
from tests.fakes.queue import MemoryRevocations
from tests.fakes.world import ALICE, guid, principal_target, role, secret_target
from tests.triggers.app import FakeVerifier
from tests.unit.test_settings import CLIENT, LEAST, OTHER, PLATFORM, TENANT

ROOT = Path(shared.__file__).parents[1]
HEAVY = (
    "azure.data",
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
    parts = Parts(environment)
    with pytest.raises(Misconfigured):
        _ = parts.broker
    environment.update(LEAST)
    assert parts.broker.outside.timing.settle == 180


def test_what_is_built_is_kept() -> None:
    """One of everything."""
    parts = Parts(LEAST)
    assert parts.broker is parts.broker
    assert parts.broker.outside is parts.outside


def test_the_broker_is_protected_from_its_own_roles() -> None:
    """Its identities and its function app."""
    protected = Parts({**LEAST, **PLATFORM}).outside.protected
    assert protected.identities == {CLIENT, OTHER}
    assert [scope.rpartition("/")[2] for scope in protected.scopes] == ["leasehold-app"]


def test_the_challenge_says_where_to_get_a_token_and_for_what() -> None:
    """As Azure's own services word theirs."""
    assert challenge_of(Parts(LEAST).settings) == (
        f'Bearer realm="leasehold", authorization_uri="https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize", '
        f'resource_id="api://{OTHER}"'
    )


async def test_every_kind_of_target_and_footprint_has_its_issuer() -> None:
    """One of each kind, for both."""
    parts = Parts(LEAST)
    made: list[tuple[Target, Footprint, type[Issuer]]] = [
        (principal_target(), ServicePrincipalFootprint("u", ()), ServicePrincipalIssuer),
        (secret_target(), ApplicationSecretFootprint(guid(1), "s"), ApplicationSecretIssuer),
    ]
    for target, footprint, kind in made:
        issuer = parts.outside.issuers.for_target(target)
        assert isinstance(issuer, kind)
        assert issuer is parts.outside.issuers.for_footprint(footprint)
        assert {type(each) for each in parts.issuers.makers} == {type}
        assert issuer is parts.outside.issuers.for_target(role(target).target)
    assert {ServicePrincipalTarget, ApplicationSecretTarget} < set(parts.issuers.makers)
    assert isinstance(parts.application_secrets, ApplicationSecretIssuer)
    assert parts.application_secrets.protected == {ObjectId(CLIENT), ObjectId(OTHER)}
    await parts.client.aclose()
    await parts.transport.close()


@pytest.mark.parametrize("client", [None, CLIENT, OTHER])
async def test_tables_and_queue_are_reached_with_one_identity(client: str | None) -> None:
    """The broker's own, unless the host's settings name another."""
    identity = {"AzureWebJobsStorage__accountName": "leasehold1"} | (
        {"AzureWebJobsStorage__clientId": client} if client else {}
    )
    parts = Parts({name: value for name, value in LEAST.items() if name != "AzureWebJobsStorage"} | identity)
    assert isinstance(parts.revocations, StorageRevocations)
    assert parts.revocations._client.url == "https://leasehold1.queue.core.windows.net/revocations"
    assert parts.tables.url == "https://leasehold1.table.core.windows.net"
    assert (parts.storage_credential is parts.credential) is (client != OTHER)
    await parts.storage_credential.close()
    await parts.transport.close()


async def test_the_queue_is_made_when_there_is_something_to_queue() -> None:
    """And kept."""
    parts = Parts(LEAST)
    revocations = parts.outside.revocations
    assert isinstance(revocations, LazyRevocations)
    assert "revocations" not in vars(parts)
    assert revocations.maker() is revocations.maker()
    await parts.transport.close()


async def test_what_is_made_late_is_asked_all_the_same() -> None:
    """The verifier its question, the queue its message."""
    assert ALICE == await LazyVerifier(FakeVerifier).verify("alice.token.x")
    queue, message = MemoryRevocations(Calls(FakeClock())), Batch(guid(3), (LeaseId.parse(f"web.{'0' * 26}"),))
    await LazyRevocations(lambda: queue).send(message)
    assert [message] == queue.messages()


def test_azures_libraries_do_not_tell_of_every_call(caplog: pytest.LogCaptureFixture) -> None:
    """What goes wrong they still tell."""
    caplog.set_level(logging.INFO)
    libraries = ("azure", "httpx", "httpcore", "msal")
    for name in libraries:
        logging.getLogger(name).setLevel(logging.NOTSET)
    assert Parts(LEAST).outside.timing.settle == 180
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
    found = imported_by(f"from shared.wiring import Parts\nParts({LEAST!r}).outside")
    assert found <= {"azure.data", "aiohttp"}


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
    assert int(done.stdout) == 25


async def test_every_part_is_wired_to_what_the_settings_say() -> None:
    """Each service at its own address, each kind of connection for what it is meant."""
    parts = Parts(LEAST)
    assert isinstance(parts.revocations, StorageRevocations)
    assert "http://127.0.0.1:10001/devstoreaccount1/revocations" == parts.revocations._client.url
    assert "http://127.0.0.1:10002/devstoreaccount1" == parts.tables.url
    assert parts.probe.client is parts.fresh_client is not parts.client
    assert ("https://login.microsoftonline.com", TENANT) == (parts.probe.authority, parts.probe.tenant_id)
    assert "https://graph.microsoft.com/.default" == parts.probe.scope
    assert isinstance(parts.verifier, EntraVerifier)
    assert isinstance(parts.census, AzureCensus)
    assert parts.outside.census() is parts.census
    assert [Graph, Arm, Patience] == [type(each) for each in (parts.graph, parts.arm, parts.patience)]
    assert "https://graph.microsoft.com/v1.0" == parts.graph_calls.base_url
    minting = parts.service_principals
    assert isinstance(minting, ServicePrincipalIssuer)
    assert (parts.graph, parts.arm) == (minting.directory, minting.authorization)
    assert (parts.probe, parts.patience) == (minting.probe, minting.patience)
    assert isinstance(parts.outages, Outages)
    assert parts.outside.outages is parts.outages
    assert parts.identities == [parts.credential]
    assert {} == parts.outside.refused()
    for client in (parts.client, parts.fresh_client):
        await client.aclose()
    await parts.transport.close()


def test_a_service_that_answers_again_has_what_waited_for_it_taken_up() -> None:
    """By the worker that knew of the outage."""
    parts = Parts(LEAST)
    assert isinstance(parts.resumption, Resumption)
    told: list[str] = []
    vars(parts)["resumption"] = lambda: told.append("taken up")
    parts.outages.note(Service.GRAPH, answered=False)
    assert [] == told
    parts.outages.note(Service.GRAPH, answered=True)
    assert ["taken up"] == told


async def test_the_worker_s_broker_is_the_one_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """For those who call and for the timers alike."""
    parts = Parts(LEAST)
    monkeypatch.setattr(wiring, "_parts", parts)
    assert await wiring.broker() is parts.broker
    assert await wiring.outside() is parts.outside
