"""Credentials that are put into a vault: from an event to the secret, many events of one site, and the calls that are added."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from azure.storage.queue.aio import QueueClient

from shared.core.message import EVENTS
from tests.bench.bench_stack import BenchStack, NotMeasuredError, Scale, bench_stack
from tests.bench.figures import Figure, Target, percentile

VAULT = "https://app.vault.azure.net"
_OFTEN = "*/2 * * * * *"
_WRITTEN = "Microsoft.Resources.ResourceWriteSuccess"
_SPARE = 2
"""Leases of a pool beyond those that are taken."""
_FULL_WITHIN, _SEEN_WITHIN, _QUIET_WITHIN = 120.0, 60.0, 600.0
_PHASES = (0.0, 0.5, 1.0, 1.5)
"""Seconds between a secret and the next site: the host looks for messages every two seconds when there were none."""
_AT_ONCE = 8
_SLOWEST = 3.0
"""Seconds from an event to the secret, p95."""
_MOST_READS = 50
_QUIET_LOOKS = 3


async def measure(scale: Scale) -> list[Figure]:
    """Event Grid, queue, host and vault are those of the stack; times are the local cloud's, of calls as they were answered."""
    async with bench_stack(fill_schedule=_OFTEN) as on:
        await on.visitor.control("PUT", "consistency", {"profile": "none", "seed": 1})
        # Pools are filled again by themselves, and would be among the calls: they come last.
        figures = await _calls_added(on) + await _many_events(on, scale.writes)
        for ready in ("none", "token"):
            figures += await _from_event_to_secret(on, ready, scale.sites)
        return figures


async def _from_event_to_secret(on: BenchStack, ready: str, count: int) -> list[Figure]:
    """Sites that are made one after the other. Each gets a lease from the pool."""
    name = f"sites-{ready}"
    await _provisioned(on, name, ready, pool={"size": count + _SPARE})
    await _full(on, name, count + _SPARE)
    taken = [await _until_secret(on, name, f"{ready}-{number}", _PHASES[number % len(_PHASES)]) for number in range(count)]
    await on.admin.must("DELETE", f"event-rules/{name}")
    limit = Target("<=", _SLOWEST)
    label = f"event to secret in the vault, pool, ready {ready}, of {count}"
    return [
        Figure(f"{label}: p50", percentile(taken, 0.5), "s"),
        Figure(f"{label}: p95", percentile(taken, 0.95), "s", limit),
    ]


async def _many_events(on: BenchStack, count: int) -> list[Figure]:
    """One site, written so often."""
    name = "one-site"
    await _provisioned(on, name, "none")
    await on.forget_calls()
    site, began = _site(on, name, name), time.perf_counter()
    numbers = iter(range(count))

    async def write_some() -> None:
        for number in numbers:
            await _put_site(on, site, tag=str(number))

    principal = await _put_site(on, site, tag="first")
    await asyncio.gather(*(write_some() for _ in range(_AT_ONCE)))
    await _quiet(on, began)
    taken = time.perf_counter() - began
    leases: list[dict[str, Any]] = (await on.admin.must("GET", f"leases?role={name}&state=all"))["leases"]
    if [principal] != [each["holder"]["object_id"] for each in leases[:1]]:
        raise NotMeasuredError(f"nobody, or somebody else, has got a lease: {leases}")
    broker = on.stack.described["identities"]["leasehold"]["object_id"]
    calls = [each for each in await on.calls() if each["principal"] == broker]
    reads = [each for each in calls if (each["service"], each["method"]) == ("arm", "GET")]
    label = f"{count + 1:,} events of one site"
    return [
        Figure(f"{label}: leases", len(leases), "leases", Target("=", 1)),
        Figure(f"{label}: reads from Resource Manager", len(reads), "calls", Target("<=", _MOST_READS)),
        Figure(f"{label}: other calls to Azure", len(calls) - len(reads), "calls"),
        Figure(f"{label}: from the first write until the queue is empty", taken, "s"),
    ]


async def _calls_added(on: BenchStack) -> list[Figure]:
    """By the local cloud's ledger, beside a role that delivers nothing."""
    own, shared = {"type": "key_vault", "vaults": [VAULT]}, {"type": "key_vault", "vaults": [VAULT], "name": "shared-{holder}"}
    plain = await _calls(on, "answered")
    figures = list[Figure]()
    for name, delivery, at_issue in (("a name of its own", own, 1), ("a shared name", shared, 2)):
        issue, end = await _calls(on, name.replace(" ", "-"), delivery=delivery)
        figures.append(Figure(f"{name}: calls more at issue", issue - plain[0], "calls", Target("<=", at_issue)))
        figures.append(Figure(f"{name}: calls more at the end", end - plain[1], "calls", Target("<=", 2)))
    return figures


async def _calls(on: BenchStack, role: str, **fields: Any) -> tuple[int, int]:
    """Of an issue and of its revocation. A first lease has opened connections, and fetched tokens."""
    await on.make_role(role, 1, 0, **fields)
    await on.revoke(await on.issue(role))
    await on.forget_calls()
    lease = await on.issue(role)
    issued = len(await on.calls())
    await on.forget_calls()
    await on.revoke(lease)
    return issued, len(await on.calls())


async def _provisioned(on: BenchStack, name: str, ready: str, **fields: Any) -> None:
    """A group whose sites get leases of a role by events, each in the vault under its holder's name."""
    delivery = {"type": "key_vault", "vaults": [VAULT], "name": f"{name}-{{holder}}"}
    await on.make_role(name, 1, 0, ready=ready, delivery=delivery, **fields)
    group = _group(on, name)
    control = on.visitor.control
    await control("POST", "role-assignments", {"identity": "admin", "role": "Contributor", "scope": group})
    await control("POST", "topics", {"name": name, "kind": "system", "source": group})
    to_broker = {"name": name, "topic": name, "schema": "EventGridSchema", "destination": {"queue": EVENTS}}
    await control("POST", "subscriptions", to_broker | {"types": [_WRITTEN], "subject_begins_with": f"{group}/providers"})
    issue = {"issue": {"role": name, "ttl": "1h", "holder": "subject_identity", "delivery": {"vault": VAULT}}}
    rule = {"source": group, "types": [_WRITTEN], "subject": _site(on, name, "*"), "max_per_hour": 1000, "action": issue}
    await on.admin.must("PUT", f"event-rules/{name}", rule)


def _group(on: BenchStack, name: str) -> str:
    return f"/subscriptions/{on.stack.described['subscription_id']}/resourceGroups/{name}-0"


def _site(on: BenchStack, group: str, name: str) -> str:
    return f"{_group(on, group)}/providers/Microsoft.Web/sites/{name}"


async def _put_site(on: BenchStack, site: str, *, tag: str = "") -> str:
    """The object id of the site's identity."""
    token = await on.visitor.token("admin", "https://management.azure.com")
    url = f"{on.stack.described['endpoints']['arm']}{site}?api-version=2024-04-01"
    body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "tags": {"write": tag}}
    answer = await on.visitor.http.put(url, json=body, headers={"authorization": f"Bearer {token}"})
    answer.raise_for_status()
    return str(answer.json()["identity"]["principalId"])


async def _until_secret(on: BenchStack, role: str, name: str, pause: float) -> float:
    """Seconds from the answer to the site's write until that to the secret's."""
    await asyncio.sleep(pause)
    await on.forget_calls()
    principal = await _put_site(on, _site(on, role, name))
    give_up = time.perf_counter() + _SEEN_WITHIN
    while time.perf_counter() < give_up:
        calls = await on.calls()
        put = _first(calls, "key_vault", f"/secrets/{role}-{principal}")
        if put is not None:
            made = _first(calls, "arm", f"/sites/{name}")
            if made is None:
                raise NotMeasuredError(f"the ledger has no write of {name}")
            return put - made
        await asyncio.sleep(0.1)
    raise NotMeasuredError(f"no secret for {name} within {_SEEN_WITHIN:.0f} s: {await on.admin.must('GET', 'audit?limit=20')}")


def _first(calls: Iterable[dict[str, Any]], service: str, ending: str) -> float | None:
    """When the first PUT there was answered."""
    for each in calls:
        is_put = (each["service"], each["method"]) == (service, "PUT") and each["status"] in {200, 201}
        if is_put and each["path"].lower().endswith(ending.lower()):
            return float(each["at"])
    return None


async def _full(on: BenchStack, role: str, size: int) -> None:
    give_up, pools = time.perf_counter() + _FULL_WITHIN, dict[str, Any]()
    while time.perf_counter() < give_up:
        pools = (await on.admin.must("GET", "status"))["pool"]
        if pools.get(role, {"ready": 0})["ready"] >= size:
            return
        await asyncio.sleep(1)
    raise NotMeasuredError(f"the pool of {role} is not full: {pools}")


async def _quiet(on: BenchStack, began: float) -> None:
    """Returns once the queue of events has been empty for some looks."""
    connection, looks = on.stack.environment()["AzureWebJobsStorage"], 0
    async with QueueClient.from_connection_string(connection, EVENTS) as queue:
        while time.perf_counter() < began + _QUIET_WITHIN:
            waiting = (await queue.get_queue_properties()).approximate_message_count
            looks = looks + 1 if not waiting else 0
            if looks == _QUIET_LOOKS:
                return
            await asyncio.sleep(0.5)
    raise NotMeasuredError(f"the queue is not empty within {_QUIET_WITHIN:.0f} s")
