"""What the triggers are given by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.broker.ports import Ports
from shared.core.errors import Misconfigured
from shared.core.ports.verifier import Verifier

PROBLEMS = "/api/v1/problems"


@dataclass(frozen=True, slots=True)
class Broker:
    """What the edge and the calls work with. ``challenge`` is a 401's; ``docs_url`` is empty for the app's own page.

    ``public_url`` is where callers reach the app, without a slash at its end; empty when nobody has said.
    """

    ports: Ports
    verifier: Verifier
    challenge: str
    docs_url: str = ""
    public_url: str = ""

    def explained_at(self) -> str:
        """The page that explains problems: where the operator says, else the app's own, be it by its path alone."""
        return self.docs_url or f"{self.public_url}{PROBLEMS}"

    def address(self, path: str) -> str:
        """A path of the API as a whole address, for clients that follow no other. Raises ``Misconfigured`` when none is known.

        What a request says of its host is not believed: it would lead a caller, and its token, wherever the sender likes.
        """
        if not self.public_url:
            raise Misconfigured("LEASEHOLD_PUBLIC_URL: is required here, for the platform sets no WEBSITE_HOSTNAME")
        return f"{self.public_url}{path}"


type GetBroker = Callable[[], Awaitable[Broker]]
"""Gives the broker, built at the first call. Raises ``Misconfigured``."""
type GetPorts = Callable[[], Awaitable[Ports]]
"""The same for a trigger without callers."""
