"""The timers of the sweep and of the pools."""

from __future__ import annotations

import json
import logging
from typing import Any

import azure.functions as func
import pytest
from azure.functions.timer import TimerRequest

from shared.broker.ports import Ports
from shared.core.errors import Misconfigured, Unreachable
from shared.triggers import timers
from tests.fakes.world import role
from tests.support.pools import pooled_target
from tests.triggers.app import App, Invocation


def timer_of(app: App, name: str = "sweep") -> Any:
    """The function, as the host indexes it."""

    async def get_ports() -> Ports:
        return app.world.ports

    functions = func.FunctionApp()
    functions.register_functions(timers.blueprint(get_ports))
    return next(each for each in functions.get_functions() if each.get_function_name() == name)


def test_the_schedule_is_an_app_setting(app: App) -> None:
    """Read by the host, not at import."""
    function = timer_of(app)
    (binding,) = json.loads(function.get_function_json())["bindings"]
    assert (binding["type"], binding["schedule"]) == ("timerTrigger", "%LEASEHOLD_SWEEP_SCHEDULE%")
    assert (binding["runOnStartup"], binding["useMonitor"]) == (False, True)


async def test_the_timer_ends_what_is_due(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Under the invocation's own id."""
    caplog.set_level(logging.INFO)
    await app.call("POST", "/api/v1/roles/web/leases")
    app.world.clock.jump(901)
    await timer_of(app).get_user_function()(timer=TimerRequest(past_due=True), context=Invocation())
    assert app.world.leftovers() == []
    assert app.world.audit.events[-1].request_id == Invocation.invocation_id
    assert f"sweep {Invocation.invocation_id} (late): ended=1 undone=0" in caplog.text


async def test_a_sweep_that_fails_is_a_failed_invocation(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The platform's metrics show it; the cause is in the log."""
    app.world.calls.fail("leases.due", Unreachable("tables gave no answer"))
    with pytest.raises(timers.SweepFailed) as failed:
        await timers.run_sweep(_ports(app), "r-1")
    assert failed.value.__suppress_context__
    assert "sweep r-1 failed: Unreachable" in caplog.text


async def test_a_misconfigured_sweep_says_what_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    """In the log."""

    async def misconfigured() -> Ports:
        raise Misconfigured("LEASEHOLD_CLIENT_ID: is required")

    with pytest.raises(timers.SweepFailed):
        await timers.run_sweep(misconfigured, "r-1")
    assert "LEASEHOLD_CLIENT_ID: is required" in caplog.text


def _ports(app: App) -> Any:
    async def get_ports() -> Ports:
        return app.world.ports

    return get_ports


def test_the_schedule_of_pools_is_an_app_setting(app: App) -> None:
    """Read by the host, like the sweep's."""
    (binding,) = json.loads(timer_of(app, "fill").get_function_json())["bindings"]
    assert (binding["type"], binding["schedule"]) == ("timerTrigger", "%LEASEHOLD_FILL_SCHEDULE%")
    assert (binding["runOnStartup"], binding["useMonitor"]) == (False, True)


async def test_the_timer_fills_pools(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Under the invocation's own id."""
    caplog.set_level(logging.INFO)
    app.world.roles.keep(role(pooled_target(1)))
    await timer_of(app, "fill").get_user_function()(timer=TimerRequest(past_due=True), context=Invocation())
    assert f"filling {Invocation.invocation_id} (late): opened=1 drained=0 looked_at=0 tampered=0" in caplog.text
    assert [("fill", Invocation.invocation_id)] == [(each.operation, each.request_id) for each in app.world.audit.events]


async def test_a_filling_that_fails_is_a_failed_invocation(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The platform's metrics show it; the cause is in the log."""
    app.world.calls.fail("pools.hints", Unreachable("tables gave no answer"))
    with pytest.raises(timers.FillFailed):
        await timers.run_fill(_ports(app), "r-1")
    assert "filling r-1 failed: Unreachable" in caplog.text
