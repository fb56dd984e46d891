"""What other brokers have sent or read wrongly, seen on the wire, each as a test of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import AsyncHttpTransport

from shared.broker.ending.sweep import Summary, sweep
from shared.broker.ports import Ports
from shared.cloud.arm.authorization import Arm
from shared.cloud.limits import RateLimiters
from shared.cloud.upstream import Refusal
from shared.core.errors import Absent, Refused, Unreachable
from shared.core.footprint import Assignment
from shared.core.lease import Lease
from shared.core.names import LeaseId
from tests.bench.outgoing import watched
from tests.broker.scenes import issued
from tests.cloud.graph_answers import APPLICATION, ENDPOINT, GROUP, PRINCIPAL, done, graph_at
from tests.cloud.scripted import Bearer, Scripted, refused
from tests.contract.stores import on_tables
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import DEFINITION, SCOPES, WEB, role, world

SOVEREIGN = "https://graph.microsoft.us"
NAME = "cccccccc-0000-4000-8000-000000000001"


async def test_a_group_reference_is_built_from_the_clouds_own_endpoint(service: Scripted, bearer: Bearer) -> None:
    """Defect: the reference to the new member named the public cloud, so that no membership worked in any other."""
    await graph_at(SOVEREIGN, service.will(done()), bearer).add_member(GROUP, PRINCIPAL)
    assert {"@odata.id": f"{SOVEREIGN}/v1.0/directoryObjects/{PRINCIPAL}"} == service.body()
    assert {"graph.microsoft.us"} == {call.url.host for call in service.calls}


@pytest.mark.parametrize("text", ["Resource does not exist", "quelque chose", ""])
@pytest.mark.parametrize("code", ["Request_ResourceNotFound", "SomethingNew", ""])
async def test_absence_is_read_off_the_status_whatever_the_text(
    service: Scripted, bearer: Bearer, code: str, text: str
) -> None:
    """Defect: a 404 was recognised by the words of one library's error, and by no other's."""
    graph = graph_at(ENDPOINT, service.will(*[refused(404, code, text=text)] * 4), bearer)
    for deletion in (
        graph.delete_principal(PRINCIPAL),
        graph.delete_application(APPLICATION),
        graph.purge(APPLICATION),
        graph.remove_member(GROUP, PRINCIPAL),
    ):
        with pytest.raises(Absent):
            await deletion
    answer = {"error": {"code": code or "X", "message": text}}
    assert isinstance(Refusal.read(404, {}, answer).as_error({}), Absent)


@pytest.mark.parametrize("status", [400, 403])
async def test_words_of_absence_in_another_refusal_are_no_absence(service: Scripted, bearer: Bearer, status: int) -> None:
    """Defect: the same, the other way round: a refusal that quotes a 404 was taken for success."""
    graph = graph_at(ENDPOINT, service.will(refused(status, "Whatever", text="Status=404 does not exist")), bearer)
    with pytest.raises(Refused) as caught:
        await graph.delete_application(APPLICATION)
    assert not isinstance(caught.value, Absent)


class Overheard(AsyncHttpTransport[Any, Any]):
    """Keeps what it is to send, and sends nothing."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    async def send(self, request: Any, **_: Any) -> Any:
        """See the base class. Raises ``ServiceRequestError``."""
        self.bodies.append(json.loads(request.content if hasattr(request, "content") else request.data))
        raise ServiceRequestError("nothing is sent")

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def test_the_principals_type_goes_with_every_assignment() -> None:
    """Defect: without it Resource Manager asks a replica that may not know a fresh principal, for up to two minutes."""
    overheard = Overheard()
    arm = Arm("https://arm.example", Bearer(), overheard, RateLimiters(FakeClock()))
    with pytest.raises(Unreachable):
        await arm.assign(Assignment(SCOPES[0], NAME), DEFINITION, PRINCIPAL, None)
    (body,) = overheard.bodies
    assert "ServicePrincipal" == body["properties"]["principalType"]


async def test_an_idle_sweep_reads_no_row_however_many_leases_there_are(storage_connection: str) -> None:
    """Pain: a store of many leases made every tick, and every start, slower."""
    template = await _template()
    async with on_tables(storage_connection) as stores:
        scene = world(role())
        ports = replace(scene.ports, leases=stores.leases, run_history=stores.run_history, generations=stores.generations)
        seen_empty = await _idle(ports)
        for number in range(60):
            await stores.leases.open(_copy(template, number))
        assert seen_empty == await _idle(ports)
        assert (18, 0) == seen_empty


async def _template() -> Lease:
    made = world(role())
    return (await issued(made)).lease


def _copy(lease: Lease, number: int) -> Lease:
    lease_id = LeaseId.of(WEB, FixedIds(number).ulid(lease.planned_at))
    return replace(lease, id=lease_id, due_at=lease.due_at + timedelta(hours=1))


async def _idle(ports: Ports) -> tuple[int, int]:
    """Requests and rows of a sweep that finds nothing due."""
    with watched() as seen:
        assert await sweep(ports, "warm-up") == Summary()
        seen.forget()
        seen.counts_rows = True
        assert await sweep(ports, "idle") == Summary()
        return len(seen.intervals), seen.rows
