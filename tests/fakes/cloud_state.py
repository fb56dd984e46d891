"""An Azure in memory: what there is, and what each call does to it. Strict where Azure is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.core.directory import ApplicationIds, HeldCredentials, NewApplication, NewSecret
from shared.core.errors import Absent, Doubtful, Locked, Refused
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope
from shared.core.secret import Secret
from tests.fakes.clock import FakeClock, FixedIds


@dataclass(slots=True)
class StoredSecret:
    """A client secret, as the directory keeps it."""

    display_name: str
    end: datetime
    text: str


@dataclass(slots=True)
class Application:
    """An application. ``wanted`` is what it was registered as, ``None`` for one that was there before."""

    object_id: ObjectId
    app_id: ObjectId
    unique_name: str
    wanted: NewApplication | None = None
    secrets: dict[ObjectId, StoredSecret] = field(default_factory=dict)
    certificates: int = 0
    sign_in_audience: str = "AzureADMyOrg"


@dataclass(slots=True)
class Principal:
    """A service principal; it remembers the unique name of its application."""

    object_id: ObjectId
    app_id: ObjectId
    unique_name: str


@dataclass(frozen=True, slots=True)
class Granted:
    """What a role assignment grants, and to whom."""

    definition_id: str
    principal: ObjectId
    condition: str | None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Thing:
    """One object that a lease has made. ``owner`` is the unique name, display name or assignment name that leads to it."""

    kind: str
    owner: str
    where: str = ""


@dataclass(slots=True)
class CloudState:
    """``lag``: for so many seconds a fresh object reads as absent."""

    clock: FakeClock
    ids: FixedIds
    lag: float = 0.0
    applications: dict[ObjectId, Application] = field(default_factory=dict)
    principals: dict[ObjectId, Principal] = field(default_factory=dict)
    groups: dict[ObjectId, set[ObjectId]] = field(default_factory=dict)
    assignments: dict[Assignment, Granted] = field(default_factory=dict)
    bin: dict[ObjectId, Application | Principal] = field(default_factory=dict)
    definitions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lost_scopes: set[Scope] = field(default_factory=set)
    locked_scopes: set[Scope] = field(default_factory=set)
    _fresh_until: dict[object, float] = field(default_factory=dict)

    def upsert_application(self, wanted: NewApplication) -> ApplicationIds:
        """By its unique name, which no replica gets wrong."""
        for found in self.applications.values():
            if found.unique_name == wanted.unique_name:
                return ApplicationIds(found.object_id, found.app_id)
        made = Application(ObjectId(self.ids.guid()), ObjectId(self.ids.guid()), wanted.unique_name, wanted)
        self.applications[made.object_id] = made
        self._made(made.object_id)
        return ApplicationIds(made.object_id, made.app_id)

    def find_application(self, unique_name: str) -> ApplicationIds:
        """Raises ``Absent``."""
        for found in self.applications.values():
            if found.unique_name == unique_name and self._seen(found.object_id):
                return ApplicationIds(found.object_id, found.app_id)
        raise Absent("Request_ResourceNotFound", status=404)

    def create_principal(self, app_id: ObjectId) -> ObjectId:
        """Made or found; the application must be known by now."""
        for principal in self.principals.values():
            if principal.app_id == app_id:
                return principal.object_id
        for application in self.applications.values():
            if application.app_id == app_id and self._seen(application.object_id):
                made = Principal(ObjectId(self.ids.guid()), app_id, application.unique_name)
                self.principals[made.object_id] = made
                self._made(made.object_id)
                return made.object_id
        raise Doubtful("does not reference a valid application object", status=400)

    def find_principal(self, app_id: ObjectId) -> ObjectId:
        """Raises ``Absent``."""
        for principal in self.principals.values():
            if principal.app_id == app_id and self._seen(principal.object_id):
                return principal.object_id
        raise Absent("Request_ResourceNotFound", status=404)

    def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """Each call makes another. Raises ``Absent``."""
        application = self.application(application_id)
        key_id, text = ObjectId(self.ids.guid()), f"secret~{self.ids.guid()}"
        application.secrets[key_id] = StoredSecret(display_name, end, text)
        self._made(key_id)
        return NewSecret(key_id, Secret(text))

    def credentials_of(self, application_id: ObjectId) -> HeldCredentials:
        """Those that this replica knows. Raises ``Absent``."""
        found = self.application(application_id)
        return HeldCredentials(sum(map(self._seen, found.secrets)), found.certificates, found.sign_in_audience)

    def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """Key ids. Raises ``Absent``."""
        secrets = self.application(application_id).secrets
        return tuple(key for key, kept in secrets.items() if kept.display_name == display_name and self._seen(key))

    def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """Raises ``Absent``."""
        secrets = self.application(application_id).secrets
        self._require(key_id in secrets and self._seen(key_id))
        del secrets[key_id]

    def add_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Being in it is success. Raises ``Absent`` for an unknown group or principal."""
        self._require(group in self.groups and principal in self.principals and self._seen(principal))
        self.groups[group].add(principal)
        self._made((group, principal))

    def remove_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Raises ``Absent``."""
        self._require(principal in self.groups.get(group, set()) and self._seen((group, principal)))
        self.groups[group].remove(principal)

    def delete_principal(self, principal: ObjectId) -> None:
        """Into the bin, out of its groups; its assignments stay. Raises ``Absent``."""
        self._require(principal in self.principals and self._seen(principal))
        self._discard(principal)

    def delete_application(self, application: ObjectId) -> None:
        """Into the bin, with its service principal. Raises ``Absent``."""
        found = self.application(application)
        for principal in [each.object_id for each in self.principals.values() if each.app_id == found.app_id]:
            self._discard(principal)
        self.bin[application] = self.applications.pop(application)
        self._made(("bin", application))

    def purge(self, object_id: ObjectId) -> None:
        """Raises ``Absent``."""
        self._require(object_id in self.bin and self._seen(("bin", object_id)))
        del self.bin[object_id]

    def assign(self, assignment: Assignment, granted: Granted) -> None:
        """Naming the principal's type, as the broker does, spares the check that the principal exists."""
        self._require(assignment.scope not in self.lost_scopes)
        former = self.assignments.get(assignment)
        if former is not None and former != granted:
            raise Refused("RoleAssignmentUpdateNotPermitted", status=400, azure_code="RoleAssignmentUpdateNotPermitted")
        self.assignments[assignment] = granted
        self._made(assignment)

    def unassign(self, assignment: Assignment) -> None:
        """Raises ``Absent``, ``Locked``."""
        if assignment.scope in self.locked_scopes:
            raise Locked("ScopeLocked", status=409, azure_code="ScopeLocked")
        self._require(assignment in self.assignments and self._seen(assignment))
        del self.assignments[assignment]

    def application(self, object_id: ObjectId) -> Application:
        """Raises ``Absent``."""
        self._require(object_id in self.applications and self._seen(object_id))
        return self.applications[object_id]

    def made_at(self, key: object) -> datetime | None:
        """When it was made, or put into the bin (``("bin", object_id)``); ``None`` for furniture."""
        if key not in self._fresh_until:
            return None
        return self.clock.truth() - timedelta(seconds=self.clock.monotonic() - self._fresh_until[key] + self.lag)

    def is_seen(self, key: object) -> bool:
        """Whether reads show it."""
        return self._seen(key)

    def signs_in(self, client_id: ObjectId, secret: Secret) -> bool:
        """Whether there is a principal with an application that has this secret, not ended."""
        kept = [each for app in self.applications.values() if app.app_id == client_id for each in app.secrets.values()]
        good = any(each.text == secret.reveal() and each.end > self.clock.truth() for each in kept)
        return good and any(principal.app_id == client_id for principal in self.principals.values())

    def things(self) -> Iterator[Thing]:
        """Everything that is not furniture."""
        for application in self.applications.values():
            if application.wanted is not None:
                yield Thing("application", application.unique_name)
            else:
                yield from (Thing("secret", kept.display_name) for kept in application.secrets.values())
        names = {principal.object_id: principal.unique_name for principal in self.principals.values()}
        yield from (Thing("principal", name) for name in names.values() if name)
        yield from (Thing("assignment", each.name, each.scope) for each in self.assignments)
        yield from (Thing("binned", each.unique_name) for each in self.bin.values())
        for group, members in self.groups.items():
            yield from (Thing("membership", names[member], group) for member in members)

    def _discard(self, principal: ObjectId) -> None:
        for members in self.groups.values():
            members.discard(principal)
        self.bin[principal] = self.principals.pop(principal)
        self._made(("bin", principal))

    def _made(self, key: object) -> None:
        self._fresh_until.setdefault(key, self.clock.monotonic() + self.lag)

    def _seen(self, key: object) -> bool:
        return self.clock.monotonic() >= self._fresh_until.get(key, 0.0)

    def _require(self, there: bool) -> None:  # noqa: FBT001 - a predicate, read where it stands
        if not there:
            raise Absent("Request_ResourceNotFound", status=404)
