"""Azure Resource Manager's errors: one shape, and the codes and texts that Azure answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.engine.http import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

_GATEWAY = {"x-ms-failure-cause": "gateway"}


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply in the shape ``{"error": {"code", "message"}}``."""
    return Reply(status, {"error": {"code": code, "message": message}}, headers or {})


def refusal(status: int, code: str, message: str) -> Refusal:
    """The error of a resource provider, to be raised."""
    return Refusal(error(status, code, message))


def gateway_refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """An error that Azure answers before any resource provider sees the call; no quota is counted for it."""
    return Refusal(error(status, code, message, {**_GATEWAY, **(headers or {})}))


def bad_format() -> Refusal:
    """The body, or an id in it, has the wrong shape."""
    return refusal(400, "BadRequestFormat", "The request was incorrectly formatted.")


def not_implemented(what: str) -> Refusal:
    """The local cloud does not have this; Azure may."""
    return refusal(501, "NotImplemented", f"The local cloud does not implement {what}.")


def unsupported_coding(coding: str) -> Refusal:
    """The body is compressed."""
    message = f"The content encoding '{coding}' is not supported."
    return gateway_refusal(415, "UnsupportedMediaType", message, {"Accept-Encoding": "identity"})


def subscription_not_found(subscription: str) -> Refusal:
    """No such subscription in this tenant."""
    return gateway_refusal(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def group_not_found(group: str) -> Refusal:
    """No such resource group."""
    return gateway_refusal(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def resource_not_found(typed_name: str, group: str | None) -> Refusal:
    """No such resource; ``typed_name`` is such as ``Microsoft.Storage/storageAccounts/one``."""
    return gateway_refusal(
        404,
        "ResourceNotFound",
        f"The Resource '{typed_name}' under resource group '{group or '<null>'}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def scope_locked(scope: str, operation: str, locked: str) -> Refusal:
    """A management lock at ``locked`` forbids this operation (``delete`` or ``write``)."""
    return gateway_refusal(
        409,
        "ScopeLocked",
        f"The scope '{scope}' cannot perform {operation} operation because following scope(s) are locked: '{locked}'. "
        "Please remove the lock and try again.",
    )
