"""What an issuer may offer beyond ``Issuer``, and a schema beyond ``Schema``. The broker asks for it with ``isinstance``.

``Any`` as in ``shared.kinds.kind``.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from shared.kinds.kind import Issuer, Order, Schema
from shared.kinds.proof import Proof


@runtime_checkable
class ProvesPrepared(Protocol):
    """An issuer that can see whether what it has prepared will work, before there is a credential."""

    async def prove_prepared(self, order: Order, footprint: Any, *, deadline: float, again: bool = False) -> Proof | None:
        """Returns whether a credential of what was prepared would work dependably before ``deadline``, on the monotonic clock.

        ``None``: that cannot be seen before there is a credential. It may be called again, for the same lease, by another
        worker. ``again``: an earlier call has come to a proof that did not work, so that nothing more is to be made for it.
        Whatever it makes is in the footprint, or goes with what the footprint names. Raises ``Refused`` if it never will work,
        ``Upstream``.
        """
        ...


@runtime_checkable
class HandsNothingOver(Protocol):
    """The schema of a kind whose leases give something to their holder itself: nobody has to take a credential."""

    @property
    def gives_to_holder(self) -> bool:
        """Whether it is so."""
        ...


def hands_nothing_over(schema: Schema) -> bool:
    """Returns whether the kind's leases are whole without anybody who takes a credential."""
    return isinstance(schema, HandsNothingOver) and schema.gives_to_holder


@runtime_checkable
class HandsOutAgain(Protocol):
    """An issuer of which some targets have a credential that can be handed out again without a write to Azure."""

    def can_hand_out_again(self, target: Any) -> bool:
        """Returns whether the target's credential is such a one. It is collected for as long as its lease is active."""
        ...


def hands_out_again(issuer: Issuer, target: Any) -> bool:
    """Returns whether the target's credential can be handed out again without a write to Azure: nothing of it is secret."""
    return isinstance(issuer, HandsOutAgain) and issuer.can_hand_out_again(target)
