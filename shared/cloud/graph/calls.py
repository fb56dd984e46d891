"""Calls to Microsoft Graph: signed in by Graph's SDK. Failures become the broker's errors, and answers are read.

Calls use the SDK's request adapter. They do not use its generated models and builders, which take seconds to import. None of
the SDK's middleware is installed: ``shared.resilience.retry`` decides on repeats, and Graph redirects none of these calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from kiota_abstractions.method import Method
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.request_information import RequestInformation
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import ResponseHandlerOption
from kiota_http.observability_options import ObservabilityOptions
from msgraph_core import BaseGraphRequestAdapter  # type: ignore[import-untyped] # Graph's SDK says nothing of its types

from shared.cloud.graph.batch import BATCH, Batches
from shared.cloud.limits import RateLimiters
from shared.cloud.repeating import Repeating, Told, bearer_of
from shared.cloud.upstream import Refusal, parsed
from shared.core.azure_codes import GRAPH, GRAPH_STATUSES
from shared.core.errors import Unavailable, Unreachable, Upstream
from shared.core.names import ObjectId, Unparsable
from shared.core.ports.system import Ids
from shared.resilience import priority
from shared.resilience.outages import Service

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


class GraphCalls:
    """Graph at ``endpoint``, which depends on the cloud: ``https://graph.microsoft.com``, for example."""

    def __init__(
        self, endpoint: str, credential: AsyncTokenCredential, client: httpx.AsyncClient, ids: Ids, limiters: RateLimiters
    ) -> None:
        origin = endpoint.rstrip("/")
        self.base_url = f"{origin}/v1.0"
        self._ids = ids
        self._limiters = limiters
        self._batches = Batches(limiters.clock, limiters.of_graph("DELETE"), self._exchange, failure_of, self._renewed)
        self._repeating = Repeating(credential, f"{origin}/.default")
        authentication = AzureIdentityAuthenticationProvider(
            credential,
            scopes=[f"{origin}/.default"],
            # Were this empty, the token would go to any host.
            allowed_hosts=[urlsplit(origin).hostname or "nowhere.invalid"],
            is_cae_enabled=False,
        )
        self._adapter = BaseGraphRequestAdapter(authentication, http_client=client)
        self._adapter.base_url = self.base_url
        self._adapter.observability_options = ObservabilityOptions(include_euii_attributes=False)

    async def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Makes one call to ``path`` below ``base_url``, when the rate limiter permits it. Returns the answer of a success.

        A background deletion goes out with others in a batch. Raises ``Upstream``.
        """
        if method == "DELETE" and priority.current().background:
            return await self._batches.delete(path)
        async with self._limiters.of_graph(method).permit():
            answer = await self._exchange(method, path, body, headers)
            if not answer.is_success:
                raise failure_of(answer)
        return answer

    def following(self, document: Mapping[str, Any]) -> str | None:
        """Returns the path of the next page of a list. The page must be Graph's own, because the token goes there."""
        link = document.get("@odata.nextLink")
        if link is None:
            return None
        if not str(link).startswith(f"{self.base_url}/"):
            raise Unavailable("the next page is somewhere else")
        return str(link).removeprefix(self.base_url)

    async def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Sends a request, and once more with another token if the answer was 401. Returns the answer, whatever it is.

        Raises ``Unreachable`` if there is no answer, ``IdentityRefused`` if no token was accepted.
        """
        repeated = False
        while True:
            request = self._request(method, path, body, headers or {})
            try:
                answer: httpx.Response = await self._adapter.send_primitive_async(request, "bytes", None)
            except httpx.RequestError as silence:
                self._limiters.outages.note(Service.GRAPH, answered=False)
                raise Unreachable(f"{type(silence).__name__} from Graph: {silence}") from silence
            self._limiters.outages.note(Service.GRAPH, answered=not answer.is_server_error)
            if not await self._repeating.is_to_be_repeated(_told(answer, by=answer, proves=path != BATCH), repeated=repeated):
                return answer
            repeated = True

    async def _renewed(self, batch: httpx.Response, item: httpx.Response) -> bool:
        """Returns whether an item of the batch was 401 and there is another token now. Raises ``IdentityRefused``."""
        return await self._repeating.is_to_be_repeated(_told(item, by=batch))

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> RequestInformation:
        request = RequestInformation(Method(method))
        request.url = f"{self.base_url}{path}"
        request.headers.add("Accept", "application/json")
        # Graph logs this id beside its own id for the call, and sends it back.
        request.headers.add("client-request-id", self._ids.guid())
        for name, value in headers.items():
            request.headers.add(name, value)
        if body is not None:
            request.set_stream_content(json.dumps(body).encode(), "application/json")
        request.add_request_options([ResponseHandlerOption(NativeResponseHandler())])
        return request


def document_of(answer: httpx.Response) -> dict[str, Any]:
    """Returns the JSON object in a successful answer. Raises ``Unavailable`` if there is none: the effect is unknown."""
    document = parsed(answer.content)
    if not isinstance(document, dict):
        raise Unavailable("the answer holds no JSON object", status=answer.status_code)
    return document


def text_in(document: Mapping[str, Any], field: str) -> str:
    """Returns a text field of an answer. Raises ``Unavailable`` if it is missing."""
    value = document.get(field)
    if not isinstance(value, str) or not value:
        raise Unavailable(f"the answer has no {field}")
    return value


def listed_in(document: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """Returns the objects in a list of an answer. Raises ``Unavailable`` without a list: nobody knows then what there is."""
    listed = document.get(field)
    if not isinstance(listed, list):
        raise Unavailable(f"the answer lists no {field}")
    return [each for each in listed if isinstance(each, dict)]


def object_id_in(document: Mapping[str, Any], field: str) -> ObjectId:
    """Returns a GUID field of an answer. Raises ``Unavailable`` if it is no GUID."""
    try:
        return ObjectId.parse(text_in(document, field))
    except Unparsable as wrong:
        raise Unavailable(f"the answer's {field} is no GUID") from wrong


def _told(answer: httpx.Response, *, by: httpx.Response, proves: bool = True) -> Told:
    """``by`` is the answer to the request that carried the token: of an item's answer, that is its batch's."""
    return Told(_refusal(answer), bearer_of(by.request.headers.get("Authorization")), proves)


def failure_of(answer: httpx.Response) -> Upstream:
    """Returns the error that an answer without success means."""
    return _refusal(answer).as_error(GRAPH, GRAPH_STATUSES)


def _refusal(answer: httpx.Response) -> Refusal:
    return Refusal.read(answer.status_code, answer.headers, None if answer.is_success else parsed(answer.content))
