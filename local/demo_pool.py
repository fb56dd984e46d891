"""The demo's fourth story: the same lease, made while its caller waits, and out of a pool."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local.cloud.control.sample import BROKER
from local.demo_kinds import MACHINE, put_reader
from local.telling import ARM, hold, until

if TYPE_CHECKING:
    from local.telling import Telling

_ROLE = "quick-reader"
_EXCHANGE = "api://AzureADTokenExchange"
_CREATED, _QUICK = 201, 3.0
"""Seconds, with room for a busy machine."""


async def tell(story: Telling) -> None:
    """Of both. Raises ``StepFailedError``."""
    story.say("An application asks for a token that works already. Leasehold makes the lease, and waits for Azure.")
    await _put(story, size=0)
    cold, _ = await _asked(story)
    story.say("An operator lets one such lease stand ready, and the application asks again.")
    await _put(story, size=1)
    found, seconds = await until(lambda: _full(story))
    story.note(f"{seconds:.1f} s later one stands in the pool, proven, and nobody holds it: {found}")
    pooled, lease = await _asked(story)
    hold(lease == found, f"{lease} was handed out, and {found} stood in the pool")
    hold(pooled < min(cold, _QUICK), f"{pooled} s from the pool, {cold} s without")
    story.note(f"without the pool it took {cold:.1f} s, and with it {pooled:.1f} s: {cold / pooled:.0f} times as long")
    await _put(story, size=0)


async def _put(story: Telling, size: int) -> None:
    pool = {"size": size}
    await put_reader(story, _ROLE, type="service_principal", credential="token", token_scopes=[ARM], ready="access", pool=pool)


async def _asked(story: Telling) -> tuple[float, str]:
    """Seconds until every replica accepts what was handed out, and the lease's id. The lease is ended."""
    web, began = await story.broker_as(MACHINE), time.monotonic()
    reply = await web.call("POST", f"roles/{_ROLE}/leases", {}, prefer="wait=200")
    hold(reply.status_code == _CREATED, reply.text)
    answered, lease = time.monotonic() - began, reply.json()["lease"]
    hold(lease["ready"] == "ready", lease)
    client_id = reply.json()["credential"]["client_id"]
    await until(lambda: _accepted_everywhere(story, client_id))
    seconds = time.monotonic() - began
    story.note(f"Leasehold answers after {answered:.1f} s; after {seconds:.1f} s every replica of Azure accepts the credential")
    await web.must("DELETE", f"leases/{lease['id']}")
    return seconds, str(lease["id"])


async def _accepted_everywhere(story: Telling, client_id: str) -> dict[str, Any] | None:
    """The judge's verdicts; ``None`` while some replica of Entra ID or of Resource Manager refuses."""
    scope = f"/subscriptions/{story.cloud['subscription_id']}/resourceGroups/app"
    assertion = await story.visitor.token(BROKER, _EXCHANGE)
    asked = {"client_id": client_id, "assertion": assertion, "arm_scope": scope}
    verdicts: dict[str, Any] = await story.visitor.control("POST", "judge", asked)
    return verdicts if verdicts["accepted"] else None


async def _full(story: Telling) -> str | None:
    """The id of the lease that stands in the pool, if there is one."""
    admin = await story.broker_as("admin")
    listed = (await admin.must("GET", f"leases?state=pooled&role={_ROLE}"))["leases"]
    return str(listed[0]["id"]) if listed else None
