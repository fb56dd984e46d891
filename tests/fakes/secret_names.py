"""What the names of shared secrets stand for, in memory."""

from __future__ import annotations

from dataclasses import replace

from shared.core.errors import LostRace
from shared.core.ports.secret_names import NameClaim, SecretName
from tests.fakes.calls import Calls
from tests.fakes.versions import Versions


class MemorySecretNames:
    """Satisfies ``SecretNames``."""

    def __init__(self, calls: Calls) -> None:
        self.rows: dict[str, NameClaim] = {}
        self._calls = calls
        self._versions = Versions()

    async def find(self, name: SecretName) -> NameClaim | None:
        """See the port."""
        return await self._calls.through("secret_names.find", lambda: self.rows.get(name.key), name)

    async def claim(self, name: SecretName, wanted: NameClaim, *, former: NameClaim | None) -> NameClaim:
        """See the port."""
        return await self._calls.through("secret_names.claim", lambda: self._claim(name.key, wanted, former), name)

    def contents(self) -> str:
        """All that is kept, to be compared."""
        return repr(sorted(self.rows.items()))

    def _claim(self, key: str, wanted: NameClaim, former: NameClaim | None) -> NameClaim:
        stored = self.rows.get(key)
        if (stored.version if stored else "") != (former.version if former else ""):
            raise LostRace
        self.rows[key] = replace(wanted, version=self._versions.following(key))
        return self.rows[key]
