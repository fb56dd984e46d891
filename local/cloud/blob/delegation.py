"""User delegation keys, and the shared access signatures (SAS) that are signed with them.

Key: https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key. Signatures:
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas. Whoever holds a signature may do what its
letters say and what the key's principal may do at that moment. No key is kept: each follows from its own fields and from this
world's seed.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hmac import compare_digest
from hmac import digest as hmac_of
from typing import TYPE_CHECKING, Self
from xml.sax.saxutils import escape

from local.cloud.blob import errors
from local.cloud.engine.http import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.cloud.blob.requests import BlobRequest, Target
    from local.cloud.engine.http import HttpRequest
    from local.cloud.local_azure import LocalAzure

WEEK = 7 * 86_400.0
GENERATE = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
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
    def verified(cls, world: LocalAzure, call: HttpRequest, target: Target) -> Self:
        """Returns what the query's signature gives for that target. Raises Azure's refusal."""
        given = {name: value for name, value in call.query.items() if name in PARAMETERS}
        if any(not given.get(name) for name in ("sv", "sr", "se", "sp", "sig", *_KEY_FIELDS)):
            raise errors.signature_refused("sp, se, sr, sv and the fields of a user delegation key are mandatory.")
        if given["sv"] < _OLDEST or given["sr"] not in {"b", "c"}:
            raise errors.not_implemented(f"a signature with sv={given['sv']} and sr={given['sr']}")
        if given.get("spr", "https,http") == "https" and not call.origin.startswith("https:"):
            raise errors.protocol_mismatch()
        value = _key_value(world, target.account, [given[name] for name in _KEY_FIELDS])
        if not compare_digest(_signature(value, _signed(given, target)), given["sig"]):
            raise errors.signature_refused("Signature did not match.")
        _require_in_time(world.clock.now(), given)
        return cls(given["skoid"].lower(), given["sp"])

    def gives(self, verb: str, *, is_listing: bool) -> bool:
        """Returns whether the letters have what the data action is for."""
        return ("l" if is_listing else _LETTERS.get(verb, "?")) in self.letters


def user_delegation_key(request: BlobRequest) -> Reply:
    """A key for the caller, which lasts for seven days at most."""
    request.require_in_account(GENERATE)
    text, now = request.call.body.decode(errors="replace"), request.world.clock.now()
    start, expiry = _element(text, "Start") or _iso(now), _element(text, "Expiry")
    begins, ends = _instant(start), _instant(expiry)
    if begins is None or ends is None or ends <= begins:
        raise errors.invalid_xml()
    if not now < ends <= now + WEEK or not now - WEEK <= begins <= now + WEEK:
        raise errors.invalid_xml()
    version = request.call.headers["x-ms-version"]
    fields = [request.caller, request.world.tenant_id, _iso(begins), _iso(ends), "b", version]
    names = ("SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion", "Value")
    values = (*fields, _key_value(request.world, request.target.account, fields))
    elements = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in zip(names, values, strict=True))
    document = f'\ufeff<?xml version="1.0" encoding="utf-8"?><UserDelegationKey>{elements}</UserDelegationKey>'
    return Reply(200, document.encode(), {"content-type": "application/xml"})


def _key_value(world: LocalAzure, account: str, fields: Sequence[str]) -> str:
    return _signature(b64encode(world.of(DelegationSeed).octets).decode(), "\n".join((account, *fields)))


def _signature(key: str, text: str) -> str:
    return b64encode(hmac_of(b64decode(key), text.encode(), "sha256")).decode()


def _signed(given: Mapping[str, str], target: Target) -> str:
    """The string that was signed, in the form of the signature's version. What is optional and absent is empty."""
    named = target.container if given["sr"] == "c" else f"{target.container}/{target.blob}"
    version = given["sv"]
    return "\n".join(
        (
            *(given.get(name, "") for name in ("sp", "st", "se")),
            f"/blob/{target.account}/{named}",
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
        begins, ends = _instant(start), _instant(end)
        if begins is None or ends is None or not begins <= now < ends:
            raise errors.signature_refused(f"Signature not valid in the specified time frame: Start [{start}] - Expiry [{end}]")


def _element(text: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


def _iso(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _instant(text: str) -> float | None:
    """POSIX seconds; none for a text that is no date."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
