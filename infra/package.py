"""``make package``: the app with its libraries for Azure's Linux, as build/leasehold.zip. Nothing is built in Azure.

``python -m infra.package [ARCHIVE]`` installs requirements.txt as locked, from wheels alone, into ``.python_packages``, where
Azure's Python worker looks for an app's libraries. It runs nothing of what it installs, so any machine can make the archive.
The same commit makes the same archive, octet for octet.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = ROOT / "build" / "leasehold.zip"
APP = (
    "function_app.py",
    "host.json",
    "requirements.txt",
    "LICENSE",
    "shared",
    "docs/openapi.json",
    "docs/problems.md",
)
"""What of a checkout is deployed: the same as ``.funcignore`` leaves to the Core Tools."""
LIBRARIES = ".python_packages/lib/site-packages"
_PLATFORM = ("--python-platform", "x86_64-manylinux_2_28", "--python-version", "3.13")
_AS_LOCKED = ("--no-build", "--require-hashes")
_COMMANDS = "bin"
_FAST = 1
_READABLE = 0o100644 << 16
"""A ZIP entry's attributes: a plain file that its owner may write and everybody may read."""


def install(folder: Path) -> None:
    """Puts the locked libraries into the folder. Raises ``CalledProcessError`` when uv cannot."""
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--system-certs"]
    target = ["--python", sys.executable, "--target", str(folder)]
    subprocess.run([*uv, *target, *_PLATFORM, *_AS_LOCKED, "-r", str(ROOT / "requirements.txt")], check=True)  # noqa: S603 - all ours
    _forget_commands(folder)


def _forget_commands(folder: Path) -> None:
    """Nobody runs the libraries' commands there, and each names this machine's Python: the files, and their checksums."""
    shutil.rmtree(folder / _COMMANDS, ignore_errors=True)
    for record in folder.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        # A new file: the one that is there may be the cache's own.
        record.unlink()
        record.write_text("".join(line for line in lines if not line.startswith(f"{_COMMANDS}/")), encoding="utf-8")


def package(archive: Path) -> None:
    """Makes the archive anew. Raises ``CalledProcessError`` when a library cannot be had; then no archive is left."""
    archive.unlink(missing_ok=True)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        install(Path(folder) / LIBRARIES)
        unfinished = Path(folder) / archive.name
        with ZipFile(unfinished, "w") as out:
            _add(out, ROOT, (ROOT / name for name in APP))
            _add(out, Path(folder), [Path(folder) / LIBRARIES])
        unfinished.replace(archive)


def _add(out: ZipFile, base: Path, paths: Iterable[Path]) -> None:
    for path in sorted(file for given in paths for file in _files(given)):
        entry = ZipInfo(path.relative_to(base).as_posix())
        entry.external_attr = _READABLE
        out.writestr(entry, path.read_bytes(), ZIP_DEFLATED, compresslevel=_FAST)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for inner in path.rglob("*"):
        if inner.is_file() and "__pycache__" not in inner.parts:
            yield inner


def main() -> int:
    """The command. Its exit status is 1 when a library cannot be had; uv has said why."""
    archive = Path(sys.argv[1]).resolve() if sys.argv[1:] else ARCHIVE
    try:
        package(archive)
    except subprocess.CalledProcessError:
        return 1
    sys.stdout.write(f"{archive}: {archive.stat().st_size / 1e6:.0f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
