"""The queue's functions."""

from __future__ import annotations

import json
import logging
from typing import Any

import azure.functions as func
import pytest
from azure.functions.queue import QueueMessage

from shared.broker.ports import Ports
from shared.core.errors import Unavailable
from shared.core.lease import State
from shared.core.message import Batch, write_message, write_refill, write_succession
from shared.core.names import LeaseId, RoleName
from shared.triggers import queues
from tests.fakes.world import WEB, role
from tests.support.pools import pooled_target
from tests.triggers.app import App, Invocation

LEASE = LeaseId("web.00000000000000000000000001")


def functions_of(app: App) -> dict[str, Any]:
    """By name, as the host indexes them."""

    async def get_broker() -> Ports:
        return app.world.ports

    functions = func.FunctionApp()
    functions.register_functions(queues.blueprint(get_broker))
    return {str(each.get_function_name()): each for each in functions.get_functions()}


async def deliver(app: App, name: str, text: str | bytes) -> None:
    """One message, as the host delivers it."""
    body = text if isinstance(text, bytes) else text.encode()
    message = QueueMessage(id="m-1", body=body)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    await functions_of(app)[name].get_user_function()(message=message, context=Invocation())


async def overdue(app: App) -> str:
    """A lease that is over, as a message."""
    await app.call("POST", "/api/v1/roles/web/leases")
    app.world.clock.jump(901)
    return write_message(Batch(app.world.ids.guid(), tuple(app.world.leases.rows)))


@pytest.mark.parametrize(("name", "queue"), [("revocations", "revocations"), ("revocations_poison", "revocations-poison")])
def test_each_listens_to_its_queue_in_the_hosts_own_storage(app: App, name: str, queue: str) -> None:
    """Neither name is a setting."""
    (binding,) = json.loads(functions_of(app)[name].get_function_json())["bindings"]
    assert ("queueTrigger", queue) == (binding["type"], binding["queueName"])
    assert "AzureWebJobsStorage" == binding["connection"]


async def test_a_message_ends_its_leases(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Under the invocation's own id."""
    caplog.set_level(logging.INFO)
    await deliver(app, "revocations", await overdue(app))
    assert app.world.leftovers() == []
    assert app.world.audit.events[-1].request_id == Invocation.invocation_id
    assert f"({Invocation.invocation_id}) of 1: ended=1 undone=0" in caplog.text


async def test_a_message_that_failed_too_often_shows_its_leases(app: App) -> None:
    """As stuck."""
    await deliver(app, "revocations_poison", await overdue(app))
    assert [State.STUCK] == [lease.state for lease in app.world.leases.rows.values()]


@pytest.mark.parametrize("name", ["revocations", "revocations_poison"])
async def test_what_failed_altogether_is_a_failed_invocation(app: App, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The host delivers it again; the cause is in the log."""
    text = await overdue(app)
    app.world.calls.fail("queued_markers.forget", Unavailable("no answer"))
    with pytest.raises(queues.RevocationsFailed) as failed:
        await deliver(app, name, text)
    assert failed.value.__suppress_context__
    assert "failed: Unavailable" in caplog.text


@pytest.mark.parametrize("name", ["revocations", "revocations_poison"])
@pytest.mark.parametrize("text", ["", "{}", b"\xff", '{"form": 1, "id": "the-secret", "leases": []}'])
async def test_what_cannot_be_read_is_dropped(app: App, name: str, text: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is named in the log and not repeated there: nobody knows who wrote it."""
    before = len(app.world.calls.made)
    await deliver(app, name, text)
    assert before == len(app.world.calls.made)
    assert "message m-1 cannot be read" in caplog.text
    assert "the-secret" not in caplog.text


async def test_a_message_about_a_pool_fills_it(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Of a role without a pool, or of none, there is nothing to do."""
    caplog.set_level(logging.INFO)
    app.world.roles.keep(role(pooled_target(1)))
    await deliver(app, "fillings", write_refill(WEB))
    assert "the pool of role web (" in caplog.text
    assert [None] == [lease.holder for lease in app.world.leases.rows.values()]
    # An earlier version of the broker has sent it there.
    await deliver(app, "preparations", write_refill(RoleName("nothing")))
    assert "the pool of role nothing (" in caplog.text


async def test_a_message_that_asks_for_a_successor_has_it_issued(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """It comes late, and the lease is gone: there is nothing to do."""
    caplog.set_level(logging.INFO)
    await deliver(app, "fillings", write_succession(LEASE))
    assert f"the successor of lease {LEASE} (" in caplog.text


async def test_a_successor_that_cannot_be_issued_now_is_the_sweeps(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The message is not delivered again."""
    app.world.calls.fail("leases.get", Unavailable("busy"))
    await deliver(app, "fillings", write_succession(LEASE))
    assert "is left to the sweep" in caplog.text


async def test_a_pool_that_cannot_be_filled_now_is_the_timers(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The message is not delivered again."""
    app.world.calls.fail("pools.oldest", Unavailable("busy"))
    await deliver(app, "fillings", write_refill(WEB))
    assert "is left to the timer" in caplog.text
