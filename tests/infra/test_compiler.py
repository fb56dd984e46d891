from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from local.snapshots import FOLDER, GROUP, INFRA, SUBSCRIPTION, TENANT
from tests.infra import compiler

SETS = sorted(FOLDER.glob("*.bicepparam"))
NOT_ALWAYS_ON = {
    "use-recent-api-versions",
    "use-recent-az-powershell-version",
    "use-recent-module-versions",
    "what-if-short-circuiting",
}


@pytest.mark.parametrize("kind", ["bicep", "bicepparam"])
def test_compiles_without_a_diagnostic(bicep: str, kind: str) -> None:
    """Every file, by every rule that is on: errors, warnings and advice alike."""
    done = compiler.run(bicep, "lint", "--pattern", f"**/*.{kind}", cwd=INFRA)

    assert (0, "") == (done.returncode, done.stdout)


def test_the_linter_is_listened_to(bicep: str, copy: Path) -> None:
    """What it finds is an error, and fails the test above."""
    with (copy / "main.bicep").open("a") as file:
        file.write("\nvar unused = 1\n")

    done = compiler.run(bicep, "lint", "main.bicep", cwd=copy)

    assert 1 == done.returncode
    assert {"no-unused-vars", "use-description-vars"} == set(re.findall(r"Error ([\w-]+):", done.stdout))


def test_every_rule_is_on_but_those_with_a_reason() -> None:
    """Each of the exceptions has a comment right above."""
    text = (INFRA / "bicepconfig.json").read_text()
    rules = re.findall(r'^( *//.*\n)? +"([\w-]+)": \{ "level": "(\w+)" \}', text, re.MULTILINE)

    assert NOT_ALWAYS_ON == {name for comment, name, level in rules if level != "error"}
    assert NOT_ALWAYS_ON == {name for comment, name, level in rules if comment}


def test_is_formatted(bicep: str, copy: Path) -> None:
    """As the compiler itself does it."""
    for kind in ("bicep", "bicepparam"):
        assert 0 == compiler.run(bicep, "format", "--pattern", f"**/*.{kind}", cwd=copy).returncode

    files = [each.relative_to(copy) for each in copy.rglob("*.bicep*")]
    assert [] == [str(each) for each in files if (copy / each).read_bytes() != (INFRA / each).read_bytes()]


@pytest.mark.parametrize("parameters", SETS, ids=lambda path: path.stem)
def test_the_snapshots_are_current(bicep: str, parameters: Path) -> None:
    """``make snapshots`` makes them anew."""
    done = compiler.snapshot(bicep, parameters, "validate")

    assert (0, "") == (done.returncode, done.stdout)


def test_a_change_of_the_template_shows_in_the_snapshots(bicep: str, copy: Path) -> None:
    """The test above can fail."""
    module = copy / "modules" / "storage.bicep"
    module.write_text(module.read_text().replace("allowSharedKeyAccess: false", "allowSharedKeyAccess: true"))

    assert 0 != compiler.snapshot(bicep, copy / "snapshots" / "storage.bicepparam", "validate").returncode


def test_there_is_a_snapshot_of_every_parameter_set_and_no_other() -> None:
    """Nothing that nobody keeps current."""
    assert {path.stem for path in SETS} == {path.name.removesuffix(".snapshot.json") for path in FOLDER.glob("*.json")}


@pytest.mark.parametrize("place", ["protectedIdentities", "grantResourceGroups", "grantSubscriptions"])
def test_a_parameter_that_is_still_all_zeros_is_refused(bicep: str, copy: Path, place: str) -> None:
    """Before anything is deployed, whichever it is: the sample as it stands is none to deploy."""
    zeros = "00000000-0000-0000-0000-000000000000"
    values = {
        "protectedIdentities": f"['{zeros}']",
        "grantResourceGroups": f"[{{ subscriptionId: '{zeros}', name: 'app' }}]",
        "grantSubscriptions": f"['{zeros}']",
    }
    parameters = copy / "snapshots" / "plain.bicepparam"
    stored = [line for line in parameters.read_text().splitlines() if not line.startswith(f"param {place} ")]
    parameters.write_text("\n".join([*stored, f"param {place} = {values[place]}", ""]))

    done = compiler.snapshot(bicep, parameters, "overwrite")

    assert 1 == done.returncode
    assert "a GUID is still all zeros" in done.stdout


@pytest.mark.parametrize("message", [None, "", "yes", "The broker may assign roles in its own subscription"])
def test_a_grant_on_its_own_subscription_takes_words(bicep: str, copy: Path, message: str | None) -> None:
    """It reaches the broker itself, so nobody gives it by the way; the case of the GUID does not matter."""
    parameters = copy / "snapshots" / "plain.bicepparam"
    stored = [line for line in parameters.read_text().splitlines() if not line.startswith("param grantSubscriptions ")]
    words = [] if message is None else [f"param ownSubscription = '{message}'"]
    parameters.write_text("\n".join([*stored, f"param grantSubscriptions = ['{SUBSCRIPTION.upper()}']", *words, ""]))

    done = compiler.snapshot(bicep, parameters, "overwrite")

    assert (0 if message and message.startswith("The broker may") else 1) == done.returncode
    assert (not message) is ("has to say so in words" in done.stdout)


@pytest.mark.parametrize(("name", "refused"), [(GROUP, True), (GROUP.upper(), True), ("app", False)])
def test_a_grant_on_its_own_group_is_refused(bicep: str, copy: Path, name: str, *, refused: bool) -> None:
    """It is the shortest way to the broker itself, and no words allow it; a namesake elsewhere is another group."""
    parameters = copy / "snapshots" / "plain.bicepparam"
    stored = [line for line in parameters.read_text().splitlines() if not line.startswith("param grantResourceGroups ")]
    elsewhere = f"{{ subscriptionId: '{TENANT}', name: '{GROUP}' }}"
    groups = f"[{{ subscriptionId: '{SUBSCRIPTION.upper()}', name: '{name}' }}, {elsewhere}]"
    parameters.write_text("\n".join([*stored, f"param grantResourceGroups = {groups}", ""]))

    done = compiler.snapshot(bicep, parameters, "overwrite")

    assert (1 if refused else 0, refused) == (done.returncode, "own resource group" in done.stdout)


def test_the_sample_is_refused_as_it_stands(bicep: str, copy: Path) -> None:
    """Whoever forgets to fill it in is told; its audience is of zeros, too."""
    done = compiler.snapshot(bicep, copy / "main.bicepparam", "overwrite")

    assert (1, True) == (done.returncode, "a GUID is still all zeros" in done.stdout)


def test_a_snapshot_says_nothing_of_mistakes() -> None:
    """The compiler had nothing to say when it made them."""
    assert [] == [path.name for path in FOLDER.glob("*.json") if json.loads(path.read_text())["diagnostics"]]


def test_a_compiler_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nothing is left out where everything has to be tested."""
    monkeypatch.setenv("BICEP", "/nowhere/bicep")

    with pytest.raises(FileNotFoundError):
        compiler.found()
