"""Letting every worker read the access configuration again, because of a document that is stored elsewhere."""

from __future__ import annotations

from shared.broker.ports import Ports


async def changed(ports: Ports) -> None:
    """Lets every worker read the bounds of roles again, and whether an event rule revokes by holder.

    If the worker dies before, they are read again with the next change. Until then a worker reads the facts that the new bounds
    need when somebody asks for the role, not before: nothing else. What is not noted of holders, the reconciliation notes.
    """
    try:
        await ports.access.touch()
    finally:
        # Not before: a request in between would see the version as it was, and believe it.
        ports.access_view.changed()
