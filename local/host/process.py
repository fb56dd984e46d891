"""A function host as a child process, for whoever needs to start, kill and restart one."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local.children import Child, free_ports
from local.host.options import packages

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 30.0
"""Seconds for indexing the app: the first start after set-up compiles what it imports."""


@dataclass(slots=True)
class FunctionHost:
    """One host over the app in ``app``, with exactly this environment. A port of 0 means any free one.

    Starting it again after ``kill9`` or ``stop`` takes the same port, so that its URL stays.
    """

    app: Path
    environment: Mapping[str, str]
    port: int = 0
    grace: float = 10.0
    echo: bool = False
    _child: Child | None = field(default=None, init=False)
    _url: str = field(default="", init=False)

    async def __aenter__(self) -> Self:
        """Starts it."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops it."""
        await self.stop()

    async def start(self) -> None:
        """Returns when it answers. Raises ``ChildError``, with what it wrote, when it does not come up."""
        self.port = self.port or free_ports(1)[0]
        command = [sys.executable, "-m", "local.host", "--app", str(self.app), "--port", str(self.port)]
        command += ["--grace", str(self.grace), "--tethered"]
        environment = {
            **self.environment,
            "PYTHONPATH": os.pathsep.join([*packages(self.app), str(ROOT)]),
            "PYTHONUNBUFFERED": "1",
        }
        self._child = await Child.spawn("function host", command, environment, echo=self.echo)
        try:
            (ready, *_) = await self._child.lines_with("ready http://", within=READY_WITHIN)
        except BaseException:
            await self._child.kill9()
            raise
        self._url = ready.removeprefix("ready ")

    @property
    def child(self) -> Child:
        """The process, once started."""
        if self._child is None:
            raise RuntimeError("the function host was not started")
        return self._child

    @property
    def started(self) -> bool:
        """Whether there is a process, running or ended."""
        return self._child is not None

    @property
    def url(self) -> str:
        """Its origin: ``http://127.0.0.1:<port>``."""
        return self._url

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.child.process.pid

    @property
    def output(self) -> list[str]:
        """The last lines it wrote to its standard output and error."""
        return list(self.child.lines)

    async def kill9(self) -> None:
        """Ends it as a crash would."""
        await self.child.kill9()

    async def stop(self) -> int:
        """Lets running functions finish, within the grace, and gives its exit status."""
        return await self.child.stop(grace=self.grace + 5)
