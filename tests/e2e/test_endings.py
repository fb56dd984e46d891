"""A lease's end as Azure takes notice of it: the secret and what a token may do go within replication's time, not at once."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.by_hand import make_due
from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEED = 20
"""By which every delay of the profile is divided."""
SIGN_IN, ASSIGNMENT = 120 / SPEED, 600 / SPEED
"""Seconds by which the last replica has noticed: ``local/cloud/disturbances/profiles.py``."""
SLACK = 5.0
IN_A_ROW = 8
"""Calls that are all answered alike when every replica has noticed: there are three, and each call meets any."""
_ARM = "https://management.azure.com/.default"


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who uses what was leased, past the broker."""

    deployment: Deployment
    credential: dict[str, Any]

    async def signs_in(self) -> httpx.Response:
        """Entra ID's answer to the secret."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.credential["client_id"],
            "client_secret": self.credential["client_secret"],
            "scope": _ARM,
        }
        entra = self.deployment.stack.described["endpoints"]["entra"]
        return await self._http("POST", f"{entra}/{self.credential['tenant_id']}/oauth2/v2.0/token", data=form)

    async def reads(self, token: str) -> httpx.Response:
        """Resource Manager's answer to a token."""
        url = f"{self.deployment.stack.described['endpoints']['arm']}{self.deployment.app}?api-version=2021-04-01"
        return await self._http("GET", url, headers={"authorization": f"Bearer {token}"})

    async def _http(self, method: str, url: str, **more: Any) -> httpx.Response:
        trusted = ssl.create_default_context(cafile=self.deployment.stack.ca_bundle)
        async with httpx.AsyncClient(verify=trusted, trust_env=False) as http:
            return await http.request(method, url, **more)


async def soon(call: Callable[[], Awaitable[httpx.Response]], statuses: set[int], seconds: float) -> httpx.Response:
    """The answer, once every replica gives such a status; fails when some does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        replies = [await call() for _ in range(IN_A_ROW)]
        if {reply.status_code for reply in replies} <= statuses:
            return replies[0]
        assert time.monotonic() < deadline, [reply.text for reply in replies]
        await asyncio.sleep(0.2)


async def by_its_holder(deployment: Deployment, lease: str) -> None:
    """The holder revokes it."""
    await (await deployment.broker("vm-web")).must("DELETE", f"leases/{lease}")


async def with_its_role(deployment: Deployment, lease: str) -> None:  # noqa: ARG001 - the only one
    """An operator revokes every lease of the role."""
    await (await deployment.broker("admin")).must("POST", "roles/app-reader/revoke")


async def by_the_sweep(deployment: Deployment, lease: str) -> None:  # noqa: ARG001 - the only one
    """It is due, and swept."""
    assert 1 == await make_due(deployment.stack, "app-reader")
    await deployment.sweep()


@pytest.mark.parametrize("end", [by_its_holder, with_its_role, by_the_sweep])
async def test_azure_refuses_what_was_leased_once_it_has_noticed(
    deployment: Deployment, end: Callable[[Deployment, str], Awaitable[None]]
) -> None:
    """The secret, and a token that was out already: that is good until its ``exp``, and may do nothing any more."""
    before, web = await deployment.objects(), await deployment.broker("vm-web")
    await deployment.consistency("typical", SPEED)
    made = await web.must("POST", "roles/app-reader/leases", {})
    holder = Holder(deployment, made["credential"])
    token = (await soon(holder.signs_in, {200}, SIGN_IN + SLACK)).json()["access_token"]
    await soon(lambda: holder.reads(token), {200}, ASSIGNMENT + SLACK)

    await end(deployment, made["lease"]["id"])
    await deployment.settled()
    refused = await soon(holder.signs_in, {400, 401}, SIGN_IN + SLACK)
    assert refused.json()["error"] in {"unauthorized_client", "invalid_client"}
    forbidden = await soon(lambda: holder.reads(token), {403}, ASSIGNMENT + SLACK)
    assert "AuthorizationFailed" == forbidden.json()["error"]["code"]
    assert _claims(token)["exp"] > time.time() + 60
    assert before == await deployment.objects()


def _claims(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims
