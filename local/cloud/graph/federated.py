"""Federated identity credentials of an application.

Rules: https://learn.microsoft.com/graph/api/resources/federatedidentitycredential and
https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from local.cloud.graph import access, bodies, errors, names, queries, schema
from local.cloud.graph.applications import addressed, changeable
from local.cloud.graph.request import done, misfit, text
from local.cloud.tenant.directory import FederatedCredential

if TYPE_CHECKING:
    from local.cloud.engine.http import Json, Reply
    from local.cloud.graph.request import GraphRequest
    from local.cloud.tenant.directory import Application

RESOURCE = "FederatedIdentityCredential"
MOST = 600
"""Characters of an issuer, a subject, an audience or a description."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}")


def listed(request: GraphRequest) -> Reply:
    """``GET /applications/{id}/federatedIdentityCredentials``."""
    request.caller.require(access.READ_APPLICATIONS)
    item = addressed(request)
    return queries.many(request, bodies.FEDERATED, _seen(request, item), _fragment(item))


def read(request: GraphRequest) -> Reply:
    """``GET .../federatedIdentityCredentials/{id or name}``."""
    request.caller.require(access.READ_APPLICATIONS)
    item = addressed(request)
    return queries.one(request, bodies.FEDERATED, _named(request, item), _fragment(item))


def create(request: GraphRequest) -> Reply:
    """``POST .../federatedIdentityCredentials``."""
    return _added(request, changeable(request), request.body())


def update(request: GraphRequest) -> Reply:
    """``PATCH .../federatedIdentityCredentials/{id or name}``, or ``(name='..')`` with ``Prefer: create-if-missing``."""
    item = changeable(request)
    body = request.body()
    name = request.param("credential")
    if request.upserts and all(known.name != name for known in item.federated.values()):
        return _added(request, item, body | {"name": name})
    credential = _named(request, item)
    if body.get("name", credential.name) != credential.name:
        raise errors.invalid("Property 'name' is read-only and cannot be set.", "PropertyReadOnly", "name")
    changed = _checked(credential.id, bodies.federated(request, credential) | body)
    _check_unique(item, changed)
    request.limits.begin_change(request.world, item.id)
    item.federated[changed.id] = changed
    request.world.consistency.wrote("federated", changed.id)
    return done()


def delete(request: GraphRequest) -> Reply:
    """``DELETE .../federatedIdentityCredentials/{id or name}``."""
    item = changeable(request)
    credential = _named(request, item)
    if credential.id not in item.federated:
        raise errors.not_found(credential.id)
    request.limits.begin_change(request.world, item.id)
    del item.federated[credential.id]
    request.world.consistency.ended("federated", credential.id, shown=(item.id, credential))
    return done()


def _fragment(item: Application) -> str:
    return f"applications('{item.id}')/federatedIdentityCredentials"


def _seen(request: GraphRequest, item: Application) -> list[FederatedCredential]:
    sees = request.world.consistency.sees
    gone = (known for holder, known in request.world.ghosts.of("federated") if holder == item.id)
    return [known for known in (*item.federated.values(), *gone) if sees("graph", "federated", known.id)]


def _named(request: GraphRequest, item: Application) -> FederatedCredential:
    wanted = request.param("credential")
    for known in _seen(request, item):
        if wanted.lower() == known.id or wanted == known.name:
            return known
    raise errors.not_found(wanted)


def _added(request: GraphRequest, item: Application, body: Json) -> Reply:
    credential = _checked(request.world.guid(), body)
    if any(known.name == credential.name for known in item.federated.values()):
        raise errors.duplicate(f"FederatedIdentityCredential with name {credential.name} already exists.")
    _check_unique(item, credential)
    most = request.limits.federated_per_application
    if most is not None and len(item.federated) >= most:
        raise errors.bad_request(f"The application already has the maximum of {most} federated identity credentials.")
    request.limits.begin_change(request.world, item.id)
    item.federated[credential.id] = credential
    request.world.consistency.wrote("federated", credential.id)
    location = f"federatedIdentityCredentials/{credential.id}"
    shown = bodies.federated(request, credential)
    return request.entity(f"{_fragment(item)}/$entity", shown, status=201, location=location)


def _check_unique(item: Application, credential: FederatedCredential) -> None:
    pair = (credential.issuer, credential.subject)
    if any((known.issuer, known.subject) == pair for known in item.federated.values() if known.id != credential.id):
        raise errors.bad_request(
            "The combination of issuer and subject must be unique for the application. "
            f"Issuer {credential.issuer} and Subject: {credential.subject} already exist. "
            f"paramName: FederatedIdentityCredential.Subject, paramValue: {credential.subject}, "
            "objectType: Microsoft.Online.DirectoryServices.Application",
            "InvalidFederatedIdentityCredentialValue",
        )


def _checked(credential_id: str, body: Json) -> FederatedCredential:
    names.only("federatedIdentityCredential", schema.FEDERATED, body)
    name = text(body, "name", RESOURCE)
    if not _NAME.fullmatch(name):
        raise misfit("name", RESOURCE)
    description = body.get("description")
    if description is not None:
        text(body, "description", RESOURCE, most=MOST)
    return FederatedCredential(
        id=credential_id,
        name=name,
        issuer=_issuer(text(body, "issuer", RESOURCE, most=MOST)),
        subject=text(body, "subject", RESOURCE, most=MOST),
        audiences=_audiences(body.get("audiences")),
        description=description,
    )


def _issuer(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise misfit("issuer", RESOURCE)
    return value


def _audiences(value: object) -> list[str]:
    """Exactly one audience."""
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], str) or not 0 < len(value[0]) <= MOST:
        raise misfit("audiences", RESOURCE)
    return value
