from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.message import (
    Batch,
    batches,
    read_message,
    read_preparation,
    write_message,
    write_preparation,
)
from shared.core.names import LeaseId, ObjectId, RoleName, Unparsable

ID = ObjectId("11111111-2222-4333-8444-555555555555")
LEASES = tuple(LeaseId.of(RoleName("web"), f"{number:026d}") for number in range(5))
WRITTEN = {"form": 1, "id": ID, "leases": list(LEASES)}


def test_what_is_written_can_be_read() -> None:
    """As it was."""
    assert Batch(ID, LEASES) == read_message(write_message(Batch(ID, LEASES)))


def test_leases_are_put_together_in_their_order() -> None:
    """The last batch takes what is left."""
    made = list(batches(lambda: ID, LEASES, 2))
    assert [LEASES[:2], LEASES[2:4], LEASES[4:]] == [batch.leases for batch in made]


@pytest.mark.parametrize(
    "wrong",
    [
        {"form": 2},
        {"form": None},
        {"id": "x"},
        {"id": 7},
        {"leases": []},
        {"leases": "web.0"},
        {"leases": [LEASES[0], "../x"]},
        {"leases": [LEASES[0], 7]},
    ],
)
def test_what_is_no_batch_is_refused(wrong: dict[str, object]) -> None:
    """A later form as well: its leases are due still, and a worker that can read it will come."""
    with pytest.raises(Unparsable):
        read_message(json.dumps(WRITTEN | wrong))


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps) | st.just("[" * 100_000))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes of it."""
    with pytest.raises(Unparsable):
        read_message(text)


def test_a_preparation_is_read_back_as_it_was_written() -> None:
    """It names one lease, and is small."""
    lease_id = LeaseId("web.01k00000000000000000000000")
    text = write_preparation(lease_id)
    assert (lease_id, '{"form":1,"lease":"web.01k00000000000000000000000"}') == (read_preparation(text), text)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"lease":7}', '{"lease":"Web"}', '{"form":2,"lease":"web.01k00000000000000000000000"}']
)
def test_any_other_text_is_no_preparation(text: str) -> None:
    """A later form is none either."""
    with pytest.raises(Unparsable):
        read_preparation(text)
