"""A SAS: for a program, or a tool, that knows nothing but an address. azure-storage-blob reads a container with it.

Role: ``samples/roles/report-sas.json``. It is for a whole storage account, so the ask names the container. Whoever has the
address has the access: it is as secret as a password, and belongs into no log.
"""

from __future__ import annotations

import os
import uuid

from azure.storage.blob import ContainerClient
from broker import Broker


def main() -> None:
    """Writes what the container's blobs hold, and gives the lease back."""
    run = os.environ.get("RUN_ID") or str(uuid.uuid4())
    ask = {"container": "reports", "reason": "sample"}
    with (
        Broker().leased("report-sas", ask, key=f"with-storage-sas-{run}", prefer="respond-async") as (_, made),
        ContainerClient(made["account_url"], made["container"], credential=made["sas_token"]) as container,
    ):
        for blob in container.list_blobs():
            print(container.download_blob(blob.name).readall().decode())


if __name__ == "__main__":
    main()
