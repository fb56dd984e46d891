"""The form of a configuration as one document: its sections, and what stands beside them. Its documents are read elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.core.errors import Fault
from shared.core.parsing import Reader

FORM = 1
POLICIES, ROLES, EVENT_RULES, AUTH_ROLES = "policies", "roles", "event_rules", "auth_roles"
SECTIONS = (POLICIES, ROLES, EVENT_RULES, AUTH_ROLES)
"""In the order in which documents are written: an event rule needs its role, an auth role its policies. Pages of an export have
the same order."""

type Documents = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A configuration that a caller has sent: documents by section and name. A section may be absent.

    ``is_partial``: it is a page of several. ``tests`` are run against the configuration, and not stored. ``faults`` are those
    of the frame. A section that has one is there and empty.
    """

    sections: Mapping[str, Documents] = field(default_factory=dict)
    tests: Any = None
    is_partial: bool = False
    faults: tuple[Fault, ...] = ()

    def is_readable(self, section: str) -> bool:
        """Returns whether the section is an object, or absent."""
        return all(fault.path != section for fault in self.faults)


def read_transfer(document: Any) -> Transfer:
    """Reads the frame of a configuration, and not its documents. Raises nothing: its faults belong with those of documents."""
    if not isinstance(document, Mapping):
        return Transfer(faults=(Fault("", "expected an object"),))
    reader = Reader(document)
    form = reader.take("form")
    if not reader.has("form"):
        reader.fault("form", "is required")
    elif form != FORM or isinstance(form, bool):
        reader.fault("form", f"expected {FORM}")
    sections: dict[str, Documents] = {}
    for name in SECTIONS:
        documents = reader.take(name)
        if isinstance(documents, Mapping):
            sections[name] = documents
        elif reader.has(name):
            reader.fault(name, "expected an object")
            sections[name] = {}
    tests = reader.take("tests")
    if reader.has("tests") and not isinstance(tests, list):
        reader.fault("tests", "expected a list")
        tests = None
    following, is_partial = reader.take("next"), reader.flag("partial", default=False)
    reader.done()
    return Transfer(sections, tests, is_partial or following is not None, tuple(reader.faults))
