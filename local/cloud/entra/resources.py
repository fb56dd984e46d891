"""What a token can be for: Microsoft's own applications, and those registered in the tenant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from local.cloud.tenant import first_party

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import Application, ServicePrincipal


@dataclass(frozen=True, slots=True)
class Resource:
    """The API that a token is for."""

    app_id: str
    audience: str
    """The token's ``aud``."""
    version: int
    names_resource: bool
    principal: ServicePrincipal
    application: Application | None = None

    def in_version(self, version: int) -> Resource:
        """The same API, as if its registration asked for tokens of this version."""
        audience = self.app_id if version == 2 else self.audience  # noqa: PLR2004 - the token's version
        return replace(self, version=version, audience=audience)

    @property
    def states_app_only(self) -> bool:
        """Whether app-only tokens say ``idtyp``: Microsoft's own always, others when registered as an optional claim."""
        if self.application is None:
            return True
        claims = (self.application.properties.get("optionalClaims") or {}).get("accessToken") or []
        return any(claim.get("name") == "idtyp" for claim in claims)

    @property
    def scopes(self) -> list[str]:
        """What a person's token carries in ``scp``: every delegated permission of the API, as if all were consented to."""
        if self.application is None:
            return ["user_impersonation"]
        offered = (self.application.properties.get("api") or {}).get("oauth2PermissionScopes") or []
        return [scope["value"] for scope in offered if scope.get("isEnabled", True)]

    @property
    def states_groups(self) -> bool:
        """Whether tokens carry ``groups``: the API's registration asks for them."""
        wanted = self.application.properties.get("groupMembershipClaims") if self.application else None
        return wanted in ("SecurityGroup", "ApplicationGroup", "All")


def resolve(world: LocalAzure, text: str) -> Resource | None:
    """The resource asked for by identifier URI, client id, or the local origin of Graph or ARM."""
    return _first_party(world, text) or _registered(world, text)


def _first_party(world: LocalAzure, text: str) -> Resource | None:
    wanted = text.rstrip("/").lower()
    at_origin = world.origins.get(wanted)
    for known in first_party.ALL:
        if wanted in (known.app_id, *(uri.lower() for uri in known.uris)) or at_origin == known.app_id:
            principal = world.directory.principal_of(known.app_id)
            # Version 1 tokens repeat the audience as it was asked for, slash and all.
            audience = text if known.version == 1 else known.app_id
            return Resource(known.app_id, audience, known.version, known.names_resource, principal) if principal else None
    return None


def _registered(world: LocalAzure, text: str) -> Resource | None:
    application = _by_identifier(world, text)
    principal = world.directory.principal_of(application.app_id) if application else None
    if application is None or principal is None:
        return None
    version = (application.properties.get("api") or {}).get("requestedAccessTokenVersion") or 1
    audience = application.app_id if version == 2 else text  # noqa: PLR2004 - the token's version
    return Resource(application.app_id, audience, version, names_resource=False, principal=principal, application=application)


def _by_identifier(world: LocalAzure, text: str) -> Application | None:
    by_id = world.directory.application_of(text.lower().removeprefix("api://"))
    if by_id is not None:
        return by_id
    living = (found for found in world.directory.applications.values() if found.deleted is None)
    return next((found for found in living if text in (found.properties.get("identifierUris") or [])), None)
