"""``docs/architecture.md`` lists the broker's own functions on the way from a verb to a call: these lists are what runs."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

import pytest
import pytest_asyncio

from local.host.process import ROOT
from tests.by_hand import make_due
from tests.e2e.conftest import Deployment
from tests.support.paths import Sent

pytestmark = pytest.mark.asyncio(loop_scope="session")
GROUPS = True
ROLE = "paths"
EDGE = "A request, down to its verb"
ISSUE = "An issue, down to `PATCH /applications`"
PATHS = {
    ISSUE: ("issue", "PATCH", r"/v1\.0/applications\("),
    "An issue, down to the secret": ("issue", "POST", r"/v1\.0/applications/[^/]+/addPassword$"),
    "An issue, down to a role assignment": ("issue", "PUT", r"/roleAssignments/"),
    "A revocation, down to `DELETE /servicePrincipals`": ("revoke", "DELETE", r"/v1\.0/servicePrincipals/"),
    "A revocation, down to a role assignment": ("revoke", "DELETE", r"/roleAssignments/"),
    "A sweep, down to Graph's `$batch`": ("sweep", "POST", r"/v1\.0/\$batch$"),
    "A renewal, down to storage": ("renew", "POST", r"/devstoreaccount1/\$batch$"),
}
"""For each entry of the list: the verb, and the request that is its end."""

type Recorded = dict[str, list[Sent]]


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def recorded(running: Deployment) -> Recorded:
    """What each verb has sent, and by which functions."""
    admin = await running.broker("admin")
    groups = [await running.visitor.control("POST", "groups", {"name": f"paths-{number}"}) for number in range(2)]
    document: dict[str, Any] = {
        "type": "service_principal",
        "ready": "none",
        "ttl": "1h",
        "azure_roles": [{"role_name": "Reader", "scope": running.app}],
        "azure_groups": [{"object_id": each["object_id"]} for each in groups],
    }
    await admin.must("PUT", f"roles/{ROLE}", document)
    await admin.must("POST", f"roles/{ROLE}/leases", {})
    assert 1 == await make_due(running.stack, ROLE)
    environment = running.stack.environment() | {"PYTHONPATH": str(ROOT), "BENCH_TOKEN": admin.token}
    module = (sys.executable, "-m", "tests.support.paths", ROLE)
    run = await asyncio.create_subprocess_exec(*module, env=environment, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    printed, _ = await run.communicate()
    assert 0 == run.returncode
    found: Recorded = json.loads(printed)
    return found


def listed() -> dict[str, list[str]]:
    """The entries of the section, by their titles."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("\n## From a verb to a call\n")[2].partition("\n## ")[0]
    entries = (" ".join(each.split()) for each in section.split("\n* ")[1:])
    return {title: re.findall(r"`([^`]+)`", names) for title, _, names in (each.partition(": ") for each in entries)}


def ways(recorded: Recorded, title: str) -> tuple[list[str], list[str]]:
    """The functions that lead to the verb of the first such call, and those from the verb down."""
    verb, method, address = PATHS[title]
    return next((before, names) for sent, url, before, names in recorded[verb] if sent == method and re.search(address, url))


@pytest.mark.parametrize("title", PATHS)
async def test_the_documents_list_the_functions_on_the_way_to_a_call(recorded: Recorded, title: str) -> None:
    """Each by its name, the verb first. If this fails, ask whether a reader needs the longer way, and write the new list."""
    _, names = ways(recorded, title)
    assert names == listed()[title]


async def test_the_documents_list_the_functions_on_the_way_to_a_verb(recorded: Recorded) -> None:
    """From the function that the host calls, to the handler."""
    before, _ = ways(recorded, ISSUE)
    assert before == listed()[EDGE]


async def test_the_documents_list_no_other_way() -> None:
    """An entry that nothing records would grow old."""
    assert [EDGE, *PATHS] == [*listed()]


async def test_an_issue_reaches_graph_in_twelve_functions_at_most() -> None:
    """All that a reader has to follow, from the function that the host calls down to Azure."""
    assert len(listed()[EDGE] + listed()[ISSUE]) <= 12
