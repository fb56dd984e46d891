"""The figures that documents give of bounds are those of the code and of the template."""

from __future__ import annotations

import re

import pytest

from local.snapshots import INFRA
from shared.broker.configure import transfer as export
from shared.triggers.http import leases, requests, transfer

KIB, MIB = 1024, 1024 * 1024
DOCS = INFRA.parent / "docs"


def host_limit() -> int:
    """Octets that the Functions host takes, as the template sets it."""
    (found,) = re.findall(r"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '(\d+)'", (INFRA / "modules" / "app.bicep").read_text())
    return int(found)


BOUNDS = {
    "body of a call": f"{requests.MAX_BODY:,} octets; of an import {transfer.MOST_OCTETS:,}",
    "body before it reaches the broker": f"{host_limit():,} octets ({host_limit() // MIB} MiB), ",
    "depth of the JSON": f"{requests.MAX_DEPTH} objects and lists within one another",
    "parameters of a query": f"{requests.MAX_PARAMETERS}; each known one once",
    "`roles` of a revocation by scope": f"1 to {leases.MOST_ROLES}",
    "`limit`": f"1 to {requests.MAX_PAGE:,}",
}
SENTENCES = [
    ("problems.md", f"at most {requests.MAX_BODY:,} octets long, and that of an import {transfer.MOST_OCTETS:,}."),
    ("problems.md", f"A body of more than {host_limit() // MIB} MiB does not reach the broker"),
    ("access.md", f"An import takes {transfer.MOST_OCTETS // MIB} MiB"),
    ("access.md", f"A configuration of more than {export.MOST_OCTETS // KIB} KiB is exported in pages"),
    ("deploy.md", f"refuses the request; {host_limit() // MIB} MiB"),
]


@pytest.mark.parametrize(("what", "bound"), BOUNDS.items())
def test_the_table_of_bounds_has_the_codes_figures(what: str, bound: str) -> None:
    """A row of "What a request may have" in ``docs/problems.md``."""
    rows = [line for line in (DOCS / "problems.md").read_text().splitlines() if line.startswith(f"| {what} |")]
    assert [True] == [row.startswith(f"| {what} | {bound}") for row in rows], rows


@pytest.mark.parametrize(("document", "sentence"), SENTENCES)
def test_sentences_have_the_codes_figures(document: str, sentence: str) -> None:
    """Wherever their lines break."""
    assert sentence in re.sub(r"\s+", " ", (DOCS / document).read_text())


def test_the_host_takes_every_body_that_the_broker_takes() -> None:
    """A body that is too large for the broker is to be answered by the broker."""
    assert host_limit() > transfer.MOST_OCTETS > requests.MAX_BODY
