"""uvicorn's HTTP protocol, with a way to close a connection without an answer: what a dropped call looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from local import upgrades

HANG_UP = "local.cloud.hang_up"
"""The scope's ``extensions`` hold a function of this name that closes the connection."""


class Protocol(upgrades.Protocol):
    """Tells the application how to hang up."""

    def on_message_begin(self) -> None:
        """A request begins: its scope learns of the connection it came by."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)["extensions"] = {HANG_UP: self.transport.close}


def hang_up(scope: dict[str, Any]) -> None:
    """Closes the connection that this request came by."""
    close: Callable[[], None] = scope["extensions"][HANG_UP]
    close()
