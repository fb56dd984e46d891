from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import httpx
import pytest

from local.children import Child, ChildError, listens
from local.host.process import ROOT, FunctionHost
from tests.local.host.hosting import DEADLINE, client, hosting, said, wrote

EVERY_SECOND = "* * * * * *"


async def test_comes_back_at_the_same_url_after_kill9() -> None:
    """A crash loses the process; a restart is a new one at the old address."""
    async with hosting() as host:
        before = (host.url, host.pid)
        await host.kill9()
        await host.start()
        async with client(host) as http:
            assert (await http.get("/text")).status_code == 200
        assert (before[0], True) == (host.url, before[1] != host.pid)


async def test_a_killed_host_answers_no_more() -> None:
    """Nothing is left that listens."""
    async with hosting() as host:
        await host.kill9()
        async with client(host) as http:
            with pytest.raises(httpx.ConnectError):
                await http.get("/text")


async def test_sigterm_lets_a_running_function_finish() -> None:
    """The calls under way are answered, and the exit status is 0."""
    async with hosting() as host, client(host) as http, client(host) as other:
        waiting = asyncio.create_task(http.get("/wait"))
        await wrote(host, "waiting")
        opened = asyncio.create_task(other.get("/open"))
        await wrote(host, "opening")
        stopping = asyncio.create_task(host.stop())
        answers = await asyncio.gather(waiting, opened)
        assert (["waited", "open"], 0) == ([answer.text for answer in answers], await stopping)


async def test_sigterm_ends_what_does_not_finish_in_time() -> None:
    """The grace is bounded; functionTimeout aside, a stuck call cannot hold the host."""
    async with hosting() as host, client(host) as http:
        host.grace = 0
        await host.kill9()
        await host.start()
        stuck = asyncio.create_task(http.get("/stuck"))
        await wrote(host, "stuck")
        assert await host.stop() == 0
        with contextlib.suppress(httpx.HTTPError):
            await stuck


async def test_timers_run_on_startup_and_on_schedule() -> None:
    """``runOnStartup`` is honoured, then the schedule from the app setting."""
    async with hosting(TICK_SCHEDULE=EVERY_SECOND) as host:
        assert [{"tick": False}] * 2 == await said(host, 2)


async def test_a_timer_runs_by_hand() -> None:
    """The admin endpoint answers 202 and the function runs."""
    async with hosting() as host, client(host) as http:
        answer = await http.post("/admin/functions/tick", json={"input": ""})
        assert (202, [{"tick": False}] * 2) == (answer.status_code, await said(host, 2))


async def test_a_queue_function_runs_by_hand() -> None:
    """Its input is the message's text."""
    async with hosting() as host, client(host) as http:
        await http.post("/admin/functions/take", json={"input": "hello"})
        assert "hello" in [each.get("took") for each in await said(host, 2)]


async def test_input_that_is_no_text_is_400() -> None:
    """As with any malformed request."""
    async with hosting() as host, client(host) as http:
        answer = await http.post("/admin/functions/take", json={"input": 7})
        assert answer.status_code == 400


async def _refusal(app: Path) -> str:
    with pytest.raises(ChildError) as refused:
        await FunctionHost(app, {}).start()
    return str(refused.value)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("@app.route(route='x', auth_level=func.AuthLevel.FUNCTION)\ndef f(req: func.HttpRequest) -> str: ...", "anonymous"),
        ("@app.event_grid_trigger(arg_name='e')\ndef f(e: func.EventGridEvent): ...", "eventGridTrigger"),
        ("@app.timer_trigger(arg_name='t', schedule='%S%')\ndef f(t: func.TimerRequest): ...", "setting 'S' is not set"),
        ("raise LookupError('broken at import')", "broken at import"),
        ("app = None", "function app"),
    ],
)
async def test_refuses_an_app_that_it_would_run_wrongly(tmp_path: Path, code: str, complaint: str) -> None:
    """The host does not start, and says what is in its way."""
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(f"import azure.functions as func\napp = func.FunctionApp()\n{code}\n")
    assert complaint in await _refusal(tmp_path)


async def test_refuses_a_folder_without_host_json(tmp_path: Path) -> None:
    """It is no function app."""
    assert "host.json is not there" in await _refusal(tmp_path)


async def test_ends_with_its_parent_even_when_that_is_killed() -> None:
    """The tether is a pipe: it breaks however the parent ends."""
    program = (
        "import asyncio\n"
        "from tests.local.host.hosting import hosting\n"
        "async def main():\n"
        "    async with hosting() as host:\n"
        "        print('child', host.port, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await Child.spawn("parent", [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(ROOT)})
    (line,) = await parent.lines_with("child ", within=DEADLINE)
    port = int(line.removeprefix("child "))
    before = await listens(port)
    await parent.kill9()
    async with asyncio.timeout(DEADLINE):
        while await listens(port):  # noqa: ASYNC110 - the end of another process gives no sign but this
            await asyncio.sleep(0.02)
    assert before
