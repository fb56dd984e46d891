"""Making the archive, with a stand-in for the installation; tests/e2e/test_package.py makes it in earnest."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from infra import package

RECORD = f"{package.LIBRARIES}/some-1.0.dist-info/RECORD"


def _installing(python: str, at: int) -> object:
    def install(folder: Path) -> None:
        """A library that brings a command, as uv lays it out."""
        for name, text in (
            ("bin/some", f"#!{python}\n"),
            ("some/__init__.py", "A = 1\n"),
            ("some-1.0.dist-info/RECORD", f"bin/some,sha256={len(python)},9\nsome/__init__.py,,\n"),
        ):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            os.utime(path, (at, at))
        package._forget_commands(folder)

    return install


def test_one_commit_makes_one_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever and wherever it is made."""
    made = []
    for python, at in (("/one/python", 1_700_000_000), ("/another/python", 1_800_000_000)):
        monkeypatch.setattr(package, "install", _installing(python, at))
        package.package(tmp_path / "leasehold.zip")
        made.append((tmp_path / "leasehold.zip").read_bytes())

    assert made[0] == made[1]
    with ZipFile(tmp_path / "leasehold.zip") as archive:
        assert b"some/__init__.py,,\n" == archive.read(RECORD)
        assert {0o100644} == {entry.external_attr >> 16 for entry in archive.infolist()}


def test_no_archive_is_left_of_an_installation_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the former one either: somebody would deploy it."""

    def refuse(_: Path) -> None:
        raise subprocess.CalledProcessError(1, "uv")

    archive = tmp_path / "build" / "leasehold.zip"
    archive.parent.mkdir()
    archive.write_bytes(b"the former one")
    monkeypatch.setattr(package, "install", refuse)
    monkeypatch.setattr("sys.argv", ["package", str(archive)])

    assert 1 == package.main()
    assert [] == list(archive.parent.iterdir())
