"""What roles share: the names of secrets in vaults, and the room in pools. What a role may take depends on all others.

A role that takes of it is judged by all stored roles, and stored only if no other one has been judged and stored since. So of
two that are written at once and do not go together, one is refused, whoever writes them: a PUT, or an import.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.broker.configure.deliveries import taken_names
from shared.broker.configure.pools import is_larger, require_room
from shared.broker.configure.written import exactly, require_expected
from shared.broker.ports import Ports
from shared.core.errors import Malformed, PreconditionFailed
from shared.core.role import Role

_TURNS = 50
"""A role is judged at most so often while others are stored. Whenever it has to be judged again, another one was stored."""

type Judge = Callable[[Role, Role | None, Sequence[Role]], None]
"""Is given a role, its former one, and all stored roles. Raises ``Malformed``."""


def takes_of_shared(ports: Ports, role: Role, former: Role | None) -> bool:
    """Whether the role, in place of its former one, can be in the way of others. Otherwise it is not judged by them."""
    return role.delivery is not None or is_larger(ports, role, former)


def require_fit(ports: Ports, role: Role, former: Role | None, stored: Sequence[Role]) -> None:
    """Raises ``Malformed`` if another role may use the same name in a vault, or if the pools of all would hold too much."""
    others = [each for each in stored if each.name != role.name]
    if faults := tuple(taken_names(role, others)):
        raise Malformed(*faults)
    require_room(ports, role, former, others)


@dataclass(slots=True)
class Sharing:
    """Stores roles that take of what all share, one after the other. ``version``: that at which they were last judged.

    ``None``: they are judged before the next one is stored.
    """

    ports: Ports
    judge: Judge
    version: str | None = None

    async def store(self, role: Role, former: Role | None, put: Callable[[str], Awaitable[tuple[Role, str]]]) -> Role:
        """Calls ``put`` with the version at which the role was judged. Returns what that returns.

        Raises ``Malformed``, ``PreconditionFailed`` if the store has another role than ``former``, ``Upstream``.
        """
        for _ in range(_TURNS):
            judged_at, self.version = self.version, None
            if judged_at is None:
                judged_at = await self._judged(role, former)
            try:
                stored, after = await put(judged_at)
            except PreconditionFailed:
                continue
            self.version = after or None
            return stored
        raise PreconditionFailed

    async def _judged(self, role: Role, former: Role | None) -> str:
        # The version first: whoever stores a role after the list was read changes the version.
        version = await self.ports.roles.shared_version()
        stored = await self.ports.roles.list()
        mine = next((each.version for each in stored if each.name == role.name), None)
        require_expected(exactly(former), mine)
        self.judge(role, former, stored)
        return version
