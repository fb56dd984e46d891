"""The stack's storage account, as the control API tells of it: without its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.cloud.engine.http import Json


def described(connection_string: str) -> Json | None:
    """Where its queues and tables are, and its name; ``None`` without an account."""
    if not connection_string:
        return None
    parts = dict(part.split("=", 1) for part in connection_string.strip(";").split(";"))
    return {"queue": parts["QueueEndpoint"], "table": parts["TableEndpoint"], "account": parts["AccountName"]}
