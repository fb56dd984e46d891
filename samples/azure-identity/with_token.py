"""An access token: for a program that makes calls now. No secret exists, and azure-identity signs nobody in.

Role: ``samples/roles/reader-token.json``. Nobody keeps a request open: the ask is answered at once, and the token is fetched
when it is there.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from typing import Any

from azure.core.credentials import AccessToken
from broker import ARM, Broker, read


class LeasedToken:
    """A ``TokenCredential``, as all of Azure's clients take it, with the one token that was leased."""

    def __init__(self, made: dict[str, Any]) -> None:
        expires = dt.datetime.fromisoformat(made["token_expires_at"])
        self._scope, self._token = made["scope"], AccessToken(made["access_token"], int(expires.timestamp()))

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """The token. Raises ``ValueError`` for what it is not for."""
        if scopes != (self._scope,):
            raise ValueError(f"the token is for {self._scope}, and not for {scopes}")
        return self._token


def main() -> None:
    """Reads a resource group and gives the lease back."""
    run = os.environ.get("RUN_ID") or str(uuid.uuid4())
    ask = {"reason": "sample"}
    with Broker().leased("reader-token", ask, key=f"with-token-{run}", prefer="respond-async") as (lease, made):
        print(read(lease["scopes"][0], LeasedToken(made).get_token(f"{ARM}/.default").token))


if __name__ == "__main__":
    main()
