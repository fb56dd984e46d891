"""How old keys may be before they are looked up again."""

from __future__ import annotations

import httpx

from shared.cloud.entra.keys import TenantKeys
from shared.core.names import ObjectId
from tests.cloud.key_server import AUTHORITY, TENANT, KeyServer, issuer
from tests.cloud.test_entra_keys import HOUR, settle
from tests.fakes.clock import FakeClock


async def test_keys_are_read_again_once_they_are_older_than_an_hour(server: KeyServer, clock: FakeClock) -> None:
    """Not at the hour itself."""
    keys = TenantKeys(AUTHORITY, ObjectId(TENANT), server.client(), clock)
    await keys.find(issuer(1), "one")
    read = len(server.asked)
    for age, readings in ((HOUR, 1), (0.5, 2)):
        clock.jump(age)
        await keys.find(issuer(1), "one")
        await settle()
        assert readings * read == len(server.asked)


async def test_a_caller_waits_for_entra_no_longer_than_for_any_other_service(server: KeyServer, clock: FakeClock) -> None:
    """Ten seconds a request, five of them for the connection: there are no keys yet."""
    waits: list[object] = []

    async def noted(request: httpx.Request) -> None:
        waits.append(request.extensions["timeout"])

    client = server.client()
    client.event_hooks = {"request": [noted]}
    await TenantKeys(AUTHORITY, ObjectId(TENANT), client, clock).find(issuer(1), "one")
    assert [{"connect": 5.0, "read": 10.0, "write": 10.0, "pool": 10.0}] * 4 == waits
