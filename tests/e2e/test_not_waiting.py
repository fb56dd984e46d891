"""Clients that do not wait, over HTTP: pollers like those of Logic Apps and of Data Factory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")
ISSUE = "roles/app-reader/leases"
_REPEATED = {408, 429}
_FASTER = 20
"""So many times faster than the client that is played: it would wait for twenty seconds."""


@dataclass(slots=True)
class Poller:
    """Follows a 202 by its ``Location``, which must be absolute, with the token of its own for each request.

    ``Retry-After`` says how long it waits, or it waits for ``pause`` seconds. It repeats a request that was answered 408, 429
    or 5xx. It knows nothing of the broker's bodies.
    """

    deployment: Deployment
    identity: str
    pause: float = 20.0
    seen: list[int] = field(default_factory=list)

    async def run(self, headers: dict[str, str], path: str = ISSUE) -> httpx.Response:
        """Sends the ask, and polls until the answer is no 202."""
        url, method = f"{self.deployment.stack.url}/api/v1/{path}", "POST"
        while True:
            reply = await self._sent(method, url, headers)
            if reply.status_code != httpx.codes.ACCEPTED:
                return reply
            location = httpx.URL(reply.headers["location"])
            assert location.is_absolute_url
            assert str(location).startswith(self.deployment.stack.url)
            method, url = "GET", str(location)
            await asyncio.sleep(float(reply.headers.get("retry-after", self.pause)) / _FASTER)

    async def _sent(self, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
        tries = 5
        while True:
            # Each request is authenticated anew; only the ask carries the headers of the action.
            token = await self.deployment.visitor.token(self.identity, self.deployment.audience)
            given = {"authorization": f"Bearer {token}"} | (headers if method == "POST" else {})
            body: dict[str, str] | None = {} if method == "POST" else None
            reply = await self.deployment.visitor.http.request(method, url, json=body, headers=given)
            self.seen.append(reply.status_code)
            tries -= 1
            if not tries or (reply.status_code not in _REPEATED and not reply.is_server_error):
                return reply
            await asyncio.sleep(0.5)


async def ended(deployment: Deployment, issued: Any) -> None:
    """The lease is given back, and nothing is left."""
    web = await deployment.broker("vm-web")
    await web.must("DELETE", f"leases/{issued['lease']['id']}")
    await deployment.settled()


async def works(deployment: Deployment, credential: Any) -> bool:
    """Whether Entra takes the secret."""
    described = deployment.stack.described
    url = f"{described['endpoints']['entra']}/{described['tenant_id']}/oauth2/v2.0/token"
    form = {
        "grant_type": "client_credentials",
        "client_id": credential["client_id"],
        "client_secret": credential["client_secret"],
        "scope": "https://graph.microsoft.com/.default",
    }
    return (await deployment.visitor.http.post(url, data=form)).is_success


async def test_a_logic_app_gets_its_credential_without_keeping_a_request_open(deployment: Deployment) -> None:
    """One lease, whatever is repeated; the 202s are followed until the 200."""
    poller = Poller(deployment, "vm-web")
    key = {"prefer": "respond-async", "idempotency-key": "logic-app-1"}
    done = await poller.run(key)
    assert (200, 202) == (done.status_code, poller.seen[0])
    issued = done.json()
    assert ("active", True) == (issued["lease"]["state"], await works(deployment, issued["credential"]))
    again = await Poller(deployment, "vm-web").run(key)
    assert issued["lease"]["id"] == again.json()["lease"]["id"]
    assert (False, True) == tuple([await works(deployment, each["credential"]) for each in (issued, again.json())])
    await ended(deployment, issued)


async def test_a_data_factory_that_gives_up_after_a_minute_gets_its_credential(deployment: Deployment) -> None:
    """It sends no preference, so the first answer comes in time. It follows a 202 if there is one."""
    poller = Poller(deployment, "vm-web", pause=10.0)
    done = await asyncio.wait_for(poller.run({}), 60)
    assert done.status_code in {200, 201}
    assert await works(deployment, done.json()["credential"])
    await ended(deployment, done.json())


async def test_a_poller_that_has_lost_the_answer_asks_again(deployment: Deployment) -> None:
    """The same address has the credential once more: a fresh one."""
    web = await deployment.broker("vm-web")
    first = await web.call("POST", ISSUE, {}, prefer="respond-async")
    path = first.json()["next"]["url"].partition("/api/v1/")[2]
    lost = await web.call("GET", path)
    while lost.status_code == 202:
        lost = await web.call("GET", path)
    again = await web.call("GET", path)
    assert (200, 200) == (lost.status_code, again.status_code)
    assert lost.json()["credential"]["client_secret"] != again.json()["credential"]["client_secret"]
    assert await works(deployment, again.json()["credential"])
    stranger = await (await deployment.broker("admin")).call("GET", path)
    assert 404 == stranger.status_code
    await ended(deployment, again.json())


async def test_a_lease_that_nobody_collects_can_be_revoked(deployment: Deployment) -> None:
    """In whatever state it is by then; the poller is told."""
    web = await deployment.broker("vm-web")
    asked = (await web.call("POST", ISSUE, {}, prefer="respond-async")).json()
    await web.must("DELETE", f"leases/{asked['lease']['id']}")
    gone = await web.call("GET", f"leases/{asked['lease']['id']}/credential")
    assert (410, "lease_ended") == (gone.status_code, gone.json()["code"])
    await deployment.settled()
