"""The state that a recorded exchange with Key Vault presupposes, as its own answer tells it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from local.cloud.key_vault.paging import MOST, read_token
from local.cloud.key_vault.store import Phase, Secret, Store, Version
from tests.local.parity.records import Record

_PARTS = re.compile(r"^/(?P<list>secrets|deletedsecrets)(?:/(?P<name>[^/]+))?(?:/(?P<rest>[^/]+))?/?$")
_VERSION = re.compile(r"/secrets/(?P<name>[^/]+)/(?P<version>[0-9a-f]{32})$")
_FOREVER = 1e12


def code(record: Record) -> str:
    """The finer code of a refusal; empty if there is none."""
    body = record.response_body
    return str(body["error"].get("innererror", {}).get("code", "")) if isinstance(body, Mapping) and "error" in body else ""


def attributes_of(body: Any) -> Iterator[Mapping[str, Any]]:
    """The attributes of every secret that is shown."""
    for each in bundles(body):
        yield each["attributes"]


def bundles(body: Any) -> list[Mapping[str, Any]]:
    """Every secret that is shown."""
    found = (body.get("value") if isinstance(body.get("value"), list) else [body]) if isinstance(body, Mapping) else []
    return [each for each in found or () if "attributes" in each]


def settings(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What the vault of a secret with these attributes is like, as its resource says it."""
    level = str(attributes.get("recoveryLevel", ""))
    return {
        "enableSoftDelete": "Recoverable" in level,
        "enablePurgeProtection": not level.endswith("Purgeable"),
        "softDeleteRetentionInDays": attributes.get("recoverableDays") or (7 if level.startswith("Customized") else 90),
    }


def instant(body: Any) -> float | None:
    """When it was answered, as far as the body tells."""
    for bundle in bundles(body):
        return float(bundle.get("deletedDate") or bundle["attributes"]["updated"])
    return None


def presupposed(record: Record, store: Store) -> Iterator[Secret]:
    """Every secret that must have been there."""
    parts = _PARTS.match(record.path)
    assert parts is not None
    name, rest = parts["name"] or "", parts["rest"] or ""
    if record.status >= 400:
        yield from _of_refusal(record, store, name)
    elif name == "restore":
        store.backups[record.request_body["value"]] = _shown(record.response_body)
    elif rest == "versions":
        yield from _of_versions(record, name)
    elif not name:
        yield from _of_list(record, Phase.LIVE if parts["list"] == "secrets" else Phase.DELETED)
    elif record.status == 204 or rest == "backup":
        yield _plain_secret(name, Phase.LIVE if rest else Phase.DELETED)
    elif record.method != "PUT":
        yield _of_one(record, Phase.LIVE if parts["list"] == "secrets" else Phase.DELETED)


def _of_refusal(record: Record, store: Store, name: str) -> Iterator[Secret]:
    phases = {
        "ObjectIsBeingDeleted": Phase.DELETING,
        "ObjectIsDeletedButRecoverable": Phase.DELETED,
        "RequestNotAllowedOnNonDeletedObject": Phase.LIVE,
        "SecretDisabled": Phase.DELETED,
    }
    finer = code(record)
    if finer in phases:
        secret = _plain_secret(name, phases[finer])
        secret.current.enabled = finer != "SecretDisabled"
        yield secret
    if name == "restore":
        found = re.search(r"/secrets/([^/']+)/", record.response_body["error"]["message"])
        assert found is not None
        secret = _plain_secret(found[1], Phase.LIVE)
        store.backups[record.request_body["value"]] = secret
        yield secret


def _of_one(record: Record, phase: Phase) -> Secret:
    """The secret as it is answered; before a change, with everything that was changed otherwise."""
    secret = _shown(record.response_body)
    secret.phase = phase
    asked = record.request_body if record.method == "PATCH" else None
    if asked:
        attributes, version = asked.get("attributes", {}), secret.current
        version.enabled = not attributes["enabled"] if "enabled" in attributes else version.enabled
        version.expires = 1 if "exp" in attributes else version.expires
        version.not_before = 1 if "nbf" in attributes else version.not_before
        version.content_type = "before" if "contentType" in asked else version.content_type
        version.tags = {"before": "x"} if "tags" in asked else version.tags
    return secret


def _of_versions(record: Record, name: str) -> Iterator[Secret]:
    """The versions of a page; with a further one where the next page begins."""
    found = [_shown(each) for each in record.response_body["value"]]
    versions = {each.current.id: each.current for each in found}
    if record.response_body["nextLink"]:
        following = _marked(record.response_body["nextLink"]).partition("/")[2].lower()
        versions[following] = Version(following, "", 1, 1)
    if versions:
        yield Secret(name, versions)


def _of_list(record: Record, phase: Phase) -> Iterator[Secret]:
    """The secrets of a page. Where it shows fewer than it may, and is not the last one, others lie between that are hidden."""
    shown, following = record.response_body["value"], record.response_body["nextLink"]
    for each in shown:
        secret = _shown(each)
        secret.phase = phase
        yield secret
    if following:
        before = shown[-1]["id"].rsplit("/", 1)[-1] if shown else read_token(record.query["$skiptoken"]).partition("/")[0]
        hidden = Phase.DELETED if phase is Phase.LIVE else Phase.LIVE
        for number in range(int(record.query.get("maxresults", MOST)) - len(shown)):
            yield _plain_secret(f"{before}-{number:02}", hidden)
        yield _plain_secret(_marked(following).partition("/")[0], phase)


def _marked(link: str) -> str:
    found = re.search(r"skiptoken=([^&]+)", link)
    assert found is not None
    return read_token(found[1])


def _plain_secret(name: str, phase: Phase) -> Secret:
    made = Version("0" * 32, "x", 1, 1)
    return Secret(name, {made.id: made}, phase, until=_FOREVER, purge_at=_FOREVER)


def _shown(bundle: Mapping[str, Any]) -> Secret:
    """The secret, with one version, that is shown so."""
    attributes, named = bundle["attributes"], _VERSION.search(bundle["id"])
    version = Version(
        named["version"] if named else "0" * 32,
        str(bundle.get("value", "")),
        attributes["created"],
        attributes["updated"],
        attributes["enabled"],
        attributes.get("nbf"),
        attributes.get("exp"),
        bundle.get("contentType"),
        bundle.get("tags"),
    )
    name = named["name"] if named else bundle["id"].rsplit("/", 1)[-1]
    shown = (bundle.get("deletedDate", 0.0), bundle.get("scheduledPurgeDate", _FOREVER))
    return Secret(name, {version.id: version}, Phase.LIVE, _FOREVER, *shown)
