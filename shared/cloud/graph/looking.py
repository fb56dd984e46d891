"""Looks at several applications in one call: what credentials they have, whose they are, and who else could use them.

https://learn.microsoft.com/graph/json-batching takes 20 requests in a batch. An application takes two, because Graph expands
one relationship at a time: https://learn.microsoft.com/graph/query-parameters#expand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.cloud.graph.batch import BATCH, MOST, alone, answers_of
from shared.cloud.graph.callers import texts_in
from shared.cloud.graph.calls import GraphCalls, document_of, failure_of, listed_in, object_id_in, text_in
from shared.core.directory import LookedAt, NewTrust
from shared.core.errors import Absent, Unavailable, Upstream
from shared.core.names import ObjectId

AT_ONCE = MOST // 2
"""Applications in one call."""
_FIELDS = "id,signInAudience,passwordCredentials,keyCredentials,web,spa,publicClient,appRoles"


async def look_at(calls: GraphCalls, applications: Sequence[ObjectId]) -> Sequence[LookedAt | Upstream | None]:
    """Returns what each of ``AT_ONCE`` applications at most has; ``None`` for one that is not there.

    If Graph answers for some alone, the failures of the others are returned: one application that the broker may not read any
    more must not hide the others. Raises ``Upstream`` if Graph answers for none.
    """
    asked = [path for each in applications for path in _paths(each)]
    requests = [{"id": str(number), "method": "GET", "url": path} for number, path in enumerate(asked)]
    batch = await calls.send("POST", BATCH, {"requests": requests})
    found = dict(alone(each) for each in answers_of(batch))
    seen = [_looked_at(found, 2 * place) for place in range(len(applications))]
    if seen and all(isinstance(each, Upstream) for each in seen):
        raise next(each for each in seen if isinstance(each, Upstream))
    return seen


def _paths(application: ObjectId) -> tuple[str, str]:
    path = f"/applications/{application}"
    return f"{path}?$select={_FIELDS}&$expand=owners($select=id)", f"{path}/federatedIdentityCredentials"


def _looked_at(found: Mapping[str, Any], first: int) -> LookedAt | Upstream | None:
    try:
        application, trusted = (_document(found, number) for number in (first, first + 1))
    except Absent:
        return None
    except Upstream as failure:
        return failure
    return LookedAt(
        sign_in_audience=text_in(application, "signInAudience"),
        secrets=_key_ids(application, "passwordCredentials"),
        certificates=_key_ids(application, "keyCredentials"),
        trusted=tuple(_trust(each) for each in listed_in(trusted, "value")),
        owners=tuple(object_id_in(each, "id") for each in listed_in(application, "owners")),
        redirects=sum(len(_redirects(application, name)) for name in ("web", "spa", "publicClient")),
        app_roles=len(listed_in(application, "appRoles")),
    )


def _document(found: Mapping[str, Any], number: int) -> dict[str, Any]:
    answer = found.get(str(number))
    if answer is None:
        raise Unavailable("no answer in the batch")
    if not answer.is_success:
        raise failure_of(answer)
    return document_of(answer)


def _key_ids(application: Mapping[str, Any], field: str) -> tuple[ObjectId, ...]:
    return tuple(object_id_in(each, "keyId") for each in listed_in(application, field))


def _redirects(application: Mapping[str, Any], platform: str) -> Sequence[str]:
    settings = application.get(platform)
    return texts_in(settings, "redirectUris") if isinstance(settings, dict) and settings.get("redirectUris") else ()


def _trust(credential: Mapping[str, Any]) -> NewTrust:
    audiences = texts_in(credential, "audiences")
    name, issuer, subject = (text_in(credential, field) for field in ("name", "issuer", "subject"))
    return NewTrust(name, issuer, subject, " ".join(audiences))
