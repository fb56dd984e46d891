"""Azure Resource Manager: role assignments and role definitions, as the issuers ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import (
    AzureError,
    DeserializationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.rest import HttpRequest
from azure.mgmt.authorization.v2022_04_01.aio import AuthorizationManagementClient
from azure.mgmt.authorization.v2022_04_01.models import RoleAssignment, RoleAssignmentCreateParameters, RoleDefinition

from shared.cloud.arm.limits import ArmRateLimit
from shared.cloud.limits import RateLimiters
from shared.cloud.repeating import Repeating
from shared.cloud.upstream import Refusal, parsed
from shared.core.azure_codes import RESOURCE_MANAGER, RESOURCE_MANAGER_STATUSES
from shared.core.caller import CallerType
from shared.core.definition import Definition, Permission
from shared.core.errors import Absent, Refused, Unavailable, Unreachable, Upstream
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope, on_the_wire
from shared.core.ports.inventory import FoundAssignment, ScopeState

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport

_CONDITION_VERSION = "2.0"
"""The only one: https://learn.microsoft.com/azure/role-based-access-control/conditions-format."""
_PRINCIPAL_TYPES = {CallerType.APPLICATION: "ServicePrincipal", CallerType.USER: "User"}
"""https://learn.microsoft.com/azure/role-based-access-control/role-assignments#principal"""
_PERMISSIONS = "2022-04-01"
_MANAGEMENT_GROUPS = "2020-05-01"
"""https://learn.microsoft.com/rest/api/managementgroups/management-groups/get-descendants"""
_STATES = {
    "RoleAssignmentNotFound": ScopeState.THERE,
    "ResourceGroupNotFound": ScopeState.NO_GROUP,
    "ResourceNotFound": ScopeState.NO_RESOURCE,
}
"""What Azure's codes say of the scope at which an assignment is looked for. No other code says anything."""
_BAD_REQUEST = 400
_FORBIDDEN = 403


class Arm:
    """Satisfies ``Authorization``. ``endpoint`` is the cloud's, such as ``https://management.azure.com``.

    Any method may raise ``Upstream``. Each makes one call, and a list makes one a page. The SDK does not retry:
    ``shared.resilience.retry`` decides on that. (aiohttp sends a request again if the kept connection that it took was dead.)
    """

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential,
        transport: AsyncHttpTransport[Any, Any],
        limiters: RateLimiters,
    ) -> None:
        origin = self._origin = endpoint.rstrip("/")
        self._client = AuthorizationManagementClient(
            credential,
            subscription_id="",  # no operation that is used here has it in its path
            base_url=origin,
            credential_scopes=[f"{origin}/.default"],
            transport=Repeating(credential, f"{origin}/.default").over(transport),
            per_call_policies=[ArmRateLimit(limiters)],
            retry_total=0,
            permit_redirects=False,
        )

    async def assign(
        self,
        assignment: Assignment,
        definition_id: str,
        principal: ObjectId,
        condition: str | None,
        description: str | None = None,
        principal_type: CallerType = CallerType.APPLICATION,
    ) -> None:
        """Makes the assignment. If there is one of the same name for the same principal, that is success.

        Raises ``AlreadyExists`` if the same assignment exists under another name.
        """
        wanted = RoleAssignmentCreateParameters(
            role_definition_id=definition_id,
            principal_id=principal,
            # Without it, Azure asks the directory, which may not know a fresh principal for minutes (PrincipalNotFound).
            principal_type=_PRINCIPAL_TYPES[principal_type],
            condition=condition,
            condition_version=_CONDITION_VERSION if condition is not None else None,
            description=description,
        )
        with _upstream():
            await self._client.role_assignments.create(on_the_wire(assignment.scope), assignment.name, wanted)

    async def unassign(self, assignment: Assignment) -> None:
        """Deletes the assignment. If Azure forbids that, makes a second call: the assignment may be gone all the same.

        Raises ``Absent`` if the assignment (204) or its scope (404) is gone, ``Locked`` if a lock protects it.
        """
        try:
            with _upstream():
                deleted = await self._client.role_assignments.delete(on_the_wire(assignment.scope), assignment.name)
        except Refused as refused:
            # If the broker's grant has a condition on the assignment to be deleted, Azure forbids the deletion of one that is
            # gone: there is nothing that could meet the condition.
            if refused.status == _FORBIDDEN and not await self._is_assigned(assignment):
                raise Absent(refused.cause, status=refused.status, azure_code=refused.azure_code) from refused
            raise
        if deleted is None:
            raise Absent(f"no role assignment {assignment.name}", status=204)

    async def _is_assigned(self, assignment: Assignment) -> bool:
        try:
            with _upstream():
                await self._client.role_assignments.get(on_the_wire(assignment.scope), assignment.name)
        except Absent:
            return False
        return True

    async def scope_state(self, scope: Scope, name: str) -> ScopeState:
        """Returns whether the scope is there: Azure looks for it before it looks for the assignment of that name."""
        try:
            with _upstream():
                await self._client.role_assignments.get(on_the_wire(scope), name)
        except Refused as refused:
            if refused.status == _FORBIDDEN:
                return ScopeState.REFUSED
            return _STATES.get(refused.azure_code, ScopeState.UNKNOWN)
        except Upstream:
            return ScopeState.UNKNOWN
        return ScopeState.THERE

    async def assigned_at(self, scope: Scope) -> tuple[FoundAssignment, ...]:
        """Returns the assignments at exactly this scope. Azure lists those above it as well."""
        listed = self._client.role_assignments.list_for_scope(on_the_wire(scope), filter="atScope()")
        with _upstream():
            return tuple([_found(each) async for each in listed if str(each.scope).casefold() == scope.key])

    async def assigned_to(self, principal: ObjectId, scope: Scope) -> tuple[FoundAssignment, ...]:
        """Returns the principal's own assignments at exactly this scope, not those of its groups. Makes a call a page.

        Azure lists those above and below as well:
        https://learn.microsoft.com/rest/api/authorization/role-assignments/list-for-scope.
        """
        listed = self._client.role_assignments.list_for_scope(on_the_wire(scope), filter=f"principalId eq '{principal}'")
        with _upstream():
            found = [_found(each) async for each in listed if str(each.scope).casefold() == scope.key]
        return tuple(each for each in found if each.principal == principal)

    async def definitions_named(self, role_name: str, scope: Scope) -> tuple[Definition, ...]:
        """Returns the role definitions with this name, in any case, that can be assigned at the scope."""
        quoted = role_name.replace("'", "''")
        found = self._client.role_definitions.list(on_the_wire(scope), filter=f"roleName eq '{quoted}'")
        with _upstream():
            # Azure compares names without regard to case, too.
            return tuple(
                [_definition(each) async for each in found if (each.role_name or "").casefold() == role_name.casefold()]
            )

    async def definition_names_at(self, scope: Scope) -> tuple[str, ...]:
        """Returns the names of all role definitions that can be assigned at the scope: several hundred. Makes a call a page."""
        found = self._client.role_definitions.list(on_the_wire(scope))
        with _upstream():
            return tuple([each.role_name async for each in found if each.role_name])

    async def definition(self, definition_id: str) -> Definition:
        """Returns the role definition with this full id. Raises ``Absent``."""
        with _upstream():
            return _definition(await self._client.role_definitions.get_by_id(on_the_wire(definition_id)))

    async def permissions_at(self, scope: Scope) -> tuple[Permission, ...]:
        """Returns what the broker itself may do there. Makes a call a page."""
        path = f"/{on_the_wire(scope)}/providers/Microsoft.Authorization/permissions?api-version={_PERMISSIONS}"
        return tuple([_permission(each) async for each in self.listed(path)])

    async def descendants(self, scope: Scope) -> frozenset[str]:
        """Returns the ids, in lower case, of all that the management group holds, directly or not. Makes a call a page.

        It holds subscriptions and management groups.
        """
        path = f"/{on_the_wire(scope)}/descendants?api-version={_MANAGEMENT_GROUPS}"
        return frozenset([held async for each in self.listed(path) if (held := _descendant(each))])

    async def read(self, path: str) -> Mapping[str, Any]:
        """Returns the JSON object at a path with its query, for which the SDK has no method. Raises ``Upstream``."""
        with _upstream():
            answer = await self._client._send_request(HttpRequest("GET", path))  # noqa: SLF001 - the documented way
            answer.raise_for_status()
            document = parsed(answer.text())
        if not isinstance(document, dict):
            raise Unavailable("the answer holds no JSON object")
        return document

    async def listed(self, path: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yields the items of a list that the SDK has no method for, at a path with its query. Makes a call a page.

        Raises ``Upstream``.
        """
        following: str | None = path
        while following is not None:
            document = await self.read(following)
            if not isinstance(document.get("value"), list):
                raise Unavailable("the answer lists nothing")
            for item in document["value"]:
                if not isinstance(item, dict):
                    raise Unavailable("the answer lists what is no JSON object")
                yield item
            following = self._following(document.get("nextLink"))

    def _following(self, link: object) -> str | None:
        """Returns the path of the next page. The page must be Resource Manager's own, because the token goes there."""
        if not link:
            return None
        if not str(link).startswith(f"{self._origin}/"):
            raise Unavailable("the next page is somewhere else")
        return str(link).removeprefix(self._origin)


def _descendant(found: Mapping[str, Any]) -> str:
    """Its id, by its type and name; empty for what is neither. Azure spells the type of subscriptions in two ways."""
    name = str(found.get("name")).lower()
    match str(found.get("type")).lower().rpartition("/")[2]:
        case "subscriptions":
            return f"/subscriptions/{name}"
        case "managementgroups":
            return f"/providers/microsoft.management/managementgroups/{name}"
        case _:
            return ""


def _definition(found: RoleDefinition) -> Definition:
    permissions = (
        Permission(*(tuple(each or ()) for each in (it.actions, it.not_actions, it.data_actions, it.not_data_actions)))
        for it in found.permissions or ()
    )
    return Definition(str(found.id), str(found.role_name), tuple(permissions), tuple(found.assignable_scopes or ()))


def _permission(found: Mapping[str, Any]) -> Permission:
    fields = ("actions", "notActions", "dataActions", "notDataActions")
    return Permission(*(tuple(str(each) for each in found.get(name) or ()) for name in fields))


def _found(found: RoleAssignment) -> FoundAssignment:
    return FoundAssignment(
        Assignment(Scope(str(found.scope)), str(found.name)),
        ObjectId(str(found.principal_id).lower()),
        found.description or "",
        ObjectId(str(found.created_by).lower()),
        found.created_on,
        str(found.role_definition_id or ""),
    )


@contextmanager
def _upstream() -> Iterator[None]:
    """Turns the SDK's errors into the broker's."""
    try:
        yield
    except HttpResponseError as answered:
        raise _failure(answered) from answered
    except (ServiceRequestError, ServiceResponseError) as silence:
        raise Unreachable(f"{type(silence).__name__} from Resource Manager: {silence}") from silence
    except (AzureError, DeserializationError) as unreadable:
        raise Unavailable(f"{type(unreadable).__name__} from Resource Manager") from unreadable


def _failure(error: HttpResponseError) -> Upstream:
    answer, status = error.response, error.status_code
    if answer is None or status is None or status < _BAD_REQUEST:
        return Unavailable(f"{type(error).__name__} from Resource Manager", status=status)
    headers: Mapping[str, str] = getattr(answer, "headers", {})
    return Refusal.read(status, headers, parsed(answer.text())).as_error(RESOURCE_MANAGER, RESOURCE_MANAGER_STATUSES)
