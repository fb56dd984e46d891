"""Azure does not answer for a while: nobody waits for what is known not to come, and what waits goes on afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import SETTLE, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

ISSUE = "roles/app-reader/leases"
AT_ONCE = 8.0
"""Seconds. Whoever waits for Azure waits for 20."""
SOON = 15.0
"""Seconds after the first call that is answered, by which what waits has been taken up."""
DOWN: dict[str, Any] = {"service": "graph", "times": None, "effect": {"status": 503, "code": "ServiceUnavailable"}}


async def known_to_be_down(deployment: Deployment) -> None:
    """Graph fails, and the worker has seen it."""
    await deployment.visitor.control("DELETE", "calls")
    await deployment.faults(DOWN)

    async def seen() -> bool:
        return any(call["status"] == 503 for call in await deployment.visitor.control("GET", "calls"))

    await until(seen, 30)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Waits for that; fails when it does not hold in time."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.1)


async def postponed(deployment: Deployment, made: list[dict[str, Any]]) -> None:
    """Their holder revokes them, and is answered 202 at once."""
    web = await deployment.broker("vm-web")
    async with asyncio.timeout(AT_ONCE):
        replies = await asyncio.gather(*(web.call("DELETE", f"leases/{each['lease']['id']}") for each in made))
    assert {(202, "ending")} == {(reply.status_code, reply.json()["state"]) for reply in replies}


async def over(deployment: Deployment, made: list[dict[str, Any]]) -> bool:
    """Whether all of them have ended."""
    listed = await deployment.leases(await deployment.broker("vm-web"))
    return {each["lease"]["id"] for each in made} <= {lease["id"] for lease in listed if lease["state"] == "ended"}


async def test_what_waits_goes_on_with_the_first_call_of_a_caller_that_is_answered(deployment: Deployment) -> None:
    """No sweep runs: it would be the leases' own next attempts that end them, half a minute or more from now."""
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    made = [await web.must("POST", ISSUE, {}) for _ in range(3)]
    waiting: asyncio.Task[httpx.Response] = asyncio.create_task(web.call("POST", ISSUE, {}))
    await known_to_be_down(deployment)
    await postponed(deployment, made)
    await deployment.faults()
    issued = await waiting
    assert 201 == issued.status_code, issued.text
    await until(lambda: over(deployment, made), SOON)
    await web.must("DELETE", f"leases/{issued.json()['lease']['id']}")
    assert before == await deployment.objects()


async def test_what_waits_goes_on_with_the_next_sweep_when_nobody_calls(deployment: Deployment) -> None:
    """Though none of the leases is due: one of them is tried before its time, and the others follow."""
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    made = [await web.must("POST", ISSUE, {}) for _ in range(4)]
    await deployment.faults(DOWN)
    first = await web.call("DELETE", f"leases/{made[0]['lease']['id']}")
    assert (202, "ending") == (first.status_code, first.json()["state"])
    await postponed(deployment, made[1:])
    await deployment.faults()
    await deployment.sweep()
    await until(lambda: over(deployment, made), SOON)
    assert before == await deployment.objects()


async def test_what_waits_for_the_identity_to_be_accepted_goes_on_with_the_first_call_that_is(deployment: Deployment) -> None:
    """Nobody sweeps: the leases' own next attempts would end them."""
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    made = [await web.must("POST", ISSUE, {}) for _ in range(2)]
    # The first attempt deletes the assignments, and while a lease is young the next one doubts that they are gone.
    await asyncio.sleep(SETTLE)
    refusal = {"status": 401, "code": "InvalidAuthenticationToken"}
    await deployment.faults({"service": "graph", "times": None, "effect": refusal})
    for each in made:
        reply = await web.call("DELETE", f"leases/{each['lease']['id']}")
        assert (202, "ending") == (reply.status_code, reply.json()["state"])
    await deployment.faults()
    issued = await web.must("POST", ISSUE, {})
    await until(lambda: over(deployment, made), SOON)
    await web.must("DELETE", f"leases/{issued['lease']['id']}")
    assert before == await deployment.objects()


async def test_an_operator_who_forces_an_end_does_not_wait_either(deployment: Deployment) -> None:
    """And lets nothing go that was not tried."""
    before, web, admin = await deployment.objects(), await deployment.broker("vm-web"), await deployment.broker("admin")
    first, second = [await web.must("POST", ISSUE, {}) for _ in range(2)]
    await deployment.faults(DOWN)
    await web.call("DELETE", f"leases/{first['lease']['id']}")
    async with asyncio.timeout(AT_ONCE):
        reply = await admin.call("POST", f"leases/{second['lease']['id']}/revoke?force=true")
    assert (202, "ending") == (reply.status_code, reply.json()["state"])
    await deployment.faults()
    await deployment.sweep()
    await until(lambda: over(deployment, [first, second]), SOON)
    assert before == await deployment.objects()
