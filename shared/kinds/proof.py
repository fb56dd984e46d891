"""Proving a fresh credential: Entra ID takes it and, if the role wants that, it works at every place that shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.names import ObjectId
from shared.core.readiness.observability import Look
from shared.core.readiness.record import TOKEN
from shared.core.secret import Secret
from shared.kinds.client_secret import Probe
from shared.resilience.tasks import all_or_none


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of trying a credential. ``seen`` and ``unseen`` as in ``Readiness``.

    ``works``: all that the role asks for was seen. ``unseen`` also has the links that the broker cannot try, which hold nothing
    back.
    """

    works: bool
    seen: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


class Access(Protocol):
    """Looks whether a credential works where its role says."""

    async def sees(
        self, client_id: ObjectId, secret: Secret | None, look: Look, *, deadline: float, since: datetime | None = None
    ) -> bool:
        """Returns whether the look shows it dependably before ``deadline``, on the monotonic clock.

        ``secret`` is ``None`` if the application trusts the broker, which then signs in with an assertion of its own.
        ``since``: when application and principal were made, if that is known. Raises ``NeverReady`` if waiting does not help.
        """
        ...


async def prove_secret(
    probe: Probe,
    client_id: ObjectId,
    secret: Secret,
    *,
    deadline: float,
    since: datetime | None = None,
    access: Access | None = None,
    looks: Sequence[Look] = (),
) -> Proof:
    """Tries a client secret: two rounds of sign-ins, and all looks, side by side. Raises ``NeverReady``; ends at ``deadline``.

    ``looks`` are empty if the role asks for no more than a token. Looks need an ``access``.
    """

    async def sees(look: Look) -> bool:
        return access is not None and await access.sees(client_id, secret, look, deadline=deadline, since=since)

    return await prove(probe.signs_in(client_id, secret, deadline=deadline, since=since), sees, looks)


async def prove(signing_in: Awaitable[bool], sees: Callable[[Look], Awaitable[bool]], looks: Sequence[Look]) -> Proof:
    """Tries whatever credential: the rounds of sign-ins and all looks, side by side. Raises what these raise.

    A look signs in anew for each of its tries. So as long as nobody can sign in, it reads nothing.
    """
    places = tuple(look.name for look in looks)
    signed_in, *shown = await all_or_none(signing_in, *(sees(look) for look in looks))
    if not signed_in:
        return Proof(works=False, unseen=_once(TOKEN, *places))
    failed = {name for name, is_shown in zip(places, shown, strict=True) if not is_shown}
    seen = _once(TOKEN, *(name for name in places if name not in failed))
    return Proof(not failed, seen, _once(*(name for name in places if name in failed)))


def _once(*names: str) -> tuple[str, ...]:
    """Several probes may have one host."""
    return tuple(dict.fromkeys(names))
