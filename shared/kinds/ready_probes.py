"""The probes in a role's document: read, written, restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from shared.core.errors import Fault
from shared.core.names import Unparsable
from shared.core.parsing import Reader
from shared.core.readiness.observability import PROBES
from shared.core.readiness.probes import (
    LEAST_STATUS,
    MAX_EXPECTED,
    MAX_PROBES,
    MOST_STATUS,
    ReadyProbe,
    probe_resource,
    probe_url,
)
from shared.kinds.kept_roles import as_many
from shared.kinds.lenient import listed, mapping, text


def read_ready_probes(reader: Reader, assignments: int) -> tuple[ReadyProbe, ...]:
    """Reads the field of a role with so many assignments. Notes every fault in the reader."""
    return reader.items(PROBES, partial(_probe, assignments), most=MAX_PROBES)


def write_ready_probes(probes: tuple[ReadyProbe, ...]) -> list[dict[str, Any]]:
    """Returns the value of the field, which ``read_ready_probes`` reads back."""
    return [
        {"url": each.url, "resource": each.resource, "expect": [*each.expect]}
        | ({"covers": [*each.covers]} if each.covers is not None else {})
        for each in probes
    ]


def keep_ready_probes(probes: tuple[ReadyProbe, ...]) -> dict[str, Any]:
    """Returns what each probe covers, to be stored beside the document; nothing without probes."""
    return {"covered": [[*probe.covered] for probe in probes]} if probes else {}


def kept_ready_probes(probes: tuple[ReadyProbe, ...], stored: Mapping[str, Any]) -> tuple[ReadyProbe, ...]:
    """Joins what was stored by the probes' places. A probe whose place is missing covers nothing."""
    covered = as_many(len(probes), map(_stored_numbers, listed(stored.get("covered"))), ())
    return tuple(replace(probe, covered=places) for probe, places in zip(probes, covered, strict=True))


def restore_ready_probes(document: Mapping[str, Any]) -> tuple[ReadyProbe, ...]:
    """Returns the stored probes. One that cannot be read is left out: nothing is then covered by it."""
    found = (_restored(mapping(each)) for each in listed(document.get(PROBES)))
    return tuple(each for each in found if each is not None)


def _probe(assignments: int, value: Any, path: str, faults: list[Fault]) -> ReadyProbe | None:
    before = len(faults)
    reader = Reader(value, path, faults)
    url = reader.parsed("url", probe_url, required=True)
    resource = reader.parsed("resource", probe_resource, required=True)
    expect = _numbers(reader, "expect", LEAST_STATUS, MOST_STATUS, MAX_EXPECTED) if reader.has("expect") else (200,)
    covers = _numbers(reader, "covers", 0, assignments - 1, assignments) if reader.has("covers") else None
    reader.done()
    if len(faults) > before or url is None or resource is None:
        return None
    return ReadyProbe(url, resource, expect, covers)


def _numbers(reader: Reader, field: str, least: int, most: int, count: int) -> tuple[int, ...]:
    """Reads a list of different whole numbers within bounds."""
    if most < least:
        reader.take(field)
        reader.fault(field, "names places in azure_roles, and the role has none")
        return ()

    def number(value: Any, path: str, faults: list[Fault]) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            faults.append(Fault(path, f"expected a whole number from {least} to {most}"))
            return None
        return value

    found = reader.items(field, number, most=count, required=True)
    if len(set(found)) < len(found):
        reader.fault(field, "names a number twice")
    return found


def _restored(document: Mapping[str, Any]) -> ReadyProbe | None:
    url, resource = text(document.get("url")), text(document.get("resource"))
    try:
        if url is None or resource is None:
            return None
        covers = _stored_numbers(document["covers"]) if "covers" in document else None
        expect = _stored_numbers(document.get("expect"))
        return ReadyProbe(probe_url(url), probe_resource(resource), expect or (200,), covers)
    except Unparsable:
        return None


def _stored_numbers(value: Any) -> tuple[int, ...]:
    return tuple(each for each in listed(value) if isinstance(each, int) and not isinstance(each, bool))
