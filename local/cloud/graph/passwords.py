"""Secrets: ``addPassword`` and ``removePassword`` of applications and service principals."""

from __future__ import annotations

import math
import string
from typing import TYPE_CHECKING

from local.cloud.graph import bodies, errors, instants, names, objects, types
from local.cloud.graph.request import done
from local.cloud.tenant.directory import Application, Password

if TYPE_CHECKING:
    from local.cloud.engine.http import Json, Reply
    from local.cloud.graph.request import GraphRequest
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import ServicePrincipal

DEFAULT_YEARS = 2
"""https://learn.microsoft.com/graph/api/application-addpassword."""

_ALPHABET = string.ascii_letters + string.digits + "._-~"


def add(request: GraphRequest, holder: Application | ServicePrincipal) -> Reply:
    """``addPassword``: makes a secret and tells it, once."""
    body = request.body()
    names.only("addPassword", {"passwordCredential"}, body)
    sent = {} if (given := body.get("passwordCredential")) is None else given
    if not isinstance(sent, dict):
        raise errors.bad_request("Invalid value specified for parameter 'passwordCredential'.")
    request.limits.check_credentials(len(holder.passwords) + len(holder.certificates) + 1)
    password = _made(request, sent)
    if password.key_id in holder.passwords:
        raise errors.invalid("The key identifier is already in use.", "DuplicateKeyId", "keyId")
    request.limits.begin_change(request.world, holder.id)
    holder.passwords[password.key_id] = password
    request.world.consistency.wrote("secret", password.key_id)
    return request.result(
        "microsoft.graph.passwordCredential", bodies.password(password, hinted=isinstance(holder, Application), reveal=True)
    )


def remove(request: GraphRequest, holder: Application | ServicePrincipal) -> Reply:
    """``removePassword``. A secret that this replica has not seen yet cannot be removed by it."""
    body = request.body()
    names.only("removePassword", {"keyId"}, body)
    key_id = str(body.get("keyId", "")).lower()
    if key_id not in holder.passwords or not request.world.consistency.sees("graph", "secret", key_id):
        raise errors.invalid(f"No password credential found with keyId {key_id}.", "InvalidKeyId", "keyId")
    request.limits.begin_change(request.world, holder.id)
    replace(request, holder, {stored: password for stored, password in holder.passwords.items() if stored != key_id})
    return done()


def replace(request: GraphRequest, holder: Application | ServicePrincipal, stored: dict[str, Password]) -> None:
    """Leaves the holder these secrets; others hear later of those that are gone."""
    for key_id, password in holder.passwords.items():
        if key_id not in stored:
            request.world.consistency.ended("secret", key_id, shown=(holder.id, password))
    holder.passwords = stored


def kept(holder: Application | ServicePrincipal, sent: object) -> dict[str, Password]:
    """The secrets that a PATCH leaves: those it names, or all when it is silent; new ones cannot be brought along."""
    if sent is None:
        return holder.passwords
    items = sent if isinstance(sent, list) else [None]
    named = {str(item.get("keyId", "")).lower() if isinstance(item, dict) else "" for item in items}
    if not named <= holder.passwords.keys():
        message = "New password credentials must be generated with service actions."
        raise errors.invalid(message, "PasswordCredentialsNotAllowed", "passwordCredentials")
    return {key_id: password for key_id, password in holder.passwords.items() if key_id in named}


def _made(request: GraphRequest, sent: Json) -> Password:
    objects.settable(sent, types.ELEMENTS["passwordCredentials"], (), "PasswordCredential")
    start = _instant(sent, "startDateTime", math.floor(request.now * 1e6) / 1e6)
    end = _instant(sent, "endDateTime", instants.years_later(start, DEFAULT_YEARS))
    if end <= max(start, request.now):
        raise errors.invalid("Credential end date is invalid.", "InvalidKeyEndDate", "EndDate")
    request.limits.check_new_secret(request.world, end - start)
    return Password(
        key_id=str(sent.get("keyId") or request.world.guid()).lower(),
        secret=_secret(request.world),
        display_name=sent.get("displayName"),
        start=start,
        end=end,
    )


def _instant(sent: Json, name: str, default: float) -> float:
    value = sent.get(name)
    return default if value is None else instants.read(value, name, "PasswordCredential")


def _secret(world: LocalAzure) -> str:
    """40 characters with a mark at the fourth, by which secret scanners know Entra's secrets."""
    draw = world.chance.choices
    return "".join(draw(string.ascii_letters + string.digits, k=3)) + "8Q~" + "".join(draw(_ALPHABET, k=34))
