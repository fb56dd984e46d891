"""The events of a system topic: what Azure Resource Manager has done to the resources of a group or a subscription.

https://learn.microsoft.com/azure/event-grid/event-schema-resource-groups
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.cloud.event_grid.events import Event, instant
from local.cloud.rbac.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.cloud.engine.http import Json
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.activity import Change, Requested

_MICROSOFT, _XMLSOAP = "http://schemas.microsoft.com", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
_CLAIMS = {
    "acr": f"{_MICROSOFT}/claims/authnclassreference",
    "amr": f"{_MICROSOFT}/claims/authnmethodsreferences",
    "family_name": f"{_XMLSOAP}/surname",
    "given_name": f"{_XMLSOAP}/givenname",
    "idp": f"{_MICROSOFT}/identity/claims/identityprovider",
    "oid": f"{_MICROSOFT}/identity/claims/objectidentifier",
    "scp": f"{_MICROSOFT}/identity/claims/scope",
    "sub": f"{_XMLSOAP}/nameidentifier",
    "tid": f"{_MICROSOFT}/identity/claims/tenantid",
    "unique_name": f"{_XMLSOAP}/name",
    "upn": f"{_XMLSOAP}/upn",
}
"""Azure tells some claims of the caller's token under the names that WS-Federation has for them."""


def of_change(world: LocalAzure, source: str, change: Change, event_id: str) -> Event:
    """The event of a system topic of this source."""
    return Event(
        id=event_id,
        type=f"Microsoft.Resources.Resource{change.operation}{'Success' if change.succeeded else 'Failure'}",
        source=source,
        topic=source,
        time=instant(world.clock.now()),
        data={"data": _data(world, change)},
        subject=change.resource_id,
        version="2",
    )


def _data(world: LocalAzure, change: Change) -> Json:
    authorization = {"scope": change.resource_id, "action": change.action, "evidence": dict(change.evidence)}
    return {
        "authorization": authorization,
        "claims": _claims(change.claims),
        "correlationId": change.correlation_id,
        **({} if change.requested is None else {"httpRequest": _request(change.requested)}),
        "resourceProvider": change.action.partition("/")[0],
        "resourceUri": change.resource_id,
        "operationName": change.action,
        "status": "Succeeded" if change.succeeded else "Failed",
        "subscriptionId": Scope.of(change.resource_id).subscription,
        "tenantId": world.tenant_id,
    }


def _request(requested: Requested) -> Json:
    return {
        "clientRequestId": requested.client_request_id,
        "clientIpAddress": requested.client_address,
        "method": requested.method,
        "url": requested.url,
    }


def _claims(claims: Mapping[str, Any]) -> dict[str, str]:
    return {_CLAIMS.get(name, name): _spoken(value) for name, value in claims.items()}


def _spoken(value: Any) -> str:
    """Every value is a text: a list's entries stand with commas between them, an object is its JSON."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else str(value)
