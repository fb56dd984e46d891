"""Looks at several applications in one call: what credentials they have, whose they are, and who else could use them.

https://learn.microsoft.com/graph/json-batching takes 20 requests in a batch. Ten applications take twelve: a list of the
applications with their owners, a list of their service principals, and for each application its federated identity
credentials, because Graph expands one relationship at a time: https://learn.microsoft.com/graph/query-parameters#expand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.cloud.graph.batch import BATCH, alone, answers_of
from shared.cloud.graph.callers import texts_in
from shared.cloud.graph.calls import GraphCalls, document_of, failure_of, listed_in, object_id_in, text_in
from shared.core.directory import ApplicationIds, LookedAt, NewTrust
from shared.core.errors import Absent, Unavailable, Upstream
from shared.core.names import ObjectId

AT_ONCE = 10
"""Applications in one call. A filter takes fifteen values: https://learn.microsoft.com/graph/filter-query-parameter."""
_FIELDS = "id,signInAudience,passwordCredentials,keyCredentials,web,spa,publicClient,appRoles"
_OF_PRINCIPALS = "id,appId,accountEnabled,passwordCredentials,keyCredentials"
_LISTS = 2

type _Objects = Mapping[ObjectId, Mapping[str, Any]]


async def look_at(calls: GraphCalls, wanted: Sequence[ApplicationIds]) -> Sequence[LookedAt | Upstream | None]:
    """Returns what each of ``AT_ONCE`` applications at most has; ``None`` for one that is not listed.

    If Graph answers for some alone, the failures of the others are returned: one application that the broker may not read any
    more must not hide the others. Raises ``Upstream`` if Graph answers for none.
    """
    asked = [_applications(wanted), _principals(wanted), *(_trusted(each) for each in wanted)]
    requests = [{"id": str(number), "method": "GET", "url": path} for number, path in enumerate(asked)]
    batch = await calls.send("POST", BATCH, {"requests": requests})
    found = dict(alone(each) for each in answers_of(batch))
    applications, principals = _by(_document(found, 0), "id"), _by(_document(found, 1), "appId")
    seen = [_looked_at(found, place + _LISTS, each, applications, principals) for place, each in enumerate(wanted)]
    if seen and all(isinstance(each, Upstream) for each in seen):
        raise next(each for each in seen if isinstance(each, Upstream))
    return seen


def _applications(wanted: Sequence[ApplicationIds]) -> str:
    among = _among(each.object_id for each in wanted)
    return f"/applications?$filter=id%20in%20{among}&$select={_FIELDS}&$expand=owners($select=id)"


def _principals(wanted: Sequence[ApplicationIds]) -> str:
    return f"/servicePrincipals?$filter=appId%20in%20{_among(each.app_id for each in wanted)}&$select={_OF_PRINCIPALS}"


def _among(ids: Iterable[ObjectId]) -> str:
    return f"({','.join(repr(str(each)) for each in ids)})"


def _trusted(application: ApplicationIds) -> str:
    return f"/applications/{application.object_id}/federatedIdentityCredentials"


def _by(document: Mapping[str, Any], name: str) -> _Objects:
    return {object_id_in(each, name): each for each in listed_in(document, "value")}


def _looked_at(
    found: Mapping[str, Any], place: int, wanted: ApplicationIds, applications: _Objects, principals: _Objects
) -> LookedAt | Upstream | None:
    application, principal = applications.get(wanted.object_id), principals.get(wanted.app_id)
    try:
        trusted = _document(found, place)
        return None if application is None else _judged(application, principal, trusted)
    except Absent:
        return None
    except Upstream as failure:
        return failure


def _judged(application: Mapping[str, Any], principal: Mapping[str, Any] | None, trusted: Mapping[str, Any]) -> LookedAt:
    both = (application, *(() if principal is None else (principal,)))
    return LookedAt(
        sign_in_audience=text_in(application, "signInAudience"),
        secrets=tuple(each for one in both for each in _key_ids(one, "passwordCredentials")),
        certificates=tuple(each for one in both for each in _key_ids(one, "keyCredentials")),
        trusted=tuple(_trust(each) for each in listed_in(trusted, "value")),
        owners=tuple(object_id_in(each, "id") for each in listed_in(application, "owners")),
        redirects=sum(len(_redirects(application, name)) for name in ("web", "spa", "publicClient")),
        app_roles=len(listed_in(application, "appRoles")),
        has_principal=principal is not None,
        is_enabled=principal is None or principal.get("accountEnabled") is not False,
    )


def _document(found: Mapping[str, Any], number: int) -> dict[str, Any]:
    answer = found.get(str(number))
    if answer is None:
        raise Unavailable("no answer in the batch")
    if not answer.is_success:
        raise failure_of(answer)
    return document_of(answer)


def _key_ids(found: Mapping[str, Any], field: str) -> tuple[ObjectId, ...]:
    return tuple(object_id_in(each, "keyId") for each in listed_in(found, field))


def _redirects(application: Mapping[str, Any], platform: str) -> Sequence[str]:
    settings = application.get(platform)
    return texts_in(settings, "redirectUris") if isinstance(settings, dict) and settings.get("redirectUris") else ()


def _trust(credential: Mapping[str, Any]) -> NewTrust:
    audiences = texts_in(credential, "audiences")
    name, issuer, subject = (text_in(credential, field) for field in ("name", "issuer", "subject"))
    return NewTrust(name, issuer, subject, " ".join(audiences))
