"""What the composition root gives to the triggers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shared.broker.ports import Ports
from shared.core.errors import Misconfigured
from shared.core.events.door import Door
from shared.core.ports.verifier import Verifier

PROBLEMS = "/api/v1/problems"


@dataclass(frozen=True, slots=True)
class Broker:
    """What the edge and the handlers work with. ``challenge`` is the ``WWW-Authenticate`` of a 401.

    ``docs_url`` is empty if the app's own page explains problems. ``public_url`` is the address at which callers reach the app,
    without a slash at its end. It is empty if nobody has named it.
    """

    ports: Ports
    verifier: Verifier
    challenge: str
    docs_url: str = ""
    public_url: str = ""
    door: Door = field(default_factory=Door)
    """For whom the call that takes events is."""

    def explained_at(self) -> str:
        """Returns the address of the page that explains problems. If the app's address is not known, returns its path alone."""
        return self.docs_url or f"{self.public_url}{PROBLEMS}"

    def address(self, path: str) -> str:
        """Returns the whole address of a path, for clients that follow no other. Raises ``Misconfigured`` if it is not known.

        The host that a request names is not believed: its sender could lead a caller, and the caller's token, anywhere.
        """
        if not self.public_url:
            raise Misconfigured("LEASEHOLD_PUBLIC_URL: is required here, for the platform sets no WEBSITE_HOSTNAME")
        return f"{self.public_url}{path}"


type GetBroker = Callable[[], Awaitable[Broker]]
"""Returns the broker, which the first call builds. Raises ``Misconfigured``."""
type GetPorts = Callable[[], Awaitable[Ports]]
"""Returns the ports, for a trigger without callers. Raises ``Misconfigured``."""
