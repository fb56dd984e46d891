"""A module of this package in a process of its own, on the stack."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from local.host.process import ROOT
from tests.bench.bench_stack import BenchStack, NotMeasuredError


async def told_by(on: BenchStack, module: str, *arguments: str, seconds: float, token: str = "") -> Any:
    """The JSON document that ``python -m tests.bench.<module>`` prints, in a function host's environment and with the token
    of the leases' holder, or another, as ``BENCH_TOKEN``. Raises ``NotMeasuredError`` when it fails, ``TimeoutError``.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.bench.{module}", *arguments),
        env=on.stack.environment() | {"PYTHONPATH": str(ROOT), "BENCH_TOKEN": token or on.web.token},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            result, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise NotMeasuredError(complaints.decode(errors="replace"))
    return json.loads(result)
