"""Shared access signatures (SAS) that are signed with user delegation keys, and what these keys are made of.

https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas. Whoever holds a signature may do what its
letters say and what the key's principal may do at that moment. No key is kept: each follows from its own fields and from this
world's seed.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hmac import compare_digest
from hmac import digest as hmac_of
from typing import TYPE_CHECKING, Self

from local.cloud.blob import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.cloud.engine.http import HttpRequest
    from local.cloud.local_azure import LocalAzure

PARAMETERS = frozenset(
    (
        *("sv", "sr", "st", "se", "sp", "sip", "spr", "sig", "skoid", "sktid", "skt", "ske", "sks", "skv"),
        *("ses", "scid", "rscc", "rscd", "rsce", "rscl", "rsct"),
    )
)
"""Those that are read here. A signature with others is not implemented: it would say less, or more, than was meant."""
_OLDEST = "2020-12-06"
_DELEGATED_USERS_SINCE = "2025-07-05"
_SIGNED_REQUESTS_SINCE = "2026-04-06"
_KEY_FIELDS = ("skoid", "sktid", "skt", "ske", "sks", "skv")
_OVERRIDES = ("rscc", "rscd", "rsce", "rscl", "rsct")
_LETTERS = {"read": "r", "write": "w", "delete": "d", "add/action": "c"}
"""By what follows ``blobs/`` in a data action. To write a new blob takes ``c`` or ``w``; ``w`` is asked for as ``write``."""


@dataclass(slots=True)
class DelegationSeed:
    """What this world's keys are made of. A reset makes another, so that signatures from before do not match."""

    octets: bytes = field(default_factory=lambda: secrets.token_bytes(32))


@dataclass(frozen=True, slots=True)
class SharedAccess:
    """A signature that has been verified: by whom its key was got, and the letters of what it gives."""

    principal: str
    letters: str

    @classmethod
    def verified(cls, world: LocalAzure, call: HttpRequest, account: str, container: str | None, blob: str | None) -> Self:
        """Returns what the query's signature gives for what the address names. Raises Azure's refusal."""
        given = {name: value for name, value in call.query.items() if name in PARAMETERS}
        if any(not given.get(name) for name in ("sv", "sr", "se", "sp", "sig", *_KEY_FIELDS)):
            raise errors.signature_refused("sp, se, sr, sv and the fields of a user delegation key are mandatory.")
        if given["sv"] < _OLDEST or given["sr"] not in {"b", "c"}:
            raise errors.not_implemented(f"a signature with sv={given['sv']} and sr={given['sr']}")
        if given.get("spr", "https,http") == "https" and not call.origin.startswith("https:"):
            raise errors.protocol_mismatch()
        value = key_value(world, account, [given[name] for name in _KEY_FIELDS])
        named = container if given["sr"] == "c" else f"{container}/{blob}"
        expected = _signature(value, _signed(given, account, named))
        if not compare_digest(expected.encode(), given["sig"].encode()):
            raise errors.signature_refused("Signature did not match.")
        _require_in_time(world.clock.now(), given)
        return cls(given["skoid"].lower(), given["sp"])

    def gives(self, verb: str, *, is_listing: bool) -> bool:
        """Returns whether the letters have what the data action is for."""
        return ("l" if is_listing else _LETTERS.get(verb, "?")) in self.letters


def key_value(world: LocalAzure, account: str, fields: Sequence[str]) -> str:
    """The account's key with these fields, in base64: whose it is, from when until when, for which service and version."""
    return _signature(b64encode(world.of(DelegationSeed).octets).decode(), "\n".join((account, *fields)))


def _signature(key: str, text: str) -> str:
    return b64encode(hmac_of(b64decode(key), text.encode(), "sha256")).decode()


def _signed(given: Mapping[str, str], account: str, named: str | None) -> str:
    """The string that was signed, in the form of the signature's version. What is optional and absent is empty."""
    version = given["sv"]
    return "\n".join(
        (
            *(given.get(name, "") for name in ("sp", "st", "se")),
            f"/blob/{account}/{named}",
            *(given[name] for name in _KEY_FIELDS),
            # Two for Data Lake Storage, which are not read here.
            *("", "", given.get("scid", "")),
            *(("", "") if version >= _DELEGATED_USERS_SINCE else ()),
            *(given.get(name, "") for name in ("sip", "spr", "sv", "sr")),
            # The time of a snapshot.
            *("", given.get("ses", "")),
            *(("", "") if version >= _SIGNED_REQUESTS_SINCE else ()),
            *(given.get(name, "") for name in _OVERRIDES),
        )
    )


def _require_in_time(now: float, given: Mapping[str, str]) -> None:
    """Raises unless both the signature and its key hold just now."""
    for start, end in ((given.get("st", given["skt"]), given["se"]), (given["skt"], given["ske"])):
        begins, ends = instant(start), instant(end)
        if begins is None or ends is None or not begins <= now < ends:
            raise errors.signature_refused(f"Signature not valid in the specified time frame: Start [{start}] - Expiry [{end}]")


def instant(text: str) -> float | None:
    """POSIX seconds; none for a text that is no date."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
