"""What the schemas of all kinds have in common whose targets assign Azure roles, perhaps with holes in their scopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from shared.core.azure_role import AzureRole
from shared.core.errors import Fault, Malformed
from shared.core.names import Scope
from shared.core.parameters.errors import NotNarrowable
from shared.core.parameters.filling import fill
from shared.core.parameters.narrowing import WITHIN
from shared.core.parameters.parameter import FIELD, Parameter, write_parameters
from shared.core.parsing import Reader
from shared.core.protection import Protected
from shared.kinds.azure_roles import all_fillings, protected_faults
from shared.kinds.kind import Watched

_NARROWING = "narrowing"


class AssigningTarget(Protocol):
    """A target that assigns roles: frozen, and a dataclass."""

    @property
    def azure_roles(self) -> tuple[AzureRole, ...]:
        """All assignments."""
        ...

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What fills the holes."""
        ...

    @property
    def is_narrowable(self) -> bool:
        """Whether a caller may ask for the same assignments further down."""
        ...


class Assigning:
    """A part of ``Schema``. ``Any`` stands for the kind's own target, which is an ``AssigningTarget``."""

    def fill(self, target: Any, values: Mapping[str, str]) -> Any:
        """Fills scopes and conditions."""
        return replace(target, azure_roles=fill(target.azure_roles, values), parameters=())

    def azure_roles(self, target: Any) -> tuple[AzureRole, ...]:
        """Returns all assignments."""
        found: tuple[AzureRole, ...] = target.azure_roles
        return found

    def with_azure_roles(self, target: Any, azure_roles: tuple[AzureRole, ...]) -> Any:
        """Returns the target with these assignments, in the same order."""
        return replace(target, azure_roles=azure_roles)

    def faults(self, target: Any, protected: Protected) -> tuple[Fault, ...]:
        """Judges the scopes of the assignments."""
        return protected_faults(target.azure_roles, target.parameters, protected)

    def closed(self, target: Any) -> Malformed | None:  # noqa: ARG002 - the protocol's
        """Never."""
        return None

    def watched(self, target: Any) -> Watched | None:  # noqa: ARG002 - the protocol's
        """Nothing: the definitions of its assignments are looked at apart."""
        return None


def is_narrowable(reader: Reader) -> bool:
    """Reads from a role's document whether callers may narrow it."""
    return reader.choice(_NARROWING, ("allow", "refuse"), default="allow") == "allow"


def was_narrowable(document: Mapping[str, Any]) -> bool:
    """Reads the same from a stored document."""
    return bool(document.get(_NARROWING, "allow") == "allow")


def write_holes(target: AssigningTarget) -> dict[str, Any]:
    """Returns what a document says of parameters and of narrowing. What is as by default is left out."""
    parameters = {FIELD: write_parameters(target.parameters)} if target.parameters else {}
    return parameters | ({} if target.is_narrowable else {_NARROWING: "refuse"})


def require_narrowable(target: AssigningTarget) -> None:
    """Raises ``NotNarrowable`` if the role refuses to be narrowed."""
    if not target.is_narrowable:
        raise NotNarrowable(Fault(WITHIN, "this role refuses it"))


def scopes_of(target: AssigningTarget) -> tuple[Scope, ...]:
    """Returns the scopes. Of a scope with holes: all that it may become, or nothing if that is not known."""
    return tuple(role.scope for found in all_fillings(target.azure_roles, target.parameters) for role in found or ())
