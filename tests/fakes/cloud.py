"""The issuers' ports on an Azure in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.cloud.entra.probe import is_settled
from shared.core.access.facts import Principal
from shared.core.caller import CallerType
from shared.core.definition import Definition, Permission
from shared.core.directory import (
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
from shared.core.errors import Absent, AlreadyExists, NotReplicated, Refused, Upstream
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope
from shared.core.ports.inventory import FoundAssignment
from shared.core.readiness.observability import AppRolesLook, Look, PermissionsLook
from shared.core.secret import Secret
from shared.kinds.sign_in import LeaseToken, TokenExchange
from tests.fakes.app_roles import carried
from tests.fakes.calls import Calls
from tests.fakes.cloud_state import CloudState, Granted
from tests.fakes.cloud_trust import add_federated, add_key, exchange, has_principal, looked_at, trusts


@dataclass(frozen=True, slots=True)
class FakeDirectory:
    """Satisfies the service principal issuer's ``Directory``."""

    calls: Calls
    state: CloudState

    async def upsert_application(self, application: NewApplication) -> ApplicationIds:
        """See the port."""
        return await self.calls.through("directory.upsert_application", lambda: self.state.upsert_application(application))

    async def create_principal(self, app_id: ObjectId) -> ObjectId:
        """See the port."""
        return await self.calls.through("directory.create_principal", lambda: self.state.create_principal(app_id), app_id)

    async def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """See the port."""
        return await self.calls.through(
            "directory.add_secret", lambda: self.state.add_secret(application_id, display_name, end), application_id
        )

    async def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """See the port."""
        return await self.calls.through(
            "directory.secrets_named", lambda: self.state.secrets_named(application_id, display_name), display_name
        )

    async def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """See the port."""
        await self.calls.through("directory.remove_secret", lambda: self.state.remove_secret(application_id, key_id), key_id)

    async def add_federated(self, application_id: ObjectId, trust: NewTrust) -> None:
        """See the port."""
        await self.calls.through(
            "directory.add_federated", lambda: add_federated(self.state, application_id, trust), application_id
        )

    async def add_key(self, application_id: ObjectId, key: NewKey) -> None:
        """See the port. Counted as one call."""
        await self.calls.through("directory.add_key", lambda: add_key(self.state, application_id, key), application_id)

    async def look_at(self, wanted: Sequence[ApplicationIds]) -> Sequence[LookedAt | Upstream | None]:
        """See the port."""
        found = lambda: [looked_at(self.state, each) for each in wanted]  # noqa: E731 - one line says it
        return await self.calls.through("directory.look_at", found, *(each.object_id for each in wanted))

    async def own_principal(self, app_id: ObjectId) -> Principal:
        """See the port."""
        return await self.calls.through("directory.own_principal", lambda: self.state.broker, app_id)

    async def add_member(self, group: ObjectId, principal: ObjectId) -> None:
        """See the port."""
        await self.calls.through("directory.add_member", lambda: self.state.add_member(group, principal), group)

    async def find_application(self, unique_name: str) -> ApplicationIds:
        """See the port."""
        return await self.calls.through("directory.find_application", lambda: self.state.find_application(unique_name))

    async def find_principal(self, app_id: ObjectId) -> ObjectId:
        """See the port."""
        return await self.calls.through("directory.find_principal", lambda: self.state.find_principal(app_id), app_id)

    async def remove_member(self, group: ObjectId, principal: ObjectId) -> None:
        """See the port."""
        await self.calls.through("directory.remove_member", lambda: self.state.remove_member(group, principal), group)

    async def delete_principal(self, principal: ObjectId) -> None:
        """See the port."""
        await self.calls.through("directory.delete_principal", lambda: self.state.delete_principal(principal), principal)

    async def delete_application(self, application: ObjectId) -> None:
        """See the port."""
        await self.calls.through("directory.delete_application", lambda: self.state.delete_application(application))

    async def purge(self, object_id: ObjectId) -> None:
        """See the port."""
        await self.calls.through("directory.purge", lambda: self.state.purge(object_id), object_id)

    async def read_group(self, group: ObjectId) -> FoundGroup:
        """See the port."""
        return await self.calls.through("directory.read_group", lambda: self.state.group(group), group)


@dataclass(frozen=True, slots=True)
class FakeAuthorization:
    """Satisfies the service principal issuer's ``Authorization``."""

    calls: Calls
    state: CloudState

    async def assign(
        self,
        assignment: Assignment,
        definition_id: str,
        principal: ObjectId,
        condition: str | None,
        description: str | None = None,
        principal_type: CallerType = CallerType.APPLICATION,
    ) -> None:
        """See the port."""
        granted = Granted(definition_id, principal, condition, description or "", principal_type)
        await self.calls.through("authorization.assign", lambda: self._assign(assignment, granted), assignment)

    def _assign(self, assignment: Assignment, granted: Granted) -> None:
        """Azure knows one of a principal, a definition and a scope, under whatever name and condition."""
        others = ((each, it) for each, it in self.state.assignments.items() if assignment not in self.state.assignments)
        if _what(assignment, granted) in {_what(each, it) for each, it in others}:
            raise AlreadyExists("The role assignment already exists.", status=409, azure_code="RoleAssignmentExists")
        self.state.assign(assignment, granted)

    async def unassign(self, assignment: Assignment) -> None:
        """See the port."""
        await self.calls.through("authorization.unassign", lambda: self.state.unassign(assignment), assignment)

    async def assigned_to(self, principal: ObjectId, scope: Scope) -> tuple[FoundAssignment, ...]:
        """See the port."""
        return await self.calls.through(
            "authorization.assigned_to", lambda: self._assigned_to(principal, scope), principal, scope
        )

    def _assigned_to(self, principal: ObjectId, scope: Scope) -> tuple[FoundAssignment, ...]:
        if scope in self.state.lost_scopes:
            raise Absent(f"no scope {scope}", status=404)
        found = ((each, it) for each, it in self.state.assignments.items() if (each.scope, it.principal) == (scope, principal))
        return tuple(
            FoundAssignment(each, principal, it.description, ObjectId(""), self.state.made_at(each), it.definition_id)
            for each, it in found
            if self.state.sees(each)
        )

    async def definitions_named(self, role_name: str, scope: Scope) -> tuple[Definition, ...]:
        """See the port."""
        return await self.calls.through(
            "authorization.definitions_named", lambda: self.state.definitions_named(role_name), role_name, scope
        )

    async def definition_names_at(self, scope: Scope) -> tuple[str, ...]:
        """See the port."""
        return await self.calls.through("authorization.definition_names_at", lambda: tuple(self.state.definitions), scope)

    async def definition(self, definition_id: str) -> Definition:
        """See the port."""
        return await self.calls.through("authorization.definition", lambda: self.state.definition(definition_id), definition_id)

    async def permissions_at(self, scope: Scope) -> tuple[Permission, ...]:
        """See the port."""
        return await self.calls.through("authorization.permissions_at", lambda: self.state.permissions_at(scope), scope)

    async def descendants(self, scope: Scope) -> frozenset[str]:
        """See the port."""
        return await self.calls.through("authorization.descendants", lambda: self.state.descendants(scope), scope)


def _what(assignment: Assignment, granted: Granted) -> tuple[str, str, str]:
    return assignment.scope.key, granted.definition_id.rpartition("/")[2].lower(), granted.principal


@dataclass(frozen=True, slots=True)
class FakeApplications:
    """Satisfies the application secret issuer's ``Applications``."""

    calls: Calls
    state: CloudState

    async def credentials_of(self, application_id: ObjectId) -> HeldCredentials:
        """See the port."""
        return await self.calls.through("applications.credentials_of", lambda: self.state.credentials_of(application_id))

    async def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """See the port."""
        return await self.calls.through(
            "applications.add_secret", lambda: self.state.add_secret(application_id, display_name, end), application_id
        )

    async def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """See the port."""
        return await self.calls.through(
            "applications.secrets_named", lambda: self.state.secrets_named(application_id, display_name), display_name
        )

    async def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """See the port."""
        await self.calls.through("applications.remove_secret", lambda: self.state.remove_secret(application_id, key_id), key_id)

    async def read_application(self, application_id: ObjectId) -> ExistingApplication:
        """See the port. Counted as one call."""
        return await self.calls.through("applications.read_application", lambda: self._existing(application_id))

    async def is_owner(self, application_id: ObjectId, app_id: ObjectId) -> bool:
        """See the port."""
        return await self.calls.through(
            "applications.is_owner", lambda: self.state.application(application_id).owned, application_id, app_id
        )

    async def is_denied(self, application_id: ObjectId, no_key: ObjectId) -> bool:
        """See the port."""
        return await self.calls.through("applications.is_denied", lambda: self.state.is_denied(application_id), no_key)

    def _existing(self, application_id: ObjectId) -> ExistingApplication:
        found = self.state.application(application_id)
        principals = [each.object_id for each in self.state.principals.values() if each.app_id == found.app_id]
        return ExistingApplication(found.object_id, found.app_id, principals[0] if principals else None, found.is_marked)


@dataclass(frozen=True, slots=True)
class FakeProbe:
    """Satisfies both issuers' ``Probe``."""

    calls: Calls
    state: CloudState

    async def signs_in(
        self,
        client_id: ObjectId,
        secret: Secret,
        *,
        deadline: float,  # noqa: ARG002 - asks once
        since: datetime | None = None,  # noqa: ARG002
    ) -> bool:
        """See the port."""
        return await self.calls.through("probe.signs_in", lambda: self.state.signs_in(client_id, secret), client_id)


@dataclass(frozen=True, slots=True)
class FakeAccess:
    """Satisfies ``Access``."""

    calls: Calls
    state: CloudState
    presented: NewTrust
    """What the broker shows to an application that trusts it."""

    async def sees(
        self,
        client_id: ObjectId,
        secret: Secret | None,
        look: Look,
        *,
        deadline: float,  # noqa: ARG002 - looks once
        since: datetime | None = None,  # noqa: ARG002
    ) -> bool:
        """See the port."""
        return await self.calls.through("access.sees", lambda: self._sees(client_id, secret, look), look.name)

    def _sees(self, client_id: ObjectId, secret: Secret | None, look: Look) -> bool:
        """A probe sees what signs in: nothing here keeps data."""
        if secret is None and not trusts(self.state, client_id, self.presented):
            return False
        if isinstance(look, AppRolesLook):
            return look.wanted <= carried(self.state, client_id)
        if not isinstance(look, PermissionsLook):
            return secret is None or self.state.signs_in(client_id, secret)
        principals = {each.object_id for each in self.state.principals.values() if each.app_id == client_id}
        return any(each.principal in principals and at.scope == look.scope for at, each in self.state.assignments.items())


@dataclass(frozen=True, slots=True)
class FakeLeaseSignIn:
    """Satisfies ``LeaseSignIn`` for the broker with this object id."""

    calls: Calls
    state: CloudState
    broker: ObjectId
    exchange: TokenExchange

    async def subject(self) -> ObjectId:
        """See the port."""
        return await self.calls.through("sign_in.subject", lambda: self.broker)

    async def token(
        self,
        client_id: ObjectId,
        scope: str,
        *,
        deadline: float,
        since: datetime | None = None,
        carrying: frozenset[str] = frozenset(),
    ) -> LeaseToken:
        """See the port. What is old is known everywhere."""
        clock = self.calls.clock
        while True:
            try:
                text, end = await self.calls.through(
                    "sign_in.token", lambda: self._token(client_id, scope, carrying), client_id
                )
            except NotReplicated as refused:
                if is_settled(clock, since) and not has_principal(self.state, client_id):
                    raise Refused("AADSTS700016", status=400, azure_code="AADSTS700016") from refused
                if clock.monotonic() + _PAUSE >= deadline:
                    raise
                await clock.sleep(_PAUSE)
            else:
                return LeaseToken(Secret(text), end)

    def _token(self, client_id: ObjectId, scope: str, carrying: frozenset[str]) -> tuple[str, datetime]:
        found = exchange(self.state, client_id, self.presented, scope)
        if not carrying <= carried(self.state, client_id):
            raise NotReplicated("the token lacks permissions")
        return found

    async def signs_in(
        self,
        client_id: ObjectId,
        *,
        deadline: float,  # noqa: ARG002 - asks once
        since: datetime | None = None,  # noqa: ARG002
    ) -> bool:
        """See the port."""
        return await self.calls.through("sign_in.signs_in", lambda: trusts(self.state, client_id, self.presented), client_id)

    @property
    def presented(self) -> NewTrust:
        """What the broker shows to an application that trusts it."""
        return NewTrust("", self.exchange.issuer, self.broker, self.exchange.audience)


_PAUSE = 2.0
