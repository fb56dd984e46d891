"""The targets and footprints of roles on existing applications: reads, writes and judges them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from shared.core.azure_role import AzureRole
from shared.core.errors import Caution, Fault, Malformed
from shared.core.names import ObjectId, RoleName
from shared.core.parameters.parameter import Parameter
from shared.core.parsing import Reader
from shared.core.protection import Protected
from shared.core.role import Ready
from shared.core.typed import named
from shared.kinds.client_secret import ClientSecretCredential
from shared.kinds.kind import NothingAsked, Watched, WithoutScopes
from shared.kinds.lenient import identity, ready
from shared.kinds.part import Places
from shared.resilience.outages import Service

if TYPE_CHECKING:
    from shared.kinds.fragment import Fragment

FIELD = "application_object_id"
MARKED = "the application was made for a lease, and goes when that ends"
_DENIED = (
    "the broker may not change this application: make the broker's service principal an owner of it, "
    "or grant the broker a permission that reaches it, and write the role again"
)
_NOT_OWNED = "the broker does not own the application: a secret can be made only while another permission of it allows that"

type Closed = Literal["", "marked", "denied"]
"""Why no secret may be made on an application: it carries the broker's mark, or Entra ID does not let the broker change it."""

_REFUSALS: Mapping[Closed, tuple[str, str]] = {"marked": ("protected_target", MARKED), "denied": ("unresolvable", _DENIED)}
"""The code, and what is wrong."""


@dataclass(frozen=True, slots=True)
class ApplicationSecretTarget:
    """Each lease gets a new secret on an existing application.

    ``app_id`` and ``principal_id`` (of its service principal here, if it has one) were read when the role was written.
    """

    type: ClassVar[str] = "application_secret"
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    application_object_id: ObjectId
    ready: Ready = "none"
    app_id: ObjectId | None = None
    principal_id: ObjectId | None = None
    closed: Closed = ""
    """What the last look at the application has found; empty if nothing is known against it."""
    owned: bool = True
    """Whether the broker owned it then. An older version has stored roles without it."""


@dataclass(frozen=True, slots=True)
class ApplicationSecretFootprint:
    """A secret on an application that stays. While its key id is not known, ``display_name`` leads to it."""

    type: ClassVar[str] = "application_secret"
    application_id: ObjectId
    display_name: str
    key_id: ObjectId | None = None


class ApplicationSecretSchema(WithoutScopes, NothingAsked):
    """Satisfies ``Schema``. It assigns no roles."""

    type = ApplicationSecretTarget.type

    @property
    def fragment(self) -> Fragment:
        """See the protocol, as for the other methods."""
        from shared.issuers.application_secret.fragment import FRAGMENT  # noqa: PLC0415 - only the contract wants it

        return FRAGMENT

    def read(self, reader: Reader) -> ApplicationSecretTarget:
        """Two fields."""
        object_id = reader.parsed(FIELD, ObjectId.parse, required=True)
        wanted = reader.choice("ready", ("none", "token"), default="token")
        return ApplicationSecretTarget(object_id or ObjectId(""), ready="token" if wanted == "token" else "none")

    def write(self, target: ApplicationSecretTarget) -> dict[str, Any]:
        """Two fields."""
        return {FIELD: target.application_object_id, "ready": target.ready}

    def rules(self, name: RoleName, target: ApplicationSecretTarget) -> Iterator[Fault]:  # noqa: ARG002 - the protocol's
        """None."""
        yield from ()

    def keep(self, target: ApplicationSecretTarget) -> dict[str, Any]:
        """Returns the ids for a credential, and what the last look at the application has found."""
        return {
            "app_id": target.app_id,
            "principal_id": target.principal_id,
            "closed": target.closed,
            "owned": target.owned,
        }

    def kept(self, target: ApplicationSecretTarget, stored: Mapping[str, Any]) -> ApplicationSecretTarget:
        """The same."""
        found = stored.get("closed")
        return replace(
            target,
            app_id=identity(stored.get("app_id")),
            principal_id=identity(stored.get("principal_id")),
            closed=next((each for each in _REFUSALS if each == found), ""),
            owned=stored.get("owned") is not False,
        )

    def restore(self, document: Mapping[str, Any]) -> ApplicationSecretTarget | None:
        """Returns ``None`` if there is no application."""
        application = identity(document.get(FIELD))
        proven: Ready = "none" if ready(document) == "none" else "token"
        return ApplicationSecretTarget(application, proven) if application else None

    def unresolved(self, target: ApplicationSecretTarget) -> Iterator[Fault]:
        """Yields a fault if the application's client id is not known."""
        if target.app_id is None:
            yield Fault(FIELD, "was never looked up in Azure; write the role again")

    def granted(self, target: ApplicationSecretTarget) -> Mapping[str, Any]:
        """The application."""
        return {FIELD: target.application_object_id}

    def azure_roles(self, target: ApplicationSecretTarget) -> tuple[AzureRole, ...]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def with_azure_roles(
        self,
        target: ApplicationSecretTarget,
        azure_roles: tuple[AzureRole, ...],  # noqa: ARG002 - there are none
    ) -> ApplicationSecretTarget:
        """As it is."""
        return target

    def faults(self, target: ApplicationSecretTarget, protected: Protected) -> tuple[Fault, ...]:
        """Refuses the broker's own application, by any of its ids."""
        if not protected.is_own(target.application_object_id, target.app_id, target.principal_id):
            return ()
        return (Fault(FIELD, "a role may not target the broker's own application or identity"),)

    def closed(self, target: ApplicationSecretTarget) -> Malformed | None:
        """Returns a refusal by what the last look has found."""
        if not target.closed:
            return None
        code, message = _REFUSALS[target.closed]
        return Malformed(Fault(FIELD, message), code=code)

    def watched(self, target: ApplicationSecretTarget) -> Watched:
        """Watches the application: it is not the broker's own, and may change after the role was written."""
        return Watched("application", target.application_object_id, "read_application")

    def warnings(self, target: ApplicationSecretTarget, protected: Protected) -> tuple[Caution, ...]:  # noqa: ARG002 - the protocol's
        """Returns a caution if the broker does not own the application: nothing else shows that before an issue fails."""
        return () if target.owned or target.closed else (Caution(FIELD, "not_an_owner", _NOT_OWNED),)

    def places(self, target: ApplicationSecretTarget) -> Places:
        """The application."""
        return Places(applications=(target.application_object_id,))

    def places_of(self, footprint: ApplicationSecretFootprint) -> Places:
        """The same of a lease."""
        return Places(applications=(footprint.application_id,))

    def write_footprint(self, footprint: ApplicationSecretFootprint) -> dict[str, Any]:
        """Writes every field under its name."""
        return {
            "application_id": footprint.application_id,
            "display_name": footprint.display_name,
            "key_id": footprint.key_id,
        }

    def read_footprint(self, stored: Mapping[str, Any]) -> ApplicationSecretFootprint:
        """The same."""
        key_id = stored.get("key_id")
        return ApplicationSecretFootprint(
            named(ObjectId, stored["application_id"]),
            stored["display_name"],
            named(ObjectId, key_id) if key_id is not None else None,
        )

    def is_deliverable(self, target: ApplicationSecretTarget) -> bool:  # noqa: ARG002 - the protocol's
        """Returns ``True``: a secret lasts as long as its lease."""
        return True

    def can_hold_credential(self, footprint: ApplicationSecretFootprint) -> bool:  # noqa: ARG002 - the protocol's
        """Returns ``True``: the application is there from the beginning."""
        return True

    def with_credential(self, footprint: ApplicationSecretFootprint, credential_id: ObjectId) -> ApplicationSecretFootprint:
        """Adds the secret's key id."""
        return replace(footprint, key_id=credential_id)

    def complete(
        self,
        credential: ClientSecretCredential,
        footprint: ApplicationSecretFootprint,  # noqa: ARG002 - it learns nothing more
    ) -> ClientSecretCredential:
        """As it is."""
        return credential

    def principals(self, footprint: ApplicationSecretFootprint) -> frozenset[ObjectId]:  # noqa: ARG002 - the protocol's
        """Returns none: the application is not the lease's own, and may be a caller."""
        return frozenset()

    def remains(self, footprint: ApplicationSecretFootprint) -> tuple[str, ...]:
        """The secret."""
        return (f"secret {footprint.display_name} on application {footprint.application_id}",)

    def services(self, footprint: ApplicationSecretFootprint) -> frozenset[Service]:  # noqa: ARG002 - the protocol's
        """Graph alone."""
        return frozenset({Service.GRAPH})
