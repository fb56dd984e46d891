"""What ``make mutation`` rests on: where faults can be planted, and that a trial tells a noticed one from one that is not."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from tests.mutation.__main__ import EQUIVALENT, FOLDER, ROOT, Verdict
from tests.mutation.reach import IMPORT, Reach
from tests.mutation.sites import NOTHING, Site, planted, sites
from tests.mutation.trial import Outcome, outcome


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", {"a <= b"}),
        ("a and b", {"a or b"}),
        ("not a", {"a"}),
        ("a + b", {"a - b"}),
        ("x = 5", {"6"}),
        ("x = True", {"False"}),
        ("x = 'gone'", {"'gonex'"}),
        ("x = {A.b, A.c}", {"{A.b}", "{A.c}"}),
        ("f()", {"pass"}),
        ("def f():\n    return a", {"return None"}),
        ("for a in b:\n    continue", {"break"}),
        ("[a for a in b if a.c]", {"for a"}),
        ("now() < b", {"now() > b"}),
        ("def f():\n    return False", {"True"}),
        ("try:\n    a = b\nexcept ValueError:\n    a = c", {"except ()"}),
        ("try:\n    a = b\nexcept (C, D):\n    a = c", {"except Exception", "except (C,)", "except (D,)"}),
    ],
)
def test_finds_the_faults_of_each_kind(source: str, expected: set[str]) -> None:
    """No more and no fewer."""
    assert expected == {site.after for site in sites("a.py", source)}


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "log.warning('x', 1)",
        "if a < 1:\n    log.warning('x', 1)",
        "x: Literal['a'] | None",
        "class P(Protocol):\n    x = 1",
        "if TYPE_CHECKING:\n    x = 1",
        "from a import b",
        "x = 'A sentence for readers.'",
        "__all__ = ['a', 'b']",
        "a = zip(b, c, strict=True)",
        "def f():\n    return None",
    ],
)
def test_leaves_alone_what_no_test_could_notice(source: str) -> None:
    """Words for readers and for type checkers."""
    assert [] == sites("a.py", source)


def test_plants_one_fault_and_nothing_else() -> None:
    """The second of two alike."""
    source = "a = 1\nb = 1\n"
    second = sites("a.py", source)[1]
    assert "a = 1\nb = 1" == ast.unparse(planted(source, NOTHING))
    assert "a = 1\nb = 2" == ast.unparse(planted(source, second.number))


def test_every_fault_of_the_product_can_be_compiled() -> None:
    """A fault that is no Python would count as noticed."""
    for file in (ROOT / FOLDER).rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        for site in sites(file.name, source)[::101]:
            compile(planted(source, site.number), str(file), "exec")


def test_every_excuse_names_one_fault_and_gives_a_reason() -> None:
    """Of a module that there is. Those whose fault has gone are told by the run."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]
    named = [entry["fault"] for entry in entries]
    assert len({*named}) == len(named)
    assert all((ROOT / name.partition(" ")[0]).is_file() and " -> " in name for name in named)
    assert all(len(entry["reason"]) > 20 for entry in entries)


def test_lines_that_only_an_import_runs_are_reached_by_the_files_tests() -> None:
    """A constant is used by whatever runs the functions beside it."""
    reach = Reach({"a.py:1": [IMPORT], "a.py:5": ["t1"], "b.py:1": ["t2"]})
    assert {"t1"} == reach.tests("a.py", 1, 1)
    assert {"t2"} == reach.tests("b.py", 1, 1)


def test_a_folder_below_its_target_is_not_good_enough() -> None:
    """However good the whole is."""
    made = [Site(f"shared/core/{n}.py", n, "f", 1, 1, "truth", "a", "b") for n in range(98)]
    odd = [Site("shared/cloud/x.py", n, "f", 1, 1, "truth", "a", "b") for n in range(2)]
    noticed = dict.fromkeys(made, Outcome.NOTICED) | {odd[0]: Outcome.HANGS}
    assert Verdict(noticed | {odd[1]: Outcome.NOTICED}).is_good_enough()
    assert not Verdict(noticed | {odd[1]: Outcome.SURVIVED}).is_good_enough()


_RUN = """
import json, sys
from pathlib import Path
from tests.mutation.reach import Reach, measure
from tests.mutation.run import Run, in_a_child
from tests.mutation.sites import sites

root = Path(sys.argv[1])
sys.path.insert(0, str(root))
options = ["--rootdir", str(root), "-c", str(root / "pytest.ini")]
suites = [str(root / "tests" / "unit")]
in_a_child(lambda: measure(root, "sample", suites, options).write(root / "reach.json"))
run = Run(root, suites, Reach.read(root / "reach.json"), lambda *_: None, options)
found = sites("sample/one.py", (root / "sample/one.py").read_text())
print(json.dumps({site.before: outcome for site, outcome in run.outcomes(found).items()}))
"""


def _run_on(root: Path, test: str) -> subprocess.CompletedProcess[str]:
    files = {
        "pytest.ini": """
            [pytest]
            addopts = --import-mode=importlib
            filterwarnings = error
            asyncio_default_fixture_loop_scope = function
            """,
        "sample/__init__.py": "",
        "sample/one.py": """
            LIMIT = 7

            def low(number):
                return number < LIMIT

            def loud(number):
                return number > 100

            class Louder(ValueError):
                def __init__(self):
                    super().__init__()
            """,
        "tests/unit/test_one.py": test,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(text), encoding="utf-8")
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    done = subprocess.run([sys.executable, "-c", path + _RUN, root], cwd=root, check=False, capture_output=True, text=True)
    sys.stderr.write(done.stderr)
    return done


def test_tells_a_fault_that_is_noticed_from_one_that_is_not(tmp_path: Path) -> None:
    """On a module of which a test looks at one half. An import plants the constant; the rest is put into living functions."""
    done = _run_on(
        tmp_path,
        """
            from sample.one import Louder, loud, low

            def test_low():
                assert low(6) and not low(7)

            def test_loud():
                loud(1)
                Louder()
        """,
    )
    assert {
        "7": "noticed",
        "number < LIMIT": "noticed",
        "return number < LIMIT": "noticed",
        "number > 100": "survived",
        "100": "survived",
        "return number > 100": "survived",
        "super().__init__()": "survived",
    } == json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("code", "expected"), [(0, "survived"), (1, "noticed"), (2, "noticed"), (4, "noticed")])
def test_a_fault_with_which_a_test_cannot_even_be_found_is_noticed(code: int, expected: str) -> None:
    """A module that cannot be imported any more, or a case that is called otherwise, is as good as a failure."""
    site = next(iter(sites("a.py", "a < b")))
    assert expected == outcome(site, code << 8)


@pytest.mark.parametrize("code", [3, 5])
def test_a_trial_that_breaks_ends_the_run(code: int) -> None:
    """Nothing was tried."""
    with pytest.raises(RuntimeError):
        outcome(next(iter(sites("a.py", "a < b"))), code << 8)


def test_tells_nothing_where_tests_fail_without_any_fault(tmp_path: Path) -> None:
    """A judge to whom everything is a fault would find every test good."""
    done = _run_on(
        tmp_path,
        """
            import sys
            from sample.one import low

            def test_low():
                assert low(6) and sys.monitoring.get_tool(sys.monitoring.COVERAGE_ID)
        """,
    )
    assert done.returncode != 0
    assert "without any fault" in done.stdout + done.stderr
