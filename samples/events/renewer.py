"""Renews its own leases when their ends are near: reads what a topic of Event Grid has put on a Storage queue."""

import base64
import json
import os

import httpx
from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient

me, audience = os.environ["OBJECT_ID"], os.environ["LEASEHOLD_AUDIENCE"]
credential = DefaultAzureCredential()
queue = QueueClient(os.environ["QUEUE_ENDPOINT"], "renewals", credential=credential)
for message in queue.receive_messages():
    event = json.loads(base64.b64decode(message.content))
    lease = event["data"]
    if lease["holder"]["object_id"] == me and lease["renewable"]:
        token = credential.get_token(f"{audience}/.default").token
        answer = httpx.post(
            f"{os.environ['LEASEHOLD_URL']}/api/v1/leases/{lease['lease']}/renew",
            headers={"Authorization": f"Bearer {token}"},
            json={},
        )
        if answer.status_code not in {200, 404, 409}:
            continue  # the message comes again; an event that comes twice renews twice, which does no harm
    queue.delete_message(message)
