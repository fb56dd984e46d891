"""The archive of ``make package``: what runs in Azure, with no library of this checkout's."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from infra import package
from tests.e2e.conftest import Deployment, opened

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the archive's libraries are for Linux x86-64"
)
IMPORTING = """
import pathlib, sys
app = sys.argv[1]
sys.path[:0] = [app, app + "/.python_packages/lib/site-packages"]
import function_app
modules = sorted(path.relative_to(app).with_suffix("") for path in pathlib.Path(app, "shared").rglob("*.py"))
for module in modules:
    __import__(".".join(module.parts))
print(len(modules))
"""


@pytest.fixture(scope="module")
def unpacked() -> Iterator[Path]:
    """The app as Azure lays it out. Skips where there is no package index, and nowhere else."""
    with tempfile.TemporaryDirectory() as folder:
        archive, app = Path(folder) / "leasehold.zip", Path(folder) / "app"
        try:
            package.package(archive)
        except subprocess.CalledProcessError:
            if not _index_answers():
                pytest.skip("no package index can be reached, and uv's cache does not hold every locked wheel")
            raise
        shutil.unpack_archive(archive, app)
        yield app


def _index_answers() -> bool:
    """Whether it names one small package's versions, just now."""
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "--no-cache", "--system-certs", "-"]
    return subprocess.run(uv, input=b"idna", capture_output=True, check=False).returncode == 0


def test_holds_the_app_and_its_libraries_and_nothing_else(unpacked: Path) -> None:
    """The app's files as they are under version control; no file of Python's that was compiled here."""
    with ZipFile(unpacked.with_name("leasehold.zip")) as archive:
        names = {name for name in archive.namelist() if not name.startswith(f"{package.LIBRARIES}/")}
        libraries = [name for name in archive.namelist() if name not in names]
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *package.APP]
    listed = subprocess.run(listing, cwd=package.ROOT, capture_output=True, text=True, check=True)

    assert set(listed.stdout.split()) == names
    assert [] == [name for name in libraries if "__pycache__" in name or name.startswith(f"{package.LIBRARIES}/bin/")]


def test_every_module_finds_its_libraries_in_the_archive(unpacked: Path) -> None:
    """In a Python without a package of its own."""
    alone = [sys.executable, "-I", "-S", "-c", IMPORTING, str(unpacked)]
    ran = subprocess.run(alone, cwd=unpacked, capture_output=True, text=True, check=False)

    assert "" == ran.stderr
    assert len(list((package.ROOT / "shared").rglob("*.py"))) == int(ran.stdout)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_lease_of_each_type_comes_from_the_archive(unpacked: Path, tmp_path: Path) -> None:
    """The function host serves the unpacked app, and what is compiled in its libraries comes out of the archive."""
    async with opened(tmp_path, app=unpacked) as deployment:
        before = await deployment.objects()
        types = [await _leased(deployment, role) for role in ("app-reader", "legacy-app")]
        after = await deployment.objects()
        loaded = _compiled_libraries(deployment.stack.hosts[0].pid)

    libraries = unpacked / package.LIBRARIES
    own = {name: path for name, path in loaded.items() if (libraries / name).exists()}
    assert ["service_principal", "application_secret"] == types
    assert before == after
    assert {"cryptography", "aiohttp", "multidict", "yarl"} <= {Path(name).parts[0] for name in own}
    assert own == {name: libraries / name for name in own}


async def _leased(deployment: Deployment, role: str) -> str:
    """A lease's type. The lease was issued and has ended."""
    machine = await deployment.broker("vm-web")
    answer = await machine.must("POST", f"roles/{role}/leases", {})
    assert answer["credential"]["client_secret"]
    ended = await machine.must("DELETE", f"leases/{answer['lease']['id']}")
    assert "ended" == ended["state"]
    return str(ended["type"])


def _compiled_libraries(pid: int) -> dict[str, Path]:
    """What a process has loaded out of any ``site-packages``, by its name there."""
    mapped = {line.split(maxsplit=5)[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines()}
    return {path.partition("/site-packages/")[2]: Path(path) for path in mapped if "/site-packages/" in path}
