"""Asks Azure Storage for user delegation keys, as a lease's application.

Each try has a fresh token and a connection of its own: storage keeps what it has answered to an old token. Neither tokens nor
keys are logged or kept. https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from shared.cloud.upstream import seconds_to_wait
from shared.core.errors import Absent, NotReplicated, Refused, Throttled, Unavailable, Uncertain, Unreachable, Upstream
from shared.core.names import ObjectId
from shared.core.ports.system import Clock
from shared.core.readiness.probes import STORAGE_RESOURCE, DataHosts
from shared.core.readiness.verdicts import Verdict, Word, of_probe
from shared.core.secret import Secret
from shared.kinds.delegation import VERSION, DelegationKey
from shared.kinds.sign_in import LeaseSignIn
from shared.resilience.rounds import PAUSE

_SCOPE = f"{STORAGE_RESOURCE}/.default"
_OK = 200
_FORBIDDEN, _NOT_FOUND, _TOO_MANY = 403, 404, 429
_SERVER_ERROR = 500
_ELEMENT = re.compile(r"<(Signed(?:Oid|Tid|Start|Expiry|Service|Version)|Value)>([!-;=-~]{1,500})</\1>")


@dataclass(frozen=True, slots=True)
class StorageDelegationKeys:
    """Satisfies ``DelegationKeys``. ``client`` keeps no connections.

    ``gateway``: where connections to storage go instead, on a machine that stands for Azure; empty elsewhere. The host's name
    and the name in TLS stay.
    """

    client: httpx.AsyncClient
    sign_in: LeaseSignIn
    clock: Clock
    hosts: DataHosts = field(default_factory=DataHosts)
    gateway: str = ""

    def address(self, account: str) -> str:
        """See the port."""
        return f"https://{self.hosts.blob(account)}"

    async def key(
        self,
        client_id: ObjectId,
        account: str,
        start: datetime,
        end: datetime,
        *,
        deadline: float,
        since: datetime | None = None,
    ) -> DelegationKey:
        """See the port. A refusal for want of rights may pass: it is what a fresh assignment is answered for minutes."""
        body = f"<KeyInfo><Start>{_written(start)}</Start><Expiry>{_written(end)}</Expiry></KeyInfo>"
        while True:
            token = (await self.sign_in.token(client_id, _SCOPE, deadline=deadline, since=since)).token
            try:
                return await self._ask(account, token, body)
            except (NotReplicated, Throttled, Uncertain) as failure:
                asked = failure.retry_after if isinstance(failure, Throttled) else None
                pause = max(PAUSE, asked or 0.0)
                if self.clock.monotonic() + pause >= deadline:
                    raise
            await self.clock.sleep(pause)

    async def _ask(self, account: str, token: Secret, body: str) -> DelegationKey:
        host = self.hosts.blob(account)
        headers = {
            "Authorization": f"Bearer {token.reveal()}",
            "x-ms-version": VERSION,
            "Content-Type": "application/xml",
            "Connection": "close",
        }
        extensions: dict[str, Any] = {}
        if self.gateway:
            headers["Host"], extensions["sni_hostname"] = host, host
        url = f"{self.gateway or f'https://{host}'}/?restype=service&comp=userdelegationkey"
        try:
            answer = await self.client.post(url, content=body, headers=headers, extensions=extensions)
        except httpx.RequestError as silence:
            raise Unreachable(f"{host} gave no answer: {type(silence).__name__}") from silence
        if answer.status_code != _OK:
            raise _failure(host, answer.status_code, answer.headers)
        return _read(host, answer.text)


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(host: str, text: str) -> DelegationKey:
    """Returns the key in an answer. Raises ``Unavailable`` if there is none: a proxy may answer in storage's place."""
    parts = {found[1]: found[2] for found in _ELEMENT.finditer(text)}
    try:
        return DelegationKey(
            object_id=parts["SignedOid"],
            tenant_id=parts["SignedTid"],
            start=parts["SignedStart"],
            expiry=parts["SignedExpiry"],
            service=parts["SignedService"],
            version=parts["SignedVersion"],
            value=Secret(parts["Value"]),
            end=datetime.fromisoformat(parts["SignedExpiry"]).astimezone(UTC),
        )
    except (KeyError, ValueError) as wrong:
        raise Unavailable(f"{host} has answered without a key", status=_OK) from wrong


def _failure(host: str, status: int, headers: Mapping[str, str]) -> Upstream:
    code, cause = headers.get("x-ms-error-code", "")[:100], f"a user delegation key of {host}"
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        wait = seconds_to_wait(headers)
        if status == _TOO_MANY or wait is not None:
            return Throttled(cause, status=status, azure_code=code, retry_after=wait)
        return Unavailable(cause, status=status, azure_code=code)
    if status == _NOT_FOUND:
        return Absent(cause, status=status, azure_code=code)
    judged: Verdict = of_probe(status, code, ())
    may_pass = status == _FORBIDDEN and judged.word is Word.NOT_YET
    return (NotReplicated if may_pass else Refused)(cause, status=status, azure_code=code)
