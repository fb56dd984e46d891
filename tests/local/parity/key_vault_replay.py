"""Recorded exchanges with Key Vault, replayed: the call, and how our answer differs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.key_vault.paging import read_token
from local.cloud.key_vault.service import KeyVault
from local.cloud.key_vault.store import Secret, Store
from tests.local.arm.calls import GROUP, Azure
from tests.local.parity.key_vault_state import attributes_of, code, instant, presupposed, settings
from tests.local.parity.records import Record, compare_shape

ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
AUDIENCE = "https://vault.azure.net"
_KIND = "Microsoft.KeyVault/vaults"
_HOST = re.compile(r"https://[^/]+?(:443)?/")
_VERSIONS = re.compile(r"(/secrets/[^/']+/)[0-9a-f]{32}")
_AUTHORITY = re.compile(r"login\.windows\.net|login\.microsoftonline\.com")
_TENANT = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_SINCE_CHANGED = (
    ("Request is missing a Bearer", "AKV10000: Request is missing a Bearer"),
    ("Conflict while restoring secret ", "There was a conflict restoring the secret"),
    ("Secret not found: ", "A secret with (name/id)"),
)
"""Texts that Azure has changed: how they began, and how later recordings of the same refusal do."""
_OF_CERTIFICATES = ("managed", "kid")
"""What marks the secret of a certificate. There are no certificates here."""
_HEADERS = ("cache-control", "content-type", "strict-transport-security", "x-content-type-options")
_ON_THE_WIRE = {"content-length", "date", "server", "x-ms-keyvault-service-version"}


@dataclass(slots=True)
class Replay:
    """A world with the vaults that were called, and somebody who may do everything there."""

    azure: Azure = field(default_factory=Azure)
    service: KeyVault = field(default_factory=KeyVault)
    caller: str = ""
    vaults: dict[str, str] = field(default_factory=dict)
    """Resource ids, by name."""
    backups: dict[str, str] = field(default_factory=dict)
    """Our texts, by those of the recording."""

    def __post_init__(self) -> None:
        """Makes the caller."""
        self.caller = self.azure.principal()
        self.azure.grant(self.caller, ADMINISTRATOR, GROUP)

    def vault(self, record: Record) -> str:
        """The vault that was called, with the settings that the answer tells of."""
        name = record.host.partition(".")[0]
        if name not in self.vaults:
            self.vaults[name] = self.azure.resource(f"{GROUP}/providers/{_KIND}/{name}", _KIND)
        resource = self.azure.world.tree.resources[self.vaults[name].casefold()]
        resource.properties |= next((settings(found) for found in attributes_of(record.response_body)), {})
        return name

    def held(self, name: str) -> dict[str, Secret]:
        """What the vault holds."""
        world = self.azure.world
        return world.of(Store).held(world, world.tree.resources[self.vaults[name].casefold()])

    def send(self, record: Record) -> Reply:
        """The recorded call, by whoever is answered so."""
        headers = {"host": record.host}
        if record.status != 401:
            by = self.azure.principal() if code(record) == "ForbiddenByRbac" else self.caller
            headers["authorization"] = f"Bearer {self.azure.token(by, AUDIENCE)}"
        call = HttpRequest(record.method, record.path, record.query, headers, self._body(record), f"https://{record.host}")
        reply = handle(self.azure.world, self.service, call)[1]
        if record.path.endswith("/backup") and reply.status == record.status:
            self.backups[record.response_body["value"]] = reply.body["value"]
        return reply

    def _body(self, record: Record) -> bytes:
        """What was sent; the text of a backup is ours."""
        if record.request_body is None:
            return b""
        if record.path != "/secrets/restore":
            return json.dumps(record.request_body).encode()
        sent = record.request_body["value"]
        return json.dumps({"value": self.backups.get(sent, sent)}).encode()


def replayed(record: Record) -> list[str]:
    """What differs between the recorded answer and ours, once the world has what the recording presupposes."""
    replay = Replay()
    replay.azure.clock.at = instant(record.response_body) or replay.azure.clock.at
    held = replay.held(replay.vault(record))
    for secret in presupposed(record, replay.azure.world.of(Store)):
        held[secret.name.upper()] = secret
    return differences(record, replay.send(record), exactly=True)


def differences(record: Record, reply: Reply, *, exactly: bool) -> list[str]:
    """What differs. ``exactly``: values too, and not shapes alone; versions' ids and identifiers of callers apart.

    Of a 401 from before 2020, which had no body, the rest is compared.
    """
    if record.status != reply.status:
        return [f"status is {reply.status}, recorded as {record.status}: {reply.body}"]
    found = _compare_headers(record.response_headers, reply.headers)
    if record.response_body is None:
        return found
    if record.status >= 400:
        return found + _compare_errors(record.response_body["error"], reply.body["error"])
    found += compare_shape(record.response_body, reply.body, ignore=_OF_CERTIFICATES)
    wanted, made = (_comparable(body, record) for body in (record.response_body, reply.body))
    return found + ([f"body is {made}, recorded as {wanted}"] if exactly and wanted != made else [])


def _compare_errors(recorded: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Codes are equal; so are texts, but for identifiers, and but for a text that Azure has changed since."""
    names = ("code", "innererror")
    found = [f"{name} is {ours.get(name)}" for name in names if recorded.get(name) != ours.get(name)]
    for former, now in _SINCE_CHANGED:
        if recorded["message"].startswith(former):
            return found if ours["message"].startswith(now) else [*found, f"message is {ours['message']!r}"]
    texts = [_plain(error["message"]) for error in (recorded, ours)]
    return found if texts[0] == texts[1] else [*found, f"message is {texts[1]!r}, recorded as {texts[0]!r}"]


def _plain(text: str) -> str:
    """Without what a recording's scrubbing and this world make of who, where and which version."""
    text = re.sub(r"Caller: .*\r\n", "Caller: <caller>\r\n", _VERSIONS.sub(r"\1<version>", _HOST.sub("https://vault/", text)))
    text = re.sub(r"/subscriptions/[^/]+/resourcegroups/[^/]+/", "/<group>/", text)
    return re.sub(r"location=\w+", "location=<region>", text)


def _compare_headers(recorded: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    found = [
        f"{name} is {ours.get(name)}, recorded as {recorded[name]}"
        for name in _HEADERS
        if name in recorded and recorded[name] != ours.get(name)
    ]
    challenges = [
        _TENANT.sub("<id>", _AUTHORITY.sub("<authority>", each.get("www-authenticate", ""))) for each in (recorded, ours)
    ]
    if challenges[0] != challenges[1]:
        found.append(f"the challenge is {challenges[1]}, recorded as {challenges[0]}")
    return [*found, *(f"{name} is missing" for name in recorded.keys() - _ON_THE_WIRE - ours.keys())]


def _comparable(body: Any, record: Record) -> Any:
    """The body with all hosts alike. What is drawn anew at each call has no value: a fresh version's id, a backup's text.

    The times in older markers are not told apart.
    """
    text = _HOST.sub("https://vault/", json.dumps(body))
    known = json.loads(
        text, object_hook=lambda each: {key: value for key, value in each.items() if key not in _OF_CERTIFICATES}
    )
    if record.method == "PUT":
        known["id"] = _VERSIONS.sub(r"\1<version>", known["id"])
    if record.path.endswith("/backup"):
        known["value"] = "<backup>"
    if known.get("nextLink"):
        known["nextLink"] = re.sub(r"skiptoken=([^&]+)", lambda found: f"skiptoken={_row(found[1])}", known["nextLink"])
    return known


def _row(token: str) -> str:
    """The secret at which the next page begins: in older lists of secrets, a page could begin within one."""
    return read_token(token).partition("/")[0]
