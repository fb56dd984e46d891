"""One word for one thing: names that were given up for the field's own are defined nowhere. docs/words.md has the others."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RETIRED = frozenset(
    {
        "Outside",
        "Visit",
        "Hold",
        "held_until",
        "TakingTurns",
        "Turn",
        "Turns",
        "give_back",
        "_Line",
        "_Watch",
        "reissue",
        "retire",
        "_Turn",
        "Patience",
        "keep_trying",
        "begin_in_time",
        "PASSING",
        "REPEATABLE",
        "urgency",
        "Urgency",
        "answering_by",
        "Budget",
        "Budgets",
        "Census",
        "census",
        "Sighting",
        "discarded",
        "set_aside",
        "given_up",
        "let_go",
        "put_off",
        "not_waiting",
        "Tickets",
        "tickets",
        "wired",
        "Wired",
        "WiredOutside",
        "Parts",
        "Journal",
        "journal",
        "Ask",
        "Standing",
        "CallerKind",
        "TakesTurns",
        "several",
        "met_all",
        "Doubtful",
        "furniture",
        "vandals",
        "young",
        "maker",
        "sure",
        "_Bucket",
        "Blow",
        "blow",
        "Deed",
        "deed",
        "Stage",
        "stage",
        "Call",
        "Request",
        "Line",
        "Watch",
        "Furniture",
        "blows",
        "deeds",
        "DEEDS",
        "Vandal",
        "Vandals",
        "vandal",
        "VANDALS",
    }
)
"""With or without underscores before them. ``_Bucket`` alone is retired with its own: others may have a token bucket."""
ALONE = {"Kind": "shared/kinds/kind.py", "World": "tests/fakes/world.py"}
"""Names that stand for one thing: where that is defined. No other file may define them."""
FUNCTIONS = frozenset({"leave", "mark", "look"})
"""As functions. A variable may be called so."""
VARIABLES = frozenset({"told", "said", "met", "kept", "hold"})
"""As parameters and variables of functions. A function or a field may be called so."""
MODULES = frozenset(
    {
        "outside",
        "hold",
        "turns",
        "turn",
        "reissue",
        "patience",
        "urgency",
        "budget",
        "budgets",
        "census",
        "sighting",
        "mark",
        "set_aside",
        "fan_out",
        "wired",
        "account",
        "issue_key",
        "decision",
        "vandals",
        "stage",
        "reading",
        "wire",
        "conditions",
        "tickets",
        "sightings",
        "journal",
        "standing",
        "visit",
        "furniture",
        "blow",
        "blows",
        "deed",
        "deeds",
        "vandal",
    }
)
"""As files and folders."""
TESTED = MODULES - {"wire", "conditions", "reading", "fan_out"}
"""After ``test_``: the tests of a module are called after it. Some words say what is tested."""


@cache
def _paths() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [path for path in listed if path.startswith(("shared/", "local/", "tests/"))]


@cache
def _tree(path: str) -> ast.AST:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def _defined(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name, lineno=line) | ast.AsyncFunctionDef(name=name, lineno=line):
                yield name, line
            case ast.ClassDef(name=name, lineno=line) | ast.TypeVar(name=name, lineno=line):
                yield name, line
            case ast.Attribute(attr=name, ctx=ast.Store(), lineno=line):
                yield name, line
            case _:
                yield from _variable(node)


def _functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno


def _variables(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Of functions, and of the functions in them."""
    outside: list[ast.AST] = [tree]
    for node in outside:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in ast.walk(node):
                yield from _variable(inner)
        else:
            outside.extend(ast.iter_child_nodes(node))


def _variable(node: ast.AST) -> Iterator[tuple[str, int]]:
    match node:
        case ast.arg(arg=name, lineno=line) | ast.Name(id=name, ctx=ast.Store(), lineno=line):
            yield name, line
        case ast.ExceptHandler(name=str(name), lineno=line) | ast.MatchAs(name=str(name), lineno=line):
            yield name, line


@pytest.mark.parametrize("folder", ["shared", "local", "tests"])
def test_no_retired_name_is_defined(folder: str) -> None:
    """As a function, a class, a parameter, a variable or a field."""
    found = [
        f"{path}:{line}: {name}"
        for path in _paths()
        if path.startswith(f"{folder}/")
        for tree in [_tree(path)]
        for names, retired in ((_defined(tree), RETIRED), (_functions(tree), FUNCTIONS), (_variables(tree), VARIABLES))
        for name, line in names
        if retired & {name, name.lstrip("_")}
    ]
    assert [] == found


def test_a_name_of_one_thing_is_defined_once() -> None:
    """A kind is a kind of credential, and the world is the one that the fakes make."""
    found = [
        f"{path}:{line}: {name}"
        for path in _paths()
        for name, line in _defined(_tree(path))
        if name.lstrip("_") in ALONE and ALONE[name.lstrip("_")] != path
    ]
    assert [] == found


def test_no_retired_module_is_there() -> None:
    """By the names of files and of their folders. The tests of a module are called after it."""
    found = [
        path
        for path in _paths()
        if MODULES & {*Path(path).parent.parts, Path(path).stem} or Path(path).stem.removeprefix("test_") in TESTED
    ]
    assert [] == found
