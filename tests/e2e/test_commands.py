"""The commands of the documents, as they stand there: run in a shell twice in a row, over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from local import up
from local.cloud.rbac import builtin_roles
from local.host.process import ROOT
from local.sample import ACCOUNTS
from local.stack import Stack
from tests.e2e.conftest import NEVER, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SOON = 90.0
_STRICT = """
set -euo pipefail
curl() { command curl --fail-with-body --no-progress-meter --write-out '\\n' "$@"; }
az() { echo "$ADMINS_TOKEN"; }
"""
"""Whatever the broker refuses ends the shell. Signing in is Azure's."""


def commands(document: str) -> list[str]:
    """A document's blocks of commands to the broker, in their order."""
    blocks = _BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))
    return [block for block in blocks if re.search(r"^ *curl |[(]curl ", block, re.MULTILINE)]


@pytest_asyncio.fixture(loop_scope="session")
async def own() -> AsyncIterator[Deployment]:
    """A stack of its own, as ``make up`` makes it: the commands delete roles."""
    wanted = Stack(sweep_schedule=NEVER, reconcile_schedule=NEVER, settings=up.EVENTS)
    async with wanted as stack, stack.visitor() as visitor:
        await up.configure(stack)
        yield Deployment(stack, visitor)


async def run(deployment: Deployment, script: str, folder: Path) -> str:
    """What it prints, in a shell of its own. Fails where a command does."""
    token = await deployment.visitor.token("admin", deployment.audience)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", _STRICT + script),
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "ADMINS_TOKEN": token},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    result, _ = await process.communicate()
    assert process.returncode == 0, result.decode()
    return result.decode()


def tried(deployment: Deployment, document: str) -> str:
    """The commands of its section "Try it", to this stack instead of that of ``make up``."""
    section = (ROOT / document).read_text(encoding="utf-8").partition("\n## Try it\n")[2].partition("\n## ")[0]
    script = "\n".join(_BLOCK.findall(section))
    there = {
        "http://127.0.0.1:7071": deployment.stack.url,
        "http://127.0.0.1:7070/_control": deployment.visitor.control_url,
        ".local/cloud/ca.pem": str(deployment.stack.ca_bundle),
    }
    for here, other in there.items():
        assert here in script
        script = script.replace(here, other)
    return script


def answers(result: str) -> list[dict[str, Any]]:
    """The broker's, of what was printed."""
    return [json.loads(line) for line in result.splitlines() if line.startswith("{")]


async def leases(deployment: Deployment, state: str) -> list[str]:
    """Of that state, the newest first."""
    listed = await (await deployment.broker("admin")).must("GET", f"leases?state={state}")
    return [each["id"] for each in listed["leases"]]


async def test_the_commands_of_the_readme_work_twice_in_a_row(own: Deployment, tmp_path: Path) -> None:
    """Each time a lease is issued, and that very one is found, renewed and given back.

    A role, a policy and an auth role are written. A question is answered, by the bounds of the role.
    """
    script = "\n".join(commands("README.md"))
    assert ":7071/" in script
    assert ":7070/_control" in script
    script = script.replace("http://127.0.0.1:7071", own.stack.url).replace(
        "http://127.0.0.1:7070/_control", own.visitor.control_url
    )
    for times in (1, 2):
        found = answers(await run(own, script, tmp_path))
        issued, listed, renewed, ended, role, _, policy, auth_role, holes, filled, explained = found
        assert issued["lease"]["id"] == listed["leases"][0]["id"] == renewed["id"] == ended["id"]
        assert ("active", "ended", "data-reader") == (renewed["state"], ended["state"], role["name"])
        assert ("data-readers", ["data-readers"]) == (policy["name"], auth_role["policies"])
        assert [*holes["parameters"]] == [*filled["lease"]["parameters"]] == ["resource_group", "storage_account_name"]
        await (await own.broker("vm-web")).must("DELETE", f"leases/{filled['lease']['id']}")
        assert ("allowed", {"inline": "data-reader"}) == (explained["decision"], explained["decided_by"])
        assert (2 * times, []) == (len(await leases(own, "ended")), await leases(own, "active"))


async def test_the_commands_of_the_guide_to_deliveries_work_twice_in_a_row(own: Deployment) -> None:
    """Each time another secret is read in the vault, and its version is shut at the end."""
    read = list[str]()
    for _ in range(2):
        role, issued, right, secret, ended = answers(await run(own, tried(own, "docs/delivery.md"), ROOT))
        assert ("reader-delivered", "Key Vault Secrets User") == (role["name"], _role_of(right))
        assert issued["credential"]["key_vault_secret_id"] == secret["id"]
        assert ("ended", "ended") == (ended["state"], ended["delivery"]["state"])
        read.append(json.loads(secret["value"])["client_secret"])
    assert 2 == len({*read})


async def test_the_commands_of_the_guide_to_events_work(own: Deployment) -> None:
    """A lease for which nobody has asked is issued and ended, and both are published."""
    async with asyncio.timeout(_SOON):
        found = answers(await run(own, tried(own, "docs/events.md"), ROOT))
    (lease,) = [each for each in found if "delivery" in each and "holder" in each]
    (site,) = [each for each in found if each.get("type") == "Microsoft.Web/sites"]
    assert ("active", site["identity"]["principalId"]) == (lease["state"], lease["holder"]["object_id"])
    assert f"app-{site['identity']['principalId']}" == lease["delivery"]["name"]
    published = [each["type"] for each in found if each.get("subject") == f"roles/site-app/leases/{lease['id']}"]
    assert ["leasehold.lease.ended", "leasehold.lease.issued"] == sorted(published)


async def test_the_commands_of_the_samples_write_roles_and_rules(own: Deployment, tmp_path: Path) -> None:
    """In a copy in which vault and storage account are filled in."""
    for path in (ROOT / "samples").rglob("*.json"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        copy.write_text(text.replace("<vault>", "app").replace("<storage account>", ACCOUNTS["app"]), encoding="utf-8")
    script = "\n".join(commands("samples/README.md"))
    placeholders = {
        "<url>": own.stack.url,
        "<audience>": own.audience,
        "<subscription id>": str(own.stack.described["subscription_id"]),
        "<object id>": own.object_id("vm-web"),
        "<name of the vault>": "app",
    }
    for placeholder, value in placeholders.items():
        assert placeholder in script
        script = script.replace(placeholder, value)
    written = [each["name"] for each in answers(await run(own, script, tmp_path))]
    roles = [f"reader-{each}" for each in ("token", "federated", "certificate", "secret")]
    assert [*roles, "site-app", "sites-made", "sites-deleted"] == written


def _role_of(assignment: dict[str, Any]) -> str:
    """The name of the role that is assigned."""
    return builtin_roles.BY_NAME[assignment["role_definition_id"].rpartition("/")[2]].role_name


async def test_the_commands_of_the_guide_work_twice_in_a_row(own: Deployment, tmp_path: Path) -> None:
    """The first lease, twice; then taking everything back, twice."""
    first, last = commands("docs/deploy.md")
    placeholders = {
        "<url>": own.stack.url,
        "<audience>": own.audience,
        "<subscription>": own.stack.described["subscription_id"],
        "<object id of a managed identity>": own.object_id("vm-web"),
    }
    for placeholder, value in placeholders.items():
        assert placeholder in first
        first = first.replace(placeholder, value)
    for _ in range(2):
        issued = answers(await run(own, first, tmp_path))[-1]
        assert ("app-reader", "active") == (issued["lease"]["role"], issued["lease"]["state"])
    connect = "\n".join(line for line in first.splitlines() if line.startswith(("broker=", "ADMIN=")))
    for _ in range(2):
        await run(own, f"{connect}\n{last}", tmp_path)
        assert [] == (await (await own.broker("admin")).must("GET", "roles"))["roles"]
    assert 2 == len(await leases(own, "ended"))
    result = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert "delete_role" in {each["operation"] for each in result["events"]}
