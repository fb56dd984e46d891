"""Microsoft Graph: applications, service principals, secrets and memberships, as the issuers ask for them."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from shared.cloud.graph.calls import GraphCalls, document_of, object_id_in, text_in
from shared.core import ownership
from shared.core.directory import (
    PERSONAL_AUDIENCES,
    ApplicationIds,
    ExistingApplication,
    FoundGroup,
    HeldCredentials,
    NewApplication,
    NewSecret,
)
from shared.core.errors import (
    Absent,
    AlreadyExists,
    AmbiguousRefusal,
    ConcurrentChange,
    NotReplicated,
    Refused,
    Unavailable,
    Upstream,
)
from shared.core.names import ObjectId
from shared.core.secret import Secret

_CREATED = 201
_BAD_REQUEST = 400
_FORBIDDEN = 403
_PAGE = 999
"""The most that Graph gives: https://learn.microsoft.com/graph/paging."""
_MAY_BE_TOO_EARLY = {(400, "Request_BadRequest"), (403, "Authorization_RequestDenied")}


class Graph:
    """Satisfies ``Directory`` and ``Applications``.

    Any method may raise ``Upstream``; each makes one call, unless its docstring says otherwise.
    """

    def __init__(self, calls: GraphCalls) -> None:
        self._calls = calls

    async def upsert_application(self, application: NewApplication) -> ApplicationIds:
        """Registers it; a second call when one of that unique name is there already."""
        body: dict[str, Any] = {
            "displayName": application.display_name,
            "signInAudience": application.sign_in_audience,
            "tags": list(application.tags),
            "notes": application.notes,
        }
        if application.sign_in_audience in PERSONAL_AUDIENCES:
            # https://learn.microsoft.com/graph/api/resources/apiapplication: no other version is taken with these.
            body["api"] = {"requestedAccessTokenVersion": 2}
        path = _application_named(application.unique_name)
        answer = await self._calls.send("PATCH", path, body, {"Prefer": "create-if-missing"})
        if answer.status_code == _CREATED:
            return _application_ids(document_of(answer))
        return await _present(self.find_application(application.unique_name))

    async def create_principal(self, app_id: ObjectId) -> ObjectId:
        """The service principal's object id; a second call when there is one already.

        Raises ``AmbiguousRefusal`` while the application is not known everywhere.
        """
        try:
            return object_id_in(document_of(await self._calls.send("POST", "/servicePrincipals", {"appId": app_id})), "id")
        except AlreadyExists:
            return await _present(self.find_principal(app_id))
        except Refused as refused:
            # Until the application has been replicated Graph says 400, and to holders of Application.ReadWrite.OwnedBy a
            # misleading 403, both with the codes of any other bad request or missing permission.
            # https://github.com/hashicorp/terraform-provider-azuread/issues/581
            if (refused.status, refused.azure_code) in _MAY_BE_TOO_EARLY:
                raise _as_a(AmbiguousRefusal, refused) from refused
            raise

    async def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """A new secret that Entra refuses after ``end``. Not repeatable: each call makes another."""
        wanted = {"displayName": display_name, "endDateTime": f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        path = f"/applications/{application_id}/addPassword"
        document = document_of(await self._calls.send("POST", path, {"passwordCredential": wanted}))
        return NewSecret(object_id_in(document, "keyId"), Secret(text_in(document, "secretText")))

    async def add_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Puts the principal into the group. A second call when it may be in it already: no code of Graph's says so."""
        reference = {"@odata.id": f"{self._calls.base_url}/directoryObjects/{principal}"}
        try:
            await self._calls.send("POST", f"/groups/{group}/members/$ref", reference)
        except Absent:
            raise
        except Refused as refused:
            if refused.status != _BAD_REQUEST or not await self._is_member(group, principal):
                raise

    async def find_application(self, unique_name: str) -> ApplicationIds:
        """Raises ``Absent``."""
        return _application_ids(await self._get(f"{_application_named(unique_name)}?$select=id,appId"))

    async def find_principal(self, app_id: ObjectId) -> ObjectId:
        """Raises ``Absent``."""
        return object_id_in(await self._get(f"/servicePrincipals(appId='{app_id}')?$select=id"), "id")

    async def remove_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Raises ``Absent`` when it is not in the group, or there is no such group."""
        await self._calls.send("DELETE", f"/groups/{group}/members/{principal}/$ref")

    async def delete_principal(self, principal: ObjectId) -> None:
        """Into the recycle bin. Raises ``Absent``."""
        await self._calls.send("DELETE", f"/servicePrincipals/{principal}")

    async def delete_application(self, application: ObjectId) -> None:
        """Into the recycle bin, with its service principal. Raises ``Absent``."""
        await self._calls.send("DELETE", f"/applications/{application}")

    async def purge(self, object_id: ObjectId) -> None:
        """Out of the recycle bin, for good. Raises ``Absent``."""
        await self._calls.send("DELETE", f"/directory/deletedItems/{object_id}")

    async def read_group(self, group: ObjectId) -> FoundGroup:
        """What kind of group it is. Raises ``Absent``."""
        fields = "securityEnabled,mailEnabled,groupTypes,isAssignableToRole,onPremisesSyncEnabled"
        found = await self._get(f"/groups/{group}?$select={fields}")
        return FoundGroup(
            security=found.get("securityEnabled") is not False,
            mail=found.get("mailEnabled") is True,
            types=tuple(str(each) for each in found.get("groupTypes") or ()),
            role_assignable=found.get("isAssignableToRole") is True,
            synchronized=found.get("onPremisesSyncEnabled") is True,
        )

    async def credentials_of(self, application_id: ObjectId) -> HeldCredentials:
        """How many secrets and certificates the application holds. Raises ``Absent``."""
        fields = f"signInAudience,passwordCredentials,keyCredentials,{_MARKS}"
        document = await self._get(f"/applications/{application_id}?$select={fields}")
        secrets, certificates = (_listed(document, name) for name in ("passwordCredentials", "keyCredentials"))
        return HeldCredentials(len(secrets), len(certificates), text_in(document, "signInAudience"), _is_marked(document))

    async def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """The key ids of the application's secrets with exactly this display name. Raises ``Absent``."""
        held = await self._secrets(application_id)
        return tuple(object_id_in(each, "keyId") for each in held if each.get("displayName") == display_name)

    async def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """Raises ``Absent`` when there is no such secret, or no such application.

        Graph answers 400 for a secret that is not there, and no code tells it from other mistakes: a second call looks. It may
        be there after all, when the replica that was to remove it has not heard of it yet: that is ``NotReplicated``.
        """
        try:
            await self._calls.send("POST", f"/applications/{application_id}/removePassword", {"keyId": key_id})
        except Absent:
            raise
        except Refused as refused:
            if refused.status != _BAD_REQUEST:
                raise
            held = {object_id_in(each, "keyId") for each in await self._secrets(application_id)}
            raise _as_a(NotReplicated if key_id in held else Absent, refused) from refused

    async def read_application(self, application_id: ObjectId) -> ExistingApplication:
        """Two calls: the application, and its service principal here. Raises ``Absent``."""
        document = await self._get(f"/applications/{application_id}?$select=id,appId,{_MARKS}")
        ids = _application_ids(document)
        found = ExistingApplication(ids.object_id, ids.app_id, None, _is_marked(document))
        try:
            return replace(found, principal_id=await self.find_principal(ids.app_id))
        except Absent:
            return found

    async def is_owner(self, application_id: ObjectId, app_id: ObjectId) -> bool:
        """Whether one page of the application's owners names the service principal of this client id. Raises ``Absent``.

        https://learn.microsoft.com/graph/api/application-list-owners
        """
        path = f"/applications/{application_id}/owners?$select=id,appId&$top={_PAGE}"
        owners = _listed(await self._get(path), "value")
        return app_id in [str(each.get("appId")).lower() for each in owners]

    async def is_denied(self, application_id: ObjectId, no_key: ObjectId) -> bool:
        """Whether Entra ID forbids the broker to change the application's secrets. Raises ``Absent``.

        Only Entra ID knows all that may allow it: owners, permissions, directory roles over one application alone. So it is
        asked to remove a secret that nobody has, which changes nothing.
        """
        try:
            await self._calls.send("POST", f"/applications/{application_id}/removePassword", {"keyId": no_key})
        except Absent:
            raise
        except ConcurrentChange:
            return False
        except Refused as refused:
            return refused.status == _FORBIDDEN
        return False

    async def _is_member(self, group: ObjectId, principal: ObjectId) -> bool:
        path = f"/servicePrincipals/{principal}/checkMemberGroups"
        found = document_of(await self._calls.send("POST", path, {"groupIds": [group]})).get("value")
        return isinstance(found, list) and group in [str(each).lower() for each in found]

    async def _secrets(self, application_id: ObjectId) -> list[dict[str, Any]]:
        document = await self._get(f"/applications/{application_id}?$select=passwordCredentials")
        return _listed(document, "passwordCredentials")

    async def _get(self, path: str) -> dict[str, Any]:
        return document_of(await self._calls.send("GET", path))


_MARKS = "uniqueName,displayName,tags"


def _is_marked(document: Mapping[str, Any]) -> bool:
    tags, unique_name, display_name = (document.get(name) for name in ("tags", "uniqueName", "displayName"))
    return ownership.is_marked(
        str(unique_name or ""), str(display_name or ""), map(str, tags) if isinstance(tags, list) else ()
    )


async def _present[T](found: Awaitable[T]) -> T:
    """What Graph has just said to be there: that this replica does not find it passes by itself."""
    try:
        return await found
    except Absent as absent:
        raise _as_a(NotReplicated, absent) from absent


def _listed(document: dict[str, Any], field: str) -> list[dict[str, Any]]:
    held = document.get(field)
    if not isinstance(held, list):
        raise Unavailable(f"the answer lists no {field}")
    return [each for each in held if isinstance(each, dict)]


def _as_a(kind: type[Upstream], refused: Refused) -> Upstream:
    return kind(refused.cause, status=refused.status, azure_code=refused.azure_code)


def _application_named(unique_name: str) -> str:
    quoted = unique_name.replace("'", "''")
    return f"/applications(uniqueName='{quote(quoted, safe="'")}')"


def _application_ids(document: dict[str, Any]) -> ApplicationIds:
    return ApplicationIds(object_id_in(document, "id"), object_id_in(document, "appId"))
