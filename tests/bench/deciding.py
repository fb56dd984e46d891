"""Configurations of any size, and callers about whom they decide: ``python -m tests.bench.deciding N`` prints what N cost."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from shared.core.access.configuration import Configuration, Stored
from shared.core.access.decide import decide
from shared.core.access.documents import caller_from, facts_from
from shared.core.access.facts import Facts
from shared.core.caller import Caller
from shared.core.names import ObjectId

_HOME = ObjectId.parse("00000000-0000-0000-0000-0000000000aa")
_MS = 1000.0
STARRED = ("/subscriptions/*/resourceGroups/group-{}/*", "/subscriptions/*/resourceGroups/*/providers/*/*/web-{}")
"""Patterns with a star before the resource group, and with one in its place."""


def guid(number: int) -> str:
    """Returns a GUID of that number."""
    return f"00000000-0000-0000-0000-{number:012x}"


def documents(count: int, pattern: str = "", starred: int = 0) -> tuple[dict[str, Stored], dict[str, Stored]]:
    """Returns as many auth roles, and as many policies. ``starred`` of the auth roles are by a pattern with stars.

    The others are by resource group, by group, by pattern and by application, in turn.
    """
    shapes: Iterator[Callable[[int], dict[str, Any]]] = cycle((
        lambda n: {"bound_subscription_ids": [guid(1)], "bound_resource_groups": [f"group-{n}"]},
        lambda n: {"bound_group_ids": [guid(n), guid(n + 1)]},
        lambda n: {"bound_resource_ids": [f"/subscriptions/{guid(1)}/resourceGroups/group-{n}/providers/Microsoft.Compute/*"]},
        lambda n: {"bound_application_ids": [guid(n)], "bound_app_roles": ["Lease.Reader"]},
    ))  # fmt: skip
    auth_roles = {}
    for n, shape in zip(range(count), shapes, strict=False):
        bounds = {"bound_resource_ids": [pattern.format(n)]} if n < starred else shape(n)
        auth_roles[f"team-{n}"] = _stored(bounds | {"policies": [f"policy-{n}"]})
    policies = {}
    for n in range(count):
        rules = [_rule(f"roles/app-{n}-*/leases", "issue"), _rule("leases/*", "list")]
        policies[f"policy-{n}"] = _stored({"rules": rules})
    return auth_roles, policies


def callers() -> list[tuple[Caller, Facts]]:
    """Returns a person by its group, an application, and managed identities of two resource groups: each matches something."""
    token = {"oid": guid(1), "appid": guid(3), "roles": ["Lease.Reader"]}
    return [
        (caller_from(token | {"scp": "access", "groups": [guid(n) for n in range(1, 9)]}, _HOME), facts_from()),
        (caller_from(token, _HOME), facts_from()),
        *((caller_from(token | {"appid": guid(2)}, _HOME), facts_from(_machine(n))) for n in (4, 6)),
    ]


def decided(configuration: Configuration, caller: Caller, facts: Facts) -> str:
    """Decides as a request does, whose facts of the caller are remembered."""
    configuration.needs(caller)
    configuration.needs_location(caller, facts)
    return decide(configuration.rights(caller, facts), "roles/app-1-x/leases", "issue").outcome


def cost(count: int) -> dict[str, float]:
    """Returns what it costs to index documents that are in memory, and to decide for the first time; in megabytes, with their
    text.
    """
    gc.collect()
    before = _resident()
    stored = documents(count)
    began = time.process_time()
    configuration = Configuration(*stored)
    built = time.process_time() - began
    for caller, facts in callers():
        decided(configuration, caller, facts)
    return {"build_ms": built * _MS, "first_ms": (time.process_time() - began) * _MS, "mb": _resident() - before}


def _machine(number: int) -> dict[str, Any]:
    group = f"/subscriptions/{guid(1)}/resourceGroups/group-{number}"
    return {
        "servicePrincipalType": "ManagedIdentity",
        "alternativeNames": ["isExplicit=False", f"{group}/providers/Microsoft.Compute/virtualMachines/web"],
    }


def _rule(path: str, capability: str) -> dict[str, Any]:
    return {"path": path, "capabilities": [capability]}


def _stored(document: dict[str, Any]) -> Stored:
    return Stored(json.dumps(document), "1")


def _resident() -> float:
    """Returns the megabytes that this process occupies."""
    fields = dict(_lines(Path("/proc/self/status")))
    return int(fields["VmRSS"].split()[0]) / 1024


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        yield name, value


if __name__ == "__main__":
    sys.stdout.write(json.dumps(cost(int(sys.argv[1]))))
