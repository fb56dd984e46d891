"""The targets and footprints of roles that are granted to the caller itself: reads, writes and judges them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Never

from shared.core.azure_role import AzureRole
from shared.core.caller import CallerType
from shared.core.errors import Caution, Fault
from shared.core.given_powers import assigns_identities
from shared.core.names import ObjectId, RoleName, Scope
from shared.core.parameters.narrowing import narrow
from shared.core.parameters.parameter import Parameter
from shared.core.parsing import Reader
from shared.core.protection import Protected
from shared.core.role import Ready
from shared.core.typed import named
from shared.issuers.role_grant.footprint import Grant, RoleGrantCredential, RoleGrantFootprint
from shared.kinds.assigning import Assigning, is_narrowable, require_narrowable, scopes_of, was_narrowable, write_holes
from shared.kinds.azure_roles import (
    AZURE_ROLES,
    cautions_of_holes,
    compared,
    read_azure_roles,
    restore_azure_roles,
    unresolved_azure_roles,
    write_azure_roles,
)
from shared.kinds.kept_roles import keep_azure_roles, kept_azure_roles
from shared.kinds.kind import NothingAsked
from shared.kinds.part import Places
from shared.resilience.outages import Service

if TYPE_CHECKING:
    from shared.kinds.fragment import Fragment

ON_EXISTING = ("refuse", "ignore")
type OnExisting = Literal["refuse", "ignore"]
_NEVER = {
    "azure_groups": "a membership of the caller's own would count hours after it was made or ended; name azure_roles",
    "graph_app_roles": "permissions for Microsoft Graph are given to principals that a lease makes; name azure_roles",
    "pool": "what is granted to the caller itself cannot be made before somebody asks; leave the field out",
}
"""Fields of other kinds, and why this one has none of them.

https://learn.microsoft.com/azure/role-based-access-control/troubleshooting (a group's members, managed identities)
"""


@dataclass(frozen=True, slots=True)
class RoleGrantTarget:
    """Each lease assigns these roles to its holder. With ``parameters``, scopes and conditions have holes."""

    type: ClassVar[str] = "role_grant"
    ready: ClassVar[Ready] = "none"
    azure_roles: tuple[AzureRole, ...]
    on_existing: OnExisting = "refuse"
    """What is done where the holder has one of them already, by an assignment that is not the broker's."""
    parameters: tuple[Parameter, ...] = ()
    is_narrowable: bool = True
    """Whether a caller may ask for the same assignments further down."""


class RoleGrantSchema(Assigning, NothingAsked):
    """Satisfies ``Schema``."""

    type = RoleGrantTarget.type
    gives_to_holder = True
    """As ``HandsNothingOver``."""

    @property
    def fragment(self) -> Fragment:
        """See the protocol, as for the other methods."""
        from shared.issuers.role_grant.fragment import FRAGMENT  # noqa: PLC0415 - only the contract wants it

        return FRAGMENT

    def read(self, reader: Reader) -> RoleGrantTarget:
        """Reads the fields. An absent field has its default."""
        for field, why in _NEVER.items():
            if reader.has(field):
                reader.take(field)
                reader.fault(field, why)
        if not reader.has(AZURE_ROLES):
            reader.fault(AZURE_ROLES, "is required")
        azure_roles, parameters = read_azure_roles(reader)
        reader.choice("ready", ("none",), default="none")
        return RoleGrantTarget(
            azure_roles,
            "ignore" if reader.choice("on_existing", ON_EXISTING, default="refuse") == "ignore" else "refuse",
            parameters,
            is_narrowable(reader),
        )

    def write(self, target: RoleGrantTarget) -> dict[str, Any]:
        """Writes the fields. An empty field is left out."""
        document = {"on_existing": target.on_existing, "ready": target.ready}
        return document | {AZURE_ROLES: write_azure_roles(target.azure_roles)} | write_holes(target)

    def rules(self, name: RoleName, target: RoleGrantTarget) -> Iterator[Fault]:  # noqa: ARG002 - the protocol's
        """None."""
        yield from ()

    def keep(self, target: RoleGrantTarget) -> dict[str, Any]:
        """Returns what was found of each assignment."""
        return keep_azure_roles(target.azure_roles)

    def kept(self, target: RoleGrantTarget, stored: Mapping[str, Any]) -> RoleGrantTarget:
        """The same."""
        return replace(target, azure_roles=kept_azure_roles(target.azure_roles, stored))

    def restore(self, document: Mapping[str, Any]) -> RoleGrantTarget | None:
        """Returns ``None`` if one assignment cannot be read, or if there is none."""
        restored = restore_azure_roles(document)
        if restored is None or not restored[0]:
            return None
        azure_roles, parameters = restored
        on_existing: OnExisting = "ignore" if document.get("on_existing") == "ignore" else "refuse"
        return RoleGrantTarget(azure_roles, on_existing, parameters, was_narrowable(document))

    def unresolved(self, target: RoleGrantTarget) -> Iterator[Fault]:
        """Yields a fault for each assignment without a definition."""
        return unresolved_azure_roles(target.azure_roles)

    def granted(self, target: RoleGrantTarget) -> Mapping[str, Any]:
        """Definitions as they were resolved, scopes and conditions, in no order. ``on_existing`` gives nothing."""
        return {AZURE_ROLES: sorted(map(compared, target.azure_roles))}

    def narrow(self, target: RoleGrantTarget, within: Scope) -> RoleGrantTarget:
        """Raises ``NotNarrowable`` as well if the role refuses it."""
        require_narrowable(target)
        return replace(target, azure_roles=narrow(target.azure_roles, within))

    def warnings(self, target: RoleGrantTarget, protected: Protected) -> tuple[Caution, ...]:
        """Returns a caution for each protected resource that it reads, and for identities as which it can act."""
        cautions = (*protected.warnings(target.azure_roles), *assigns_identities(target.azure_roles))
        return (*cautions, *cautions_of_holes(target.azure_roles, target.parameters, protected))

    def places(self, target: RoleGrantTarget) -> Places:
        """Returns the scopes."""
        return Places(scopes_of(target))

    def places_of(self, footprint: RoleGrantFootprint) -> Places:
        """Returns the scopes of a lease, but not those that were left out."""
        return Places(tuple(each.scope for each in footprint.assignments))

    def write_footprint(self, footprint: RoleGrantFootprint) -> dict[str, Any]:
        """Writes every field under its name. Whether all was granted is written once it was."""
        return {
            "principal_id": footprint.principal_id,
            "principal_type": footprint.principal_type,
            "grants": [
                {"scope": each.scope, "name": each.name, "definition_id": each.definition_id} for each in footprint.grants
            ],
            "made": list(footprint.made),
            "unmade": list(footprint.unmade),
            "left_out": list(footprint.left_out),
            **({"granted": True} if footprint.granted else {}),
        }

    def read_footprint(self, stored: Mapping[str, Any]) -> RoleGrantFootprint:
        """The same."""
        return RoleGrantFootprint(
            named(ObjectId, stored["principal_id"]),
            CallerType(stored["principal_type"]),
            tuple(Grant(named(Scope, each["scope"]), each["name"], each["definition_id"]) for each in stored["grants"]),
            tuple(stored.get("made", ())),
            tuple(stored.get("unmade", ())),
            tuple(stored.get("left_out", ())),
            stored.get("granted", False),
        )

    def can_hold_credential(self, footprint: RoleGrantFootprint) -> bool:
        """Returns whether each grant was made or left out: what was made is all there is of the credential."""
        return footprint.granted

    def with_credential(self, footprint: RoleGrantFootprint, credential_id: ObjectId) -> Never:  # noqa: ARG002 - the protocol's
        """Its credential has no id."""
        raise TypeError(f"a grant is removed with its lease, and not as {credential_id}")

    def complete(self, credential: RoleGrantCredential, footprint: RoleGrantFootprint) -> RoleGrantCredential:  # noqa: ARG002 - it learns nothing more
        """As it is."""
        return credential

    def principals(self, footprint: RoleGrantFootprint) -> frozenset[ObjectId]:  # noqa: ARG002 - the protocol's
        """Returns none: the holder was there before, and may be a caller."""
        return frozenset()

    def remains(self, footprint: RoleGrantFootprint) -> tuple[str, ...]:
        """Returns the assignments, but not those that were certainly never made."""
        return tuple(f"role assignment {each.name} at {each.scope}" for each in footprint.to_undo)

    def services(self, footprint: RoleGrantFootprint) -> frozenset[Service]:  # noqa: ARG002 - the protocol's
        """Resource Manager alone."""
        return frozenset({Service.RESOURCE_MANAGER})
