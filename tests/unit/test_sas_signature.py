"""Signatures of our own, compared with what two others make of the same words: Azure's library, and Azurite."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from azure.storage.blob import UserDelegationKey, generate_container_sas
from azure.storage.blob._shared import sign_string

from local.host.process import ROOT
from shared.core.secret import Secret
from shared.issuers.service_principal.sas_signature import signed
from shared.kinds.delegation import VERSION, DelegationKey

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OID, TID = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
START, EXPIRY = "2026-03-02T08:55:00Z", "2026-03-09T08:55:00Z"
VALUE = b64encode(b"+/ a key of thirty-two octets \xff\x00").decode()
KEY = DelegationKey(OID, TID, START, EXPIRY, "b", VERSION, Secret(VALUE), NOW + timedelta(days=7))
AZURITE = ROOT / "local/storage/node_modules/azurite/dist/src/blob/authentication/IBlobSASSignatureValues.js"
LATER_FIELDS = (13, 14, 21, 22)
"""Places of the lines that the library signs and our version does not have: two since 2025-07-05 (of delegated users), two
since 2026-04-06 (of headers and queries). All are empty for a signature like ours."""


def ours(permissions: str, container: str = "reports") -> dict[str, str]:
    """The fields of our own."""
    token = signed(KEY, "acme", container, permissions, NOW + timedelta(hours=1)).reveal()
    return {name: value for name, (value,) in parse_qs(token, strict_parsing=True).items()}


def librarys(monkeypatch: pytest.MonkeyPatch, permissions: str, container: str = "reports") -> tuple[dict[str, str], str]:
    """The fields of the library's, fields our version; and the string that it has signed."""
    monkeypatch.setattr("azure.storage.blob._shared_access_signature.X_MS_VERSION", VERSION)
    key: Any = UserDelegationKey()  # type: ignore[no-untyped-call]  # azure-storage-blob leaves it so
    key.signed_oid, key.signed_tid, key.signed_start, key.signed_expiry = OID, TID, START, EXPIRY
    key.signed_service, key.signed_version, key.value = "b", VERSION, VALUE
    texts: list[str] = []
    more: dict[str, Any] = {"user_delegation_key": key, "start": START, "protocol": "https", "sts_hook": texts.append}
    end = (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    token = generate_container_sas("acme", container, permission=permissions, expiry=end, **more)
    return {name: value for name, (value,) in parse_qs(token).items()}, texts[0]


CASES = pytest.mark.parametrize(("permissions", "container"), [("r", "reports"), ("racwdl", "a-b-1"), ("racwdxylt", "$web")])


@CASES
def test_is_to_the_letter_what_azures_library_signs(monkeypatch: pytest.MonkeyPatch, permissions: str, container: str) -> None:
    """The same fields; and the same signature, of the library's own string without the lines of later versions."""
    fields, text = librarys(monkeypatch, permissions, container)
    lines = text.split("\n")
    assert [""] * 4 == [lines[at] for at in LATER_FIELDS]
    older = "\n".join(line for at, line in enumerate(lines) if at not in LATER_FIELDS)
    signature = sign_string(VALUE, older)  # type: ignore[no-untyped-call]  # azure-storage-blob leaves it so
    assert fields | {"sig": signature} == ours(permissions, container)


@CASES
def test_is_to_the_letter_what_azurite_expects(permissions: str, container: str) -> None:
    """By its own function for signatures of that version."""
    signed = ours(permissions, container)
    fields = {
        "version": signed["sv"],
        "protocol": signed["spr"],
        "startTime": signed["st"],
        "expiryTime": signed["se"],
        "permissions": signed["sp"],
        "containerName": container,
        "signedObjectId": signed["skoid"],
        "signedTenantId": signed["sktid"],
        "signedStartsOn": signed["skt"],
        "signedExpiresOn": signed["ske"],
        "signedService": signed["sks"],
        "signedVersion": signed["skv"],
        "signedResource": signed["sr"],
    }
    script = (
        f"const azurite = require({json.dumps(str(AZURITE))});"
        f"const key = Buffer.from({json.dumps(VALUE)}, 'base64');"
        f"console.log(azurite.generateBlobSASSignatureWithUDK({json.dumps(fields)}, 'c', 'acme', key)[0]);"
    )
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True, timeout=60)
    assert signed["sig"] == done.stdout.strip()


def test_begins_with_the_key_and_is_for_https_alone() -> None:
    """Nobody reads it off the wire."""
    fields = ours("r")
    assert (START, "2026-03-02T10:00:00Z", "https", "c") == tuple(fields[name] for name in ("st", "se", "spr", "sr"))


def test_is_not_shown_by_accident() -> None:
    """It is all that its holder needs."""
    assert "***" == str(signed(KEY, "acme", "reports", "r", NOW))
