"""What a kind of credential is: a ``Schema``, which is pure, and an ``Issuer``, which acts on Azure, joined in a ``Kind``.

``shared.issuers`` has one package or file for each kind; tests bring kinds of their own. A kind that needs no new service is
added by its file and one line in ``shared.wiring``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from shared.core.azure_role import AzureRole
from shared.core.credential import Credential
from shared.core.errors import Caution, Fault, Malformed
from shared.core.footprint import Footprint
from shared.core.lease import Holder
from shared.core.names import LeaseId, ObjectId, RoleName, Scope
from shared.core.parsing import Reader
from shared.core.protection import Protected
from shared.core.role import Target
from shared.kinds.survey import Survey
from shared.resilience.outages import Service

if TYPE_CHECKING:
    from shared.kinds.fragment import Fragment

SUSPECTS = 200
"""Of each kind, in one reconciliation."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where in Azure a role points, or a lease has been."""

    scopes: tuple[Scope, ...] = ()
    groups: tuple[ObjectId, ...] = ()
    applications: tuple[ObjectId, ...] = ()
    """Existing ones, which hold secrets of leases."""
    others: tuple[str, ...] = ()
    """What only the kind can name: a server, say."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Somebody's own object on which a role's leases depend, so that it is looked at again from time to time."""

    type: str
    """In one word: ``application``."""
    name: str
    """In Azure's own ids."""
    operation: str
    """What the audit trail calls a look that has found something else than the one before."""


class Schema(Protocol):
    """How a kind's targets and footprints are read, written and judged. Pure; asks nothing of Azure.

    ``Any`` stands for the kind's own target and footprint: each method is given what this kind has made, and nothing else.
    """

    @property
    def type(self) -> str:
        """The kind's name, in documents, leases and stored footprints."""
        ...

    @property
    def fragment(self) -> Fragment:
        """What the kind adds to the contract."""
        ...

    def read(self, reader: Reader) -> Any:
        """The target that a caller's document asks for, not yet resolved. Notes every fault in the reader."""
        ...

    def write(self, target: Any) -> dict[str, Any]:
        """The public document's part: what ``read`` would read back."""
        ...

    def rules(self, name: RoleName, target: Any) -> Iterator[Fault]:
        """What is wrong with the target as a whole. A rule may be added at any time: it counts for what is written later."""
        ...

    def keep(self, target: Any) -> dict[str, Any]:
        """What was looked up when the role was written, to be stored beside the public document."""
        ...

    def kept(self, target: Any, stored: Mapping[str, Any]) -> Any:
        """The target with what ``keep`` wrote, or a version of it: whatever cannot be read stays unresolved. Raises nothing."""
        ...

    def restore(self, document: Mapping[str, Any]) -> Any | None:
        """The target in a stored public document that today's rules refuse; ``None`` if it says nothing that can be minted."""
        ...

    def unresolved(self, target: Any) -> Iterator[Fault]:
        """What was never looked up, by the paths of the document: nothing is issued from such a target."""
        ...

    def granted(self, target: Any) -> Mapping[str, Any]:
        """What the credential may do, as JSON: two targets that grant the same give the same.

        A field joins only if it is there: a later version, which knows more fields, must give the same.
        """
        ...

    def azure_roles(self, target: Any) -> tuple[AzureRole, ...]:
        """The role assignments that the credential gets."""
        ...

    def with_azure_roles(self, target: Any, azure_roles: tuple[AzureRole, ...]) -> Any:
        """The target with these in place of its own: the same assignments, read again."""
        ...

    def faults(self, target: Any, protected: Protected) -> tuple[Fault, ...]:
        """Why no role may mint this: it would reach what is the broker's own."""
        ...

    def closed(self, target: Any) -> Malformed | None:
        """Why nothing can be minted, by what ``resolve`` last found; ``None`` if nothing is known against it."""
        ...

    def watched(self, target: Any) -> Watched | None:
        """What ``resolve`` is to look at again, now and then; ``None`` if nothing."""
        ...

    def warnings(self, target: Any, protected: Protected) -> tuple[Caution, ...]:
        """What a role may do that its writer should know of."""
        ...

    def places(self, target: Any) -> Places:
        """Where the role points."""
        ...

    def places_of(self, footprint: Any) -> Places:
        """Where the lease has been."""
        ...

    def write_footprint(self, footprint: Any) -> dict[str, Any]:
        """As JSON."""
        ...

    def read_footprint(self, stored: Mapping[str, Any]) -> Any:
        """What ``write_footprint`` wrote, in this version or an earlier one."""
        ...

    def can_hold_credential(self, footprint: Any) -> bool:
        """Whether so much has been made that the credential can be added."""
        ...

    def with_credential(self, footprint: Any, credential_id: ObjectId) -> Any:
        """The footprint with the id of the credential that was handed out last."""
        ...

    def complete(self, credential: Any, footprint: Any) -> Any:
        """The credential with what the footprint has learned since it was added."""
        ...

    def principals(self, footprint: Any) -> frozenset[ObjectId]:
        """Object ids and application ids of what the lease has made and a caller could be, as far as they are known."""
        ...

    def remains(self, footprint: Any) -> tuple[str, ...]:
        """What an operator looks for if it could not be undone: names and ids, no secret among them."""
        ...

    def services(self, footprint: Any) -> frozenset[Service]:
        """Whom undoing it asks."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What to mint, for which lease. Times in UTC; ``deadline`` on the monotonic clock: no call to Azure begins later."""

    lease_id: LeaseId
    holder: Holder
    target: Target
    credential_end: datetime
    """Until when the credential may work at the very latest."""
    deadline: float
    rotating: bool = False
    """Whether the lease has a credential already, which this one is to replace."""
    fresh: bool = False
    """While it is rotating: what the footprint names may be too young for all of Azure's replicas to know."""


@dataclass(frozen=True, slots=True)
class Minted:
    """A credential, and the id by which it is removed again; ``None`` if it goes with what holds it."""

    credential: Credential
    credential_id: ObjectId | None = None


def unheard(_footprint: Footprint) -> None:
    """For ``undo`` where no lease stands that could keep what it notes."""


class Issuer(Protocol):
    """Makes one kind of credential and takes it back. Any method may be called again after it died half-way.

    ``Any`` as in ``Schema``.
    """

    async def resolve(self, target: Any) -> Any:
        """The target with what its names mean in Azure today. Raises ``Malformed`` with each that means nothing."""
        ...

    def plan(self, order: Order) -> Any:
        """Names everything that the next two will make. Touches nothing."""
        ...

    async def prepare(self, order: Order, footprint: Any, note: Callable[[Any], None]) -> Any:
        """Makes everything but the credential, and gives the footprint that knows all of it. Idempotent.

        Calls ``note`` with a footprint that says more whenever Azure has told that something was made: as long as it is equal
        to the plan, whoever undoes it takes what is absent for never made. Raises ``Upstream`` if it cannot be done; nothing is
        then under way any more. Raises ``Rejected`` only if nothing at all was begun.
        """
        ...

    async def credential(self, order: Order, footprint: Any, note: Callable[[ObjectId], None]) -> Minted:
        """Adds a credential beside those that there are, untried. Calls ``note`` as soon as its id is known.

        The footprint can hold one. If the order is ``rotating``, an answer that is lost is not asked for again: that would make
        one more. Raises ``Upstream``; ``Conflict`` or ``RoleOutdated`` if none may be added, with nothing made.
        """
        ...

    async def prove(self, credential: Any, *, deadline: float) -> bool:
        """Whether the credential is seen to work dependably before ``deadline``, on the monotonic clock. Changes nothing."""
        ...

    async def remove_former(self, order: Order, footprint: Any, *, maybe_more: bool, keeping: ObjectId | None = None) -> bool:
        """Removes the credential that the footprint names and, if there may be more, the lease's others; not the one to keep.

        Returns whether it is certain that no other is left. Tries all of them, then raises the first ``Upstream``.
        """
        ...

    async def locate(self, footprint: Any, *, fresh: bool, deadline: float) -> Any:
        """The footprint with the ids of what its names lead to, to be stored before anything is deleted.

        Makes no call if it knows them all. What is ``fresh`` may be hidden: it is then made, to learn its id, where its name
        leads whoever comes after a death to it.
        """
        ...

    async def undo(
        self,
        footprint: Any,
        *,
        fresh: bool,
        deadline: float,
        maybe_more: bool = False,
        again: bool = False,
        note: Callable[[Any], None] = unheard,
    ) -> bool:
        """Deletes all of it. Returns whether it found everything that the footprint names.

        Absence is success. What is ``fresh`` may be absent only because Azure's replicas do not know it yet: what is absent is
        then asked for again for some seconds. ``maybe_more``: there may be other credentials of the lease than the one that the
        footprint names. ``again``: an earlier attempt may have deleted some of it just now, so that the recycle bin may not
        know of it yet. Calls ``note`` with a footprint that says what is gone for good: the next attempt need not look for it.
        Tries every part, then raises the first ``Upstream``.
        """
        ...

    async def stands(self, footprint: Any) -> bool:
        """Whether everything is still there that makes the credential work. Reads only."""
        ...

    def survey(self, places: Places) -> Survey:
        """What there is in Azure that may be of leases of this kind. Reads only, once it is run."""
        ...


@dataclass(frozen=True)
class Kind:
    """One kind of credential. The issuer is made when it is first needed: it brings Azure's libraries."""

    schema: Schema
    make_issuer: Callable[[], Issuer] = field(repr=False)
    suspects: int = SUSPECTS
    """Active leases of the kind that one reconciliation looks at more closely because its survey does not show them."""

    @property
    def type(self) -> str:
        """Its name."""
        return self.schema.type

    @cached_property
    def issuer(self) -> Issuer:
        """Made once."""
        return self.make_issuer()
