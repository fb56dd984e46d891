"""Minting: an issuer prepares everything but the credential, and adds the credential beside it as soon as it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.core.credential import Credential
from shared.core.footprint import Footprint
from shared.core.names import ObjectId
from shared.kinds.kind import Kind, Minted, Order
from shared.kinds.part import unheard


@dataclass(slots=True)
class Minting:
    """One go at it. It knows what it has learned when it fails half-way."""

    kind: Kind
    order: Order
    planned: Footprint
    heard: Callable[[Footprint], None] = unheard
    """Called with all that is known, whenever that is more than before."""
    _prepared: Footprint = field(init=False)
    _credential_id: ObjectId | None = field(default=None, init=False)
    _proven: bool = field(default=False, init=False)
    _maybe_more: bool = field(default=False, init=False)
    _adding: asyncio.Task[Minted] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._prepared = self.planned

    @property
    def learned(self) -> Footprint:
        """All that is known of what was made: the plan itself as long as that is nothing."""
        if self._credential_id is None:
            return self._prepared
        footprint: Footprint = self.kind.schema.with_credential(self._prepared, self._credential_id)
        return footprint

    @property
    def prepared(self) -> Footprint:
        """What is known of what was made, without the credential."""
        return self._prepared

    @property
    def credential_id(self) -> ObjectId | None:
        """The id of the credential, if it is known."""
        return self._credential_id

    @property
    def has_begun_credential(self) -> bool:
        """Whether there may be a credential."""
        return self._adding is not None

    async def prepare(self) -> Footprint:
        """Makes everything but the credential. Returns what was made. Raises what the issuer raises."""
        self._learn(await self.kind.issuer.prepare(self.order, self.planned, self._note_prepared), None)
        return self._prepared

    @property
    def proven(self) -> bool:
        """Whether the credential that ``run`` has returned was accepted while it was made."""
        return self._proven

    @property
    def maybe_more(self) -> bool:
        """Whether there may be another credential than the one that ``run`` has returned: the answer to a call was lost."""
        return self._maybe_more

    async def run(self) -> Credential:
        """Raises what the issuer raises. If one of the two fails, the other has come to its end before."""
        try:
            self._note(await self.kind.issuer.prepare(self.order, self.planned, self._note))
        except asyncio.CancelledError:
            if self._adding is not None:
                self._adding.cancel()
            raise
        finally:
            if self._adding is not None:
                await asyncio.gather(self._adding, return_exceptions=True)
        if self._adding is None:
            raise TypeError(f"{self.kind.type}: what was prepared can hold no credential")
        minted = await self._adding
        self._proven, self._maybe_more = minted.proven, minted.maybe_more
        credential: Credential = self.kind.schema.complete(minted.credential, self._prepared)
        return credential

    def _note_prepared(self, footprint: Footprint) -> None:
        self._learn(footprint, None)

    def _note(self, footprint: Footprint) -> None:
        self._learn(footprint, self._credential_id)
        if self._adding is None and self.kind.schema.can_hold_credential(footprint):
            adding = self.kind.issuer.credential(self.order, footprint, self._note_credential)
            self._adding = asyncio.create_task(adding)

    def _note_credential(self, credential_id: ObjectId) -> None:
        self._learn(self._prepared, credential_id)

    def _learn(self, prepared: Footprint, credential_id: ObjectId | None) -> None:
        before = self.learned
        self._prepared, self._credential_id = prepared, credential_id
        if self.learned != before:
            self.heard(self.learned)
