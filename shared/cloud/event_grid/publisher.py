"""Publishes events to a topic of Azure Event Grid. Satisfies ``shared.core.ports.outbox.Publisher``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.eventgrid.aio import EventGridPublisherClient

from shared.cloud.repeating import Repeating
from shared.cloud.upstream import Refusal, parsed
from shared.core.errors import Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.resilience.rate_limit import Limit, RateLimiter
from shared.resilience.retry import SAFE_TO_REPEAT, Retry

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport

SCOPE = "https://eventgrid.azure.net/.default"
"""https://learn.microsoft.com/azure/event-grid/authenticate-with-microsoft-entra-id"""
LIMIT = Limit(5000, 5000)
"""Events a second that a topic takes: https://learn.microsoft.com/azure/event-grid/quotas-limits"""
_BAD_REQUEST = 400
_OPTIONS: Final[dict[str, Any]] = {"permit_redirects": False, "retry_total": 0}
"""A topic never redirects, and the broker's token goes nowhere else. ``shared.resilience.retry`` repeats."""


class EventGridPublisher:
    """See the module. ``topic`` is the address of the topic, with its path. The library itself repeats nothing."""

    def __init__(
        self,
        topic: str,
        source: str,
        schema: str,
        credential: AsyncTokenCredential,
        transport: AsyncHttpTransport[Any, Any],
        limiter: RateLimiter,
        retry: Retry,
    ) -> None:
        """``source`` names the broker. ``schema`` is the address of the schema of its events."""
        over = Repeating(credential, SCOPE).over(transport)
        self._client = EventGridPublisherClient(topic, credential, transport=over, **_OPTIONS)
        self._same = {"specversion": "1.0", "source": source, "datacontenttype": "application/json", "dataschema": schema}
        self._limiter = limiter
        self._retry = retry

    async def publish(self, events: Sequence[str], *, deadline: float) -> None:
        """Makes one request, and repeats it as the port says. An event that is no JSON is refused as the topic would do it."""
        batch = [self._whole(event) for event in events]
        await self._retry.call(lambda: self._send(batch, deadline), on=SAFE_TO_REPEAT, deadline=deadline)

    def _whole(self, event: str) -> dict[str, Any]:
        document = parsed(event)
        if not isinstance(document, dict):
            raise Refused("an event that is no JSON", status=_BAD_REQUEST)
        return {**self._same, **document}

    async def _send(self, batch: list[dict[str, Any]], deadline: float) -> None:
        permit = await self._limiter.acquire(len(batch), deadline=deadline)
        try:
            await self._client.send(batch)
        except AzureError as error:
            failure = _translated(error)
            if isinstance(failure, Throttled | Unavailable):
                self._limiter.note(permit, failure)
            raise failure from error


def _translated(error: AzureError) -> Upstream:
    """Returns the failure as the broker's. Status and code decide, never the text."""
    if isinstance(error.__cause__, HttpResponseError):
        # Of a 404 the library makes an error of its own, without the answer.
        return _translated(error.__cause__)
    if isinstance(error, HttpResponseError):
        answer, status = error.response, error.status_code
        if answer is None or status is None or status < _BAD_REQUEST:
            return Unavailable(f"{type(error).__name__} from Event Grid", status=status)
        headers: Mapping[str, str] = getattr(answer, "headers", {})
        return Refusal.read(status, headers, parsed(answer.text())).as_error({}, {})
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return Unreachable(f"{type(error).__name__} from Event Grid: {error}")
    return Unavailable(f"{type(error).__name__} from Event Grid")
