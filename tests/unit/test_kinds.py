"""A kind of credential is known where it is defined and where it is registered, and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import shared
from shared.kinds.registry import UnknownKind
from tests.fakes.world import guid, world
from tests.support.kinds import SCHEMAS
from tests.support.toy_kind import BadgeFootprint, BadgeTarget, badge

ROOT = Path(shared.__file__).parent
FOLDERS = ("core", "resilience", "kinds", "broker", "triggers", "cloud/storage")
"""Azure has words of its own that are like a kind's name, so that other folders of ``cloud`` may hold them."""


def words(tree: ast.AST) -> Iterator[str]:
    """Every name and every text that the code has; not what its docstrings say."""
    result = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in result:
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield name
            case ast.ImportFrom(module=str(name)):
                yield name
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name


def names_a_kind(word: str) -> bool:
    """Whether it is a kind's name, holds it as a word, or begins with it as classes do."""
    kinds = [kind.type for kind in SCHEMAS]
    return any(re.search(rf"\b{kind}\b", word) or word.startswith(kind.title().replace("_", "")) for kind in kinds)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_kind_of_credential_is_known_by_name(folder: str) -> None:
    """So that a new one changes nothing there."""
    found = {
        f"{path.relative_to(ROOT)}: {word}"
        for path in (ROOT / folder).rglob("*.py")
        for word in words(ast.parse(path.read_text(encoding="utf-8")))
        if names_a_kind(word)
    }
    assert set() == found


@pytest.mark.parametrize(
    "code",
    [
        "from shared.issuers.service_principal import schema",
        "import shared.issuers.application_secret.schema",
        "if role.type == 'service_principal': pass",
        "match target:\n case ServicePrincipalTarget(): pass",
    ],
)
def test_a_kind_that_is_named_would_be_noticed(code: str) -> None:
    """In an import, in a text, as a class."""
    assert [word for word in words(ast.parse(code)) if names_a_kind(word)]


def test_what_is_only_called_alike_is_no_kind() -> None:
    """Whoever may issue is named by the ids of service principals."""
    code = '"""Of a service_principal."""\nservice_principal_ids = document["bound_service_principal_ids"]'
    assert [] == [word for word in words(ast.parse(code)) if names_a_kind(word)]


def test_kinds_are_found_by_what_they_have_made() -> None:
    """A role's target, a footprint, a name; a broker without the kind says so."""
    made = world(kinds=(badge,))
    kinds = made.ports.kinds
    footprint = BadgeFootprint("n", "north", str(guid(1)))
    assert {"badge"} == {kinds.of(BadgeTarget("north")).type, kinds.of(footprint).type}
    assert footprint == kinds.read_footprint(kinds.write_footprint(footprint))
    assert None is SCHEMAS.find("badge")
    with pytest.raises(UnknownKind, match="no kind 'badge'"):
        SCHEMAS.of(footprint)
    with pytest.raises(UnknownKind, match="later version"):
        SCHEMAS.read_footprint(kinds.write_footprint(footprint))


def test_what_either_of_two_footprints_knows_is_combined() -> None:
    """Of whatever kind."""
    kinds = world(kinds=(badge,)).ports.kinds
    planned, made = BadgeFootprint("n", "north"), BadgeFootprint("n", "north", "7")
    assert [made, made] == [kinds.combined(planned, made), kinds.combined(made, planned)]
