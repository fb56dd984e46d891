"""Microsoft Graph: applications, service principals, secrets and memberships, as the issuers ask for them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from shared.cloud.graph.callers import texts_in
from shared.cloud.graph.calls import GraphCalls, document_of, listed_in, object_id_in, text_in
from shared.cloud.graph.looking import look_at
from shared.core import ownership
from shared.core.access.facts import Principal
from shared.core.directory import (
    PERSONAL_AUDIENCES,
    ApplicationIds,
    ExistingApplication,
    FoundGroup,
    HeldCredentials,
    LookedAt,
    NewApplication,
    NewKey,
    NewSecret,
    NewTrust,
)
from shared.core.errors import (
    Absent,
    AlreadyExists,
    AmbiguousRefusal,
    ConcurrentChange,
    NotReplicated,
    Refused,
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

    Any method may raise ``Upstream``. Each makes one call, unless its docstring says otherwise.
    """

    def __init__(self, calls: GraphCalls) -> None:
        self._calls = calls

    async def upsert_application(self, application: NewApplication) -> ApplicationIds:
        """Registers the application. If there is one of that unique name already, makes a second call."""
        body: dict[str, Any] = {
            "displayName": application.display_name,
            "signInAudience": application.sign_in_audience,
            "tags": list(application.tags),
            "notes": application.notes,
        }
        if application.key is not None:
            body["keyCredentials"] = [_key_credential(application.key)]
        if application.sign_in_audience in PERSONAL_AUDIENCES:
            # https://learn.microsoft.com/graph/api/resources/apiapplication: with these, Graph accepts no other version.
            body["api"] = {"requestedAccessTokenVersion": 2}
        path = _application_named(application.unique_name)
        answer = await self._calls.send("PATCH", path, body, {"Prefer": "create-if-missing"})
        if answer.status_code == _CREATED:
            return _application_ids(document_of(answer))
        return await _present(self.find_application(application.unique_name))

    async def create_principal(self, app_id: ObjectId) -> ObjectId:
        """Returns the service principal's object id. If there is one already, makes a second call.

        Raises ``AmbiguousRefusal`` while some replicas do not know the application.
        """
        try:
            return object_id_in(document_of(await self._calls.send("POST", "/servicePrincipals", {"appId": app_id})), "id")
        except AlreadyExists:
            return await _present(self.find_principal(app_id))
        except Refused as refused:
            # Until the application has been replicated, Graph answers 400, or a misleading 403 to holders of
            # Application.ReadWrite.OwnedBy. Both have the codes of any other bad request or missing permission.
            # https://github.com/hashicorp/terraform-provider-azuread/issues/581
            if (refused.status, refused.azure_code) in _MAY_BE_TOO_EARLY:
                raise _as_a(AmbiguousRefusal, refused) from refused
            raise

    async def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """Adds a secret that Entra refuses after ``end``. Not repeatable: each call adds another."""
        wanted = {"displayName": display_name, "endDateTime": f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        path = f"/applications/{application_id}/addPassword"
        document = document_of(await self._calls.send("POST", path, {"passwordCredential": wanted}))
        return NewSecret(object_id_in(document, "keyId"), Secret(text_in(document, "secretText")))

    async def add_federated(self, application_id: ObjectId, trust: NewTrust) -> None:
        """Adds a federated identity credential. If there is one of that name already, makes a second call: is it the same?

        https://learn.microsoft.com/graph/api/application-post-federatedidentitycredentials. Raises ``Absent`` if there is no
        such application, ``AlreadyExists`` if the one of that name has another content.
        """
        path = f"/applications/{application_id}/federatedIdentityCredentials"
        wanted = {"name": trust.name, "issuer": trust.issuer, "subject": trust.subject, "audiences": [trust.audience]}
        try:
            await self._calls.send("POST", path, wanted)
        except AlreadyExists:
            found = await _present(self._get(f"{path}/{trust.name}"))
            if any(found.get(field) != value for field, value in wanted.items()):
                raise

    async def add_key(self, application_id: ObjectId, key: NewKey) -> None:
        """Adds a certificate to those that the application has. Makes two calls, and one if it has the certificate already.

        Graph takes ``addKey`` with a proof by an existing key alone, so the whole list is written. Only a read of the one
        application that selects the list shows what the keys are:
        https://learn.microsoft.com/graph/api/resources/keycredential. Raises ``Absent``.
        """
        path = f"/applications/{application_id}"
        held = listed_in(await self._get(f"{path}?$select=keyCredentials"), "keyCredentials")
        if key.key_id not in [str(each.get("keyId")).lower() for each in held]:
            await self._calls.send("PATCH", path, {"keyCredentials": [*held, _key_credential(key)]})

    async def look_at(self, wanted: Sequence[ApplicationIds]) -> Sequence[LookedAt | Upstream | None]:
        """Returns what each of ten applications at most has; ``None`` for one that is not listed. See the port."""
        return await look_at(self._calls, wanted)

    async def own_principal(self, app_id: ObjectId) -> Principal:
        """Returns the service principal with this client id. Raises ``Absent``.

        https://learn.microsoft.com/graph/api/serviceprincipal-get
        """
        found = await self._get(f"/servicePrincipals(appId='{app_id}')?$select=servicePrincipalType,alternativeNames")
        return Principal(text_in(found, "servicePrincipalType"), texts_in(found, "alternativeNames"))

    async def add_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Puts the principal into the group. If it may be in there already, makes a second call: no code of Graph's says so."""
        reference = {"@odata.id": f"{self._calls.base_url}/directoryObjects/{principal}"}
        try:
            await self._calls.send("POST", f"/groups/{group}/members/$ref", reference)
        except Absent:
            raise
        except Refused as refused:
            if refused.status != _BAD_REQUEST:
                raise
            path = f"/servicePrincipals/{principal}/checkMemberGroups"
            found = document_of(await self._calls.send("POST", path, {"groupIds": [group]})).get("value")
            if not isinstance(found, list) or group not in [str(each).lower() for each in found]:
                raise

    async def find_application(self, unique_name: str) -> ApplicationIds:
        """Raises ``Absent``."""
        return _application_ids(await self._get(f"{_application_named(unique_name)}?$select=id,appId"))

    async def find_principal(self, app_id: ObjectId) -> ObjectId:
        """Raises ``Absent``."""
        return object_id_in(await self._get(f"/servicePrincipals(appId='{app_id}')?$select=id"), "id")

    async def remove_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Takes the principal out of the group. Raises ``Absent`` if it is not in the group, or if there is no such group."""
        await self._calls.send("DELETE", f"/groups/{group}/members/{principal}/$ref")

    async def delete_principal(self, principal: ObjectId) -> None:
        """Moves the principal to the recycle bin. Raises ``Absent``."""
        await self._calls.send("DELETE", f"/servicePrincipals/{principal}")

    async def delete_application(self, application: ObjectId) -> None:
        """Moves the application to the recycle bin, with its service principal. Raises ``Absent``."""
        await self._calls.send("DELETE", f"/applications/{application}")

    async def purge(self, object_id: ObjectId) -> None:
        """Deletes an object from the recycle bin, for good. Raises ``Absent``."""
        await self._calls.send("DELETE", f"/directory/deletedItems/{object_id}")

    async def read_group(self, group: ObjectId) -> FoundGroup:
        """Returns the kind of group. Raises ``Absent``."""
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
        """Returns the numbers of secrets and certificates of the application. Raises ``Absent``."""
        fields = f"signInAudience,passwordCredentials,keyCredentials,{_MARKS}"
        document = await self._get(f"/applications/{application_id}?$select={fields}")
        secrets, certificates = (listed_in(document, name) for name in ("passwordCredentials", "keyCredentials"))
        return HeldCredentials(len(secrets), len(certificates), text_in(document, "signInAudience"), _is_marked(document))

    async def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """Returns the key ids of the application's secrets with exactly this display name. Raises ``Absent``."""
        held = await self._secrets(application_id)
        return tuple(object_id_in(each, "keyId") for each in held if each.get("displayName") == display_name)

    async def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """Removes a secret. Raises ``Absent`` if there is no such secret, or no such application.

        If there is no such secret, Graph answers 400, as for other mistakes: a second call reads the secrets. If the secret is
        there after all, raises ``NotReplicated``: the replica that was asked to remove it does not know it yet.
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
        """Makes two calls: for the application, and for its service principal here. Raises ``Absent``."""
        document = await self._get(f"/applications/{application_id}?$select=id,appId,{_MARKS}")
        ids = _application_ids(document)
        found = ExistingApplication(ids.object_id, ids.app_id, None, _is_marked(document))
        try:
            return replace(found, principal_id=await self.find_principal(ids.app_id))
        except Absent:
            return found

    async def is_owner(self, application_id: ObjectId, app_id: ObjectId) -> bool:
        """Returns whether one page of the application's owners has the service principal of this client id. Raises ``Absent``.

        https://learn.microsoft.com/graph/api/application-list-owners
        """
        path = f"/applications/{application_id}/owners?$select=id,appId&$top={_PAGE}"
        owners = listed_in(await self._get(path), "value")
        return app_id in [str(each.get("appId")).lower() for each in owners]

    async def is_denied(self, application_id: ObjectId, no_key: ObjectId) -> bool:
        """Returns whether Entra ID forbids the broker to change the application's secrets. Raises ``Absent``.

        Only Entra ID knows all that may allow it: owners, permissions, directory roles over one application alone. So this call
        asks to remove a secret that does not exist, which changes nothing.
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

    async def _secrets(self, application_id: ObjectId) -> list[dict[str, Any]]:
        document = await self._get(f"/applications/{application_id}?$select=passwordCredentials")
        return listed_in(document, "passwordCredentials")

    async def _get(self, path: str) -> dict[str, Any]:
        return document_of(await self._calls.send("GET", path))


_MARKS = "uniqueName,displayName,tags"


def _is_marked(document: Mapping[str, Any]) -> bool:
    tags, unique_name, display_name = (document.get(name) for name in ("tags", "uniqueName", "displayName"))
    return ownership.is_marked(
        str(unique_name or ""), str(display_name or ""), map(str, tags) if isinstance(tags, list) else ()
    )


async def _present[T](found: Awaitable[T]) -> T:
    """Returns an object that Graph has just said to be there. If a replica does not find it, raises ``NotReplicated``."""
    try:
        return await found
    except Absent as absent:
        raise _as_a(NotReplicated, absent) from absent


def _as_a(kind: type[Upstream], refused: Refused) -> Upstream:
    return kind(refused.cause, status=refused.status, azure_code=refused.azure_code)


def _key_credential(key: NewKey) -> dict[str, Any]:
    """https://learn.microsoft.com/graph/api/resources/keycredential. It begins when its certificate does."""
    return {
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "keyId": key.key_id,
        "displayName": key.display_name,
        "key": b64encode(key.der).decode(),
        "endDateTime": f"{key.end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def _application_named(unique_name: str) -> str:
    quoted = unique_name.replace("'", "''")
    return f"/applications(uniqueName='{quote(quoted, safe="'")}')"


def _application_ids(document: dict[str, Any]) -> ApplicationIds:
    return ApplicationIds(object_id_in(document, "id"), object_id_in(document, "appId"))
