"""Entra ID's refusals: an OAuth error with the AADSTS code that says what is really wrong.

Codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes; statuses and bodies as recorded where
a recording exists, and as users reported them elsewhere.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from local.cloud.engine.http import HttpRequest, Refusal, Reply

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure


def refuse(world: LocalAzure, call: HttpRequest, status: int, error: str, code: int, text: str) -> Refusal:
    """The refusal in full: trace and correlation ids, the time, and where to read more."""
    trace, correlation = str(uuid.uuid4()), correlation_id(call)
    timestamp = f"{dt.datetime.fromtimestamp(world.clock.now(), dt.UTC):%Y-%m-%d %H:%M:%SZ}"
    lines = (f"AADSTS{code}: {text}", f"Trace ID: {trace}", f"Correlation ID: {correlation}", f"Timestamp: {timestamp}")
    body = {
        "error": error,
        "error_description": "\r\n".join(lines),
        "error_codes": [code],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }
    return Refusal(Reply(status, body, {"x-ms-request-id": trace}))


def correlation_id(call: HttpRequest) -> str:
    """The client's own request id, or a fresh one."""
    return call.headers.get("client-request-id") or str(uuid.uuid4())


def tenant_not_found(world: LocalAzure, call: HttpRequest, error: str = "invalid_request") -> Refusal:
    """90002."""
    text = (
        f"Tenant '{call.params['tenant']}' not found. Check to make sure you have the correct tenant ID and are signing "
        "into the correct cloud. Check with your subscription administrator, this may happen if there are no active "
        "subscriptions for the tenant."
    )
    return refuse(world, call, 400, error, 90002, text)


def no_tenant(world: LocalAzure, call: HttpRequest) -> Refusal:
    """50059: an application has to say which tenant it means."""
    text = "No tenant-identifying information found in either the request or implied by any provided credentials."
    return refuse(world, call, 400, "invalid_request", 50059, text)


def missing(world: LocalAzure, call: HttpRequest, parameter: str) -> Refusal:
    """900144."""
    text = f"The request body must contain the following parameter: '{parameter}'."
    return refuse(world, call, 400, "invalid_request", 900144, text)


def unsupported_grant(world: LocalAzure, call: HttpRequest, grant: str) -> Refusal:
    """70003."""
    text = f"The app requested an unsupported grant type '{grant}'."
    return refuse(world, call, 400, "unsupported_grant_type", 70003, text)


def application_not_found(world: LocalAzure, call: HttpRequest, client_id: str) -> Refusal:
    """700016: not registered, deleted, or not replicated yet."""
    text = (
        f"Application with identifier '{client_id}' was not found in the directory '{world.tenant_name}'. This can happen "
        "if the application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You may have sent your authentication request to the wrong tenant."
    )
    return refuse(world, call, 400, "unauthorized_client", 700016, text)


def principal_missing(world: LocalAzure, call: HttpRequest, client_id: str) -> Refusal:
    """7000229: registered, but without a service principal."""
    text = (
        f"The client application {client_id} is missing service principal in the tenant {world.tenant_id}. "
        "See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119"
    )
    return refuse(world, call, 401, "invalid_client", 7000229, text)


def application_disabled(world: LocalAzure, call: HttpRequest, client_id: str, name: str) -> Refusal:
    """7000112."""
    return refuse(world, call, 400, "unauthorized_client", 7000112, f"Application '{client_id}'({name}) is disabled.")


def no_credential(world: LocalAzure, call: HttpRequest) -> Refusal:
    """7000216."""
    text = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
    return refuse(world, call, 401, "invalid_client", 7000216, text)


def wrong_secret(world: LocalAzure, call: HttpRequest, client_id: str) -> Refusal:
    """7000215: wrong, removed, or not replicated yet."""
    text = (
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the "
        f"client secret ID, for a secret added to app '{client_id}'."
    )
    return refuse(world, call, 401, "invalid_client", 7000215, text)


def expired_secret(world: LocalAzure, call: HttpRequest, client_id: str) -> Refusal:
    """7000222."""
    text = (
        f"The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal to create new keys for "
        "your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: "
        "https://aka.ms/certCreds."
    )
    return refuse(world, call, 401, "invalid_client", 7000222, text)


def bad_scope(world: LocalAzure, call: HttpRequest, scope: str) -> Refusal:
    """1002012."""
    text = (
        f"The provided value for scope {scope} is not valid. Client credential flows must have a scope value with "
        "/.default suffixed to the resource identifier (application ID URI)."
    )
    return refuse(world, call, 400, "invalid_scope", 1002012, text)


def resource_not_found(world: LocalAzure, call: HttpRequest, resource: str) -> Refusal:
    """500011."""
    text = (
        f"The resource principal named {resource} was not found in the tenant named {world.tenant_name}. This can happen "
        "if the application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You might have sent your authentication request to the wrong tenant."
    )
    return refuse(world, call, 400, "invalid_resource", 500011, text)


def role_required(world: LocalAzure, call: HttpRequest, client_id: str, resource: str) -> Refusal:
    """501051: the API admits only those who have one of its roles."""
    text = f"Application '{client_id}' is not assigned to a role for the application '{resource}'."
    return refuse(world, call, 400, "invalid_grant", 501051, text)
