"""Reconciling, on demand and on time."""

from __future__ import annotations

import json
import logging
from typing import Any

import azure.functions as func
import pytest
from azure.functions.timer import TimerRequest

from shared.broker.ports import Ports
from shared.core.errors import Unreachable
from shared.triggers import timers
from tests.fakes.world import ADMINISTRATOR
from tests.triggers.app import App, Invocation

PATH = "/api/v1/reconcile"
ADMIN = "admin.token.x"


async def orphaned(app: App) -> str:
    """A lease whose record is lost, two hours ago."""
    answer = await app.call("POST", "/api/v1/roles/web/leases")
    app.world.leases.rows.clear()
    app.world.clock.jump(7200)
    return str(answer.json["lease"]["id"])


async def test_an_admin_is_told_what_a_run_would_do_and_then_what_it_did(app: App) -> None:
    """The same findings; the first time nothing happens."""
    lease_id = await orphaned(app)
    before = app.world.leftovers()
    would = await app.call("POST", PATH, token=ADMIN, query={"dry_run": "true"})
    assert before == app.world.leftovers()
    did = await app.call("POST", PATH, token=ADMIN, query={"dry_run": "false"})
    assert app.world.leftovers() == []
    (finding,) = would.json["findings"]
    assert (would.status, would.json) == (200, {"dry_run": True, "found": 1, "findings": [finding], "unread": []})
    assert (finding["kind"], finding["lease"], finding["result"]) == ("application", lease_id, "would_remove")
    done = [finding | {"result": "removed"}]
    assert (did.status, did.json) == (200, {"dry_run": False, "found": 1, "findings": done, "unread": []})
    assert [ADMINISTRATOR] * 3 == [event.caller for event in app.world.audit.events if event.operation == "reconcile"]


async def test_reconciling_is_for_admins(app: App) -> None:
    """Not even a dry run is for an auditor: it reads the whole directory."""
    for token in ("alice.token.x", "watcher.token.x"):
        answer = await app.call("POST", PATH, token=token, query={"dry_run": "true"})
        assert (answer.status, answer.code) == (403, "forbidden")
    assert [("reconcile", "refused")] * 2 == app.world.audit.told()
    assert [] == app.world.calls.named("inventory")


async def test_a_run_with_a_misspelt_option_does_nothing(app: App) -> None:
    """An operator who asks for a dry run must not get a wet one."""
    await orphaned(app)
    before = app.world.leftovers()
    for asked in ({"dryrun": "true"}, {"dry_run": "yes"}):
        assert (await app.call("POST", PATH, token=ADMIN, query=asked)).status == 400
    assert (await app.call("POST", PATH, token=ADMIN, body={"dry_run": True})).status == 400
    assert before == app.world.leftovers()


async def test_status_tells_of_the_last_run(app: App) -> None:
    """When it was, and its counts; a dry run does not count."""
    await orphaned(app)
    await app.call("POST", PATH, token=ADMIN, query={"dry_run": "true"})
    before = await app.call("GET", "/api/v1/status", token="watcher.token.x")
    await app.call("POST", PATH, token=ADMIN)
    after = await app.call("GET", "/api/v1/status", token="watcher.token.x")
    assert before.json["reconciliation"] == {"last": None, "summary": {}}
    assert after.json["reconciliation"] == {
        "last": "2026-03-02T11:00:00.000Z",
        "summary": {"removed": 1, "ended": 0, "failed": 0, "left": 0, "unread": 0},
    }


def timer_of(app: App) -> Any:
    """The function, as the host indexes it."""
    functions = func.FunctionApp()
    functions.register_functions(timers.blueprint(_get_ports(app)))
    return next(each for each in functions.get_functions() if each.get_function_name() == "reconcile")


def test_its_schedule_is_an_app_setting(app: App) -> None:
    """Read by the host, not at import."""
    function = timer_of(app)
    (binding,) = json.loads(function.get_function_json())["bindings"]
    assert (binding["type"], binding["schedule"]) == ("timerTrigger", "%LEASEHOLD_RECONCILE_SCHEDULE%")
    assert (binding["runOnStartup"], binding["useMonitor"]) == (False, True)


async def test_the_timer_removes_what_nobody_leases(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Under the invocation's own id, and nobody's name."""
    caplog.set_level(logging.INFO)
    await orphaned(app)
    await timer_of(app).get_user_function()(timer=TimerRequest(past_due=True), context=Invocation())
    assert app.world.leftovers() == []
    event = app.world.audit.events[-1]
    assert (event.operation, event.request_id, event.caller) == ("reconcile", Invocation.invocation_id, None)
    assert f"reconciliation {Invocation.invocation_id} (late): removed=1 ended=0" in caplog.text


async def test_a_run_that_fails_is_a_failed_invocation(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The platform's metrics show it; the cause is in the log."""
    app.world.calls.fail("inventory.owned", Unreachable("Graph gave no answer"))
    with pytest.raises(timers.ReconcileFailed) as failed:
        await timers.run_reconciliation(_get_ports(app), "r-1")
    assert failed.value.__suppress_context__
    assert "reconciliation r-1 failed: Unreachable" in caplog.text


def _get_ports(app: App) -> Any:
    async def get_ports() -> Ports:
        return app.world.ports

    return get_ports
