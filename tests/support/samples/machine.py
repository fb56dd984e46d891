"""A machine on which a sample runs unmodified: Azure's own names lead to the local Azure, and time passes faster."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.stack import Stack
from tests.local.sdk.tunnel import tunnel
from tests.support.samples import azure_cli
from tests.support.samples.http_actions import FASTER

_SLEEP = """#!/bin/sh
exec {sleep} "$(awk "BEGIN {{ print $1 / {faster} }}")"
"""
_PYTHON = """#!/bin/sh
exec {python} {program} "$@"
"""
_TIME = """import time
_sleep = time.sleep
time.sleep = lambda seconds: _sleep(seconds / {faster})
"""
_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended."""

    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Its home, and what every program there finds in its environment."""

    home: Path
    environment: Mapping[str, str]

    async def run(self, *command: str, **more: str) -> Done:
        """Runs a program in its home, to its end."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**self.environment, **more},
            cwd=self.home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return Done(process.returncode or 0, output.decode())

    async def python(self, sample: str, **more: str) -> Done:
        """Runs one of the samples with the interpreter of the tests."""
        return await self.run(sys.executable, str(_ROOT / "samples" / sample), **more)


@contextmanager
def machine(stack: Stack, home: Path) -> Iterator[Machine]:
    """A machine before the stack. It has ``az``, which does of the real one what the samples ask of it."""
    tools, library = home / "bin", home / "lib"
    sleep, python = shutil.which("sleep"), sys.executable
    for folder in (tools, library):
        folder.mkdir()
    (tools / "sleep").write_text(_SLEEP.format(sleep=sleep, faster=FASTER))
    (tools / "az").write_text(_PYTHON.format(python=python, program=azure_cli.__file__))
    (tools / "python").write_text(_PYTHON.format(python=python, program=""))
    (library / "sitecustomize.py").write_text(_TIME.format(faster=FASTER))
    for tool in tools.iterdir():
        tool.chmod(0o755)
    with tunnel(int(stack.described["endpoints"]["all_tls"].rpartition(":")[2])) as proxy:
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(library),
            "HOME": str(home),
            "HTTPS_PROXY": proxy,
            **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), stack.ca_bundle),
            "LEASEHOLD_URL": stack.url,
            "LEASEHOLD_AUDIENCE": f"api://{stack.described['audience']}",
        }
        yield Machine(home, environment)
