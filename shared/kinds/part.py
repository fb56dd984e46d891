"""What a lease leaves behind, type by type: how its footprint is read and written, and how it is undone.

A lease has one footprint of its kind of credential, and may have others of something else, such as a delivery. A kind answers
for its own footprints (``shared.kinds.kind``). Whatever else a lease leaves behind needs no more than what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from shared.core.footprint import Footprint
from shared.core.names import ObjectId, Scope
from shared.kinds.survey import Survey
from shared.resilience.outages import Service


@dataclass(frozen=True, slots=True)
class Places:
    """The places in Azure to which a role points, or in which a lease has made something."""

    scopes: tuple[Scope, ...] = ()
    groups: tuple[ObjectId, ...] = ()
    applications: tuple[ObjectId, ...] = ()
    """Existing applications, which hold secrets of leases."""
    others: tuple[str, ...] = ()
    """Places that only the kind can name: a server, for example."""
    graph_app_roles: tuple[str, ...] = ()
    """Application permissions of Microsoft Graph that are given: they reach all of the tenant."""


class PartSchema(Protocol):
    """Reads, writes and describes one type of footprint. Pure: it does not call Azure.

    ``Any`` stands for this type's own footprint: each method gets those that this type has made, and no others.
    """

    @property
    def type(self) -> str:
        """The type's name, in stored footprints. A kind of credential has the same name in documents and leases."""
        ...

    def places_of(self, footprint: Any) -> Places:
        """Returns the places in which the lease may have made something."""
        ...

    def write_footprint(self, footprint: Any) -> dict[str, Any]:
        """Returns the footprint as JSON."""
        ...

    def read_footprint(self, stored: Mapping[str, Any]) -> Any:
        """Reads what ``write_footprint`` of this or an earlier version has written."""
        ...

    def principals(self, footprint: Any) -> frozenset[ObjectId]:
        """Returns the known object ids and application ids of principals that the lease has made. None may be a caller."""
        ...

    def remains(self, footprint: Any) -> tuple[str, ...]:
        """Returns what an operator looks for if it could not be undone: names and ids, and no secret."""
        ...

    def services(self, footprint: Any) -> frozenset[Service]:
        """Returns the services that undoing it calls."""
        ...


def unheard(_footprint: Footprint) -> None:
    """For ``undo`` without a lease that could store its notes."""


class PartIssuer(Protocol):
    """Undoes what one type of footprint names. If a worker dies half-way, another may call any method again.

    ``Any`` as in ``PartSchema``.
    """

    async def locate(self, footprint: Any, *, fresh: bool, deadline: float) -> Any:
        """Returns the footprint with the ids that its names lead to, to be stored before anything is deleted.

        If the footprint knows all ids, makes no call. A ``fresh`` object may be hidden. Then the object is made, to learn its
        id, if another worker could find it again by its name.
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
        """Deletes everything that the footprint names. Returns whether it has found everything.

        Absence is success. If the lease is ``fresh``, Azure's replicas may not know an object yet: an absent object is looked
        for again for some seconds. ``maybe_more``: there may be other credentials of the lease than the one that the footprint
        names. ``again``: an earlier attempt may have deleted objects just now, and the recycle bin may not have them yet. Calls
        ``note`` with a footprint that says what is gone for good: the next attempt need not look for that. Tries all of it,
        then raises the first ``Upstream``.
        """
        ...

    async def stands(self, footprint: Any) -> bool:
        """Returns whether everything that the credential needs is still there. Reads only."""
        ...

    def survey(self, places: Places) -> Survey:
        """Returns a survey of what leases may have left that is of this type. It reads only, and only when it is run."""
        ...


class Part(Protocol):
    """Answers for one type of footprint: a kind of credential, or something else that a lease leaves behind."""

    @property
    def type(self) -> str:
        """The name of the type."""
        ...

    @property
    def schema(self) -> PartSchema:
        """The pure half."""
        ...

    @property
    def issuer(self) -> PartIssuer:
        """The half that acts on Azure."""
        ...


@dataclass(eq=False)
class LazyPart:
    """Satisfies ``Part``. Its issuer is made when it is first needed."""

    schema: PartSchema
    make_issuer: Callable[[], PartIssuer]

    @property
    def type(self) -> str:
        """The schema's."""
        return self.schema.type

    @cached_property
    def issuer(self) -> PartIssuer:
        """The half that acts on Azure."""
        return self.make_issuer()
