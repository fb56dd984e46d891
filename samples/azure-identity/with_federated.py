"""Nothing at all travels: Entra ID is told to trust this machine's own user-assigned managed identity.

Role: ``samples/roles/reader-federated.json``. ``AZURE_CLIENT_ID`` names the identity if the machine has several. It must be
user-assigned. A pod with workload identity, or a GitHub job, names its own issuer instead: ``samples/aks``,
``samples/github-actions``.
"""

from __future__ import annotations

import os
import uuid

from azure.identity import ClientAssertionCredential, ManagedIdentityCredential
from broker import ARM, Broker, read, signed_in


def main() -> None:
    """Reads a resource group and gives the lease back."""
    run = os.environ.get("RUN_ID") or str(uuid.uuid4())
    own = ManagedIdentityCredential(client_id=os.environ.get("AZURE_CLIENT_ID"))
    broker, ask = Broker(own), {"reason": "sample"}
    with broker.leased("reader-federated", ask, key=f"with-federated-{run}", prefer="respond-async") as (lease, made):

        def assertion() -> str:
            return own.get_token(f"{made['audience']}/.default").token

        def make() -> ClientAssertionCredential:
            return ClientAssertionCredential(made["tenant_id"], made["client_id"], assertion)

        with signed_in(make, made["retry_on"]) as credential:
            print(read(lease["scopes"][0], credential.get_token(f"{ARM}/.default").token))


if __name__ == "__main__":
    main()
