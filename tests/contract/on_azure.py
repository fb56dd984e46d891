"""The product's own issuers on the local Azure, for the contract that every issuer keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.broker.ports import Ports
from shared.core.names import RoleName
from tests.fakes.calls import Calls
from tests.issuers.orders import Job
from tests.machine.on_azure import GRANTS, PRINCIPALS, SECRETS, WITHOUT_SECRETS, BrokerOnAzure

ROLES = {"service principal": PRINCIPALS, "application secret": SECRETS, "role grant": GRANTS} | {
    name: role for role, name in WITHOUT_SECRETS.items()
}
"""The roles of the kinds that make something in Azure."""

type Leftover = tuple[str, frozenset[str]]
"""What it is, and the names and ids by which a footprint may know it."""


@dataclass(frozen=True, slots=True)
class OnAzure:
    """Satisfies ``Around``."""

    on_azure: BrokerOnAzure
    ports: Ports

    @property
    def calls(self) -> Calls:
        """Since the roles were written."""
        return self.on_azure.calls

    def leftovers(self) -> list[Leftover]:
        """In an order that does not depend on when they were made."""
        return sorted(((kind, frozenset(names)) for kind, names in self.on_azure.things()), key=repr)

    def names_of(self, leftover: Leftover) -> frozenset[str]:
        """All of them."""
        return leftover[1]


@asynccontextmanager
async def job_on_azure(role: RoleName) -> AsyncIterator[Job[OnAzure]]:
    """An order for the role, whose target was resolved in the local Azure."""
    # The roles are written by workers that have event loops of their own.
    with ThreadPoolExecutor(1) as elsewhere:
        on_azure = elsewhere.submit(BrokerOnAzure).result()
        elsewhere.submit(on_azure.configure, role).result()
    async with on_azure.worker() as ports:
        found = await ports.roles.get(role)
        assert found is not None
        on_azure.calls.made.clear()
        yield Job(OnAzure(on_azure, ports), found.target)
