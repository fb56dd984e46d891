"""Facts that only a document can tell: an operator acts on them, and no code shows when they are gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
STOLEN = (
    "They can delete other principals' assignments of the listed roles in the granted scopes, and write them anew without the "
    "condition that they had. Azure's condition attributes say neither who made an assignment nor what condition it carries."
)


@pytest.mark.parametrize(
    ("document", "fact"),
    [
        ("deploy.md", 'az provider register --namespace "$namespace" --wait'),
        ("deploy.md", "`maximumInstanceCount` holds for each group of functions"),
        ("threat-model.md", "`maximumInstanceCount` bounds what a flood costs. It holds for each function group"),
        ("threat-model.md", STOLEN),
    ],
)
def test_the_document_tells_it(document: str, fact: str) -> None:
    """Wherever its lines break."""
    assert fact in re.sub(r"\s+", " ", (DOCS / document).read_text(encoding="utf-8"))
