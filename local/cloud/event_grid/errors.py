"""Event Grid's errors: one shape, with the code twice.

https://learn.microsoft.com/azure/event-grid/post-to-custom-topic#response
"""

from __future__ import annotations

from local.cloud.engine.http import Refusal, Reply


def error(status: int, code: str, message: str) -> Reply:
    """An error as publishers see it."""
    return Reply(status, {"error": {"code": code, "message": message, "details": [{"code": code, "message": message}]}})


def bad_request(message: str) -> Refusal:
    """400: not what the topic takes."""
    return Refusal(error(400, "BadRequest", message))


def unauthorized(message: str) -> Refusal:
    """401: nobody whom Event Grid knows, or somebody who may not send."""
    return Refusal(error(401, "Unauthorized", message))


def no_permission(topic_id: str) -> Refusal:
    """401 as well, not 403: https://github.com/Azure/azure-sdk-for-net/issues/22831 shows status, code and text."""
    return unauthorized(
        "The principal associated with access token presented with the incoming request does not have permission to send data "
        f"to {topic_id}."
    )


def topic_not_found(name: str) -> Refusal:
    """No such topic. In Azure its name does not resolve."""
    return Refusal(error(404, "NotFound", f"The topic '{name}' does not exist."))


def too_large(most: int) -> Refusal:
    """413: more octets than a request may have."""
    return Refusal(error(413, "RequestEntityTooLarge", f"The maximum size ({most}) has been exceeded."))


def not_implemented(what: str) -> Refusal:
    """The local cloud does not have this; Azure may."""
    return Refusal(error(501, "NotImplemented", f"The local cloud does not implement {what}."))
