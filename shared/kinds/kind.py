"""A kind of credential: a ``Schema``, which is pure, and an ``Issuer``, which acts on Azure, joined in a ``Kind``.

``shared.issuers`` has a package or a file for each kind. Tests bring kinds of their own. A kind that needs no new service takes
its file and one line in ``shared.wiring``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from shared.core.azure_role import AzureRole
from shared.core.caller import CallerType
from shared.core.credential import Credential
from shared.core.errors import Caution, Fault, Malformed
from shared.core.federated_identity import FederatedIdentity
from shared.core.lease import Holder
from shared.core.names import LeaseId, ObjectId, RoleName, Scope
from shared.core.parameters.errors import NotNarrowable
from shared.core.parsing import Reader
from shared.core.protection import Protected
from shared.core.role import Target
from shared.kinds.part import PartIssuer, PartSchema, Places
from shared.kinds.proof import Proof

if TYPE_CHECKING:
    from shared.kinds.fragment import Fragment

SUSPECTS = 200
"""For each kind, in one reconciliation."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An object that the broker has not made, on which a role's leases depend. It is looked at again from time to time."""

    type: str
    """One word: ``application``."""
    name: str
    """A name made of Azure's own ids."""
    operation: str
    """The operation in the audit trail, if a look has found something else than the look before."""


class Schema(PartSchema, Protocol):
    """Reads, writes and judges a kind's targets and footprints. Pure: it does not call Azure.

    ``Any`` stands for the kind's own target and footprint: each method gets those that this kind has made, and no others.
    """

    @property
    def fragment(self) -> Fragment:
        """What the kind adds to the contract."""
        ...

    def read(self, reader: Reader) -> Any:
        """Reads the target from a caller's document. It is not resolved yet. Notes every fault in the reader."""
        ...

    def write(self, target: Any) -> dict[str, Any]:
        """Returns the kind's part of the public document, which ``read`` reads back."""
        ...

    def rules(self, name: RoleName, target: Any) -> Iterator[Fault]:
        """Yields faults of the target as a whole. A rule may be added at any time: it holds for what is written later."""
        ...

    def keep(self, target: Any) -> dict[str, Any]:
        """Returns what was looked up when the role was written, to be stored beside the public document."""
        ...

    def kept(self, target: Any, stored: Mapping[str, Any]) -> Any:
        """Returns the target with what ``keep`` has written. What cannot be read stays unresolved. Raises nothing."""
        ...

    def restore(self, document: Mapping[str, Any]) -> Any | None:
        """Reads the target from a stored document that today's rules refuse. Returns ``None`` if nothing can be minted."""
        ...

    def unresolved(self, target: Any) -> Iterator[Fault]:
        """Yields what was never looked up, by the paths of the document. Nothing is issued from such a target."""
        ...

    def granted(self, target: Any) -> Mapping[str, Any]:
        """Returns what the credential may do, as JSON. Two targets that grant the same have the same JSON.

        An absent field is left out: a later version, which knows more fields, must return the same.
        """
        ...

    def fill(self, target: Any, values: Mapping[str, str]) -> Any:
        """Returns the target with these values in its holes, which ``read_values`` has returned. It has no holes any more.

        Raises ``Malformed`` (``Ambiguous``, or a scope that is too long), ``RoleOutdated``.
        """
        ...

    def narrow(self, target: Any, within: Scope) -> Any:
        """Returns the filled target with all of its assignments at ``within``.

        Raises ``NotWithin`` if that is not at or below each of them, ``NotNarrowable`` if not all of the target lies at scopes.
        """
        ...

    def azure_roles(self, target: Any) -> tuple[AzureRole, ...]:
        """Returns the role assignments that the credential gets."""
        ...

    def with_azure_roles(self, target: Any, azure_roles: tuple[AzureRole, ...]) -> Any:
        """Returns the target with these in place of its own: the same assignments, read again."""
        ...

    def faults(self, target: Any, protected: Protected) -> tuple[Fault, ...]:
        """Returns why no role may mint this: it would reach the broker's own resources."""
        ...

    def closed(self, target: Any) -> Malformed | None:
        """Returns why nothing can be minted, by what ``resolve`` has last found. ``None`` if nothing is known against it."""
        ...

    def watched(self, target: Any) -> Watched | None:
        """Returns the object that ``resolve`` is to look at again now and then, or ``None``."""
        ...

    def warnings(self, target: Any, protected: Protected) -> tuple[Caution, ...]:
        """Returns what a role may do and its author should know."""
        ...

    def places(self, target: Any) -> Places:
        """Returns the places to which the role points."""
        ...

    def can_hold_credential(self, footprint: Any) -> bool:
        """Returns whether enough was made to add the credential."""
        ...

    def with_credential(self, footprint: Any, credential_id: ObjectId) -> Any:
        """Returns the footprint with the id of the credential that was handed out last."""
        ...

    def complete(self, credential: Any, footprint: Any) -> Any:
        """Returns the credential with what the footprint has learned since the credential was added."""
        ...

    def asks_who(self, target: Any, fields: Mapping[str, Any]) -> bool:
        """Returns whether ``asked`` has to know what the directory says of the caller."""
        ...

    def asked(self, target: Any, asking: Asking) -> Any:
        """Reads those fields of an ask that are about the credential.

        Raises ``Malformed`` with every fault, and ``Conflict`` if the kind has no credential for this caller.
        """
        ...

    def asked_again(self, target: Any, footprint: Any, fields: Mapping[str, Any]) -> Any:
        """Reads the same fields of an ask for the credential of an active lease. Fields that ``asked`` has used do no harm.

        Raises ``Malformed``, and ``Conflict`` if the role of today would not hand this credential out.
        """
        ...

    def used_by(self, footprint: Any) -> FederatedIdentity | None:
        """Returns whose tokens stand for the lease's credential, if anybody's do. That need not be the holder."""
        ...


class WithoutScopes:
    """For the schemas of kinds whose targets name no scopes: nothing of them can be filled or narrowed."""

    def fill(self, target: Any, values: Mapping[str, str]) -> Any:  # noqa: ARG002 - the protocol's
        """Returns the target: it has no holes."""
        return target

    def narrow(self, target: Any, within: Scope) -> Any:  # noqa: ARG002 - the protocol's
        """Raises ``NotNarrowable``."""
        raise NotNarrowable(detail="What this role gives lies at no scope.")


@dataclass(frozen=True, slots=True)
class Asker:
    """The caller of an issue, as far as its credential may depend on that.

    ``is_user_assigned``: whether it is a user-assigned managed identity of the broker's own tenant, if that was asked.
    """

    object_id: ObjectId
    is_user_assigned: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """The fields of an ask that are about the credential, as the caller has written them; who asks, and when, in UTC.

    The lease ends by ``until`` at the latest, renewals included.
    """

    fields: Mapping[str, Any]
    asker: Asker
    now: datetime
    until: datetime


class NothingAsked:
    """For the schemas of kinds whose credentials do not depend on the ask."""

    def asks_who(self, target: Any, fields: Mapping[str, Any]) -> bool:  # noqa: ARG002 - the protocol's
        """Never."""
        return False

    def asked(self, target: Any, asking: Asking) -> Any:  # noqa: ARG002 - the protocol's
        """Raises ``Malformed`` if there is any field."""
        refuse_fields(asking.fields)

    def asked_again(self, target: Any, footprint: Any, fields: Mapping[str, Any]) -> Any:  # noqa: ARG002 - the protocol's
        """Raises ``Malformed`` if there is any field."""
        refuse_fields(fields)

    def used_by(self, footprint: Any) -> FederatedIdentity | None:  # noqa: ARG002 - the protocol's
        """Nobody."""
        return None


def refuse_fields(fields: Mapping[str, Any], *, but: str = "") -> None:
    """Raises ``Malformed`` with a fault for each field of the credential's, but for one that the role does take."""
    hint = "; did you mean within?" if "scope" in fields else ""
    message = "is of no use to this role's kind of credential"
    if wrong := [Fault(name, message + (hint if name == "scope" else "")) for name in fields if name != but]:
        raise Malformed(*wrong)


@dataclass(frozen=True, slots=True)
class Order:
    """What to mint, for which lease. Times are in UTC. ``deadline`` is on the monotonic clock: no call begins later."""

    lease_id: LeaseId
    holder: Holder
    target: Target
    credential_end: datetime
    """The credential must not work longer than until then."""
    deadline: float
    rotating: bool = False
    """Whether the lease has a credential already, which the new one is to replace."""
    fresh: bool = False
    """If ``rotating``: some of Azure's replicas may not know the footprint's objects yet."""
    holder_type: CallerType = CallerType.APPLICATION
    """What the holder is. Only ``plan`` is told."""
    asked: Any = None
    """What the schema has read of the ask: ``asked`` for ``plan`` and what follows at once, and ``asked_again`` later."""
    pooled: bool = False
    """Whether the lease is made for a pool: nobody has asked for it yet."""
    claimed: bool = False
    """Whether the lease was claimed from a pool. What was made for it was seen to work: what is absent by now is gone."""
    last_end: datetime | None = None
    """With what ``prepare`` makes, a credential must work until then: the lease may be collected later. If nobody says,
    until ``credential_end``."""


@dataclass(frozen=True, slots=True)
class Minted:
    """A credential, and the id by which it is removed; ``None`` if it goes with the object that holds it."""

    credential: Credential
    credential_id: ObjectId | None = None
    proven: bool = False
    """Whether the credential was accepted while it was made: nothing is left to prove."""
    unchanged: bool = False
    """If the order is ``rotating``: whether the credential is the one of before. What was proven of that still holds."""
    maybe_more: bool = False
    """Whether an answer was lost, so that there may be another credential, of which nobody knows more than the lease's id."""


class Issuer(PartIssuer, Protocol):
    """Makes one kind of credential and undoes it. If a worker dies half-way, another may call any method again.

    ``Any`` as in ``Schema``.
    """

    async def resolve(self, target: Any) -> Any:
        """Returns the target with what its names mean in Azure today. Raises ``Malformed`` with each that means nothing."""
        ...

    def plan(self, order: Order) -> Any:
        """Names everything that ``prepare`` and ``credential`` will make. Makes no call.

        Raises ``Conflict`` or ``Forbidden`` if this holder may not be given it.
        """
        ...

    async def prepare(self, order: Order, footprint: Any, note: Callable[[Any], None]) -> Any:
        """Makes everything but the credential. Returns the footprint that knows all of it. Idempotent.

        Whenever Azure has answered that something was made, calls ``note`` with a footprint that knows more. As long as the
        footprint equals the plan, undo takes absent objects for never made. Raises ``Upstream`` if it cannot be done, and
        ``Rejected`` if it may not be done: then no call is under way any more, and what may have been made was noted.
        """
        ...

    async def credential(self, order: Order, footprint: Any, note: Callable[[ObjectId], None]) -> Minted:
        """Adds a credential beside the others, and does not prove it. Calls ``note`` as soon as its id is known.

        The footprint can hold a credential. If the order is ``rotating`` and an answer is lost, the call is not repeated: that
        would make one more. Raises ``Upstream``. Raises ``Conflict`` or ``RoleOutdated`` if none may be added.
        A kind may hand out something that need not be replaced (``Minted.unchanged``).
        """
        ...

    async def prove(self, order: Order, credential: Any, *, deadline: float) -> Proof:
        """Tries the credential in the way that the order's target wants (``Target.ready``), until ``deadline`` at most.

        ``deadline`` is on the monotonic clock. Changes nothing. Raises ``NeverReady`` if waiting does not make it work.
        """
        ...

    async def remove_former(self, order: Order, footprint: Any, *, maybe_more: bool, keeping: ObjectId | None = None) -> bool:
        """Removes the credential that the footprint names and, if there are ``maybe_more``, the lease's others but ``keeping``.

        Returns whether certainly no other is left. Tries all of them, then raises the first ``Upstream``.
        """
        ...


@dataclass(frozen=True)
class Kind:
    """One kind of credential. The issuer is made when it is first needed, because it imports Azure's libraries."""

    schema: Schema
    make_issuer: Callable[[], Issuer] = field(repr=False)
    suspects: int = SUSPECTS
    """One reconciliation looks more closely at so many active leases that the kind's survey does not show."""

    @property
    def type(self) -> str:
        """The kind's name."""
        return self.schema.type

    @cached_property
    def issuer(self) -> Issuer:
        """The issuer, made once."""
        return self.make_issuer()
