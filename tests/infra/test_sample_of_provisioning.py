"""The web app of ``samples/event-driven``: what Azure's compiler says of it, and that it looks where its secret will lie."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from local.cloud.rbac import builtin_roles
from local.snapshots import INFRA
from tests.infra import compiler

SAMPLE = INFRA.parent / "samples" / "event-driven"
ROLES = SAMPLE.parent / "roles"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sample beside the rules of the linter that the product's own templates keep."""
    copy = shutil.copytree(SAMPLE, tmp_path / "event-driven")
    shutil.copy(INFRA / "bicepconfig.json", copy)
    return copy


@pytest.fixture
def made(bicep: str, folder: Path) -> list[dict[str, Any]]:
    """What a deployment comes down to."""
    parameters = folder / "site.bicepparam"
    text = parameters.read_text(encoding="utf-8")
    parameters.write_text(text.replace("<web app>", "shop").replace("<vault>", "kv-app"), encoding="utf-8")
    done = compiler.snapshot(bicep, parameters, "overwrite")
    assert 0 == done.returncode, done.stdout
    document = json.loads((folder / "site.snapshot.json").read_text(encoding="utf-8"))
    assert [] == document["diagnostics"]
    found: list[dict[str, Any]] = document["predictedResources"]
    return found


def test_it_is_built_without_a_diagnostic(bicep: str, folder: Path) -> None:
    """By every rule of the linter, and formatted as the compiler does it."""
    built = compiler.run(bicep, "build", "site.bicep", cwd=folder)
    linted = [compiler.run(bicep, "lint", "--pattern", f"*.{kind}", cwd=folder) for kind in ("bicep", "bicepparam")]
    for kind in ("bicep", "bicepparam"):
        compiler.run(bicep, "format", "--pattern", f"*.{kind}", cwd=folder)

    assert [(0, "")] * 3 == [(each.returncode, each.stdout) for each in (built, *linted)]
    assert [] == [path.name for path in SAMPLE.glob("*.bicep*") if path.read_bytes() != (folder / path.name).read_bytes()]


def test_the_web_app_may_read_its_own_secret_and_no_other(made: list[dict[str, Any]]) -> None:
    """With its own identity, at the secret that has this identity in its name."""
    (site,) = [each for each in made if each["type"] == "Microsoft.Web/sites"]
    (right,) = [each for each in made if each["type"] == "Microsoft.Authorization/roleAssignments"]
    own = rf"reference\('{re.escape(site['id'])}', '[\d-]+', 'full'\)\.identity\.principalId"
    given = right["properties"]

    assert {"type": "SystemAssigned"} == site["identity"]
    assert re.fullmatch(rf"\[{own}\]", given["principalId"])
    assert "Key Vault Secrets User" == builtin_roles.BY_NAME[given["roleDefinitionId"].rpartition("/")[2]].role_name
    assert re.search(rf"Microsoft\.KeyVault/vaults/secrets', 'kv-app', format\('app-\{{0\}}', {own}\)\)", right["id"])


def test_the_web_app_is_told_where_its_secret_lies_and_no_secret(made: list[dict[str, Any]]) -> None:
    """By the name that the role gives, without a version: the newest is read."""
    (settings,) = [each for each in made if each["type"] == "Microsoft.Web/sites/config"]
    role = json.loads((ROLES / "site-app.json").read_text(encoding="utf-8"))

    assert ["CREDENTIAL_ADDRESS"] == [*settings["properties"]]
    assert "app-{holder}" == role["delivery"]["name"]
    assert "/secrets/app-" in settings["properties"]["CREDENTIAL_ADDRESS"]


def test_the_rules_lend_no_more_than_the_role_says() -> None:
    """Both speak of the same web apps; the second ends what the first one has issued."""
    issuing, revoking = (
        json.loads((SAMPLE / f"sites-{each}.json").read_text(encoding="utf-8")) for each in ("made", "deleted")
    )
    role = json.loads((ROLES / "site-app.json").read_text(encoding="utf-8"))

    assert (issuing["source"], issuing["subject"]) == (revoking["source"], revoking["subject"])
    assert [issuing["subject"]] == role["bound_resource_ids"]
    assert issuing["action"]["issue"]["delivery"]["vault"] in role["delivery"]["vaults"]
    assert {"revoke": {"of": "rule:sites-made"}} == revoking["action"]
