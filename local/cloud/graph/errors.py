"""Graph's errors: one shape, with the codes and sentences of the real service.

Where a recorded exchange or a report shows the body, it follows that; ``innerError`` is filled in when the reply leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.cloud.engine.http import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
"""Client id of Microsoft Graph itself, the same in every tenant."""

_UNREADABLE = (
    "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."
)
_CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    f'client_id="{GRAPH_APP_ID}"'
)


def error(
    status: int,
    code: str,
    message: str,
    *,
    details: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """A reply in Graph's error shape."""
    body: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        body["details"] = details
    return Reply(status, {"error": body}, headers or {})


def bad_request(message: str, code: str = "Request_BadRequest") -> Refusal:
    """400 for a request that cannot be carried out as it stands."""
    return Refusal(error(400, code, message))


def coded(code: str, message: str, target: str) -> Refusal:
    """400 that names the property at fault, with its finer code at the top as well."""
    return Refusal(error(400, code, message, details=[{"code": code, "message": message, "target": target}]))


def invalid(message: str, reason: str, target: str) -> Refusal:
    """400 that names the property at fault: ``details`` holds the finer code."""
    details = [{"code": reason, "message": message, "target": target}]
    return Refusal(error(400, "Request_BadRequest", message, details=details))


def taken(name: str) -> Refusal:
    """400 for a value that another object already has."""
    return invalid(f"Another object with the same value for property {name} already exists.", "ObjectConflict", name)


def not_found(name: str) -> Refusal:
    """404 for an object that does not exist, or that this replica has not seen."""
    message = f"Resource '{name}' does not exist or one of its queried reference-property objects are not present."
    return Refusal(error(404, "Request_ResourceNotFound", message))


def denied(message: str = "Insufficient privileges to complete the operation.") -> Refusal:
    """403 for a caller whose permissions do not suffice."""
    return Refusal(error(403, "Authorization_RequestDenied", message))


def unauthenticated(message: str) -> Refusal:
    """401 with the challenge that Graph sends."""
    return Refusal(error(401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": _CHALLENGE}))


def duplicate(message: str) -> Refusal:
    """409 for a second object with the same key."""
    return Refusal(error(409, "Request_MultipleObjectsWithSameKeyValue", message))


def quota_exceeded(whose: str) -> Refusal:
    """403 when the tenant, or the creator, may not have more objects."""
    message = (
        f"The directory object quota limit for the {whose} has been exceeded. Please ask your administrator to "
        "increase the quota limit or delete objects to reduce the used quota."
    )
    return Refusal(error(403, "Directory_QuotaExceeded", message))


def unreadable() -> Refusal:
    """400 for a body that is not JSON."""
    return bad_request(_UNREADABLE, "BadRequest")


def unsupported_coding(coding: str) -> Refusal:
    """415 for a body that is compressed with something else than gzip."""
    message = f"The content encoding '{coding}' is not supported."
    return Refusal(error(415, "UnsupportedMediaType", message, headers={"Accept-Encoding": "gzip"}))


def not_implemented(what: str) -> Refusal:
    """501: the local cloud does not do this."""
    return Refusal(error(501, "NotImplemented", f"The local cloud does not implement {what}."))
