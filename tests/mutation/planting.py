"""Two ways to plant a fault in a running Python.

*Warm*: everything is imported and all tests are collected once, and the fault is put into the function that has it. *Cold*: for
what an import runs; the module is imported with the fault in it, so nothing of the product may have been imported before.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest
from hypothesis import HealthCheck, settings

from tests.mutation.reach import UNWARNED
from tests.mutation.sites import NOTHING, Site, planted
from tests.mutation.trial import Chosen, Trial

_QUIET = ("-q", "-x", "-s", "-p", "no:cacheprovider", *UNWARNED)
_FILES_A_GO = 6
"""Cold: so many test files are collected before the first of their tests runs."""


def cold(root: Path, options: Sequence[str]) -> Callable[[Trial], int]:
    """An attempt for ``run_all``, in a process that has imported nothing of the product."""

    def attempt(trial: Trial) -> int:
        _import_with(root, trial.site)
        files = list(dict.fromkeys(test.partition("::")[0] for test in trial.tests))
        for at in range(0, len(files), _FILES_A_GO):
            code = pytest.main([*_QUIET, *options, *files[at : at + _FILES_A_GO]], plugins=[Chosen(trial.tests)])
            if code != pytest.ExitCode.OK:
                return int(code)
        return int(pytest.ExitCode.OK)

    return attempt


def steady() -> None:
    """Tests that draw examples draw the same ones each time, and none fails because the machine is slow."""
    settings.register_profile("steady", derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    settings.load_profile("steady")


def warm(root: Path, suites: Sequence[str], options: Sequence[str], work: Callable[[Callable[[Trial], int]], None]) -> int:
    """Collects all tests, then gives ``work`` an attempt for ``run_all``. Gives pytest's exit code."""
    return int(pytest.main([*_QUIET, *options, *suites], plugins=[_Warm(root, work)]))


class _Warm:
    """The plugin that works on the faults instead of running the tests."""

    def __init__(self, root: Path, work: Callable[[Callable[[Trial], int]], None]) -> None:
        self._root, self._work = root, work

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """See the class. What lives by now is kept out of the garbage collector's way, and so stays shared memory."""
        gc.collect()
        living = [each for each in gc.get_objects() if isinstance(each, FunctionType)]
        gc.freeze()

        def attempt(trial: Trial) -> int:
            put_into_functions(self._root, trial.site, living)
            chosen = Chosen(trial.tests)
            session.items = chosen.of(session.items)
            session.config.pluginmanager.unregister(self)
            session.config.pluginmanager.register(chosen)
            try:
                session.config.hook.pytest_runtestloop(session=session)
            except session.Failed:
                return int(pytest.ExitCode.TESTS_FAILED)
            return int(pytest.ExitCode.TESTS_FAILED if session.testsfailed else pytest.ExitCode.OK)

        self._work(attempt)
        return True


def put_into_functions(root: Path, site: Site, living: Sequence[FunctionType]) -> None:
    """Changes the code of each function that has the fault. Raises ``LookupError`` where there is none.

    A module that tests import only while they run is imported with the fault in it.
    """
    if _module_of(site) not in sys.modules:
        _import_with(root, site)
        return
    file = root / site.path
    whole, faulty = _compiled(file, NOTHING), _compiled(file, site.number)
    pairs = [(old, new) for old, new in zip(_functions(whole), _functions(faulty), strict=True) if old != new]
    found = [(each, new) for old, new in pairs for each in living if _is(each.__code__, old)]
    if not found and site.number != NOTHING:
        raise LookupError(site.key)
    for function, code in found:
        # A function keeps the closure it was made with: also where a call of super(), which needs it, was what went.
        function.__code__ = code.replace(co_freevars=function.__code__.co_freevars)


def _compiled(file: Path, number: int) -> CodeType:
    return compile(planted(file.read_text(encoding="utf-8"), number), str(file), "exec", dont_inherit=True)


def _is(code: CodeType, other: CodeType) -> bool:
    return code.co_name == other.co_name and code.co_filename == other.co_filename and code == other


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Those that stand in no other function, but in the module, in classes, and in what makes type parameters."""
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if const.co_flags & inspect.CO_OPTIMIZED and not const.co_name.startswith("<generic parameters"):
                yield const
            else:
                yield from _functions(const)


def _import_with(root: Path, site: Site) -> None:
    file = root / site.path
    code = _compiled(file, site.number)
    name = _module_of(site)
    if name in sys.modules:
        raise RuntimeError(f"{name} is imported already")
    sys.meta_path.insert(0, Planter(name, file, code))


def _module_of(site: Site) -> str:
    return site.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class Planter(MetaPathFinder, Loader):
    """Gives the import system one module with the fault in it, and leaves every other alone."""

    def __init__(self, name: str, file: Path, code: CodeType) -> None:
        self._name, self._file, self._code = name, file, code

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See ``MetaPathFinder``."""
        if fullname != self._name:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        where = found.submodule_search_locations if found else None
        spec = spec_from_loader(fullname, self, origin=str(self._file), is_package=where is not None)
        if spec is not None and where is not None:
            spec.submodule_search_locations = list(where)
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """See ``Loader``."""
        module.__file__ = str(self._file)
        exec(self._code, module.__dict__)
