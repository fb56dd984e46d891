"""How a story is told: its steps, its actors, and signing in with what was leased."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential

from local.visitor import Broker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from local.visitor import Visitor

ARM = "https://management.azure.com/.default"
REPLICAS = 8
"""Calls in a row: more than any service has replicas here, each answered by any of them."""
SPEED = 30
"""By which what is typical of Azure's replication is quicker here: what takes Azure minutes is told in seconds."""
_LONGEST = 600 / SPEED + 10
"""Seconds: no replica takes longer to notice a change, and some more for the calls themselves."""


class StepFailedError(Exception):
    """A step of the story did not hold."""


def hold(claim: bool, otherwise: object) -> None:  # noqa: FBT001 - it reads as a sentence: hold(status == 200, reply)
    """Raises ``StepFailedError`` unless the claim is true."""
    if not claim:
        raise StepFailedError(str(otherwise))


@dataclass(slots=True)
class Telling:
    """The actors, and what they act on."""

    visitor: Visitor
    broker_url: str
    cloud: Mapping[str, Any]
    step: int = 0

    def say(self, sentence: str) -> None:
        """Begins a step."""
        self.step += 1
        print(f"\n{self.step}. {sentence}", flush=True)

    def note(self, text: str) -> None:
        """Tells what came of it."""
        print(f"   {text}", flush=True)

    async def broker_as(self, identity: str) -> Broker:
        """The broker, called by that identity."""
        return Broker(self.visitor, self.broker_url, await self.visitor.token(identity, self.cloud["audience"]))

    async def token(self, credential: dict[str, Any], scope: str = ARM) -> str | None:
        """A token for the scope; ``None`` while some replica of Entra ID refuses."""
        taken = [await self._sign_in(credential, scope) for _ in range(REPLICAS)]
        return taken[0][0] if all(token for token, _ in taken) else None

    async def refusal(self, credential: dict[str, Any]) -> str | None:
        """What Entra ID says; ``None`` while some replica of it takes the secret."""
        taken = [await self._sign_in(credential) for _ in range(REPLICAS)]
        return None if any(token for token, _ in taken) else taken[0][1]

    async def _sign_in(self, credential: dict[str, Any], scope: str = ARM) -> tuple[str, str]:
        """A token, or what Entra ID says instead."""
        # azure-identity warns of refusals: they are what is told here.
        logging.getLogger("azure.identity").setLevel(logging.ERROR)
        client = ClientSecretCredential(
            credential["tenant_id"],
            credential["client_id"],
            credential["client_secret"],
            authority=self.cloud["endpoints"]["entra"],
            disable_instance_discovery=True,
            connection_verify=self.visitor.ca_bundle,
        )
        try:
            return (await asyncio.to_thread(client.get_token, scope)).token, ""
        except ClientAuthenticationError as refused:
            message = str(refused.message)
            hold("AADSTS" in message, message)
            return "", message[message.index("AADSTS") :].partition(".")[0][:160]
        finally:
            client.close()


async def until[T](happens: Callable[[], Awaitable[T | None]]) -> tuple[T, float]:
    """What it gives in the end, and after how many seconds. Raises ``StepFailedError`` when nothing can be late any more."""
    began = time.monotonic()
    while (given := await happens()) is None:
        hold(time.monotonic() - began < _LONGEST, "Azure has not noticed in time")
        await asyncio.sleep(0.2)
    return given, time.monotonic() - began
