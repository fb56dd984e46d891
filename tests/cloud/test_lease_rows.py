"""A lease as a row: nothing is lost on the way, and what rows of the first version lack has its default."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.cloud.lease_rows import lease_row, read_lease
from shared.core.lease import Cause, Lease
from tests.contract.stores import lease
from tests.fakes.clock import START

NEWER = {"key", "handed_out", "ending_held", "reissues", "reissuing_until", "target_digest", "undone_by"}
"""What the first version did not write."""


class Stored(dict[str, Any]):
    """As the SDK gives a row."""

    metadata = {"etag": 'W/"1"'}  # noqa: RUF012 - as the SDK's own


def stored(kept: Lease) -> Stored:
    """The row of a lease."""
    return Stored(lease_row(kept, "write-1"))


def test_a_row_says_everything_of_its_lease() -> None:
    """At each of its stages."""
    later = START + timedelta(seconds=60)
    active = replace(lease(), key="k").activated(later, ready=True)
    repeated = active.reissuing(later).proving(later + timedelta(seconds=5))
    ending = repeated.ending(Cause.REVOKED, later, later + timedelta(seconds=20))
    stuck = ending.failed(later, "azure_refused: X", 0.5).given_up(later, "azure_refused: X", 0.5)
    for each in (lease(), active, repeated, ending, stuck, ending.ended(later, timedelta(days=7))):
        assert replace(each, version='W/"1"') == read_lease(stored(each))


def test_a_row_of_the_first_version_is_read_with_defaults() -> None:
    """Nobody had a key then, no secret was made again, and no generation was counted."""
    row = stored(lease())
    properties = sorted(name for name in row if name.startswith("Own"))
    own = json.loads("".join(row.pop(name) for name in properties))
    row["Own0"] = json.dumps({name: value for name, value in own.items() if name not in NEWER})
    view = json.loads(row["View"])
    row["View"] = json.dumps({name: value for name, value in view.items() if name != "generation"})
    row.pop("Form", None)
    found = read_lease(row)
    assert ("", False, False, 0, None, "", None, 0, 1) == (
        *(found.key, found.handed_out, found.ending_held, found.reissues, found.reissuing_until),
        *(found.target_digest, found.undone_by, found.generation, found.form),
    )
