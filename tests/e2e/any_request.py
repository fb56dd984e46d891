"""What the contract allows is asked as each of three callers; and which answers beside a success are right."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shared.triggers.http import groups
from tests.e2e.conftest import Deployment
from tests.e2e.test_contract import issue

CONTRACT = Path(__file__).parents[2] / "docs" / "openapi.json"
SEED = 12
_SECONDS = 220
"""Some four times what it takes on two cores that do nothing else."""
_EVERYWHERE = ("2xx", "304", "403", "404", "409", "429")
"""Of requests that the contract allows. 403: a right is missing; 404: there is none; 409: the state does not allow it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Statuses that requests may get although the contract allows them, and why no schema can say which requests."""

    calls: tuple[str, ...]
    statuses: tuple[str, ...]
    why: str


EXPECTED = (
    Expected(
        ("write_role", "write_auth_role", "write_policy", "write_rule", "write_configuration"),
        ("400", "412"),
        "A document is checked against settings (allowed tenants, the longest lifetime), other documents and Azure. Texts have"
        " rules beside their patterns. A condition on the version seldom holds.",
    ),
    Expected(
        ("delete_role", "delete_auth_role", "delete_policy", "delete_rule"),
        ("400", "412"),
        "A condition on the version seldom holds. Schemathesis also sends an entity tag without quotes, which the pattern"
        " of the header excludes, and takes it for a good one.",
    ),
    Expected(("read_role", "read_auth_role", "read_policy", "read_rule"), ("400",), "The same entity tags without quotes."),
    Expected(("events_handshake",), ("405",), "Whose origin may publish is a setting."),
    Expected(
        ("collect_credential",),
        ("400", "410"),
        "What a token may be for is the role's to say. The lease has ended, or its credential was collected some time ago.",
    ),
    Expected(
        ("issue_lease", "renew_lease"),
        ("400",),
        "How long a lease may live is the role's to say, and so is what fills its parameters. A duration as a text may be"
        " below a minute. No pattern excludes invisible characters.",
    ),
    Expected(
        ("list_leases", "revoke_leases_reaching"),
        ("400",),
        "A scope is a path of Azure's, which no pattern says whole. `within`, `reaching` and a state that has ended exclude"
        " each other.",
    ),
    Expected(
        ("explain_decision",),
        ("400",),
        "The claims must be those of an access token, and `ask` must name a capability that its path has. `parameters` stand"
        " beside an ask to issue alone, and their values have no star.",
    ),
    Expected(("read_audit",), ("400",), "`from` is before `to`, a month at most. A cursor is opaque, and of its own listing."),
    Expected(("export_configuration",), ("400",), "A cursor is opaque."),
)


@dataclass(frozen=True, slots=True)
class Asking:
    """One caller's part. ``in_path``: what stands in the paths of calls, where a name at random would find nothing."""

    phases: tuple[str, ...]
    examples: int
    in_path: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


async def ask(deployment: Deployment, identity: str, asking: Asking, folder: Path) -> None:
    """Asks, and fails with what Schemathesis reports if an answer is not right."""
    configuration = folder / "schemathesis.toml"
    configuration.write_text("\n".join(_configuration(await deployment.visitor.token(identity, deployment.audience), asking)))
    command = (
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run", str(CONTRACT)),
        *("--url", deployment.stack.url, "--phases", ",".join(asking.phases), "--checks", "all", "--no-color"),
        *("--max-examples", str(asking.examples), "--seed", str(SEED), "--generation-deterministic"),
        *("--suppress-health-check", "all", "--request-timeout", "20"),
        *("--continue-on-failure", "--no-shrink", "--warnings", "off"),
    )
    run = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(_SECONDS):
            printed, _ = await run.communicate()
    finally:
        if run.returncode is None:
            run.kill()
    if run.returncode != 0:
        pytest.fail(printed.decode(errors="replace"), pytrace=False)


def _configuration(token: str, asking: Asking) -> Iterator[str]:
    """Yields the lines of the file. It is a file so that the token stands in no process's arguments."""
    yield f'[headers]\nAuthorization = "Bearer {token}"'
    yield "[cache]\nenabled = false"
    yield f"[checks.positive_data_acceptance]\nexpected-statuses = {list(_EVERYWHERE)}"
    for call in sorted(route.name for route in groups.routes()):
        more = [status for each in EXPECTED if call in each.calls for status in each.statuses]
        names = asking.in_path.get(call, {})
        if more or names:
            yield f'[[operations]]\ninclude-operation-id = "{call}"'
        if names:
            yield f"parameters = {_inline({f'path.{name}': value for name, value in names.items()})}"
        if more:
            yield f"checks.positive_data_acceptance.expected-statuses = {[*_EVERYWHERE, *more]}"


def _inline(table: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'"{name}" = "{value}"' for name, value in table.items()) + "}"


RIGHTS: Sequence[tuple[str, Sequence[str]]] = (
    ("roles", ("list",)),
    ("roles/*", ("read",)),
    ("leases/*", ("read", "list")),
    ("policies", ("list", "read")),
    ("policies/*", ("read",)),
    ("auth-roles", ("list",)),
    ("auth-roles/readers-*", ("read", "write", "delete")),
    ("audit", ("read",)),
    ("status", ("read",)),
    ("export", ("read",)),
)
"""What the caller with policies may do, beside what the bounds of the sample's roles give."""


async def with_policies(deployment: Deployment, identity: str) -> dict[str, dict[str, str]]:
    """Gives the caller ``RIGHTS`` and leases. Returns what then stands in the paths of calls."""
    admin = await deployment.broker("admin")
    rules: list[dict[str, Any]] = [{"path": path, "capabilities": list(given)} for path, given in RIGHTS]
    await admin.must("PUT", "policies/readers", {"rules": rules})
    auth_role = {"bound_service_principal_ids": [deployment.object_id(identity)], "policies": ["readers"]}
    await admin.must("PUT", "auth-roles/readers", auth_role)
    held, going = [(await issue(deployment))["lease"]["id"] for _ in range(2)]
    return {
        "issue_lease": {"role": "app-reader"},
        "read_role": {"role": "app-reader"},
        "read_policy": {"name": "readers"},
        "write_auth_role": {"name": "readers-of-mine"},
        "read_auth_role": {"name": "readers-of-mine"},
        "read_lease": {"id": held},
        "renew_lease": {"id": held},
        "revoke_lease": {"id": going},
    }
