"""The step in Resource Manager's client at which every call waits for its rate limiter."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy

from shared.cloud.limits import RateLimiters
from shared.cloud.upstream import Refusal
from shared.core.errors import Throttled, Unavailable
from shared.resilience.outages import Service

_TOLD = {429, 503}
_SERVER_ERROR = 500


class ArmRateLimit(AsyncHTTPPolicy[Any, Any]):
    """Raises ``Throttled`` if a call cannot be sent in time. If an answer asks to wait, the rate limiter hears of it."""

    def __init__(self, limiters: RateLimiters) -> None:
        super().__init__()
        self._limiters = limiters

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Sends one request, when the rate limiter permits it."""
        asked = request.http_request
        limiter = self._limiters.of_arm(asked.method, urlsplit(asked.url).path)
        permit = await limiter.acquire()
        outages = self._limiters.outages
        try:
            response = await self.next.send(request)
        except (ServiceRequestError, ServiceResponseError):
            outages.note(Service.RESOURCE_MANAGER, answered=False)
            raise
        answer = response.http_response
        outages.note(Service.RESOURCE_MANAGER, answered=answer.status_code < _SERVER_ERROR)
        if answer.status_code in _TOLD:
            result = Refusal.read(answer.status_code, answer.headers, None).as_error({})
            if isinstance(result, Throttled | Unavailable):
                limiter.note(permit, result)
        return response
