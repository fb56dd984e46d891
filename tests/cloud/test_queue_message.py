"""What is sent to the queue, and when it may be taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from shared.cloud.storage.queues import StorageRevocations, connect
from shared.core.errors import Unavailable, Unreachable, Upstream
from shared.core.message import Batch, Message, Recall
from tests.cloud.scripted import Bearer
from tests.cloud.test_repeating import Service
from tests.contract.stores import lease
from tests.fakes.world import WEB, guid

BATCH, RECALL = Batch(guid(1), (lease().id,)), Recall(guid(2), WEB)


class Queue:
    """Keeps what it is sent; raises what is planned first."""

    def __init__(self, *troubles: Exception, made: bool = False) -> None:
        self.sent: list[tuple[dict[str, Any], int, int]] = []
        self.troubles, self.made, self.created = list(troubles), made, 0

    async def send_message(self, content: str, *, visibility_timeout: int, time_to_live: int) -> None:
        """As the SDK's client."""
        if self.troubles:
            raise self.troubles.pop(0)
        self.sent.append((json.loads(content), visibility_timeout, time_to_live))

    async def create_queue(self) -> None:
        """Somebody else may have been faster."""
        self.created += 1
        if self.made:
            raise ResourceExistsError("it is there")


def revocations(queue: Queue) -> StorageRevocations:
    """Over that queue."""
    return StorageRevocations(queue)  # type: ignore[arg-type]  # it does what is asked of it here


@pytest.mark.parametrize(("message", "hidden"), [(BATCH, 2), (RECALL, 0)])
async def test_a_recall_is_taken_at_once_and_a_batch_after_its_head_start(message: Message, hidden: int) -> None:
    """Both are gone after half an hour."""
    queue = Queue()
    await revocations(queue).send(message)
    result = {"recall": {"role": "web"}} if isinstance(message, Recall) else {"leases": list(BATCH.leases)}
    assert [({"form": 1, "id": message.id, **result}, hidden, 1800)] == queue.sent
    assert 0 == queue.created


@pytest.mark.parametrize("made", [False, True])
async def test_a_queue_that_is_missing_is_made(*, made: bool) -> None:
    """By whoever misses it first."""
    queue = Queue(ResourceNotFoundError("no queue"), made=made)
    await revocations(queue).send(RECALL)
    assert (1, 1) == (queue.created, len(queue.sent))


async def test_what_storage_refuses_is_told_as_upstream() -> None:
    """Whatever it is; nobody makes a queue then, or tries again."""
    queue = Queue(HttpResponseError("no answer"))
    with pytest.raises(Unreachable, match="queue storage"):
        await revocations(queue).send(RECALL)
    assert (0, []) == (queue.created, queue.sent)
    with pytest.raises(Upstream):
        await revocations(Queue(ResourceNotFoundError("no"), ResourceNotFoundError("no"))).send(RECALL)


@pytest.mark.parametrize(("options", "tries"), [({}, 4), ({"retry_total": 0}, 1)])
async def test_a_message_is_tried_four_times_or_as_often_as_is_said(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], tries: int
) -> None:
    """With short pauses: left alone, the library waits for a quarter of a minute each time."""
    pauses: list[float] = []

    async def note(duration: float) -> None:
        pauses.append(duration)

    service = Service({"bearer-of-tests"}, (500, b""))
    monkeypatch.setattr(service, "sleep", note)
    client = connect(endpoint="https://a.queue.example", credential=Bearer(), transport=service, **options)
    with pytest.raises(Unavailable):
        await StorageRevocations(client).send(RECALL)
    assert (tries, tries - 1) == (len(service.seen), len(pauses))
    assert all(each <= 10 for each in pauses)
