"""HTTP functions: what they were asked, in the answer."""

# ruff: noqa: ARG001, T201 - a function's parameter is its binding, and printing is how these are watched

from __future__ import annotations

import asyncio
import json
import os
import threading

import azure.functions as func

web = func.Blueprint()  # type: ignore[no-untyped-call]  # azure.functions leaves it untyped
ANY = func.AuthLevel.ANONYMOUS
gate = asyncio.Event()


@web.route(route="echo/{name}/{number:int?}", methods=["GET", "POST"], auth_level=ANY)
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    """Everything that the function sees of its request."""
    seen = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(json.dumps(seen), status_code=201, mimetype="application/json")


@web.route(route="cookies", methods=["GET"], auth_level=ANY)
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    """Two headers of one name, from a synchronous function."""
    answer = func.HttpResponse(b"\x00\xff", headers={"X-Thread": threading.current_thread().name})
    answer.headers.add("Set-Cookie", "a=1; Path=/")
    answer.headers.add("Set-Cookie", "b=2; Path=/")
    return answer


@web.route(route="fail", methods=["GET"], auth_level=ANY)
async def fail(req: func.HttpRequest) -> func.HttpResponse:
    """Raises."""
    raise LookupError("this function always fails")


@web.route(route="nothing", auth_level=ANY)
async def nothing(req: func.HttpRequest) -> func.HttpResponse:
    """Returns nothing, under any method."""
    return None  # type: ignore[return-value]  # what the host does then is what is tested


@web.route(route="text", auth_level=ANY)
async def text(req: func.HttpRequest) -> str:
    """Returns a plain string."""
    setting = os.environ.get("SAMPLE_SETTING")
    return f"setting: {setting}"


@web.route(route="wait", auth_level=ANY)
async def wait(req: func.HttpRequest) -> func.HttpResponse:
    """Answers once ``open`` was called."""
    print("waiting", flush=True)
    await gate.wait()
    print("waited", flush=True)
    return func.HttpResponse("waited")


@web.route(route="open", auth_level=ANY)
async def open_gate(req: func.HttpRequest) -> func.HttpResponse:
    """Lets those that wait go on, a moment after it has said so: time to stop the host in."""
    print("opening", flush=True)
    await asyncio.sleep(0.3)
    gate.set()
    return func.HttpResponse("open")


@web.route(route="stuck", auth_level=ANY)
async def stuck(req: func.HttpRequest) -> func.HttpResponse:
    """Never answers."""
    print("stuck", flush=True)
    await asyncio.Event().wait()
    return func.HttpResponse("")
