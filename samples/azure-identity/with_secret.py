"""A client secret: for a program or a library that takes ``client_id`` and ``client_secret``, and nothing else.

Role: ``samples/roles/reader-secret.json``. The secret is proven before it arrives, so no sign-in is tried twice.
"""

from __future__ import annotations

import os
import uuid

from azure.identity import ClientSecretCredential
from broker import ARM, Broker, read


def main() -> None:
    """Reads a resource group and gives the lease back."""
    run = os.environ.get("RUN_ID") or str(uuid.uuid4())
    with (
        Broker().leased("reader-secret", {"reason": "sample"}, key=f"with-secret-{run}") as (lease, made),
        ClientSecretCredential(made["tenant_id"], made["client_id"], made["client_secret"]) as credential,
    ):
        print(read(lease["scopes"][0], credential.get_token(f"{ARM}/.default").token))


if __name__ == "__main__":
    main()
