"""Azure Resource Manager's routes, and what every call and every reply goes through."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime

from local.cloud.arm import (
    assignments,
    definitions,
    errors,
    federated,
    generic_resources,
    inventory,
    locks,
    management_groups,
    metadata,
    options,
    reporting,
    resources,
    subscriptions,
    versions,
)
from local.cloud.arm.authentication import authenticate
from local.cloud.arm.requests import ArmRequest, Operation
from local.cloud.arm.settings import Settings
from local.cloud.arm.throttle import Throttle
from local.cloud.engine import compression
from local.cloud.engine.http import Handler, HttpRequest, Json, Refusal, Reply, Route
from local.cloud.engine.service import Endpoint
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.first_party import ARM

_AUTHORIZATION = "{scope:path}/providers/Microsoft.Authorization"
_SUBSCRIPTION = "/subscriptions/{subscription}"
_GROUP = _SUBSCRIPTION + "/resourceGroups/{group}"
_IDENTITY = _GROUP + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}"
_FEDERATED = _IDENTITY + "/federatedIdentityCredentials"
_OPERATIONS: tuple[tuple[str, str, Operation], ...] = (
    ("GET", _AUTHORIZATION + "/roleAssignments", assignments.listing),
    ("GET", _AUTHORIZATION + "/roleAssignments/{name}", assignments.get),
    ("PUT", _AUTHORIZATION + "/roleAssignments/{name}", assignments.put),
    ("DELETE", _AUTHORIZATION + "/roleAssignments/{name}", assignments.delete),
    ("GET", _AUTHORIZATION + "/roleDefinitions", definitions.listing),
    ("GET", _AUTHORIZATION + "/roleDefinitions/{name}", definitions.get),
    ("PUT", _AUTHORIZATION + "/roleDefinitions/{name}", definitions.put),
    ("DELETE", _AUTHORIZATION + "/roleDefinitions/{name}", definitions.delete),
    ("GET", _AUTHORIZATION + "/permissions", definitions.permitted),
    ("GET", _AUTHORIZATION + "/locks", locks.listing),
    ("GET", _AUTHORIZATION + "/locks/{name}", locks.get),
    ("PUT", _AUTHORIZATION + "/locks/{name}", locks.put),
    ("DELETE", _AUTHORIZATION + "/locks/{name}", locks.delete),
    ("GET", "/providers/Microsoft.Management/managementGroups/{name}/descendants", management_groups.descendants),
    ("GET", "/providers/{namespace}", resources.get_provider_of_tenant),
    ("GET", "/tenants", subscriptions.tenants),
    ("GET", "/subscriptions", subscriptions.listing),
    ("GET", _SUBSCRIPTION, subscriptions.get),
    ("GET", _SUBSCRIPTION + "/locations", subscriptions.locations),
    ("GET", _SUBSCRIPTION + "/operationresults/{operation}", resources.operation_result),
    ("GET", _SUBSCRIPTION + "/providers", resources.list_providers),
    ("GET", _SUBSCRIPTION + "/providers/{namespace}", resources.get_provider),
    ("GET", _SUBSCRIPTION + "/resources", resources.list_resources),
    ("GET", _SUBSCRIPTION + "/resourceGroups", resources.list_groups),
    ("GET", _GROUP, resources.get_group),
    ("HEAD", _GROUP, resources.head_group),
    ("PUT", _GROUP, resources.put_group),
    ("DELETE", _GROUP, resources.delete_group),
    ("GET", _GROUP + "/resources", resources.list_resources),
    ("GET", _FEDERATED, federated.listing),
    ("GET", _FEDERATED + "/{name}", federated.get),
    ("PUT", _FEDERATED + "/{name}", federated.put),
    ("DELETE", _FEDERATED + "/{name}", federated.delete),
    ("GET", _SUBSCRIPTION + "/{rest:path}", resources.get_resource),
    ("PUT", _GROUP + "/providers/{rest:path}", generic_resources.put),
    ("PATCH", _GROUP + "/providers/{rest:path}", generic_resources.patch),
    ("DELETE", _GROUP + "/providers/{rest:path}", generic_resources.delete),
)
_TYPES = {
    f"{_AUTHORIZATION}/roleAssignments": versions.ROLE_ASSIGNMENTS,
    f"{_AUTHORIZATION}/roleDefinitions": versions.ROLE_DEFINITIONS,
    f"{_AUTHORIZATION}/permissions": versions.PERMISSIONS,
    _FEDERATED: versions.FEDERATED,
}
_METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")


class Arm:
    """Azure Resource Manager of one local cloud. ``settings`` may be changed at any time."""

    name = "arm"
    endpoint = Endpoint(
        hosts=("management.azure.com", "management.core.windows.net"),
        paths=("subscriptions", "providers", "tenants", "metadata"),
        audience=ARM,
        skips_empty_segments=True,
    )

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._throttle = Throttle()
        # The world's own chance is for object ids: reads must not change which are drawn.
        self._chance = random.Random(0)
        self.routes = (
            Route("GET", "/metadata/endpoints", self._metadata),
            *(Route(method, template, self._entered(operation, template)) for method, template, operation in _OPERATIONS),
            *(Route(method, "{path:path}", self._entered(_unknown)) for method in _METHODS),
        )

    @property
    def limits(self) -> Settings:
        """Quotas, throttling and page size."""
        return self.settings

    def state(self, world: LocalAzure) -> Json:
        """Role assignments and locks."""
        return inventory.of(world.tree)

    def error(self, status: int, code: str, message: str) -> Reply:
        """An error in Azure Resource Manager's shape."""
        return errors.error(status, code, message)

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Adds request ids, date and the other headers that were recorded on every reply."""
        now = datetime.fromtimestamp(world.clock.now(), UTC)
        request_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        correlation = call.headers.get("x-ms-correlation-request-id", request_id)
        headers = {
            "cache-control": "no-cache",
            "pragma": "no-cache",
            "expires": "-1",
            "strict-transport-security": "max-age=31536000; includeSubDomains",
            "x-content-type-options": "nosniff",
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": correlation,
            "x-ms-routing-request-id": f"LOCAL:{now:%Y%m%dT%H%M%SZ}:{request_id}",
            "date": f"{now:%a, %d %b %Y %H:%M:%S} GMT",
        }
        if reply.body is not None:
            headers["content-type"] = "application/json; charset=utf-8"
        if call.headers.get("x-ms-return-client-request-id", "").lower() == "true":
            headers["x-ms-client-request-id"] = call.headers.get("x-ms-client-request-id", "")
        return Reply(reply.status, reply.body, {**headers, **reply.headers})

    def _metadata(self, world: LocalAzure, call: HttpRequest) -> Reply:
        versions.check(world, call, None)
        return Reply(200, metadata.render(call, self.settings))

    def _entered(self, operation: Operation, template: str = "") -> Handler[LocalAzure]:
        """A handler that authenticates, counts and then does this; quota headers go on what a provider answered."""
        kind = next((kind for prefix, kind in _TYPES.items() if template.startswith(prefix)), None)

        def handler(world: LocalAzure, call: HttpRequest) -> Reply:
            caller = authenticate(world, call, self.settings)
            versions.check(world, call, kind)
            options.check(call, operation)
            if coding := compression.coding(call):
                raise errors.unsupported_coding(coding)
            request = ArmRequest(world, call, caller, self.settings)
            quota = self._throttle.take(request)
            try:
                reply = self._told(operation, request) if world.activity.listeners else operation(request)
            except Refusal as refused:
                reply = refused.reply
            if "x-ms-failure-cause" in reply.headers:
                return reply
            return Reply(reply.status, reply.body, {**quota, **reply.headers})

        return handler

    def _told(self, operation: Operation, request: ArmRequest) -> Reply:
        """Does this, and tells those who listen of it; the reply has the id by which they were told."""
        own = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        correlation = request.call.headers.get("x-ms-correlation-request-id", own)
        within = reporting.inside(request)
        try:
            reply = operation(request)
        except Refusal as refused:
            reply = refused.reply
        reporting.report(request, reply, correlation, within)
        return Reply(reply.status, reply.body, {"x-ms-correlation-request-id": correlation, **reply.headers})


def _unknown(request: ArmRequest) -> Reply:
    raise errors.not_implemented(f"{request.call.method} {request.call.path}")
