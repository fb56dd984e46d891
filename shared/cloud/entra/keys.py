"""A tenant's issuers and signing keys, as Entra ID publishes them. They are kept, and read again when they are old.

By https://learn.microsoft.com/entra/identity-platform/signing-key-rollover, several keys are valid at once, their order means
nothing, and they may change at any time. An unknown key id is a reason to read the keys again, but rarely.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError

from shared.cloud.upstream import parsed
from shared.core.errors import Unavailable, Unreachable, Upstream
from shared.core.names import ObjectId
from shared.core.ports.system import Clock
from shared.resilience.single_flight import SingleFlight
from shared.resilience.tasks import all_of

_METADATA = ("/.well-known/openid-configuration", "/v2.0/.well-known/openid-configuration")
"""For tokens of version 1 and version 2. The broker's application registration decides which of them callers get."""
_SHORTEST_KEY = 2048
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
"""Seconds for a part of an answer. While there are no keys, a caller waits for it."""
_LONGEST_READING = 15.0
"""Seconds for a whole answer, however steadily its parts come."""
_MOST_OCTETS = 1024 * 1024
"""Of a document. Entra ID's have a few KiB."""

type Why = Literal["issuer", "key"]


class Unknown(Exception):
    """The tenant has no such issuer, or the issuer has no such key."""

    def __init__(self, what: Why) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """Ages in seconds."""

    fresh: float = 3600.0
    """Younger keys are not read again unless one is missing."""
    usable: float = 25 * 3600.0
    """Older keys are not trusted, even if Entra ID cannot be reached."""
    pause: float = 10.0
    """Between two readings for missing keys, whichever keys are missing."""
    longest_pause: float = 300.0
    """If a key id stays missing, it causes another reading after ``pause``, then after twice that, and so on up to this."""
    most_missing: int = 256
    """So many missing key ids are remembered. Then the one that was asked for longest ago is forgotten."""
    pause_after_failure: float = 10.0
    """While there are usable keys, a reading that failed is not repeated before this."""


@dataclass(frozen=True, slots=True)
class _Miss:
    """When a key id last caused a reading, and for how long it may not cause another."""

    at: float
    pause: float


type Published = Mapping[str, Mapping[str, RSAPublicKey]]
"""Keys by issuer and key id."""


@dataclass(slots=True)
class TenantKeys:
    """The keys of one tenant. ``authority`` is Entra ID's address, without the tenant."""

    authority: str
    tenant: ObjectId
    client: httpx.AsyncClient
    clock: Clock
    policy: KeyPolicy = field(default_factory=KeyPolicy)
    _published: Published | None = None
    _read_at: float = 0.0
    _looked_at: float = -math.inf
    """When a missing key last caused a reading."""
    _missing: dict[str, _Miss] = field(default_factory=dict)
    _failure: Upstream | None = None
    _failed_at: float = 0.0
    _reading: SingleFlight[None] = field(init=False)

    def __post_init__(self) -> None:
        self._reading = SingleFlight(self._read, f"reading the keys of tenant {self.tenant}")

    async def find(self, issuer: str, kid: str) -> RSAPublicKey:
        """Returns the key with which this issuer signs. Raises ``Unknown``, or ``Upstream`` if the keys cannot be read."""
        published = self._usable()
        if published is None:
            await self._reading.outcome()
            if not self._holds(kid):
                self._note_look(kid)
        elif issuer in published and kid not in published[issuer]:
            await self._look_for(kid)
        elif self._age() > self.policy.fresh and not self._failed_lately():
            self._reading.in_background()
        return self._pick(issuer, kid)

    def _usable(self) -> Published | None:
        return self._published if self._age() <= self.policy.usable else None

    def _age(self) -> float:
        return self.clock.monotonic() - self._read_at

    def _failed_lately(self) -> bool:
        return self._failure is not None and self.clock.monotonic() - self._failed_at < self.policy.pause_after_failure

    def _holds(self, kid: str) -> bool:
        return any(kid in keys for keys in (self._published or {}).values())

    async def _look_for(self, kid: str) -> None:
        """Reads the keys again, unless they were read a moment ago, or this key was looked for in vain a while ago."""
        now, miss = self.clock.monotonic(), self._missing.get(kid)
        if self._reading.is_under_way:
            await self._reading.outcome()
        elif self._failure is not None and self._failed_lately():
            raise self._failure.with_traceback(None)
        elif now - self._looked_at >= self.policy.pause and (miss is None or now - miss.at >= miss.pause):
            self._note_look(kid)
            await self._reading.outcome()

    def _note_look(self, kid: str) -> None:
        former = self._missing.pop(kid, None)
        pause = min(2 * former.pause, self.policy.longest_pause) if former else self.policy.pause
        self._looked_at = self.clock.monotonic()
        self._missing[kid] = _Miss(self._looked_at, pause)
        if len(self._missing) > self.policy.most_missing:
            del self._missing[next(iter(self._missing))]

    def _pick(self, issuer: str, kid: str) -> RSAPublicKey:
        of_issuer = (self._published or {}).get(issuer)
        if of_issuer is None:
            raise Unknown("issuer")
        if kid not in of_issuer:
            raise Unknown("key")
        return of_issuer[kid]

    async def _read(self) -> None:
        try:
            published = await self._fetched()
        except Upstream as failure:
            self._failure, self._failed_at = failure, self.clock.monotonic()
            raise
        self._published, self._read_at, self._failure = published, self.clock.monotonic(), None

    async def _fetched(self) -> Published:
        described = await all_of(*(self._issuer(path) for path in _METADATA))
        addresses = sorted({address for _, address in described})
        listed = dict(zip(addresses, await all_of(*map(self._document, addresses)), strict=True))
        issuers = frozenset(issuer for issuer, _ in described)
        published = {issuer: self._keys(listed[address], issuers) for issuer, address in described}
        if not all(published.values()):
            raise Unavailable(f"Entra ID publishes no usable keys for tenant {self.tenant}")
        return published

    async def _issuer(self, path: str) -> tuple[str, str]:
        """Returns an issuer, and the address of its keys."""
        metadata = await self._document(f"{self.authority}/{self.tenant}{path}")
        issuer, address = metadata.get("issuer"), metadata.get("jwks_uri")
        if not isinstance(issuer, str) or self.tenant not in issuer.split("/"):
            raise Unavailable(f"the metadata at {path} is not that of tenant {self.tenant}")
        if not isinstance(address, str) or not address.startswith("https://"):
            raise Unavailable(f"the metadata at {path} names no address for keys")
        return issuer, address

    async def _document(self, address: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_LONGEST_READING):
                status, content = await self._read_at_most(address)
        except TimeoutError as slow:
            raise Unreachable(f"no whole document from {address} in {_LONGEST_READING:.0f} s") from slow
        except httpx.RequestError as silence:
            raise Unreachable(f"{type(silence).__name__} from {address}") from silence
        if not httpx.codes.is_success(status):
            raise Unavailable(f"no document at {address}", status=status)
        document = parsed(content)
        if not isinstance(document, dict):
            raise Unavailable(f"no JSON object at {address}")
        return document

    async def _read_at_most(self, address: str) -> tuple[int, bytes]:
        """Returns the status and the body. Raises ``Unavailable`` if the body is longer than any list of keys."""
        found = bytearray()
        plain = {"Accept-Encoding": "identity"}
        async with self.client.stream("GET", address, headers=plain, timeout=_TIMEOUT) as answer:
            async for part in answer.aiter_bytes():
                found += part
                if len(found) > _MOST_OCTETS:
                    raise Unavailable(f"more than {_MOST_OCTETS} octets at {address}", status=answer.status_code)
        return answer.status_code, bytes(found)

    def _keys(self, document: dict[str, Any], issuers: frozenset[str]) -> dict[str, RSAPublicKey]:
        listed = document.get("keys")
        entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        found = ((each.get("kid"), _signing_key(each)) for each in entries if self._is_ours(each, issuers))
        return {kid: key for kid, key in found if isinstance(kid, str) and key is not None}

    def _is_ours(self, entry: dict[str, Any], issuers: frozenset[str]) -> bool:
        """Returns whether a key may be used here. A key may name its issuer: a personal account's is no tenant's."""
        issuer = entry.get("issuer")
        return issuer is None or (isinstance(issuer, str) and issuer.replace("{tenantid}", self.tenant) in issuers)


def _signing_key(entry: dict[str, Any]) -> RSAPublicKey | None:
    """Returns the public key in a JSON Web Key, or ``None`` if it is no RSA key of at least 2048 bits that signs with RS256."""
    signs = entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig" and entry.get("alg", "RS256") == "RS256"
    if not signs:
        return None
    try:
        key = RSAAlgorithm.from_jwk(entry)
    except (PyJWTError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= _SHORTEST_KEY else None
