"""``python -m tests.bench.product ROLE COUNT [HOLES VALUE]``: the product's own functions, called in this process, and what
they cost it. ``HOLES`` is a role with a hole named ``group``, for which ``VALUE`` is given.

Runs as a process of its own, so that neither the local cloud nor the caller is counted. The environment is a function host's;
``BENCH_TOKEN`` is the token of somebody who may use the role. Prints a JSON object of samples for each verb.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import azure.functions as func

from tests.bench.figures import covered
from tests.bench.outgoing import Outgoing, watched

_WARM_UP = 20
_SELDOM = 3
"""After each third lease there is one of a role with a hole: more writes would wait for Graph's rate limiter."""
_INVOCATION = "11111111-2222-4333-8444-555555555555"

type Sample = tuple[float, float, float]
"""Milliseconds: in all, beside requests to the outside, of CPU."""
type Entry = Callable[..., Awaitable[func.HttpResponse]]


class Invocation:
    """As much of ``func.Context`` as a function here looks at."""

    invocation_id = _INVOCATION


class Product:
    """The app's HTTP functions by name, as the Functions host indexes them."""

    def __init__(self, token: str) -> None:
        from function_app import app  # noqa: PLC0415 - reads this process's environment

        self._functions: Mapping[str, Entry] = {
            str(each.get_function_name()): each.get_user_function() for each in app.get_functions()
        }
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def call(self, function: str, method: str, body: dict[str, Any] | None = None, **route: str) -> Any:
        """From the request's object to the answer's octets. Raises ``RuntimeError`` when it is no success."""
        octets = json.dumps(body).encode() if body is not None else b""
        url = "http://127.0.0.1/api/v1/measured"
        request = func.HttpRequest(method, url, headers=self._headers, params={}, route_params=route, body=octets)
        answer = await self._functions[function](req=request, context=Invocation())
        if answer.status_code not in {200, 201}:
            raise RuntimeError(f"{function}: {answer.status_code} {answer.get_body()!r}")
        return answer.get_body()


async def lease_lives(
    product: Product, seen: Outgoing, role: str, count: int, with_hole: Sequence[str] = ()
) -> dict[str, list[Sample]]:
    """That many leases, one after the other: issued, read, renewed, revoked. In between, some of a role with a hole."""
    samples: dict[str, list[Sample]] = {"issue": [], "read": [], "renew": [], "revoke": []}
    if with_hole:
        samples["issue with a hole"] = []

    async def sampled(verb: str, work: Awaitable[Any]) -> Any:
        answer, sample = await _sample(seen, work)
        samples[verb].append(sample)
        return answer

    for number in range(count):
        made = await sampled("issue", product.call("issue_lease", "POST", {"reason": "benchmark"}, role=role))
        lease = json.loads(made)["lease"]["id"]
        await sampled("read", product.call("read_lease", "GET", id=lease))
        await sampled("renew", product.call("renew_lease", "POST", {"increment": "1h"}, id=lease))
        await sampled("revoke", product.call("revoke_lease", "DELETE", id=lease))
        if with_hole and number % _SELDOM == 0:
            name, value = with_hole
            body = {"reason": "benchmark", "parameters": {"group": value}}
            made = await sampled("issue with a hole", product.call("issue_lease", "POST", body, role=name))
            await product.call("revoke_lease", "DELETE", id=json.loads(made)["lease"]["id"])
    return samples


async def _sample(seen: Outgoing, work: Awaitable[Any]) -> tuple[Any, Sample]:
    seen.forget()
    cpu, began = time.process_time(), time.perf_counter()
    answer = await work
    ended, cpu = time.perf_counter(), time.process_time() - cpu
    if not seen.intervals:
        raise RuntimeError("no request to the outside was seen: the watch is on the wrong transport")
    wall = ended - began
    return answer, (wall * 1000, (wall - covered(seen.intervals, (began, ended))) * 1000, cpu * 1000)


async def _main(role: str, count: int, *with_hole: str) -> None:
    logging.basicConfig(level=logging.INFO)
    product = Product(os.environ["BENCH_TOKEN"])
    with watched() as seen:
        await lease_lives(product, seen, role, _WARM_UP, with_hole)
        samples = await lease_lives(product, seen, role, count, with_hole)
    sys.stdout.write(json.dumps(samples))
    sys.stdout.flush()
    # The product leaves its connections to the end of the process, and Python would complain of each.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
