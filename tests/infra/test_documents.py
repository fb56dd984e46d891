from __future__ import annotations

import hashlib
import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from infra.package import APP, ARCHIVE
from local.cloud.control.deployment import graph_permissions
from local.snapshots import INFRA
from shared import settings
from shared.core.azure_codes import GRAPH, RESOURCE_MANAGER
from shared.core.names import RoleName
from shared.triggers.http.problem import meaning_of
from tests.fakes.world import role, world
from tests.triggers.app import App

ROOT = INFRA.parent
DEPLOY = ROOT / "docs" / "deploy.md"
THREATS = ROOT / "docs" / "threat-model.md"
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "local" / "COVERAGE.md",
    ROOT / "samples" / "README.md",
    ROOT / "tests" / "README.md",
]

LONGEST_LINE = 120


def _named(pattern: str) -> list[str]:
    return sorted({match for document in DOCUMENTS for match in re.findall(pattern, document.read_text())})


def test_every_setting_is_explained_and_no_other() -> None:
    """In deploy.md's table, wherever several share a line."""
    rows = "\n".join(line.split("|")[1] for line in DEPLOY.read_text().splitlines() if line.startswith("| `LEASEHOLD_"))

    assert settings.known() == set(re.findall(r"`(LEASEHOLD_\w+)`", rows))


def test_every_parameter_is_explained() -> None:
    """In the guide, or at least named there."""
    text = DEPLOY.read_text()
    known = set(re.findall(r"^param (\w+)", (INFRA / "main.bicep").read_text(), re.MULTILINE)) - {"name", "location", "tags"}

    assert "assignableRoles" in known
    assert set() == {name for name in known if f"`{name}`" not in text}


def test_every_permission_that_is_granted_is_explained() -> None:
    """In the table of Microsoft Graph's."""
    granted = graph_permissions(groups=True, caller_groups=True, graph_app_roles=True)

    assert 6 == len(granted)
    assert [] == [each for each in granted if f"`{each}`" not in DEPLOY.read_text()]


def test_no_permission_over_all_applications_is_granted() -> None:
    """It would make the broker whatever it likes to be."""
    granted = " ".join(graph_permissions(groups=True))

    assert None is re.search(r"Application\.ReadWrite\.All|Directory\.ReadWrite\.All|RoleManagement", granted)


@pytest.mark.parametrize("name", _named(r"`(test_\w+)`"))
def test_every_test_that_is_called_as_witness_exists(name: str) -> None:
    """A claim whose test was renamed or dropped is a claim without one."""
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    assert f"def {name}(" in tests


@pytest.mark.parametrize("path", _named(r"`((?:shared|infra|tests|local|docs|samples)/[\w./*-]+)`"))
def test_every_file_that_is_pointed_at_exists(path: str) -> None:
    """In any document; with ``*`` it is a pattern."""
    assert any(ROOT.glob(path))


def test_the_map_of_the_tests_has_every_folder() -> None:
    """``tests/README.md``: a folder that is not there is one that nobody finds."""
    folders = {path.parent.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("*.py")} - {"."}
    mapped = set(re.findall(r"^\| `tests/([\w/]+)/`", (ROOT / "tests" / "README.md").read_text(), re.MULTILINE))

    assert {folder for folder in folders if folder.count("/") < 2} == mapped


async def test_the_logic_apps_action_makes_one_lease_however_often_it_posts() -> None:
    """It posts twice now and then, whatever its retry policy."""
    workflow = json.loads((ROOT / "samples" / "logic-apps" / "workflow.json").read_text())["definition"]
    action = workflow["actions"]["Work_with_a_lease"]["actions"]["Lease_a_token"]["inputs"]
    app, path = App(world(role(name=RoleName("reader-token")))), action["uri"].partition("}")[2]
    sent = {name: value.replace("@{workflow().run.name}", "08584CU00") for name, value in action["headers"].items()}
    answers = [await app.call(action["method"], path, body=action["body"], headers=sent) for _ in range(2)]

    assert [202, 202] == [answer.status for answer in answers]
    assert answers[0].json["lease"]["id"] == answers[1].json["lease"]["id"]
    assert action["headers"]["Idempotency-Key"].startswith("@{workflow().run.name}-")


def test_the_archive_holds_what_the_core_tools_would_publish() -> None:
    """Nothing that the app serves or needs is left behind, and nothing else goes along."""
    rules = [line for line in (ROOT / ".funcignore").read_text().splitlines() if not line.startswith("#")]
    ignored = [rule.removesuffix("/*") for rule in rules if not rule.startswith("!")]
    stored = {path.name for path in ROOT.iterdir() if not any(fnmatch(path.name, rule) for rule in ignored)}

    assert set(APP) == stored | {rule[1:] for rule in rules if rule.startswith("!")}


def test_the_guide_deploys_the_archive_that_is_made_here() -> None:
    """And has nothing built in Azure."""
    commands = "\n".join(re.findall(r"```sh\n(.+?)```", DEPLOY.read_text(), re.DOTALL))

    assert ["--build-remote false"] == re.findall(r"--build-remote \w+", commands)
    assert f"--src {ARCHIVE.relative_to(ROOT)} " in commands
    assert "make package\n" in commands


def test_the_licence_is_there_word_for_word() -> None:
    """As https://www.apache.org/licenses/LICENSE-2.0.txt has it, and as pyproject.toml says."""
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30" == digest
    assert ("Apache-2.0", ["LICENSE"]) == (project["license"], project["license-files"])


def test_what_an_operator_looks_for_is_not_sampled_away() -> None:
    """Requests, what is logged, and failures."""
    telemetry = json.loads((ROOT / "host.json").read_text())["logging"]["applicationInsights"]

    assert {"Request", "Trace", "Exception"} == set(telemetry["samplingSettings"]["excludedTypes"].split(";"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_headings_that_are_linked_to_exist(document: Path) -> None:
    """Within and between the documents."""
    links = re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", document.read_text())
    missing = [anchor for name, anchor in links if anchor not in _anchors(document.parent / name if name else document)]

    assert [] == missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_running_text_has_lines_of_at_most_120_characters(document: Path) -> None:
    """Tables, code blocks and lines with an address may be longer."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    running = [line for line in text.splitlines() if not line.startswith("|") and "://" not in line]

    assert [] == [line for line in running if len(line) > LONGEST_LINE]


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_table_of_azures_codes_has_each_that_the_broker_knows() -> None:
    """With the status and the code that a caller reads."""
    table = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8").partition("## Azure's codes")[2]
    rows = [row.split("|") for row in table.splitlines() if row.startswith("| ")]
    for service, known in (("Resource Manager", RESOURCE_MANAGER), ("Graph", GRAPH)):
        for code, kind in known.items():
            result = [row[3] for row in rows if row[1].strip() == service and f"`{code}`" in row[2]]
            assert [f"{meaning_of(kind).status} `{kind.code}`"] == [
                each.strip()[: len(f"409 `{kind.code}`")] for each in result
            ], code
