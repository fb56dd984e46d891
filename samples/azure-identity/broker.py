"""Asking Leasehold for a credential: what the programs beside this file share.

It needs the standard library and azure-identity. Two settings come from the environment: ``LEASEHOLD_URL``, the address of
the broker, and ``LEASEHOLD_AUDIENCE``, what its tokens are for: ``api://`` and the client id of its application in Entra ID.
"""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential

ARM = "https://management.azure.com"
_ACCEPTED, _TOO_MANY, _SERVER_ERRORS = 202, 429, 500
_TRIES = 5
_PATIENCE = 30 * 60
"""Seconds: a lease is prepared within fifteen minutes, and then waits for fifteen more."""
_TIMEOUT = 240
"""Seconds. Azure Functions answer within 230."""


class Refused(Exception):
    """The broker's answer was a problem. ``problem["code"]`` is stable, and ``docs/problems.md`` explains it."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status, self.problem = status, problem


class Broker:
    """The broker, as the identity of this machine: whatever ``DefaultAzureCredential`` finds, unless another is given."""

    def __init__(self, credential: Any = None) -> None:
        self._url = os.environ["LEASEHOLD_URL"].rstrip("/")
        self._audience = os.environ["LEASEHOLD_AUDIENCE"]
        self._credential = credential or DefaultAzureCredential()

    @contextmanager
    def leased(
        self, role: str, ask: Mapping[str, Any], *, key: str, prefer: str = "wait=45"
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """A lease and its credential. The lease ends with the block, also if the block fails.

        ``key`` names this ask. A program that is started again with the same key gets the same lease. ``prefer`` is
        ``wait=N`` or ``respond-async``. Raises ``Refused``; ``TimeoutError`` if there is no credential after half an hour.
        A lease whose credential nobody has fetched ends by itself.
        """
        answer = self._asked(role, ask, key, prefer)
        try:
            yield answer["lease"], answer["credential"]
        finally:
            self._call("DELETE", f"{self._url}/api/v1/leases/{answer['lease']['id']}")

    def _asked(self, role: str, ask: Mapping[str, Any], key: str, prefer: str) -> Any:
        given_up = time.monotonic() + _PATIENCE
        headers = {"Idempotency-Key": key, "Prefer": prefer}
        status, reply, answer = self._call("POST", f"{self._url}/api/v1/roles/{role}/leases", ask, headers)
        while status == _ACCEPTED:
            if time.monotonic() > given_up:
                raise TimeoutError(f"no credential for {answer['lease']['id']}")
            time.sleep(float(reply["Retry-After"]))
            status, reply, answer = self._call("GET", reply["Location"])
        return answer

    def _call(
        self, method: str, url: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        """One call, repeated if its answer was lost or says to come back: the key makes that safe."""
        content = None if body is None else json.dumps(body).encode()
        for left in reversed(range(_TRIES)):
            # azure-identity keeps the token, and renews it in time.
            token = self._credential.get_token(f"{self._audience}/.default").token
            given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **(headers or {})}
            request = urllib.request.Request(url, content, given, method=method)
            pause = "5"
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT) as reply:
                    return reply.status, reply.headers, json.load(reply)
            except urllib.error.HTTPError as refusal:
                if not left or not (refusal.status == _TOO_MANY or refusal.status >= _SERVER_ERRORS):
                    raise Refused(refusal.status, _problem(refusal)) from None
                pause = refusal.headers.get("Retry-After", pause)
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                if not left:
                    raise
            time.sleep(float(pause))
        raise AssertionError("the last try returns or raises")


def _problem(refusal: urllib.error.HTTPError) -> dict[str, Any]:
    """What the broker says. What stands between it and the caller may answer otherwise, and is not understood."""
    try:
        found = json.load(refusal)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def signed_in(make: Callable[[], Any], retry_on: Iterable[str]) -> Any:
    """A credential that Entra ID has taken. ``make`` makes one of azure-identity's.

    A trust or a certificate that was made a moment ago is refused here and there: with a code in ``retry_on``, such as
    ``AADSTS70021``, another sign-in follows, for ten minutes. Raises ``ClientAuthenticationError`` for any other refusal.
    """
    given_up, awaited = time.monotonic() + 600, set(retry_on)
    while True:
        # A new one for each try: MSAL remembers a refusal for a minute.
        credential = make()
        try:
            credential.get_token(f"{ARM}/.default")
        except ClientAuthenticationError as refusal:
            credential.close()
            codes = set(re.findall(r"AADSTS\d+", str(refusal)))
            if not codes & awaited or time.monotonic() > given_up:
                raise
            time.sleep(5)
        else:
            return credential


def read(scope: str, token: str) -> str:
    """The work: reads a resource group with a token for Azure Resource Manager, and gives its location.

    The roles of these samples say ``"ready": "access"``, so the read is seldom refused.
    """
    request = urllib.request.Request(f"{ARM}{scope}?api-version=2021-04-01", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as reply:
        return str(json.load(reply)["location"])
