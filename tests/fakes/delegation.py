"""User delegation keys in the Azure in memory."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime

from local.cloud.disturbances.profiles import Observer
from shared.core.errors import NotReplicated
from shared.core.names import ObjectId
from shared.core.secret import Secret
from shared.kinds.delegation import DelegationKey
from tests.fakes.calls import Calls
from tests.fakes.cloud import FakeLeaseSignIn
from tests.fakes.cloud_state import CloudState

_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class FakeDelegationKeys:
    """Satisfies ``DelegationKeys``."""

    calls: Calls
    state: CloudState
    sign_in: FakeLeaseSignIn

    def address(self, account: str) -> str:
        """See the port."""
        return f"https://{account}.blob.core.windows.net"

    async def key(
        self,
        client_id: ObjectId,
        account: str,
        start: datetime,
        end: datetime,
        *,
        deadline: float,
        since: datetime | None = None,
    ) -> DelegationKey:
        """See the port."""
        clock = self.calls.clock
        while True:
            await self.sign_in.token(client_id, "https://storage.azure.com/.default", deadline=deadline, since=since)
            try:
                return await self.calls.through("blobs.key", lambda: self._key(client_id, account, start, end), account)
            except NotReplicated:
                if clock.monotonic() + _PAUSE >= deadline:
                    raise
            await clock.sleep(_PAUSE)

    def _key(self, client_id: ObjectId, account: str, start: datetime, end: datetime) -> DelegationKey:
        principals = [each.object_id for each in self.state.principals.values() if each.app_id == client_id]
        if not any(may_use(self.state, each, account, "blob") for each in principals):
            raise NotReplicated("no assignment", status=403, azure_code="AuthorizationPermissionMismatch")
        begins, ends = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (start, end))
        value = Secret(b64encode(f"key of {principals[0]}".encode()).decode())
        return DelegationKey(principals[0], "tenant", begins, ends, "b", "2023-11-03", value, end)


def may_use(state: CloudState, principal: str, account: str, observer: Observer | None = None) -> bool:
    """Whether the principal has an assignment at the account, or below; to an ``observer``, as far as that has heard of it."""
    ending = f"/storageaccounts/{account}"
    return any(
        granted.principal == principal
        and f"{at.scope.key}/".partition(f"{ending}/")[1] != ""
        and (observer is None or state.sees(at, observer))
        for at, granted in state.assignments.items()
    )
