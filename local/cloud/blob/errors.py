"""Blob storage's errors: a code and a text in XML, with the codes and texts that Azure answers with.

Codes: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes, and the common ones beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from local.cloud.engine.http import Json, Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

CODE = "x-ms-error-code"
_UNAUTHENTICATED = "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."
_UNSIGNED = (
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including "
    "the signature."
)


def error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None, further: Mapping[str, str] | None = None
) -> Reply:
    """An error whose XML ``render`` makes; ``further`` are elements after the text."""
    return Reply(status, {"Code": code, "Message": message, **(further or {})}, {CODE: code, **(headers or {})})


def render(body: Json, request_id: str, time: str) -> bytes:
    """The error as XML. Azure begins with a byte order mark, and ends the text with the request's id and time."""
    message = f"{body['Message']}\nRequestId:{request_id}\nTime:{time}"
    elements = "".join(f"<{name}>{escape(str(text))}</{name}>" for name, text in {**body, "Message": message}.items())
    return f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error>{elements}</Error>'.encode()


def refusal(status: int, code: str, message: str, further: Mapping[str, str] | None = None) -> Refusal:
    """An error to be raised."""
    return Refusal(error(status, code, message, further=further))


def not_implemented(what: str) -> Refusal:
    """The local cloud does not have this; Azure may."""
    return refusal(501, "NotImplemented", f"The local cloud does not implement {what}.")


def challenged(code: str, challenge: str, detail: str | None = None) -> Refusal:
    """401 with the challenge that tells clients the tenant."""
    further = {"AuthenticationErrorDetail": detail} if detail else {}
    return Refusal(error(401, code, _UNAUTHENTICATED, {"www-authenticate": challenge}, further))


def bearer_unsupported() -> Refusal:
    """The call names no version, or one from before there were tokens. This answer alone names its code in the body only."""
    detail = {"AuthenticationErrorDetail": "Authentication scheme Bearer is not supported in this version."}
    reply = error(403, "AuthenticationFailed", _UNSIGNED, further=detail)
    return Refusal(Reply(reply.status, reply.body))


def bad_authorization() -> Refusal:
    """The header says neither a token nor a key."""
    text = "Authentication information is not given in the correct format. Check the value of Authorization header."
    return refusal(400, "InvalidAuthenticationInfo", text)


def signature_refused(detail: str) -> Refusal:
    """A shared access signature that does not hold: made otherwise, for something else, or for another time."""
    return refusal(403, "AuthenticationFailed", _UNSIGNED, {"AuthenticationErrorDetail": detail})


def protocol_mismatch() -> Refusal:
    """The signature is for HTTPS alone."""
    text = "This request is not authorized to perform this operation using this protocol."
    return refusal(403, "AuthorizationProtocolMismatch", text)


def invalid_xml() -> Refusal:
    """A body without the two instants of a user delegation key, or with instants that no key may have."""
    return refusal(400, "InvalidXmlNodeValue", "The value for one of the XML nodes is not in the correct format.")


def keys_forbidden() -> Refusal:
    """Every account is closed to keys."""
    return refusal(
        403, "KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted on this storage account."
    )


def public_access_forbidden() -> Refusal:
    """Every account is closed to calls without a token."""
    return refusal(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")


def mismatch() -> Refusal:
    """The caller may not do this; whether what it asks for exists is not said."""
    text = "This request is not authorized to perform this operation using this permission."
    return refusal(403, "AuthorizationPermissionMismatch", text)


def account_not_found() -> Refusal:
    """No such account. In Azure its name does not resolve."""
    return refusal(404, "ResourceNotFound", "The specified resource does not exist.")


def container_not_found() -> Refusal:
    """No such container."""
    return refusal(404, "ContainerNotFound", "The specified container does not exist.")


def blob_not_found() -> Refusal:
    """No such blob."""
    return refusal(404, "BlobNotFound", "The specified blob does not exist.")


def blob_exists() -> Refusal:
    """The blob was to be new."""
    return refusal(409, "BlobAlreadyExists", "The specified blob already exists.")


def invalid_range() -> Refusal:
    """The range begins behind the blob's end."""
    return refusal(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")


def invalid_header(name: str, value: str) -> Refusal:
    """A header's value has the wrong form."""
    text = "The value for one of the HTTP headers is not in the correct format."
    return refusal(400, "InvalidHeaderValue", text, {"HeaderName": name, "HeaderValue": value})


def missing_header(name: str) -> Refusal:
    """A header that the operation needs."""
    text = "An HTTP header that's mandatory for this request is not specified."
    return refusal(400, "MissingRequiredHeader", text, {"HeaderName": name})


def out_of_range(name: str, value: str) -> Refusal:
    """A number in the query is too small or too large."""
    text = "One of the query parameters specified in the request URI is outside the permissible range."
    further = {"QueryParameterName": name, "QueryParameterValue": value}
    return refusal(400, "OutOfRangeQueryParameterValue", text, further)
