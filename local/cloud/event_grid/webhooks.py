"""Webhooks: the handshake before anything is sent, what each call carries, and Event Grid's own token.

Handshakes: https://learn.microsoft.com/azure/event-grid/end-point-validation-cloud-events-schema and
https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema; token:
https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from local.cloud.entra import claims
from local.cloud.entra.resources import resolve
from local.cloud.event_grid.events import instant
from local.cloud.event_grid.schedule import succeeded
from local.cloud.tenant.first_party import EVENT_GRID

if TYPE_CHECKING:
    from local.cloud.event_grid.deliveries import Delivery
    from local.cloud.event_grid.destinations import Answer, Destinations
    from local.cloud.event_grid.subscriptions import Subscription, Webhook
    from local.cloud.event_grid.topics import Topic
    from local.cloud.local_azure import LocalAzure

ORIGIN = "eventgrid.azure.net"
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


async def consents(
    world: LocalAzure, topic: Topic, subscription: Subscription, webhook: Webhook, destinations: Destinations
) -> bool:
    """Whether the webhook agrees to be sent events: the handshake of the schema in which it gets them."""
    if subscription.schema == "CloudEventSchemaV1_0":
        return _allows(await destinations.call("OPTIONS", webhook.url, {"WebHook-Request-Origin": ORIGIN}, b""))
    code = str(uuid.uuid5(uuid.UUID(EVENT_GRID), f"{world.tenant_id} {subscription.name}"))
    headers = _headers(subscription, "SubscriptionValidation", 0) | token(world, webhook)
    body = json.dumps([_validation(world, topic, code)]).encode()
    return _repeats(await destinations.call("POST", webhook.url, headers, body), code)


async def deliver(
    world: LocalAzure, subscription: Subscription, webhook: Webhook, destinations: Destinations, deliveries: list[Delivery]
) -> Answer:
    """Sends these events in one call."""
    written = [delivery.event.written(subscription.schema) for delivery in deliveries]
    headers = _headers(subscription, "Notification", max(delivery.attempts for delivery in deliveries))
    content: Any = written
    if subscription.schema == "CloudEventSchemaV1_0":
        single = webhook.most == 1
        content = written[0] if single else written
        kind = "application/cloudevents+json" if single else "application/cloudevents-batch+json"
        headers |= {"content-type": f"{kind}; charset=utf-8", "WebHook-Request-Origin": ORIGIN}
    return await destinations.call("POST", webhook.url, headers | token(world, webhook), json.dumps(content).encode())


def token(world: LocalAzure, webhook: Webhook) -> dict[str, str]:
    """The header with Event Grid's own token for the webhook's audience; none where none is wanted, or to be had."""
    principal = world.directory.principal_of(EVENT_GRID)
    resource = resolve(world, webhook.audience) if webhook.audience else None
    if principal is None or resource is None:
        return {}
    return {"authorization": f"Bearer {world.tokens.issue(claims.of_application(world, principal, resource, '2'))}"}


def _headers(subscription: Subscription, kind: str, attempts: int) -> dict[str, str]:
    """https://learn.microsoft.com/azure/event-grid/handler-webhooks; ``attempts`` were made before."""
    return {
        "content-type": "application/json; charset=utf-8",
        "aeg-subscription-name": subscription.name.upper(),
        "aeg-delivery-count": str(attempts),
        "aeg-event-type": kind,
        "aeg-metadata-version": "1" if subscription.schema == "EventGridSchema" else "1.0",
    }


def _allows(answer: Answer) -> bool:
    return succeeded(answer.status) and answer.headers.get("webhook-allowed-origin", "").lower() in (ORIGIN, "*")


def _validation(world: LocalAzure, topic: Topic, code: str) -> dict[str, Any]:
    return {
        "id": code,
        "topic": topic.id,
        "subject": "",
        "eventType": _VALIDATION,
        "eventTime": instant(world.clock.now()),
        "data": {"validationCode": code},
        "dataVersion": "2",
        "metadataVersion": "1",
    }


def _repeats(answer: Answer, code: str) -> bool:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return False
    return succeeded(answer.status) and isinstance(body, dict) and body.get("validationResponse") == code
