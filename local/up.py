"""``make up``: the whole of Leasehold on this machine, in the foreground, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import httpx

from local import sample
from local.children import ChildError
from local.cloud.event_grid.topics import DOMAIN
from local.cloud.services import names
from local.host.process import ROOT
from local.stack import Ports, Stack
from local.storage.storage import NotInstalledError
from local.visitor import Broker

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

HTTPS = 443
FIXED = Ports(function_host=7071, control=7070)
RECORDINGS = "LEASEHOLD_RECORDINGS"
"""What the tests read, and no setting of the broker's."""
TOPIC = "leasehold"
"""The topic to which the broker publishes its events. The sample has it."""
EVENTS = {"LEASEHOLD_EVENT_WEBHOOK": "on", "LEASEHOLD_EVENT_TOPIC": f"https://{TOPIC}{DOMAIN}/api/events"}
"""Events go both ways here: the door over HTTP is open, and what the broker does is published."""
STATE = ROOT / ".local" / "cloud"


async def up(ports: Ports = FIXED, *, groups: bool = False) -> int:
    """Runs until told to end, or until a part ends by itself. Gives the exit status."""
    began = time.perf_counter()
    print("Starting storage, the local Azure and the broker ...", flush=True)
    settings = {**EVENTS, **passed_on(os.environ)}
    async with Stack(ports=ports, folder=STATE, echo=True, groups=groups, settings=settings) as stack:
        await configure(stack)
        print(welcome(stack, time.perf_counter() - began), flush=True)
        fault = await stack.fault()
        print(f"\n{fault}\nEnding everything else.", file=sys.stderr, flush=True)
    return 1


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Every setting of the broker's that stands in the environment: it wins over the stack's own."""
    return {name: value for name, value in environment.items() if name.startswith("LEASEHOLD_") and name != RECORDINGS}


async def configure(stack: Stack) -> None:
    """Writes the sample roles, as the sample's administrator, then binds the known address.

    Raises ``ChildError`` when the broker does not take them.
    """
    async with stack.visitor() as visitor:
        token = await visitor.token("admin", stack.described["audience"])
        try:
            await sample.configure(visitor, Broker(visitor, stack.url, token))
        except httpx.HTTPError as fault:
            raise stack.hosts[0].child.fault(f"did not take the sample configuration: {fault}") from fault
    await stack.publish()


def welcome(stack: Stack, seconds: float) -> str:
    """Where everything is, and what to try first."""
    endpoints = "\n".join(f"  {name:<14}{url}" for name, url in stack.described["endpoints"].items())
    audience = stack.described["audience"]
    lease = f"{stack.url}/api/v1/roles/app-reader/leases"
    return f"""
Leasehold is up, after {seconds:.1f} s. Nothing of it is Azure, and nothing is kept when it ends.

  broker        {stack.url}/api/v1
  control API   {stack.control_url}
  CA bundle     {stack.ca_bundle}
{endpoints}
  events        {stack.control_url}/topics/{TOPIC}/events
  tables        {stack.storage.connection_string}
{named() if stack.ports.tls == HTTPS else ""}
Be the virtual machine vm-web, and lease a credential:

  token=$(curl -s {stack.control_url}/token -d '{{"identity": "vm-web", "resource": "{audience}"}}' | cut -d '"' -f 4)
  curl -s {lease} -H "authorization: Bearer $token" -H 'content-type: application/json' -d '{{}}'

Ctrl-C ends it.
"""


def named() -> str:
    """How Azure's own clients find the local Azure under Azure's own names."""
    return f"""
Azure's clients come here unchanged, once the machine's hosts file has this line and they trust the CA bundle
(SSL_CERT_FILE and REQUESTS_CA_BUNDLE name it):

  127.0.0.1 {" ".join(name for name in names() if "*" not in name)}
"""


def run(work: Coroutine[None, None, int]) -> int:
    """Runs a command to its end. Ctrl-C and SIGTERM end it in order, with status 0; a part that fails to start, with 1."""

    async def interruptible() -> int:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
        asked = asyncio.Event()

        def end() -> None:
            asked.set()
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end)
        try:
            return await task
        except asyncio.CancelledError:
            if not asked.is_set():
                raise
            return 0

    try:
        return asyncio.run(interruptible())
    except (ChildError, NotInstalledError, OSError) as fault:
        print(f"It did not start: {fault}", file=sys.stderr)
        return 1
