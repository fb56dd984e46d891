"""A service as the engine sees it: what it is called, where it is called, its routes, its errors, what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from local.cloud.engine.http import HttpRequest, Json, Reply, Route

REST = "*"
"""Among an endpoint's paths: every path that is no other service's."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service is called, and how its calls reach it."""

    hosts: tuple[str, ...] = ()
    """Its names in the public cloud, in lower case; ``*.vault.azure.net`` is every name below ``vault.azure.net``.

    The server's certificate covers them."""
    paths: tuple[str, ...] = ()
    """First segments of its paths, or ``REST``: by them it is found where the host is no service's name."""
    tls: bool = True
    """Whether it has a TLS port of its own and is on the common one; otherwise it is on the plain http port."""
    audience: str | None = None
    """Client id of Microsoft's application whose tokens can be asked for by the origin of this service's own port."""
    skips_empty_segments: bool = False
    """Whether it passes over empty segments of a path: msgraph-sdk for Python asks for ``/v1.0//applications``."""
    of_azure: bool = True
    """Whether its calls meet latency and faults and are in the ledger."""


class Service[W](Protocol):
    """One service over a world ``W``. A new instance is made at every reset."""

    @property
    def name(self) -> str:
        """As faults, latency and the ledger call it: ``entra``, ``graph``."""
        ...

    @property
    def endpoint(self) -> Endpoint:
        """Where it is called."""
        ...

    @property
    def routes(self) -> tuple[Route[W], ...]:
        """Tried in order; the first that matches answers."""
        ...

    def error(self, status: int, code: str, message: str) -> Reply:
        """An error in this service's own shape (used for injected faults, 404 of unknown routes, 501)."""
        ...

    def finish(self, world: W, call: HttpRequest, reply: Reply) -> Reply:
        """Adds the headers that every reply of this service carries (request ids, dates, resource units)."""
        ...


@runtime_checkable
class HoldsState[W](Protocol):
    """A service that keeps something of which ``GET /_control/state`` tells."""

    def state(self, world: W) -> Json:
        """Lists of what it keeps, by name; never a secret's value."""
        ...


@runtime_checkable
class RefusesByNumber[W](Protocol):
    """A service whose errors have numbers, as Entra ID's have."""

    def numbered(self, world: W, call: HttpRequest, status: int, code: str, number: int) -> Reply:
        """Such an error, in full (used for injected faults)."""
        ...


@runtime_checkable
class Works[W](Protocol):
    """A service that does something by itself, between calls."""

    async def work(self, world: W) -> None:
        """Does so until it is cancelled: when the local cloud stops, and at a reset, which sets a new instance to work."""
        ...


class Limits(Protocol):
    """Quotas, throttling and page sizes of one service, as the control API reads and sets them."""

    def as_json(self) -> Json:
        """Every limit in force, by name."""
        ...

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raises ``InputError`` for an unknown name or a value that does not fit."""
        ...

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Sets the limits that are named; raises ``InputError``, and sets none, as ``check`` does."""
        ...


@runtime_checkable
class HasLimits(Protocol):
    """A service whose limits can be set while it runs."""

    @property
    def limits(self) -> Limits:
        """Them."""
        ...
